"""Alarms: each is a row with a stable id, its evidence, and later its outcome."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from atmr_pipeline.state.schema import drift_event
from atmr_pipeline.state.store import StateStore
from atmr_pipeline.state.types import utc_now
from atmr_pipeline.state.upsert import insert, wrote_row

ORDER_LOCK_ID = 4_121_072_019
"""Advisory lock on PostgreSQL, held while an alarm is inserted."""


@dataclass(frozen=True)
class DriftEvent:
    """One alarm as it is kept.

    Parameters
    ----------
    event_id : str
        Stable: derived from what was seen and when, so that a re-run gives the same id and no second alarm.
    kind : str
        What alarmed, for instance ``"residual_cusum"``.
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
        The model whose residuals alarmed; None if no model is concerned.
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
        if connection.dialect.name == "postgresql":
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(ORDER_LOCK_ID)))
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
        }
        statement = insert(connection, drift_event).values(values).on_conflict_do_nothing(index_elements=["event_id"])
        return wrote_row(connection, statement)


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
        return [DriftEvent(**row) for row in connection.execute(query).mappings()]


def close_drift_event(store: StateStore, event_id: str, outcome: str, *, at: datetime | None = None) -> bool:
    """Say what came of an alarm; the first outcome stays.

    Returns
    -------
    bool
        True if the alarm was open and now is not; False if it is unknown or already closed.
    """
    statement = (
        sa.update(drift_event)
        .where(drift_event.c.event_id == event_id, drift_event.c.outcome.is_(None))
        .values(outcome=outcome, outcome_at=at or utc_now())
    )
    with store.begin() as connection:
        return bool(connection.execute(statement).rowcount == 1)
