"""Alerts on pickups that are likely to be late: those that were sent, and how often others were not, and why."""

from collections.abc import Callable, Sequence
from datetime import date, datetime
from typing import Any

import pandas as pd
import sqlalchemy as sa

from atmr_pipeline.domain.errors import TableContractError
from atmr_pipeline.state.frames import require_columns, require_known, to_frame, to_rows
from atmr_pipeline.state.schema import risk_alert, risk_alert_suppressed
from atmr_pipeline.state.store import StateStore
from atmr_pipeline.state.types import utc_now
from atmr_pipeline.state.upsert import insert

ALERT_LOCK_ID = 4_121_072_020
"""Advisory lock on PostgreSQL, held from reading what was sent until the new alerts are committed."""
SENT = "sent"
KNOWN = (
    "assignment_id", "booking_id", "service_day", "p_late", "expected_delay_min", "threshold", "threshold_source",
    "model_version",
)  # fmt: skip
COLUMNS = (*KNOWN, "driver_id", "level", "advice")
BOOKINGS_A_QUERY = 500
SENT_COLUMNS = [column for column in risk_alert.columns if column.name != "id"]

Decide = Callable[[pd.DataFrame], pd.DataFrame]


def send_alerts(
    store: StateStore, assessments: pd.DataFrame, decide: Decide, *, sent_at: datetime | None = None
) -> pd.DataFrame:
    """Decide which risks are told, and write it down, in one transaction that no other process can come between.

    Sent means written to ``risk_alert``, which is what a dispatcher is shown. Of an alert that is not sent, the number
    of times is kept by assignment and reason, with the last values.

    Parameters
    ----------
    assessments : DataFrame
        One row an assignment: ``assignment_id, booking_id, driver_id`` (NULL where there is none), ``service_day``
        (midnight), ``level`` (NULL below every level), ``p_late`` (0..1), ``expected_delay_min``, ``threshold,
        threshold_source`` (``model`` or ``company``), ``advice`` (list of dict, JSON values), ``model_version``.
    decide : callable
        Takes the alerts that were sent before for these bookings, in the order in which they were sent (columns of
        ``risk_alert`` without ``id``), and returns the assessments with ``outcome``: ``sent`` or the reason why not.
    sent_at : datetime, optional
        Aware; now by default. It should be the instant that ``decide`` uses.

    Returns
    -------
    DataFrame
        What ``decide`` returned.

    Raises
    ------
    TableContractError
        If columns are missing, values unknown, or ``decide`` lost or invented rows; nothing is written then.
    """
    require_columns(assessments, COLUMNS, "risk alerts")
    require_known(assessments, KNOWN, "risk alerts")
    at = sent_at or utc_now()
    with store.begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(ALERT_LOCK_ID)))
        earlier = _sent_before(connection, sorted({int(booking) for booking in assessments["booking_id"]}))
        decided = _checked(decide(earlier), assessments)
        told = decided["outcome"] == SENT
        _write_sent(connection, decided[told], earlier, at)
        _count_suppressed(connection, decided[~told], at)
    return decided


def read_alerts(store: StateStore, first_day: date, last_day: date) -> pd.DataFrame:
    """Alerts of a range of service days, both included, in the order in which they were sent.

    Returns
    -------
    DataFrame
        Columns of ``risk_alert`` without ``id``. ``advice`` is a list of ``{"code", "minutes"}``. Of alerts sent before
        these were kept, ``driver_id, expected_delay_min, threshold, threshold_source, advice`` are NULL.
    """
    query = sa.select(*SENT_COLUMNS).where(risk_alert.c.service_day.between(first_day, last_day))
    with store.read() as connection:
        return to_frame(connection.execute(query.order_by(risk_alert.c.id)), SENT_COLUMNS)


def read_suppressed(store: StateStore, first_day: date, last_day: date) -> pd.DataFrame:
    """What was not told of a range of service days, both included: one row an assignment and reason, in that order.

    Returns
    -------
    DataFrame
        Columns of ``risk_alert_suppressed``: ``times`` between ``first_at`` and ``last_at``, other values of the last.
    """
    table = risk_alert_suppressed
    query = sa.select(table).where(table.c.service_day.between(first_day, last_day))
    with store.read() as connection:
        rows = connection.execute(query.order_by(table.c.assignment_id, table.c.reason))
        return to_frame(rows, list(table.columns))


def _sent_before(connection: sa.Connection, bookings: Sequence[int]) -> pd.DataFrame:
    rows: list[Any] = []
    for start in range(0, len(bookings), BOOKINGS_A_QUERY):
        some = bookings[start : start + BOOKINGS_A_QUERY]
        query = sa.select(*SENT_COLUMNS).where(risk_alert.c.booking_id.in_(some)).order_by(risk_alert.c.id)
        rows += connection.execute(query).all()
    return to_frame(rows, SENT_COLUMNS)


def _checked(decided: pd.DataFrame, assessments: pd.DataFrame) -> pd.DataFrame:
    require_columns(decided, [*COLUMNS, "outcome"], "decided risk alerts")
    require_known(decided, [*KNOWN, "outcome"], "decided risk alerts")
    require_known(decided[decided["outcome"] == SENT], ["level", "advice"], "risk alerts to send")
    if sorted(decided["assignment_id"]) != sorted(assessments["assignment_id"]):
        raise TableContractError(f"risk alerts: {len(assessments)} assessed, but others ({len(decided)}) decided")
    return decided


def _write_sent(connection: sa.Connection, told: pd.DataFrame, earlier: pd.DataFrame, at: datetime) -> None:
    if told.empty:
        return
    last = told["booking_id"].map(earlier.groupby("booking_id")["alert_number"].max()).fillna(0).astype("int64")
    numbered = told.assign(alert_number=last + told.groupby("booking_id").cumcount() + 1)
    columns = [*COLUMNS, "alert_number"]
    rows = [{**row, "sent_at": at} for row in to_rows(numbered[columns], risk_alert)]
    connection.execute(sa.insert(risk_alert), rows)


def _count_suppressed(connection: sa.Connection, suppressed: pd.DataFrame, at: datetime) -> None:
    if suppressed.empty:
        return
    named = suppressed.rename(columns={"outcome": "reason"})
    rows = [
        {**row, "times": 1, "first_at": at, "last_at": at}
        for row in to_rows(named[[*COLUMNS, "reason"]], risk_alert_suppressed)
    ]
    statement = insert(connection, risk_alert_suppressed)
    key = [column.name for column in risk_alert_suppressed.primary_key]
    changed = {name: statement.excluded[name] for name in rows[0] if name not in (*key, "first_at", "times")}
    statement = statement.on_conflict_do_update(
        index_elements=key, set_={**changed, "times": risk_alert_suppressed.c.times + 1}
    )
    connection.execute(statement, rows)
