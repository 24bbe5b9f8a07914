"""Circuit breakers of online services, shared by all processes."""

from datetime import datetime, timedelta

import sqlalchemy as sa

from atmr_pipeline.state.schema import service_breaker
from atmr_pipeline.state.store import StateStore
from atmr_pipeline.state.types import UtcDateTime
from atmr_pipeline.state.upsert import insert


def pass_breaker(store: StateStore, service: str, cool_down: timedelta, *, at: datetime) -> datetime | None:
    """Ask whether a request may leave.

    Where the cool-down is over, exactly one caller of all processes passes; the others wait one more cool-down, or
    until that caller reports.

    Returns
    -------
    datetime or None
        None to pass, else the instant before which no request may leave.
    """
    column = service_breaker.c
    query = sa.select(column.open_until).where(column.service == service)
    with store.read() as connection:
        open_until = connection.execute(query).scalar_one_or_none()
    if open_until is None or at < open_until:
        return open_until
    probe_until = at + cool_down
    claim = (
        sa.update(service_breaker)
        .where(column.service == service, column.open_until == open_until)
        .values(open_until=probe_until, updated_at=at)
    )
    with store.begin() as connection:
        return None if connection.execute(claim).rowcount == 1 else probe_until


def close_breaker(store: StateStore, service: str, *, at: datetime) -> None:
    """The service answered: forget its failures."""
    column = service_breaker.c
    marked = (column.service == service, sa.or_(column.failures > 0, column.open_until.is_not(None)))
    with store.read() as connection:
        # The usual case writes nothing, so that answers do not queue for the write lock.
        if connection.execute(sa.select(column.service).where(*marked)).first() is None:
            return
    with store.begin() as connection:
        closed = sa.update(service_breaker).where(*marked)
        connection.execute(closed.values(failures=0, open_until=None, reason=None, updated_at=at))


def count_failure(
    store: StateStore, service: str, kind: str, threshold: int, cool_down: timedelta, *, at: datetime
) -> None:
    """Count one failure; from the ``threshold``-th in a row on, open for the cool-down."""
    column = service_breaker.c
    open_until = sa.literal(at + cool_down, UtcDateTime)
    with store.begin() as connection:
        statement = insert(connection, service_breaker).values(
            service=service,
            failures=1,
            open_until=at + cool_down if threshold <= 1 else None,
            reason=kind,
            updated_at=at,
        )
        opens = column.failures + 1 >= threshold
        statement = statement.on_conflict_do_update(
            index_elements=["service"],
            set_={
                "failures": column.failures + 1,
                "open_until": sa.case((opens, open_until), else_=column.open_until),
                "reason": kind,
                "updated_at": at,
            },
        )
        connection.execute(statement)
