"""Reading on after a lost connection, at the first day that was not handed out."""

import logging
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, timedelta

from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential_jitter

from atmr_pipeline.domain.errors import SourceError
from atmr_pipeline.sources.operations.days import DayExtract
from atmr_pipeline.sources.operations.faults import PassingSourceError

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Retry:
    """A fault that was met and will be tried again.

    Parameters
    ----------
    attempt : int
        Attempts that failed in a row, this one included; a day handed out begins a new count.
    day : date
        First day not handed out yet: reading goes on there, in a fresh snapshot.
    wait_s : float
        Pause before the next attempt.
    reason : str
        What failed, without a value from a row.
    """

    attempt: int
    day: date
    wait_s: float
    reason: str

    def __str__(self) -> str:
        return f"{self.reason} (attempt {self.attempt}; reading on at {self.day} in {self.wait_s:.1f} s)"


@dataclass(frozen=True)
class RetryPolicy:
    """How often and how patiently to try again.

    Parameters
    ----------
    attempts : int
        Attempts in a row without a day read, >= 1.
    first_wait_s, max_wait_s : float
        The pause doubles from the first to the longest, plus a random share of the first.
    sleep : callable
        Takes seconds.

    Raises
    ------
    ValueError
        Numbers out of range.
    """

    attempts: int
    first_wait_s: float
    max_wait_s: float
    sleep: Callable[[float], None]

    def __post_init__(self) -> None:
        if self.attempts < 1:
            raise ValueError(f"retry_attempts must be at least 1, got {self.attempts}")
        if not 0 <= self.first_wait_s <= self.max_wait_s:
            raise ValueError(f"0 <= retry_wait_s <= retry_max_wait_s, got {self.first_wait_s} and {self.max_wait_s}")

    def retrying(self, before_sleep: Callable[[RetryCallState], None]) -> Retrying:
        """A tenacity policy for faults that may pass."""
        return Retrying(
            stop=stop_after_attempt(self.attempts),
            wait=wait_exponential_jitter(initial=self.first_wait_s, max=self.max_wait_s, jitter=self.first_wait_s),
            retry=retry_if_exception_type(PassingSourceError),
            sleep=self.sleep,
            before_sleep=before_sleep,
            reraise=True,
        )


def resumed_days(
    open_days: Callable[[date], Iterator[DayExtract]],
    first_day: date,
    last_day: date,
    policy: RetryPolicy,
    on_retry: Callable[[Retry], None] | None,
) -> Iterator[DayExtract]:
    """Every day once, in order, however often the reading breaks off.

    Parameters
    ----------
    open_days : callable
        Begins to read at a day, in a fresh snapshot; raises :class:`PassingSourceError` for what may pass.
    on_retry : callable, optional
        Told of each fault before the pause; None logs it.

    Raises
    ------
    SourceError
        After the last attempt, or at once for a fault that stays.
    """
    reader = _Reader(open_days, first_day)

    def announce(state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        wait_s = state.next_action.sleep if state.next_action else 0.0
        (on_retry or _log)(Retry(state.attempt_number, reader.day, wait_s, str(error)))

    retrying = policy.retrying(announce)
    try:
        while reader.day <= last_day:
            retrying(reader.read)
            yield reader.take()
    except PassingSourceError as error:
        raise SourceError(f"{error}; gave up at {reader.day} after {policy.attempts} attempts") from None
    finally:
        reader.close()


def _log(retry: Retry) -> None:
    log.warning("%s", retry)


class _Reader:
    """The days still to be handed out; a failed read leaves it ready to begin again.

    A day read is taken, not returned: tenacity keeps what a call returned until the next call has returned.
    """

    def __init__(self, open_days: Callable[[date], Iterator[DayExtract]], first_day: date) -> None:
        self._open = open_days
        self._days: Iterator[DayExtract] | None = None
        self._read: list[DayExtract] = []
        self.day = first_day

    def read(self) -> None:
        if self._days is None:
            self._days = self._open(self.day)
        try:
            self._read.append(next(self._days))
        except BaseException:
            self._days = None
            raise

    def take(self) -> DayExtract:
        self.day += timedelta(days=1)
        return self._read.pop()

    def close(self) -> None:
        """End the transaction. Nothing more is read, so that a connection already lost is no fault."""
        if isinstance(self._days, Generator):
            with suppress(PassingSourceError):
                self._days.close()
