"""The delay model's features: one function for training and for serving, exact in time.

A feature may use what was known at the decision and nothing later. A trip is known from its actual drop-off on
(``known_at``), so a window ends there and not at the pickup: rolling over pickup times would leak labels. Windows are
differences of cumulative sums, found by two ASOF joins each, which costs linear memory and time.
"""

import pandas as pd

from atmr_pipeline.domain.errors import TableContractError
from atmr_pipeline.domain.tables import conform
from atmr_pipeline.domain.vocabulary import LATE_AFTER_MIN
from atmr_pipeline.features.contract import sql_constants
from atmr_pipeline.features.distance import with_leg_km
from atmr_pipeline.features.duck import run_sql
from atmr_pipeline.features.tables import DECISIONS, DELAY_FEATURES, DELAY_TRAINING_SET


def delay_features(
    decisions: pd.DataFrame,
    *,
    bookings: pd.DataFrame,
    assignments: pd.DataFrame,
    drivers: pd.DataFrame,
    weather: pd.DataFrame,
) -> pd.DataFrame:
    """Features of each (booking, driver) decision.

    Parameters
    ----------
    decisions : DataFrame
        ``assignment_id``, ``booking_id``, ``driver_id`` (NULL if none), ``decided_at`` (UTC).
    bookings : DataFrame
        BOOKINGS: those decided on, and those of the history.
    assignments : DataFrame
        ASSIGNMENTS of the history, at least the 30 days before the first decision. Later ones do no harm.
    drivers : DataFrame
        DRIVERS; every driver decided on must be one of them.
    weather : DataFrame
        WEATHER_FORECAST; may be empty.

    Returns
    -------
    DataFrame
        DELAY_FEATURES: the decisions in their order, with the features of
        :data:`atmr_pipeline.features.contract.FEATURES`.

    Raises
    ------
    TableContractError
        A decision names a booking that is missing or has no scheduled time, or a driver that is not in the fleet.
    """
    wanted = conform(decisions, DECISIONS)
    _check_decisions(wanted, bookings, drivers)
    features = run_sql(
        "delay_features",
        {
            "decisions": wanted.assign(decision_no=range(len(wanted))),
            "bookings": with_leg_km(bookings),
            "assignments": assignments,
            "weather": weather,
        },
        {**sql_constants(), "late_after_min": LATE_AFTER_MIN},
    )
    return conform(wanted.join(features.drop(columns="decision_no")), DELAY_FEATURES)


def delay_training_set(
    bookings: pd.DataFrame, assignments: pd.DataFrame, drivers: pd.DataFrame, weather: pd.DataFrame
) -> tuple[pd.DataFrame, dict[str, int]]:
    """Features and label of every completed assignment.

    Parameters
    ----------
    bookings, assignments, drivers, weather : DataFrame
        As for :func:`delay_features`; the decision time of an assignment is its creation.

    Returns
    -------
    training_set : DataFrame
        DELAY_TRAINING_SET, sorted by ``decided_at`` then ``assignment_id``.
    excluded : dict of str to int
        Assignments without a usable label, by reason; with the rows of the training set they add up to all.
    """
    labels = run_sql("delay_labels", {"bookings": bookings, "assignments": assignments})
    unknown_driver = labels["driver_id"].notna() & ~labels["driver_id"].isin(drivers["driver_id"])
    reasons = labels["excluded_reason"].mask(labels["excluded_reason"].isna() & unknown_driver, "driver_missing")
    excluded = {str(reason): int(count) for reason, count in reasons.value_counts().items()}
    usable = labels[reasons.isna()].reset_index(drop=True)
    features = delay_features(usable, bookings=bookings, assignments=assignments, drivers=drivers, weather=weather)
    repeated = [name for name in features.columns if name in usable.columns]
    result = usable.join(features.drop(columns=repeated))
    result["is_late"] = result["delay_min"] > LATE_AFTER_MIN
    return conform(result, DELAY_TRAINING_SET), excluded


def _check_decisions(decisions: pd.DataFrame, bookings: pd.DataFrame, drivers: pd.DataFrame) -> None:
    missing = int((~decisions["booking_id"].isin(bookings["booking_id"])).sum())
    if missing:
        raise TableContractError(f"{missing} decisions name a booking that is not in the bookings table")
    untimed = bookings.loc[bookings["scheduled_local"].isna(), "booking_id"]
    without_time = int(decisions["booking_id"].isin(untimed).sum())
    if without_time:
        raise TableContractError(f"{without_time} decisions have a booking without a scheduled time")
    unknown = int((decisions["driver_id"].notna() & ~decisions["driver_id"].isin(drivers["driver_id"])).sum())
    if unknown:
        raise TableContractError(f"{unknown} decisions name a driver that is not in the drivers table")
