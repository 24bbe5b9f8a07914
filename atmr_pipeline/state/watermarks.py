"""How far each source has been read."""

from datetime import datetime

import sqlalchemy as sa

from atmr_pipeline.state.schema import extraction_watermark
from atmr_pipeline.state.store import StateStore
from atmr_pipeline.state.types import utc_now
from atmr_pipeline.state.upsert import insert, wrote_row


def get_watermark(store: StateStore, source: str) -> datetime | None:
    """The instant up to which a source's changes have been read; None before the first extraction."""
    query = sa.select(extraction_watermark.c.watermark).where(extraction_watermark.c.source == source)
    with store.read() as connection:
        return connection.execute(query).scalar_one_or_none()


def advance_watermark(store: StateStore, source: str, watermark: datetime) -> bool:
    """Move a source's watermark forward; never back, so that a slow old run cannot undo a newer one.

    Returns
    -------
    bool
        True if it moved.
    """
    with store.begin() as connection:
        statement = insert(connection, extraction_watermark).values(
            source=source, watermark=watermark, updated_at=utc_now()
        )
        new = statement.excluded
        statement = statement.on_conflict_do_update(
            index_elements=["source"],
            set_={"watermark": new.watermark, "updated_at": new.updated_at},
            where=extraction_watermark.c.watermark < new.watermark,
        )
        return wrote_row(connection, statement)


def reset_watermark(store: StateStore, source: str) -> None:
    """Forget a watermark: the next extraction reads the source from its beginning."""
    with store.begin() as connection:
        connection.execute(sa.delete(extraction_watermark).where(extraction_watermark.c.source == source))
