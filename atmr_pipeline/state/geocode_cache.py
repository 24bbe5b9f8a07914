"""Answers of online geocoders, kept by the keyed hash of the address, and who is asking for what just now."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

import sqlalchemy as sa

from atmr_pipeline.state.schema import geocode_cache, geocode_claim
from atmr_pipeline.state.store import StateStore
from atmr_pipeline.state.upsert import insert, wrote_row

KEYS_PER_QUERY = 500


@dataclass(frozen=True)
class CachedAnswer:
    """What a provider answered for one address; ``lat`` and ``lon`` (degrees WGS84) are None if it placed nothing."""

    address_key: str
    provider: str
    lat: float | None
    lon: float | None
    precision: str
    score: float | None
    reason: str | None
    entry_key: str | None
    answered_at: datetime
    expires_at: datetime


def read_answers(
    store: StateStore, address_keys: Sequence[str], provider: str, *, at: datetime
) -> dict[str, CachedAnswer]:
    """A provider's answers that have not expired, by address key."""
    answers: dict[str, CachedAnswer] = {}
    with store.read() as connection:
        for start in range(0, len(address_keys), KEYS_PER_QUERY):
            rows = connection.execute(_unexpired(address_keys[start : start + KEYS_PER_QUERY], provider, at))
            answers.update({row["address_key"]: CachedAnswer(**row) for row in rows.mappings()})
    return answers


def claim_question(
    store: StateStore, address_key: str, provider: str, *, owner: str, at: datetime, until: datetime
) -> CachedAnswer | bool:
    """Take the right to ask a provider for an address, so that no two processes ask the same.

    Parameters
    ----------
    owner : str
        Who asks.
    until : datetime
        When another may ask, if nothing is heard of this one.

    Returns
    -------
    CachedAnswer or bool
        The answer if another process has written it meanwhile; True if the right is taken; False if another asks.
    """
    with store.begin() as connection:
        statement = insert(connection, geocode_claim).values(
            address_key=address_key, provider=provider, owner=owner, until=until
        )
        statement = statement.on_conflict_do_update(
            index_elements=["address_key", "provider"],
            set_={"owner": statement.excluded.owner, "until": statement.excluded.until},
            where=sa.or_(geocode_claim.c.until <= at, geocode_claim.c.owner == owner),
        )
        if not wrote_row(connection, statement):
            return False
        # Only now: who held the claim before may have written the answer while this one waited for it.
        row = connection.execute(_unexpired([address_key], provider, at)).mappings().first()
        if row is None:
            return True
        connection.execute(_own_claim(address_key, provider, owner))
        return CachedAnswer(**row)


def release_question(store: StateStore, address_key: str, provider: str, *, owner: str) -> None:
    """Give the right to ask back, without an answer."""
    with store.begin() as connection:
        connection.execute(_own_claim(address_key, provider, owner))


def write_answer(store: StateStore, answer: CachedAnswer, *, owner: str) -> None:
    """Keep an answer in place of an older one, and give the right to ask back."""
    row = asdict(answer)
    with store.begin() as connection:
        statement = insert(connection, geocode_cache).values(row)
        statement = statement.on_conflict_do_update(
            index_elements=["address_key", "provider"],
            set_={name: statement.excluded[name] for name in row if name not in ("address_key", "provider")},
        )
        connection.execute(statement)
        connection.execute(_own_claim(answer.address_key, answer.provider, owner))


def _unexpired(address_keys: Sequence[str], provider: str, at: datetime) -> sa.Select:
    column = geocode_cache.c
    return sa.select(geocode_cache).where(
        column.address_key.in_(address_keys), column.provider == provider, column.expires_at > at
    )


def _own_claim(address_key: str, provider: str, owner: str) -> sa.Delete:
    column = geocode_claim.c
    return sa.delete(geocode_claim).where(
        column.address_key == address_key, column.provider == provider, column.owner == owner
    )
