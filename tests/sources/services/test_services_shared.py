import itertools
import multiprocessing
import threading
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from services_workers import take_slots, try_breaker

from atmr_pipeline.sources.services import (
    CircuitOpenError,
    LocalBreaker,
    LocalLimiter,
    RateLimitedError,
    SharedBreaker,
    SharedLimiter,
)
from atmr_pipeline.state.store import StateStore

START = datetime(2026, 3, 2, 12, tzinfo=UTC)
PROCESSES = 4


class Clock:
    """Time that passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.at = START
        self.slept: list[float] = []

    def now(self) -> datetime:
        return self.at

    def seconds(self) -> float:
        return (self.at - START).total_seconds()

    def sleep(self, seconds: float) -> None:
        self.slept.append(round(seconds, 6))
        self.at += timedelta(seconds=seconds)


def run_processes(work, store, *arguments) -> list:
    context = multiprocessing.get_context("spawn")
    barrier, results = context.Barrier(PROCESSES), context.Queue()
    url = store.url.render_as_string(hide_password=False)
    processes = [
        context.Process(target=work, args=(url, store.schema, *arguments, barrier, results)) for _ in range(PROCESSES)
    ]
    for process in processes:
        process.start()
    answers = [results.get(timeout=120) for _ in processes]
    for process in processes:
        process.join(timeout=120)
    assert [process.exitcode for process in processes] == [0] * PROCESSES
    return answers


def test_processes_never_share_an_interval(store):
    interval_s, count = 0.05, 5
    taken = sorted(itertools.chain(*run_processes(take_slots, store, interval_s, count)))
    assert len(taken) == PROCESSES * count
    assert all(later - earlier >= timedelta(seconds=interval_s) for earlier, later in itertools.pairwise(taken))


def test_exactly_one_process_probes_an_open_breaker(store):
    breaker = SharedBreaker(store, "fictional", threshold=1, cool_down_s=60, now=lambda: START)
    breaker.failure("unavailable")
    rounds = 10
    passed = list(itertools.chain(*run_processes(try_breaker, store, START + timedelta(seconds=61), rounds)))
    assert sorted(passed) == list(range(rounds))


@pytest.fixture(params=["local", "sqlite", pytest.param("postgresql", marks=pytest.mark.integration)])
def state(request, tmp_path):
    """Where limits and breakers are kept: None for those of one process."""
    if request.param == "local":
        yield None
        return
    if request.param == "sqlite":
        store = StateStore(f"sqlite:///{tmp_path / 'state.db'}")
    else:
        store = StateStore(request.getfixturevalue("postgresql_url"), schema=f"test_{uuid.uuid4().hex}")
    store.migrate()
    yield store
    store.close()


@pytest.fixture
def make_limiter(state):
    def make(clock: Clock, interval_s: float = 1.0):
        if state is None:
            return LocalLimiter(interval_s, service="fictional", sleep=clock.sleep, clock=clock.seconds)
        return SharedLimiter(state, "fictional", interval_s, sleep=clock.sleep, now=clock.now)

    return make


def test_a_limiter_lets_one_pass_an_interval(make_limiter):
    clock = Clock()
    limiter = make_limiter(clock, 3.0)
    for _ in range(3):
        limiter.wait()
    assert clock.slept == [3.0, 3.0]
    clock.sleep(100.0)
    limiter.wait()
    assert clock.slept[2:] == [100.0]


def test_a_pause_reaches_those_who_wait_already(make_limiter):
    clock = Clock()
    limiter = make_limiter(clock)
    limiter.wait()
    plain_sleep = clock.sleep

    def sleep_while_another_is_told_to_pause(seconds: float) -> None:
        if not clock.slept:
            limiter.postpone(30.0)
        plain_sleep(seconds)

    limiter._sleep = sleep_while_another_is_told_to_pause
    limiter.wait()
    assert clock.slept == [1.0, 29.0]


def test_a_shorter_pause_shortens_nothing(make_limiter):
    clock = Clock()
    limiter = make_limiter(clock)
    limiter.postpone(30.0)
    limiter.postpone(2.0)
    limiter.wait()
    assert clock.slept == [30.0]


def test_nobody_sleeps_for_an_hour(make_limiter):
    clock = Clock()
    limiter = make_limiter(clock)
    limiter.postpone(3600.0)
    with pytest.raises(RateLimitedError, match="run again later") as caught:
        limiter.wait()
    assert caught.value.retry_after_s == pytest.approx(3600.0)
    assert clock.slept == []


def test_an_absurd_pause_ends_after_a_day(make_limiter):
    clock = Clock()
    limiter = make_limiter(clock)
    limiter.postpone(float("inf"))
    clock.sleep(86_400.0)
    limiter.wait()


def test_services_do_not_wait_for_each_other(store):
    clock = Clock()
    for service in ("one", "two"):
        SharedLimiter(store, service, 1.0, sleep=clock.sleep, now=clock.now).wait()
    assert clock.slept == []


def test_threads_share_a_local_limiter():
    limiter, read = LocalLimiter(0.02), []
    lock = threading.Lock()
    plain = limiter._clock

    def clock() -> float:
        at = plain()
        read.append(at)
        return at

    limiter._clock = clock
    taken: list[float] = []

    def work() -> None:
        for _ in range(5):
            while True:
                with lock:
                    remaining = limiter._take()
                    if remaining == 0:
                        taken.append(read[-1])
                        break
                threading.Event().wait(remaining)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    gaps = [later - earlier for earlier, later in itertools.pairwise(sorted(taken))]
    assert len(taken) == 15
    assert min(gaps) >= 0.02


@pytest.mark.parametrize("interval_s", [0.0, -1.0, float("nan")])
def test_an_interval_is_positive(interval_s):
    with pytest.raises(ValueError, match="interval_s"):
        LocalLimiter(interval_s)


@pytest.fixture
def make_breaker(state):
    def make(clock: Clock, threshold: int = 3, cool_down_s: float = 60.0):
        if state is None:
            return LocalBreaker("fictional", threshold, cool_down_s, now=clock.now)
        return SharedBreaker(state, "fictional", threshold, cool_down_s, now=clock.now)

    return make


def is_open(breaker) -> bool:
    try:
        breaker.check()
    except CircuitOpenError:
        return True
    return False


def test_a_breaker_opens_at_its_threshold_in_a_row(make_breaker):
    clock = Clock()
    breaker = make_breaker(clock)
    for _ in range(2):
        breaker.failure("unavailable")
    breaker.success()
    for _ in range(2):
        breaker.failure("timeout")
        assert not is_open(breaker)
    breaker.failure("timeout")
    with pytest.raises(CircuitOpenError) as caught:
        breaker.check()
    assert caught.value.until == START + timedelta(seconds=60)
    assert caught.value.kind == "circuit_open"


def open_and_cool(make_breaker, clock: Clock):
    breaker = make_breaker(clock)
    for _ in range(3):
        breaker.failure("unavailable")
    clock.sleep(60.0)
    return breaker


def test_a_probe_that_succeeds_closes(make_breaker):
    breaker = open_and_cool(make_breaker, Clock())
    assert not is_open(breaker)
    assert is_open(breaker)  # one probe only
    breaker.success()
    assert not is_open(breaker)
    assert not is_open(breaker)
    breaker.failure("unavailable")
    assert not is_open(breaker)


def test_a_probe_that_fails_opens_again(make_breaker):
    clock = Clock()
    breaker = open_and_cool(make_breaker, clock)
    assert not is_open(breaker)
    breaker.failure("unavailable")
    clock.sleep(59.0)
    assert is_open(breaker)
    clock.sleep(1.0)
    assert not is_open(breaker)


def test_a_probe_that_never_reports_is_followed_by_another(make_breaker):
    clock = Clock()
    breaker = open_and_cool(make_breaker, clock)
    assert not is_open(breaker)
    clock.sleep(60.0)
    assert not is_open(breaker)


def test_a_refusal_opens_at_once(make_breaker):
    clock = Clock()
    breaker = make_breaker(clock)
    breaker.failure("refused")
    assert is_open(breaker)
    clock.sleep(60.0)
    assert not is_open(breaker)
    breaker.failure("unavailable")
    assert is_open(breaker)


def test_a_breaker_outlives_its_process_and_knows_one_service(store):
    clock = Clock()
    SharedBreaker(store, "fictional", 1, 60.0, now=clock.now).failure("unavailable")
    assert is_open(SharedBreaker(store, "fictional", 1, 60.0, now=clock.now))
    assert not is_open(SharedBreaker(store, "other", 1, 60.0, now=clock.now))


@pytest.mark.parametrize(("threshold", "cool_down_s"), [(0, 1.0), (1, 0.0), (1, float("nan"))])
def test_limits_of_a_breaker(threshold, cool_down_s):
    with pytest.raises(ValueError, match="threshold"):
        LocalBreaker("fictional", threshold, cool_down_s)
