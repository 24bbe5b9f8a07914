"""The delay model's features: one function for training and for serving, exact in time.

A feature may use what was known at the decision and nothing later. A trip is known from its actual drop-off on
(``known_at``), so a window ends there and not at the pickup: rolling over pickup times would leak labels. Windows are
differences of cumulative sums, found by two ASOF joins each, and a driver's day is read as it was planned at the
decision; both cost linear memory and time.
"""

from collections.abc import Iterator

import pandas as pd

from atmr_pipeline.domain.errors import TableContractError
from atmr_pipeline.domain.tables import conform
from atmr_pipeline.domain.vocabulary import LATE_AFTER_MIN
from atmr_pipeline.features.constants import IMPLAUSIBLE_DELAY_H
from atmr_pipeline.features.duck import run_sql
from atmr_pipeline.features.session import FeatureSession
from atmr_pipeline.features.sources import FeatureSources
from atmr_pipeline.features.tables import DECISIONS, DELAY_CONTEXT, DELAY_FEATURES, DELAY_TRAINING_SET

ROWS_AT_ONCE = 400_000
"""Decisions worked on together: bounds memory, whatever the history."""


def delay_features(decisions: pd.DataFrame, sources: FeatureSources) -> pd.DataFrame:
    """Features of each (booking, driver) decision.

    Parameters
    ----------
    decisions : DataFrame
        ``assignment_id``, ``booking_id``, ``driver_id`` (NULL if none), ``decided_at`` (UTC).
    sources : FeatureSources
        The tables as they are known. An assignment of the decided booking itself says nothing about the decision, so
        pairs that nobody has assigned can be asked for.

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
    parts = [part for _, part in _feature_parts(wanted, sources)]
    return conform(wanted.join(pd.concat(parts)), DELAY_FEATURES)


def decisions_of(sources: FeatureSources) -> pd.DataFrame:
    """The decision behind each assignment, in order of time.

    An assignment is decided when its plan is complete, if that was before the scheduled pickup, and else when it was
    written: the rows of a plan are written in any order, and nobody acts on half a plan.

    Returns
    -------
    DataFrame
        DECISIONS, sorted by ``decided_at`` then ``assignment_id``.
    """
    tables = {name: getattr(sources, name) for name in ("bookings", "assignments", "dispatch_runs")}
    return conform(run_sql("decisions", tables), DECISIONS)


def delay_training_set(sources: FeatureSources) -> tuple[pd.DataFrame, dict[str, int]]:
    """Features and label of every completed assignment.

    Parameters
    ----------
    sources : FeatureSources
        As for :func:`delay_features`; decisions are those of :func:`decisions_of`.

    Returns
    -------
    training_set : DataFrame
        DELAY_TRAINING_SET, sorted by ``decided_at`` then ``assignment_id``.
    excluded : dict of str to int
        Assignments without a usable label, by reason; with the rows of the training set they add up to all.
    """
    usable, excluded = _labels(sources)
    return pd.concat([*_training_parts(usable, sources)], ignore_index=True), excluded


def iter_delay_training_set(sources: FeatureSources) -> Iterator[pd.DataFrame]:
    """The rows of :func:`delay_training_set` in parts of at most :data:`ROWS_AT_ONCE`, for more than memory holds."""
    usable, _ = _labels(sources)
    return _training_parts(usable, sources)


def _labels(sources: FeatureSources) -> tuple[pd.DataFrame, dict[str, int]]:
    labels = run_sql(
        "delay_labels",
        {"bookings": sources.bookings, "assignments": sources.assignments, "decisions": decisions_of(sources)},
        {"implausible_delay_h": IMPLAUSIBLE_DELAY_H},
    )
    unknown_driver = labels["driver_id"].notna() & ~labels["driver_id"].isin(sources.drivers["driver_id"])
    reasons = labels["excluded_reason"].mask(labels["excluded_reason"].isna() & unknown_driver, "driver_missing")
    excluded = {str(reason): int(count) for reason, count in reasons.value_counts().items()}
    return labels[reasons.isna()].drop(columns="excluded_reason").reset_index(drop=True), excluded


def _training_parts(labels: pd.DataFrame, sources: FeatureSources) -> Iterator[pd.DataFrame]:
    for rows, features in _feature_parts(labels, sources):
        part = labels.iloc[rows].join(features)
        part["is_late"] = part["delay_min"] > LATE_AFTER_MIN
        yield conform(part, DELAY_TRAINING_SET)


def _feature_parts(decisions: pd.DataFrame, sources: FeatureSources) -> Iterator[tuple[slice, pd.DataFrame]]:
    """Parts of the decisions as a slice of their rows, with features on the same index; one part if there is none."""
    _check_decisions(decisions, sources)
    with FeatureSession(sources) as session:
        for first in range(0, max(len(decisions), 1), ROWS_AT_ONCE):
            rows = slice(first, first + ROWS_AT_ONCE)
            features = session.features(decisions.iloc[rows])
            yield rows, features[[*DELAY_CONTEXT, *(n for n in features.columns if n not in DELAY_CONTEXT)]]


def _check_decisions(decisions: pd.DataFrame, sources: FeatureSources) -> None:
    bookings = sources.bookings
    missing = int((~decisions["booking_id"].isin(bookings["booking_id"])).sum())
    if missing:
        raise TableContractError(f"{missing} decisions name a booking that is not in the bookings table")
    untimed = bookings.loc[bookings["scheduled_at"].isna(), "booking_id"]
    without_time = int(decisions["booking_id"].isin(untimed).sum())
    if without_time:
        raise TableContractError(f"{without_time} decisions have a booking without a scheduled time")
    drivers = decisions["driver_id"]
    unknown = int((drivers.notna() & ~drivers.isin(sources.drivers["driver_id"])).sum())
    if unknown:
        raise TableContractError(f"{unknown} decisions name a driver that is not in the drivers table")
