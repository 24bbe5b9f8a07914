"""What the tests of shared limits and breakers run in processes of their own."""

from datetime import datetime, timedelta

from atmr_pipeline.sources.services import CircuitOpenError, SharedBreaker, SharedLimiter
from atmr_pipeline.state.store import StateStore
from atmr_pipeline.state.types import utc_now


def take_slots(url: str, schema: str, interval_s: float, count: int, barrier, results) -> None:
    """Wait for slots and give the instants at which they were taken."""
    store = StateStore(url, schema=schema)
    read: list[datetime] = []

    def now() -> datetime:
        read.append(utc_now())
        return read[-1]

    limiter = SharedLimiter(store, "fictional", interval_s, now=now)
    barrier.wait()
    taken = []
    for _ in range(count):
        limiter.wait()
        taken.append(read[-1])
    results.put(taken)
    store.close()


def try_breaker(url: str, schema: str, at: datetime, rounds: int, barrier, results) -> None:
    """Each round: all processes ask at once, one cool-down later than before; say in which rounds this one passed."""
    store = StateStore(url, schema=schema)
    clock = [at]
    breaker = SharedBreaker(store, "fictional", cool_down_s=60, now=lambda: clock[0])
    passed = []
    for turn in range(rounds):
        barrier.wait()
        try:
            breaker.check()
            passed.append(turn)
        except CircuitOpenError:
            pass
        clock[0] += timedelta(seconds=61)
    results.put(passed)
    store.close()
