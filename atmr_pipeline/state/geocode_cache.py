"""Geocoder answers, kept by the keyed hash of the address."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

import sqlalchemy as sa

from atmr_pipeline.state.schema import geocode_cache
from atmr_pipeline.state.store import StateStore
from atmr_pipeline.state.types import utc_now
from atmr_pipeline.state.upsert import insert

KEYS_PER_QUERY = 500


@dataclass(frozen=True)
class CachedAnswer:
    """What a geocoder answered for one address; ``lat`` and ``lon`` (degrees WGS84) are None where it found nothing."""

    address_key: str
    lat: float | None
    lon: float | None
    precision: str
    source: str | None
    score: float | None
    reason: str | None
    answered_at: datetime
    expires_at: datetime | None


def read_answers(
    store: StateStore, address_keys: Sequence[str], *, now: datetime | None = None
) -> dict[str, CachedAnswer]:
    """Answers that have not expired, by address key."""
    at = now or utc_now()
    column = geocode_cache.c
    answers: dict[str, CachedAnswer] = {}
    with store.read() as connection:
        for start in range(0, len(address_keys), KEYS_PER_QUERY):
            query = sa.select(geocode_cache).where(
                column.address_key.in_(address_keys[start : start + KEYS_PER_QUERY]),
                sa.or_(column.expires_at.is_(None), column.expires_at > at),
            )
            for row in connection.execute(query).mappings():
                answers[row["address_key"]] = CachedAnswer(**row)
    return answers


def write_answers(store: StateStore, answers: Iterable[CachedAnswer]) -> None:
    """Write answers; one for the same address replaces the older."""
    rows = [asdict(answer) for answer in answers]
    if not rows:
        return
    with store.begin() as connection:
        statement = insert(connection, geocode_cache)
        statement = statement.on_conflict_do_update(
            index_elements=["address_key"],
            set_={name: statement.excluded[name] for name in rows[0] if name != "address_key"},
        )
        connection.execute(statement, rows)
