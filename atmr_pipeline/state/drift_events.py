"""Alarms: each separated run of one is a row with a stable id, its evidence, and later its outcome.

A look every night sees the same alarm again and again, and the champion may be another one every day. An alarm is
therefore the event of yesterday while no more than a few quiet days lie between, whichever model is the champion.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, Protocol

import sqlalchemy as sa

from atmr_pipeline.state.schema import drift_event
from atmr_pipeline.state.store import StateStore
from atmr_pipeline.state.types import utc_now
from atmr_pipeline.state.upsert import insert, wrote_row

ORDER_LOCK_ID = 4_121_072_019
"""Advisory lock on PostgreSQL, held while alarms are recorded."""

DRIFT_KINDS = ("feature_drift", "label_drift", "residual_drift")
PROMOTED = "promoted"
"""How the outcome of an alarm begins that was answered by another champion."""
CLEARED = "cleared"
"""Outcome of an alarm that ended before anything answered it."""


class SeenAlarm(Protocol):
    """An alarm that is on; :class:`~atmr_pipeline.monitoring.events.Alarm` says what each field means."""

    @property
    def event_id(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def company_id(self) -> int | None: ...
    @property
    def started_on(self) -> date: ...
    @property
    def severity(self) -> str: ...
    @property
    def evidence(self) -> Mapping[str, Any]: ...
    @property
    def model_version(self) -> str | None: ...
    @property
    def opens(self) -> bool: ...
    @property
    def stream_started_on(self) -> date | None: ...


@dataclass(frozen=True)
class DriftEvent:
    """One alarm as it is kept.

    Parameters
    ----------
    event_id : str
        Stable: derived from what was seen and when, so that a re-run gives the same id and no second alarm.
    kind : str
        What alarmed, for instance ``"residual_drift"``.
    detected_on : date
        Local service day of the look that saw it first.
    severity : str
    evidence : mapping
        Numbers, thresholds and sample sizes; JSON values.
    company_id : int, optional
        None for all companies together.
    alarm_started_on : date, optional
        First service day of the alarm.
    model_version : str, optional
        The champion when it was first seen; None if no model is concerned.
    last_seen_on : date, optional
        Service day of the last look that still saw it.
    outcome, outcome_at, created_at
        Filled by the database.
    """

    event_id: str
    kind: str
    detected_on: date
    severity: str
    evidence: Mapping[str, Any] = field(default_factory=dict)
    company_id: int | None = None
    alarm_started_on: date | None = None
    model_version: str | None = None
    outcome: str | None = None
    outcome_at: datetime | None = None
    created_at: datetime | None = None
    last_seen_on: date | None = None

    @property
    def seen_until(self) -> date:
        """The last service day on which it is known to have been on."""
        return self.last_seen_on or self.detected_on


@dataclass(frozen=True)
class Recorded:
    """What one look changed: ids of events that are new, that go on, and that ended unanswered."""

    new: tuple[str, ...] = ()
    continued: tuple[str, ...] = ()
    cleared: tuple[str, ...] = ()


def insert_drift_event(store: StateStore, event: DriftEvent) -> bool:
    """Insert an alarm unless its id is there already.

    ``created_at`` is given under a lock and strictly increases in the order of commits, so that a sensor whose cursor
    is the last one it saw never misses an alarm that another process committed late.

    Returns
    -------
    bool
        True if it is new.
    """
    with store.begin() as connection:
        _lock(connection)
        return _insert(connection, event)


def record_alarms(
    store: StateStore,
    alarms: Sequence[SeenAlarm],
    *,
    as_of: date,
    quiet_days: int,
    kinds: Collection[str] = DRIFT_KINDS,
    judged: Collection[tuple[str, int | None]] | None = None,
) -> Recorded:
    """Write what one look saw; the same look again changes nothing.

    An alarm whose run begins at most ``quiet_days`` after an event of its kind and company was last seen is that event:
    its ``last_seen_on`` moves, its evidence and outcome stay. Any other alarm is a new event. An event that has no
    outcome and was not seen for more than ``quiet_days`` ends as :data:`CLEARED`.

    Parameters
    ----------
    alarms : sequence of Alarm
        Those that are on, with the first day of each.
    as_of : date
        Service day of the look.
    quiet_days : int
        Days without alarm that still belong to the same alarm.
    kinds : collection of str
        What the look looked at; events of other kinds are left alone.
    judged : collection of (kind, company), optional
        What could be judged: an alarm that nobody could see is not cleared. Everything, if not given.

    Returns
    -------
    Recorded
    """
    new, continued, cleared = [], [], []
    with store.begin() as connection:
        _lock(connection)
        events = _events(connection, sa.select(drift_event).where(drift_event.c.kind.in_(list(kinds))))
        for alarm in alarms:
            event = _continues(alarm, events, as_of, quiet_days)
            if event is not None:
                _see_again(connection, event, as_of, reopen=alarm.opens)
                continued.append(event.event_id)
            elif alarm.opens and _insert(connection, _first_seen(alarm, as_of)):
                new.append(alarm.event_id)
        for event in events:
            looked_at = judged is None or (event.kind, event.company_id) in judged
            is_over = (as_of - event.seen_until).days > quiet_days
            if event.outcome is None and event.event_id not in continued and looked_at and is_over:
                _close(connection, event.event_id, CLEARED, utc_now())
                cleared.append(event.event_id)
    return Recorded(tuple(new), tuple(continued), tuple(cleared))


def last_seen(store: StateStore) -> dict[tuple[str, int | None], date]:
    """Kind and company to the last service day on which an alarm of theirs was seen."""
    found: dict[tuple[str, int | None], date] = {}
    for event in list_drift_events(store):
        key = event.kind, event.company_id
        found[key] = max(found.get(key, event.seen_until), event.seen_until)
    return found


def stream_start(store: StateStore) -> date | None:
    """First service day of the residuals that are judged: the day after the last alarm that a promotion answered.

    Counted from the last look that saw the alarm, not from the clock, so that a history that is lived again gives the
    same days. None where no residual alarm was answered by a promotion.
    """
    answered = [
        event.seen_until
        for event in list_drift_events(store)
        if event.kind == "residual_drift"
        # A promotion answers alarms of all companies together; those of one company only say so to a person.
        and event.company_id is None
        and (event.outcome or "").startswith(PROMOTED)
    ]
    return max(answered) + timedelta(days=1) if answered else None


def list_drift_events(
    store: StateStore, *, after: datetime | None = None, only_open: bool = False, limit: int | None = None
) -> list[DriftEvent]:
    """Alarms in the order in which they were recorded.

    Parameters
    ----------
    after : datetime, optional
        The ``created_at`` of the last alarm already handled (a sensor's cursor).
    only_open : bool
        Only alarms without an outcome.
    limit : int, optional
        At most so many, the oldest first.
    """
    query = sa.select(drift_event).order_by(drift_event.c.created_at).limit(limit)
    if after is not None:
        query = query.where(drift_event.c.created_at > after)
    if only_open:
        query = query.where(drift_event.c.outcome.is_(None))
    with store.read() as connection:
        return _events(connection, query)


def close_drift_event(store: StateStore, event_id: str, outcome: str, *, at: datetime | None = None) -> bool:
    """Say what came of an alarm; the first outcome stays.

    Returns
    -------
    bool
        True if the alarm was open and now is not; False if it is unknown or already closed.
    """
    with store.begin() as connection:
        return _close(connection, event_id, outcome, at or utc_now())


def _lock(connection: sa.Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(ORDER_LOCK_ID)))


def _events(connection: sa.Connection, query: sa.Select[Any]) -> list[DriftEvent]:
    return [DriftEvent(**row) for row in connection.execute(query).mappings()]


def _insert(connection: sa.Connection, event: DriftEvent) -> bool:
    last = connection.execute(sa.select(sa.func.max(drift_event.c.created_at))).scalar_one()
    now = utc_now()
    values = {
        "event_id": event.event_id,
        "kind": event.kind,
        "detected_on": event.detected_on,
        "company_id": event.company_id,
        "alarm_started_on": event.alarm_started_on,
        "model_version": event.model_version,
        "severity": event.severity,
        "evidence": event.evidence,
        "created_at": now if last is None else max(now, last + timedelta(microseconds=1)),
        "last_seen_on": event.last_seen_on,
    }
    statement = insert(connection, drift_event).values(values).on_conflict_do_nothing(index_elements=["event_id"])
    return wrote_row(connection, statement)


def _first_seen(alarm: SeenAlarm, as_of: date) -> DriftEvent:
    return DriftEvent(
        event_id=alarm.event_id,
        kind=str(alarm.kind),
        detected_on=as_of,
        severity=alarm.severity,
        evidence=alarm.evidence,
        company_id=alarm.company_id,
        alarm_started_on=alarm.started_on,
        model_version=alarm.model_version,
        last_seen_on=as_of,
    )


def _continues(alarm: SeenAlarm, events: Sequence[DriftEvent], as_of: date, quiet_days: int) -> DriftEvent | None:
    """The event whose days, with the quiet ones around them, touch the alarm's; the latest, if several do."""
    touching = [
        event
        for event in events
        if (event.kind, event.company_id) == (str(alarm.kind), alarm.company_id)
        and (alarm.started_on - event.seen_until).days <= quiet_days
        and ((event.alarm_started_on or event.detected_on) - as_of).days <= quiet_days
        and (alarm.stream_started_on is None or event.seen_until >= alarm.stream_started_on)
    ]
    return max(touching, key=lambda event: event.seen_until, default=None)


def _see_again(connection: sa.Connection, event: DriftEvent, as_of: date, *, reopen: bool) -> None:
    values: dict[str, Any] = {"last_seen_on": max(event.seen_until, as_of)}
    # It was taken to have ended because nobody looked on the days between.
    if reopen and event.outcome == CLEARED:
        values |= {"outcome": None, "outcome_at": None}
    connection.execute(sa.update(drift_event).where(drift_event.c.event_id == event.event_id).values(values))


def _close(connection: sa.Connection, event_id: str, outcome: str, at: datetime) -> bool:
    statement = (
        sa.update(drift_event)
        .where(drift_event.c.event_id == event_id, drift_event.c.outcome.is_(None))
        .values(outcome=outcome, outcome_at=at)
    )
    return bool(connection.execute(statement).rowcount == 1)
