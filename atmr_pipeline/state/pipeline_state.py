"""Small named facts that must survive between runs, such as when retraining last happened."""

from typing import Any

import sqlalchemy as sa

from atmr_pipeline.state.schema import pipeline_state
from atmr_pipeline.state.store import StateStore
from atmr_pipeline.state.types import utc_now
from atmr_pipeline.state.upsert import insert


def get_state(store: StateStore, key: str) -> Any:
    """The JSON value under a key; None if it was never set."""
    query = sa.select(pipeline_state.c.value).where(pipeline_state.c.key == key)
    with store.read() as connection:
        return connection.execute(query).scalar_one_or_none()


def set_state(store: StateStore, key: str, value: Any) -> None:
    """Set the JSON value under a key; the last writer wins."""
    with store.begin() as connection:
        statement = insert(connection, pipeline_state).values(key=key, value=value, updated_at=utc_now())
        statement = statement.on_conflict_do_update(
            index_elements=["key"],
            set_={"value": statement.excluded.value, "updated_at": statement.excluded.updated_at},
        )
        connection.execute(statement)
