"""Which alarm is answered by a retraining now: once, not too soon after the last one, not too often a week.

Time is counted in service days, the days that alarms are about: a company that is replayed a month a minute gets the
same retrainings as one that lives day by day.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

WEEK_DAYS = 7
MAX_ATTEMPTS = 3
"""A retraining that died (a full disk, a database gone) may succeed later; a third failure asks for a person."""


@dataclass(frozen=True)
class OpenAlarm:
    """An alarm without an outcome, of a kind that retraining answers.

    Parameters
    ----------
    event_id : str
    seen_on : date
        Last service day of a look that saw it.
    """

    event_id: str
    seen_on: date


@dataclass(frozen=True)
class PastRequest:
    """A retraining that was asked for.

    Parameters
    ----------
    event_id : str
        The alarm it answers.
    on : date
        Service day of the alarm when it was asked for.
    is_over : bool
        It ended, well or badly; an alarm that is still open then got no answer.
    """

    event_id: str
    on: date
    is_over: bool


@dataclass(frozen=True)
class RetrainingRequest:
    """Ask for one retraining.

    Parameters
    ----------
    event_id : str
    attempt : int
        From 1: a repetition of a request that died is another run.
    on : date
        Service day of the alarm.
    """

    event_id: str
    attempt: int
    on: date

    @property
    def run_key(self) -> str:
        """The same request has the same key, whoever makes it and however often."""
        return f"{self.event_id}:{self.attempt}"


def next_request(
    alarms: Sequence[OpenAlarm],
    past: Iterable[PastRequest],
    *,
    cooldown_days: int,
    max_per_week: int,
    asked: Collection[str] = (),
) -> tuple[RetrainingRequest | None, str]:
    """The one request that may be made now, and why none otherwise.

    Parameters
    ----------
    alarms : sequence of OpenAlarm
        The oldest first.
    past : iterable of PastRequest
        Whatever alarm they answered.
    cooldown_days : int
        Service days from one request to the next; a repetition of one that died does not wait.
    max_per_week : int
        Requests within any 7 service days, repetitions not counted.
    asked : collection of str
        Run keys that were asked for before: a run that a person deleted was an attempt, too.

    Returns
    -------
    request : RetrainingRequest or None
    reason : str
        In words, for the tick's log.
    """
    requests = list(past)
    if any(not request.is_over for request in requests):
        return None, "a retraining that an alarm asked for is under way"
    reasons = []
    for alarm in alarms:
        mine = [request for request in requests if request.event_id == alarm.event_id]
        attempts = _attempts(alarm, requests, asked)
        if attempts >= MAX_ATTEMPTS:
            reasons.append(f"{alarm.event_id} was asked for {attempts} times and got no answer: look at its runs")
            continue
        others = {request.event_id: request.on for request in requests if request.event_id != alarm.event_id}
        why = None if attempts else _must_wait(alarm.seen_on, others.values(), cooldown_days, max_per_week)
        if why is None:
            on = mine[0].on if mine else alarm.seen_on
            return RetrainingRequest(alarm.event_id, attempts + 1, on), "an alarm asks for a retraining"
        reasons.append(f"{alarm.event_id} waits: {why}")
    return None, "; ".join(reasons) or "no open alarm asks for a retraining"


def given_up(alarms: Sequence[OpenAlarm], past: Iterable[PastRequest], asked: Collection[str] = ()) -> list[str]:
    """Ids of alarms that were asked for as often as may be, without an answer: a person has to look."""
    requests = list(past)
    if any(not request.is_over for request in requests):
        return []
    return [alarm.event_id for alarm in alarms if _attempts(alarm, requests, asked) >= MAX_ATTEMPTS]


def _attempts(alarm: OpenAlarm, past: Sequence[PastRequest], asked: Collection[str]) -> int:
    """Runs and run keys are counted apart: either may have been lost."""
    runs = sum(request.event_id == alarm.event_id for request in past)
    return max(runs, sum(key.rpartition(":")[0] == alarm.event_id for key in asked))


def _must_wait(day: date, requested_on: Iterable[date], cooldown_days: int, max_per_week: int) -> str | None:
    earlier = sorted(requested_on)
    if earlier and day < earlier[-1] + timedelta(days=cooldown_days):
        return f"the last retraining was asked for on {earlier[-1]}, the cooldown is {cooldown_days} days"
    in_week = sum(on > day - timedelta(days=WEEK_DAYS) for on in earlier)
    if in_week >= max_per_week:
        return f"{in_week} retrainings were asked for within {WEEK_DAYS} days, at most {max_per_week}"
    return None
