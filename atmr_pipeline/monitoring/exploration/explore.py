"""The exploratory report's tables, all at once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from atmr_pipeline.domain.errors import TableContractError
from atmr_pipeline.monitoring.exploration.cases import measured_cases
from atmr_pipeline.monitoring.exploration.figures import distribution, histogram, outliers
from atmr_pipeline.monitoring.exploration.groups import delay_by_group, delay_by_hour_and_weekday, delay_by_week
from atmr_pipeline.monitoring.exploration.relations import correlations, delay_by_feature, missing_values

MIN_GROUP_ROWS = 30
"""Below this a quartile moves by minutes from one case to the next, and a group may be one patient: gathered."""


@dataclass(frozen=True)
class DelayExploration:
    """What is known of the delays, in aggregates; the only rows named are outliers, by assignment.

    Parameters
    ----------
    distribution : DataFrame
        ``figure, value, unit`` of all labels.
    histogram : DataFrame
        ``from_min, to_min, n``.
    groups : DataFrame
        :data:`~atmr_pipeline.monitoring.exploration.groups.GROUP_COLUMNS`.
    weeks : DataFrame
        ``week`` and figures.
    hour_weekday : DataFrame
        ``weekday, hour, n, median_min``.
    features : DataFrame
        :data:`~atmr_pipeline.monitoring.exploration.relations.FEATURE_BIN_COLUMNS`.
    labels : DataFrame
        ``outcome, reason, rows, share``: used, and left out by reason.
    missing : DataFrame
        ``feature, rows, unknown, unknown_share, infinite``.
    with_delay, among_features : DataFrame
        Spearman's correlations.
    outliers : DataFrame
        ``assignment_id, service_day, delay_min, side, beyond_min``.
    first_day, last_day : Timestamp or None
        Service days; None without labels.
    min_rows, correlation_rows : int
        Groups with fewer rows were gathered; rows that the correlations were taken from.
    """

    distribution: pd.DataFrame
    histogram: pd.DataFrame
    groups: pd.DataFrame
    weeks: pd.DataFrame
    hour_weekday: pd.DataFrame
    features: pd.DataFrame
    labels: pd.DataFrame
    missing: pd.DataFrame
    with_delay: pd.DataFrame
    among_features: pd.DataFrame
    outliers: pd.DataFrame
    first_day: pd.Timestamp | None
    last_day: pd.Timestamp | None
    min_rows: int
    correlation_rows: int

    def figure(self, name: str) -> float:
        """One figure of the distribution; NaN where it does not exist."""
        return float(self.distribution.set_index("figure")["value"][name])

    @property
    def n(self) -> int:
        """Labels explored."""
        return int(self.figure("n"))

    def summary(self) -> str:
        """One line for a log."""
        if not self.n:
            return "no measured pickup yet"
        return (
            f"{self.n:,} pickups of {int(self.figure('days')):,} days: median {self.figure('median_min'):.1f} min, "
            f"quartiles {self.figure('q1_min'):.1f} and {self.figure('q3_min'):.1f}, "
            f"{self.figure('late_share'):.1%} late"
        )


def explore_delays(
    training_set: pd.DataFrame,
    bookings: pd.DataFrame,
    left_out: Mapping[str, int],
    *,
    features: Sequence[str],
    min_rows: int = MIN_GROUP_ROWS,
    seed: int = 0,
) -> DelayExploration:
    """Explore the labels of the delay model.

    Parameters
    ----------
    training_set : DataFrame
        DELAY_TRAINING_SET; may be empty.
    bookings : DataFrame
        BOOKINGS, or its columns :data:`~atmr_pipeline.monitoring.exploration.cases.BOOKING_COLUMNS`.
    left_out : mapping of str to int
        Assignments without a usable label, by reason.
    features : sequence of str
        Columns of ``training_set`` that are features; other columns are not looked at.
    min_rows : int
        Groups with fewer rows are gathered into one.
    seed : int
        Of the bootstrap and of the sample for correlations.

    Raises
    ------
    TableContractError
        A column is missing, an assignment stands twice, or a delay is not a finite number.
    """
    absent = [name for name in features if name not in training_set.columns]
    if absent:
        raise TableContractError(f"exploration: the training set lacks {len(absent)} of the features")
    cases = measured_cases(training_set, bookings)
    with_delay, among, sampled = correlations(training_set, features, seed=seed)
    days = cases["service_day"]
    return DelayExploration(
        distribution=distribution(cases, seed),
        histogram=histogram(cases["delay_min"].to_numpy()),
        groups=delay_by_group(cases, min_rows=min_rows, seed=seed),
        weeks=delay_by_week(cases, seed),
        hour_weekday=delay_by_hour_and_weekday(cases),
        features=delay_by_feature(training_set, cases, features, seed=seed),
        labels=label_account(len(cases), left_out),
        missing=missing_values(training_set, features),
        with_delay=with_delay,
        among_features=among,
        outliers=outliers(cases),
        first_day=days.min() if len(days) else None,
        last_day=days.max() if len(days) else None,
        min_rows=min_rows,
        correlation_rows=sampled,
    )


def label_account(used: int, left_out: Mapping[str, int]) -> pd.DataFrame:
    """``outcome, reason, rows, share`` of every assignment that there was; largest loss first."""
    lost = sorted(left_out.items(), key=lambda item: (-item[1], item[0]))
    records = [("used", None, used), *(("left out", reason, count) for reason, count in lost)]
    frame = pd.DataFrame(records, columns=["outcome", "reason", "rows"])
    frame["share"] = frame["rows"] / frame["rows"].sum() if frame["rows"].sum() else float("nan")
    return frame.astype({"outcome": "str", "reason": "str", "rows": "int64", "share": "float64"})
