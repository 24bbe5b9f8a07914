"""The predictions that were served, and what came of them."""

from datetime import date, datetime

import pandas as pd
import sqlalchemy as sa

from atmr_pipeline.domain.errors import TableContractError
from atmr_pipeline.domain.tables import DELAY_PREDICTIONS, conform
from atmr_pipeline.state.frames import require_columns, require_known, to_frame, to_rows
from atmr_pipeline.state.schema import ml_prediction
from atmr_pipeline.state.store import StateStore
from atmr_pipeline.state.types import utc_now
from atmr_pipeline.state.upsert import insert

KEY = ("assignment_id", "model_version")
CONTENT = (
    "booking_id",
    "driver_id",
    "company_id",
    "service_day",
    "decided_at",
    "expected_delay_min",
    "low_min",
    "high_min",
    "p_late",
)
STORED = DELAY_PREDICTIONS.remove_columns(["slack_min"])
"""What is kept of a prediction; what it was made from can be made again."""
ACTUALS = ("assignment_id", "actual_delay_min", "known_at")


def record_predictions(store: StateStore, frame: pd.DataFrame, *, predicted_at: datetime | None = None) -> int:
    """Write predictions; the same frame again changes nothing.

    A prediction is one row per assignment and model version. While the pickup has not happened, a new prediction of
    the same model replaces the old one; once the actual delay is recorded the row is what was served, and stays.

    Parameters
    ----------
    frame : DataFrame
        :data:`~atmr_pipeline.domain.tables.DELAY_PREDICTIONS` plus ``company_id``; one row per assignment.
    predicted_at : datetime, optional
        When they were computed, aware; now by default.

    Returns
    -------
    int
        Rows inserted or changed.

    Raises
    ------
    TableContractError
        If columns are missing or values unknown.
    """
    require_columns(frame, ["company_id"], "delay_predictions")
    require_known(frame, ["company_id"], "delay_predictions")
    predictions = conform(frame, STORED)
    predictions["company_id"] = frame["company_id"].astype("int64").to_numpy()
    at = predicted_at or utc_now()
    rows = [{**row, "predicted_at": at} for row in to_rows(predictions, ml_prediction)]
    if not rows:
        return 0
    with store.begin() as connection:
        statement = insert(connection, ml_prediction)
        new = statement.excluded
        changed = sa.or_(*(ml_prediction.c[name].is_distinct_from(new[name]) for name in CONTENT))
        statement = statement.on_conflict_do_update(
            index_elements=KEY,
            set_={name: new[name] for name in (*CONTENT, "predicted_at")},
            where=sa.and_(ml_prediction.c.actual_recorded_at.is_(None), changed),
        ).returning(ml_prediction.c.id)
        return len(connection.execute(statement, rows).all())


def record_actuals(store: StateStore, frame: pd.DataFrame) -> int:
    """Fill in what really happened, on every model's prediction of each assignment.

    A later correction at the source (a larger ``known_at`` with another delay) replaces an earlier value; the same
    frame again changes nothing.

    Parameters
    ----------
    frame : DataFrame
        ``assignment_id`` (unique), ``actual_delay_min`` (negative is early; NULL rows are not known yet and are
        skipped), ``known_at`` (aware UTC: when the delay was known).

    Returns
    -------
    int
        Predictions filled or corrected.

    Raises
    ------
    TableContractError
        If columns are missing, an assignment appears twice, or a delay has no ``known_at``.
    """
    require_columns(frame, ACTUALS, "prediction actuals")
    known = frame.loc[frame["actual_delay_min"].notna(), list(ACTUALS)]
    require_known(known, ACTUALS, "prediction actuals")
    repeated = int(known["assignment_id"].duplicated().sum())
    if repeated:
        raise TableContractError(f"prediction actuals: {repeated} repeated assignment_id")
    column = ml_prediction.c
    delay, at = (
        sa.bindparam("delay", type_=column.actual_delay_min.type),
        sa.bindparam("at", type_=column.decided_at.type),
    )
    statement = (
        sa.update(ml_prediction)
        .where(
            column.assignment_id == sa.bindparam("assignment"),
            sa.or_(
                column.actual_recorded_at.is_(None),
                sa.and_(column.actual_recorded_at < at, column.actual_delay_min != delay),
            ),
        )
        .values(actual_delay_min=delay, actual_recorded_at=at)
    )
    filled = 0
    with store.begin() as connection:
        for assignment, minutes, known_at in known.itertuples(index=False, name=None):
            values = {"assignment": int(assignment), "delay": float(minutes), "at": known_at.to_pydatetime()}
            filled += connection.execute(statement, values).rowcount
    return filled


def read_predictions(
    store: StateStore,
    first_day: date,
    last_day: date,
    *,
    company_id: int | None = None,
    model_version: str | None = None,
) -> pd.DataFrame:
    """Predictions with their actuals, both days included.

    Returns
    -------
    DataFrame
        One row per assignment and model version, ordered by day, assignment, version; columns of ``ml_prediction``
        without ``id``. ``actual_delay_min`` is NaN where the pickup has not happened.
    """
    columns = [column for column in ml_prediction.columns if column.name != "id"]
    query = sa.select(*columns).where(ml_prediction.c.service_day.between(first_day, last_day))
    if company_id is not None:
        query = query.where(ml_prediction.c.company_id == company_id)
    if model_version is not None:
        query = query.where(ml_prediction.c.model_version == model_version)
    query = query.order_by(ml_prediction.c.service_day, ml_prediction.c.assignment_id, ml_prediction.c.model_version)
    with store.read() as connection:
        return to_frame(connection.execute(query), columns)
