"""Alerts on assignments that are likely to be late: each level once per assignment and model."""

from datetime import date, datetime

import pandas as pd
import sqlalchemy as sa

from atmr_pipeline.state.frames import require_columns, require_known, to_frame, to_rows
from atmr_pipeline.state.schema import risk_alert
from atmr_pipeline.state.store import StateStore
from atmr_pipeline.state.types import utc_now
from atmr_pipeline.state.upsert import insert

COLUMNS = ("assignment_id", "booking_id", "service_day", "level", "p_late", "model_version")


def record_alerts(store: StateStore, frame: pd.DataFrame, *, created_at: datetime | None = None) -> int:
    """Write alerts; one that is already there (assignment, level, model version) is left as it was.

    Parameters
    ----------
    frame : DataFrame
        ``assignment_id``, ``booking_id``, ``service_day`` (midnight), ``level``, ``p_late`` (0..1), ``model_version``.
    created_at : datetime, optional
        Aware; now by default.

    Returns
    -------
    int
        New alerts.

    Raises
    ------
    TableContractError
        If columns are missing or values unknown.
    """
    require_columns(frame, COLUMNS, "risk alerts")
    require_known(frame, COLUMNS, "risk alerts")
    at = created_at or utc_now()
    rows = [{**row, "created_at": at} for row in to_rows(frame[list(COLUMNS)], risk_alert)]
    if not rows:
        return 0
    with store.begin() as connection:
        statement = insert(connection, risk_alert).on_conflict_do_nothing(
            index_elements=["assignment_id", "level", "model_version"]
        )
        return len(connection.execute(statement.returning(risk_alert.c.id), rows).all())


def read_alerts(store: StateStore, first_day: date, last_day: date) -> pd.DataFrame:
    """Alerts of a range of service days, both included, in the order in which they were written."""
    columns = [column for column in risk_alert.columns if column.name != "id"]
    query = sa.select(*columns).where(risk_alert.c.service_day.between(first_day, last_day)).order_by(risk_alert.c.id)
    with store.read() as connection:
        return to_frame(connection.execute(query), columns)
