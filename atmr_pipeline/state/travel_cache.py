"""Travel times that a provider answered, kept by pair of snapped points; from A to B is not from B to A.

Points are coordinates of people's homes: expired rows are worth deleting, see :func:`delete_expired_travel`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

import sqlalchemy as sa

from atmr_pipeline.state.schema import travel_cache
from atmr_pipeline.state.store import StateStore
from atmr_pipeline.state.types import utc_now
from atmr_pipeline.state.upsert import insert

POINTS_PER_QUERY = 400
_KEY = ("provider", "origin", "destination")


@dataclass(frozen=True)
class CachedTravel:
    """One answer: ``minutes`` and ``km`` are None where the provider knows no way; points are snapped ``lat,lon``."""

    provider: str
    origin: str
    destination: str
    minutes: float | None
    km: float | None
    answered_at: datetime
    expires_at: datetime


def read_travel(
    store: StateStore,
    provider: str,
    origins: Sequence[str],
    destinations: Sequence[str],
    *,
    now: datetime | None = None,
) -> list[tuple[str, str, float | None, float | None]]:
    """``(origin, destination, minutes, km)`` of every pair that is kept and has not expired, in no order."""
    column, at = travel_cache.c, now or utc_now()
    kept: list[tuple[str, str, float | None, float | None]] = []
    with store.read() as connection:
        for start in _parts(origins):
            for end in _parts(destinations):
                query = sa.select(column.origin, column.destination, column.minutes, column.km).where(
                    column.provider == provider,
                    column.origin.in_(start),
                    column.destination.in_(end),
                    column.expires_at > at,
                )
                kept += [(row.origin, row.destination, row.minutes, row.km) for row in connection.execute(query)]
    return kept


def write_travel(store: StateStore, answers: Iterable[CachedTravel]) -> None:
    """Keep answers in one transaction; one for the same provider and pair replaces the older."""
    # In one order for all writers: two that lock the same rows in different orders would wait for each other for ever.
    rows = sorted((asdict(answer) for answer in answers), key=lambda row: [row[name] for name in _KEY])
    if not rows:
        return
    with store.begin() as connection:
        statement = insert(connection, travel_cache)
        statement = statement.on_conflict_do_update(
            index_elements=list(_KEY),
            set_={name: statement.excluded[name] for name in rows[0] if name not in _KEY},
        )
        connection.execute(statement, rows)


def delete_expired_travel(store: StateStore, *, now: datetime | None = None) -> int:
    """Delete what has expired, of every provider; how many pairs that were."""
    with store.begin() as connection:
        deleted = connection.execute(sa.delete(travel_cache).where(travel_cache.c.expires_at <= (now or utc_now())))
        return deleted.rowcount


def _parts(points: Sequence[str]) -> list[list[str]]:
    return [list(points[start : start + POINTS_PER_QUERY]) for start in range(0, len(points), POINTS_PER_QUERY)]
