"""Predictions, served or kept in the shadow, and what came of them."""

from datetime import date, datetime
from typing import Any

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
    "role",
    "arm",
)
SERVED, SHADOW = "served", "shadow"
ARMS = ("champion", "challenger")
STORED = DELAY_PREDICTIONS.remove_columns(["slack_min"])
"""What is kept of a prediction; what it was made from can be made again."""
ACTUALS = ("assignment_id", "actual_delay_min", "known_at")


def record_predictions(
    store: StateStore, frame: pd.DataFrame, *, role: str = SERVED, predicted_at: datetime | None = None
) -> int:
    """Write predictions; the same frame again changes nothing.

    A prediction is one row per assignment and model version. While the pickup has not happened, a new prediction of
    the same model replaces the old one, in its role too. Once the actual delay of an assignment is recorded its rows
    stay as they are and no version adds one: nothing can be predicted of what is known.

    Parameters
    ----------
    frame : DataFrame
        :data:`~atmr_pipeline.domain.tables.DELAY_PREDICTIONS` plus ``company_id``; one row per assignment. ``arm``
        (``champion``, ``challenger`` or NULL) is optional: NULL, or no such column, is no A/B test.
    role : str
        ``served`` for what was acted on, ``shadow`` for what another model said of the same.
    predicted_at : datetime, optional
        When they were computed, aware; now by default.

    Returns
    -------
    int
        Rows inserted or changed.

    Raises
    ------
    TableContractError
        If columns are missing, values unknown, or a role or an arm is no such.
    """
    if role not in (SERVED, SHADOW):
        raise TableContractError(f"delay_predictions: role must be {SERVED} or {SHADOW}")
    require_columns(frame, ["company_id"], "delay_predictions")
    require_known(frame, ["company_id"], "delay_predictions")
    predictions = conform(frame, STORED)
    predictions["company_id"] = frame["company_id"].astype("int64").to_numpy()
    predictions = predictions.assign(role=role, arm=_arms(frame).to_numpy())
    if predictions.empty:
        return 0
    at = predicted_at or utc_now()
    with store.begin() as connection:
        known, overtaken = _standing(connection, predictions, role)
        open_ones = predictions[~predictions["assignment_id"].isin(known)]
        keys = pd.MultiIndex.from_frame(open_ones[list(KEY)])
        again = keys.isin(overtaken)
        written = 0
        for part, even_if_same in ((open_ones[~again], False), (open_ones[again], True)):
            rows = [{**row, "predicted_at": at} for row in to_rows(part, ml_prediction)]
            if rows:
                statement = _upsert(connection, even_if_same=even_if_same)
                written += len(connection.execute(statement, rows).all())
        return written


def _arms(frame: pd.DataFrame) -> pd.Series:
    if "arm" not in frame.columns:
        return pd.Series(None, index=frame.index, dtype=object)
    wrong = int((frame["arm"].notna() & ~frame["arm"].isin(ARMS)).sum())
    if wrong:
        raise TableContractError(f"delay_predictions: arm is neither {' nor '.join(ARMS)} in {wrong} rows")
    return frame["arm"].astype(object)


def _standing(
    connection: sa.Connection, predictions: pd.DataFrame, role: str
) -> tuple[set[int], list[tuple[int, str]]]:
    """Assignments whose actual is known, and keys after which another version had the same role.

    The second are written even if their figures are the same: a version that serves again after another had (a
    rollback) is the last word again.
    """
    column, days = ml_prediction.c, predictions["service_day"]
    query = sa.select(
        column.assignment_id, column.model_version, column.role, column.predicted_at, column.actual_recorded_at
    ).where(column.service_day.between(days.min().date(), days.max().date()))
    rows = connection.execute(query).all()
    known = {row.assignment_id for row in rows if row.actual_recorded_at is not None}
    newest: dict[int, datetime] = {}
    for row in rows:
        if row.role == role:
            newest[row.assignment_id] = max(row.predicted_at, newest.get(row.assignment_id, row.predicted_at))
    overtaken = [
        (row.assignment_id, row.model_version)
        for row in rows
        if row.predicted_at < newest.get(row.assignment_id, row.predicted_at)
    ]
    return known, overtaken


def _upsert(connection: sa.Connection, *, even_if_same: bool) -> Any:
    statement = insert(connection, ml_prediction)
    new = statement.excluded
    changed = [ml_prediction.c[name].is_distinct_from(new[name]) for name in CONTENT]
    worth_it = sa.true() if even_if_same else sa.or_(*changed)
    return statement.on_conflict_do_update(
        index_elements=KEY,
        set_={name: new[name] for name in (*CONTENT, "predicted_at")},
        where=sa.and_(ml_prediction.c.actual_recorded_at.is_(None), worth_it),
    ).returning(ml_prediction.c.id)


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
    role: str | None = SERVED,
) -> pd.DataFrame:
    """Predictions with their actuals, both days included.

    Parameters
    ----------
    role : str or None
        ``served`` by default: what somebody acted on. ``shadow``, or None for both.

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
    if role is not None:
        query = query.where(ml_prediction.c.role == role)
    query = query.order_by(ml_prediction.c.service_day, ml_prediction.c.assignment_id, ml_prediction.c.model_version)
    with store.read() as connection:
        return to_frame(connection.execute(query), columns)
