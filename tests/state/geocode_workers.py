"""What the test of the geocode cache runs in processes of their own."""

from datetime import datetime, timedelta

from atmr_pipeline.state.geocode_cache import claim_question
from atmr_pipeline.state.store import StateStore


def claim_many(url: str, schema: str, owner: str, keys: list[str], at: datetime, barrier, results) -> None:
    store = StateStore(url, schema=schema)
    won = []
    for key in keys:
        barrier.wait()
        if claim_question(store, key, "nominatim", owner=owner, at=at, until=at + timedelta(seconds=60)) is True:
            won.append(key)
    results.put(won)
    store.close()
