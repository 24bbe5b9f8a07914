"""Limits of requests: one an interval, in one process or for the whole application."""

import threading
import time
from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from atmr_pipeline.sources.services.errors import RateLimitedError
from atmr_pipeline.state.service_slots import postpone_slot, take_slot
from atmr_pipeline.state.store import StateStore
from atmr_pipeline.state.types import utc_now

PATIENCE_S = 120.0
"""Longest wait for a slot that is worth it; a service that asks for more is left alone."""
LONGEST_POSTPONEMENT_S = 86_400.0


class Limiter(Protocol):
    """Anything that says when the next request may leave."""

    def wait(self) -> None:
        """Return when a request may leave now.

        Raises
        ------
        RateLimitedError
            If that is farther away than patience goes.
        """
        ...

    def postpone(self, seconds: float) -> None:
        """No request before this many seconds from now, as the service asked (``Retry-After``)."""
        ...


class SharedLimiter:
    """One request an interval for the whole application: every process and thread on the same state database.

    A slot is taken when it is due, never reserved ahead: a postponement reaches those who already wait, and a process
    that is held up does not send late into another's interval. Clocks of machines that share must agree.

    Parameters
    ----------
    store : StateStore
        Migrated.
    service : str
        Name of the limit; the same name is the same limit.
    interval_s : float
        Seconds between two requests, > 0.
    patience_s : float
        Longest wait for the next slot.
    sleep, now : callable
        For tests.
    """

    def __init__(
        self,
        store: StateStore,
        service: str,
        interval_s: float,
        *,
        patience_s: float = PATIENCE_S,
        sleep: Callable[[float], None] = time.sleep,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        _check_interval(interval_s)
        self.store, self.service = store, service
        self.interval_s, self.patience_s = interval_s, patience_s
        self._sleep, self._now = sleep, now

    def wait(self) -> None:
        """Return when this process owns the present interval; see :class:`Limiter`."""
        while (remaining_s := take_slot(self.store, self.service, self.interval_s, now=self._now)) > 0:
            _check_patience(self.service, remaining_s, self.patience_s)
            self._sleep(remaining_s)

    def postpone(self, seconds: float) -> None:
        """Push the next slot back for every process; never forward."""
        postpone_slot(self.store, self.service, min(seconds, LONGEST_POSTPONEMENT_S), now=self._now)


class LocalLimiter:
    """One request an interval for the threads of this process.

    Parameters
    ----------
    interval_s : float
        Seconds between two requests, > 0.
    service : str
        For the error message.
    patience_s : float
        Longest wait for the next slot.
    sleep, clock : callable
        For tests; ``clock`` gives seconds that only go up.
    """

    def __init__(
        self,
        interval_s: float,
        *,
        service: str = "service",
        patience_s: float = PATIENCE_S,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        _check_interval(interval_s)
        self.service, self.interval_s, self.patience_s = service, interval_s, patience_s
        self._sleep, self._clock = sleep, clock
        self._lock = threading.Lock()
        self._next = clock()

    def wait(self) -> None:
        """Return when this thread owns the present interval; see :class:`Limiter`."""
        while (remaining_s := self._take()) > 0:
            _check_patience(self.service, remaining_s, self.patience_s)
            self._sleep(remaining_s)

    def postpone(self, seconds: float) -> None:
        """Push the next slot back; never forward."""
        with self._lock:
            self._next = max(self._next, self._clock() + min(seconds, LONGEST_POSTPONEMENT_S))

    def _take(self) -> float:
        with self._lock:
            at = self._clock()
            if at < self._next:
                return self._next - at
            self._next = at + self.interval_s
            return 0.0


def _check_interval(interval_s: float) -> None:
    if not interval_s > 0:
        raise ValueError(f"interval_s must be > 0, got {interval_s}")


def _check_patience(service: str, remaining_s: float, patience_s: float) -> None:
    if remaining_s > patience_s:
        raise RateLimitedError(
            service, f"wants no request for {remaining_s:.0f} s more; run again later", retry_after_s=remaining_s
        )
