"""Request slots of online services, one an interval for all processes."""

from collections.abc import Callable
from datetime import datetime, timedelta

import sqlalchemy as sa

from atmr_pipeline.state.schema import service_slot
from atmr_pipeline.state.store import StateStore
from atmr_pipeline.state.types import utc_now
from atmr_pipeline.state.upsert import insert


def take_slot(store: StateStore, service: str, interval_s: float, *, now: Callable[[], datetime] = utc_now) -> float:
    """Take the present slot if it is free.

    Returns
    -------
    float
        0 if taken (the next one is then ``interval_s`` away), else the seconds until the next is free.
    """
    column = service_slot.c
    with store.begin() as connection:
        first = insert(connection, service_slot).values(service=service, next_at=now())
        connection.execute(first.on_conflict_do_nothing(index_elements=["service"]))
        # SQLite's writers already wait for each other; on PostgreSQL the row is the lock.
        query = sa.select(column.next_at).where(column.service == service).with_for_update()
        next_at = connection.execute(query).scalar_one()
        at = now()
        if at < next_at:
            return float((next_at - at).total_seconds())
        taken = sa.update(service_slot).where(column.service == service)
        connection.execute(taken.values(next_at=at + timedelta(seconds=interval_s)))
        return 0.0


def postpone_slot(store: StateStore, service: str, seconds: float, *, now: Callable[[], datetime] = utc_now) -> None:
    """No slot before this many seconds from now; a slot that is later already stays."""
    with store.begin() as connection:
        statement = insert(connection, service_slot).values(service=service, next_at=now() + timedelta(seconds=seconds))
        statement = statement.on_conflict_do_update(
            index_elements=["service"],
            set_={"next_at": statement.excluded.next_at},
            where=service_slot.c.next_at < statement.excluded.next_at,
        )
        connection.execute(statement)
