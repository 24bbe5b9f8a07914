"""Circuit breakers: a service that keeps failing is left alone for a while, then tried with one request."""

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Protocol

from atmr_pipeline.sources.services.errors import CircuitOpenError, ServiceRefusedError
from atmr_pipeline.state.service_breakers import close_breaker, count_failure, pass_breaker
from atmr_pipeline.state.store import StateStore
from atmr_pipeline.state.types import utc_now

THRESHOLD = 5
COOL_DOWN_S = 300.0
AT_ONCE = frozenset({ServiceRefusedError.default_kind})
"""Kinds of failure that open at the first: whom a service bans, it bans longer for asking on."""


class Breaker(Protocol):
    """Anything that says whether a service may be asked.

    Closed: asked. Open, after failures in a row: not asked. Half-open, after the cool-down: one caller passes as a
    probe; its success closes, its failure opens again, and if nothing is heard of it, the next probe follows one
    cool-down later.
    """

    def check(self) -> None:
        """Pass, or raise :class:`CircuitOpenError`."""
        ...

    def success(self) -> None:
        """The service answered."""
        ...

    def failure(self, kind: str) -> None:
        """The service failed; ``kind`` of the error."""
        ...


class SharedBreaker:
    """A breaker for the whole application, kept in the state database.

    Parameters
    ----------
    store : StateStore
        Migrated.
    service : str
        Name of the breaker; the same name is the same breaker.
    threshold : int
        Failures in a row that open it, >= 1.
    cool_down_s : float
        Seconds before a probe, > 0.
    now : callable
        For tests.
    """

    def __init__(
        self,
        store: StateStore,
        service: str,
        threshold: int = THRESHOLD,
        cool_down_s: float = COOL_DOWN_S,
        *,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        _check_limits(threshold, cool_down_s)
        self.store, self.service = store, service
        self.threshold, self.cool_down = threshold, timedelta(seconds=cool_down_s)
        self._now = now

    def check(self) -> None:
        """Pass, or raise :class:`CircuitOpenError`; see :class:`Breaker`."""
        until = pass_breaker(self.store, self.service, self.cool_down, at=self._now())
        if until is not None:
            raise CircuitOpenError(self.service, until)

    def success(self) -> None:
        """Close."""
        close_breaker(self.store, self.service, at=self._now())

    def failure(self, kind: str) -> None:
        """Count; open at the threshold, or at once for the kinds of :data:`AT_ONCE`."""
        threshold = 1 if kind in AT_ONCE else self.threshold
        count_failure(self.store, self.service, kind, threshold, self.cool_down, at=self._now())


class LocalBreaker:
    """A breaker for the threads of this process; parameters as :class:`SharedBreaker`."""

    def __init__(
        self,
        service: str = "service",
        threshold: int = THRESHOLD,
        cool_down_s: float = COOL_DOWN_S,
        *,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        _check_limits(threshold, cool_down_s)
        self.service, self.threshold, self.cool_down = service, threshold, timedelta(seconds=cool_down_s)
        self._now = now
        self._lock = threading.Lock()
        self._failures = 0
        self._open_until: datetime | None = None

    def check(self) -> None:
        """Pass, or raise :class:`CircuitOpenError`; see :class:`Breaker`."""
        with self._lock:
            at = self._now()
            if self._open_until is None:
                return
            if at < self._open_until:
                raise CircuitOpenError(self.service, self._open_until)
            self._open_until = at + self.cool_down

    def success(self) -> None:
        """Close."""
        with self._lock:
            self._failures, self._open_until = 0, None

    def failure(self, kind: str) -> None:
        """Count; open at the threshold, or at once for the kinds of :data:`AT_ONCE`."""
        with self._lock:
            self._failures += 1
            if kind in AT_ONCE or self._failures >= self.threshold:
                self._open_until = self._now() + self.cool_down


def _check_limits(threshold: int, cool_down_s: float) -> None:
    if threshold < 1 or not cool_down_s > 0:
        raise ValueError(f"threshold must be >= 1 and cool_down_s > 0, got {threshold} and {cool_down_s}")
