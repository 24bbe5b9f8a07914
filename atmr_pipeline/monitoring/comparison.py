"""One column, one period against another: which test, on how many independent values, with which outcome."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from atmr_pipeline.monitoring.samples import FeatureKind, day_number
from atmr_pipeline.monitoring.thresholds import DriftSettings
from atmr_pipeline.monitoring.two_sample import (
    Comparison,
    FloatArray,
    chi_squared,
    design_effect,
    jensen_shannon,
    kolmogorov_smirnov,
)
from atmr_pipeline.monitoring.watched import Cut, Period, WatchedColumn

DRIFT_COLUMNS = {
    "company_id": "Int64",
    "feature": "str",
    "aspect": "str",
    "window_days": "int64",
    "n_reference": "int64",
    "n_current": "int64",
    "test": "str",
    "statistic": "float64",
    "p_value": "float64",
    "threshold": "float64",
    "alarm": "boolean",
    "distance": "float64",
    "severity": "str",
    "skipped_reason": "str",
}
VALUE, NULL_SHARE = "value", "null_share"
TESTS_PER_FEATURE = 2
DECILES = 10


@dataclass(frozen=True)
class Question:
    """What one row of the table asks."""

    feature: str
    aspect: str
    days: int
    kind: FeatureKind
    threshold: float


@dataclass(frozen=True)
class Answer:
    """One test, or why it was not made. A KS test has its ``size`` here and its p-value later, all at once."""

    question: Question
    counts: tuple[int, int] = (0, 0)
    statistic: float = float("nan")
    p_value: float = float("nan")
    size: float = float("nan")
    distance: float = float("nan")
    severe_above: float = float("inf")
    reason: str | None = None

    @property
    def alarm(self) -> bool | None:
        """Whether the test alarms; None where it was not made."""
        return None if self.reason else bool(self.p_value < self.question.threshold)

    @property
    def severity(self) -> str:
        """``none`` without an alarm, else by the distance."""
        if not self.alarm:
            return "none"
        return "critical" if abs(self.distance) > self.severe_above else "warning"


class ColumnTests:
    """Tests of some columns of two periods, ready for looks on any day.

    Parameters
    ----------
    reference, current : DataFrame
        ``service_day`` and the columns. The periods may overlap: rows of a window are left out of its reference.
    kinds : mapping
        Column to its kind.
    settings : DriftSettings
    with_nulls : bool
        Also test the share of NULLs.
    binned : bool
        Measure severity over the deciles of the reference instead of by the Wasserstein distance.
    """

    def __init__(
        self,
        reference: pd.DataFrame,
        current: pd.DataFrame,
        kinds: Mapping[str, FeatureKind],
        settings: DriftSettings,
        *,
        with_nulls: bool,
        binned: bool = False,
    ) -> None:
        self.settings, self.with_nulls, self.binned = settings, with_nulls, binned
        self.kinds = dict(kinds)
        self.periods = Period(reference), Period(current)
        frames = {"reference": reference, "current": current}
        self.absent = {
            name: " and ".join(where for where, frame in frames.items() if name not in frame.columns) for name in kinds
        }
        self.columns = {
            name: WatchedColumn(name, kind, reference[name], current[name], self.periods)
            for name, kind in kinds.items()
            if not self.absent[name]
        }

    def look(self, as_of: date, thresholds: Mapping[int, float], company_id: int | None = None) -> pd.DataFrame:
        """Test every column on every window that ends on ``as_of``.

        Parameters
        ----------
        thresholds : mapping of int to float
            Window length in days to the p-value below which the test alarms.
        company_id : int, optional
            Written into the table; None for all companies together.
        """
        return _table(self.answers(as_of, thresholds), company_id)

    def answers(self, as_of: date, thresholds: Mapping[int, float]) -> list[Answer]:
        """The same tests before they are put in a table."""
        last = day_number(as_of)
        cuts = {days: Cut(*self.periods, last, days) for days in thresholds}
        answers: list[Answer] = []
        for name, kind in self.kinds.items():
            for days, threshold in thresholds.items():
                question = Question(name, VALUE, days, kind, threshold)
                answers += self._column(question, cuts[days])
        return _with_ks_values(answers)

    def _column(self, question: Question, cut: Cut) -> list[Answer]:
        nulls = replace(question, aspect=NULL_SHARE)
        if question.feature not in self.columns:
            reason = f"column missing in {self.absent[question.feature]}"
            answers = [Answer(question, reason=reason), Answer(nulls, reason=reason)]
            return answers if self.with_nulls else answers[:1]
        column = self.columns[question.feature]
        rows, known = column.rows(cut)
        answers = [self._values(question, column, cut, known)]
        if self.with_nulls:
            answers.append(self._nulls(nulls, column, cut, rows, known))
        return answers

    def _values(self, question: Question, column: WatchedColumn, cut: Cut, known: tuple[int, int]) -> Answer:
        reason = _too_few(known, self.settings) or column.not_numeric
        if reason:
            return Answer(question, known, reason=reason)
        before, after = column.counts(cut)
        if column.kind is not FeatureKind.NUMERIC:
            present = (before + after) > 0
            if present.sum() == 1:
                return Answer(question, known, reason="one category only, the same in both")
            sizes = cut.known_sizes(column)
            return self._codes(question, (before[present], after[present]), column.correlations, sizes)
        effective = _effective(known, column.correlations, cut.known_sizes(column))
        if min(effective) < self.settings.minimum_effective_rows:
            return Answer(question, known, reason=_too_dependent(min(effective), self.settings))
        gap = np.cumsum(before) / known[0] - np.cumsum(after) / known[1]
        return Answer(
            question,
            known,
            statistic=float(np.abs(gap).max()),
            size=effective[0] * effective[1] / (effective[0] + effective[1]),
            distance=_decile_distance(before, after) if self.binned else _wasserstein(column.points, before, gap),
            severe_above=self.settings.severity_jensen_shannon if self.binned else self.settings.severity_wasserstein,
        )

    def _nulls(
        self, question: Question, column: WatchedColumn, cut: Cut, rows: tuple[int, int], known: tuple[int, int]
    ) -> Answer:
        reason = _too_few(rows, self.settings, what="rows")
        if reason:
            return Answer(question, rows, reason=reason)
        if rows == known:
            return Answer(question, rows, statistic=0.0, p_value=1.0, distance=0.0)
        before, after = ((np.array([has, n - has], dtype=np.float64)) for n, has in zip(rows, known, strict=True))
        return self._codes(question, (before, after), column.null_correlations, cut.cluster_sizes)

    def _codes(
        self,
        question: Question,
        counts: tuple[FloatArray, FloatArray],
        correlations: tuple[float, ...],
        cluster_sizes: tuple[tuple[float, ...], tuple[float, ...]],
    ) -> Answer:
        """Chi-squared of two counted samples on effective counts (Rao & Scott 1981, first order)."""
        n = int(counts[0].sum()), int(counts[1].sum())
        effective = _effective(n, correlations, cluster_sizes)
        if min(effective) < self.settings.minimum_effective_rows:
            return Answer(question, n, reason=_too_dependent(min(effective), self.settings))
        shares = [count / count.sum() for count in counts]
        outcome = chi_squared(np.vstack([share * size for share, size in zip(shares, effective, strict=True)]))
        if outcome is None:
            return Answer(question, n, reason="too few of all but one category to compare")
        if question.aspect == NULL_SHARE:
            distance, severe_above = float(shares[1][-1] - shares[0][-1]), self.settings.severity_null_share
        else:
            distance, severe_above = jensen_shannon(*shares), self.settings.severity_jensen_shannon
        return _answered(Answer(question, n, distance=distance, severe_above=severe_above), outcome)


def _answered(answer: Answer, outcome: Comparison) -> Answer:
    return replace(answer, statistic=outcome.statistic, p_value=outcome.p_value)


def _effective(
    counts: tuple[int, int],
    correlations: tuple[float, ...],
    cluster_sizes: tuple[tuple[float, ...], tuple[float, ...]],
) -> tuple[float, float]:
    before, after = (n / design_effect(correlations, sizes) for n, sizes in zip(counts, cluster_sizes, strict=True))
    return before, after


def _wasserstein(points: FloatArray, before: FloatArray, gap: FloatArray) -> float:
    """Wasserstein-1 distance over the reference's standard deviation; NaN where the reference does not vary."""
    n = before.sum()
    deviations = points - float(points @ before) / n
    spread = float(np.sqrt((deviations**2) @ before / n))
    return float((np.abs(gap[:-1]) * np.diff(points)).sum()) / spread if spread > 0.0 else float("nan")


def _decile_distance(before: FloatArray, after: FloatArray) -> float:
    """Jensen-Shannon distance over the deciles of the reference; a value belongs to the decile in which it starts."""
    below = (np.cumsum(before) - before) / before.sum()
    decile = np.minimum((below * DECILES).astype(np.int64), DECILES - 1)
    shares = [np.bincount(decile, weights=counts, minlength=DECILES) / counts.sum() for counts in (before, after)]
    return jensen_shannon(*shares)


def _with_ks_values(answers: list[Answer]) -> list[Answer]:
    open_ = [index for index, answer in enumerate(answers) if np.isfinite(answer.size)]
    if open_:
        values = kolmogorov_smirnov(
            np.array([answers[index].statistic for index in open_]), np.array([answers[index].size for index in open_])
        )
        for index, value in zip(open_, values, strict=True):
            answers[index] = replace(answers[index], p_value=float(value))
    return answers


def _table(answers: list[Answer], company_id: int | None) -> pd.DataFrame:
    """One row an answer, with fixed dtypes, also without rows."""
    columns: dict[str, list[Any]] = {
        "company_id": [company_id] * len(answers),
        "feature": [answer.question.feature for answer in answers],
        "aspect": [answer.question.aspect for answer in answers],
        "window_days": [answer.question.days for answer in answers],
        "n_reference": [answer.counts[0] for answer in answers],
        "n_current": [answer.counts[1] for answer in answers],
        "test": [_test(answer.question) for answer in answers],
        "statistic": [answer.statistic for answer in answers],
        "p_value": [answer.p_value for answer in answers],
        "threshold": [answer.question.threshold for answer in answers],
        "alarm": [answer.alarm for answer in answers],
        "distance": [answer.distance for answer in answers],
        "severity": [answer.severity for answer in answers],
        "skipped_reason": [answer.reason for answer in answers],
    }
    return pd.DataFrame({name: pd.Series(columns[name], dtype=dtype) for name, dtype in DRIFT_COLUMNS.items()})


def _test(question: Question) -> str:
    return "ks" if question.kind is FeatureKind.NUMERIC and question.aspect == VALUE else "chi2"


def _too_few(counts: tuple[int, int], settings: DriftSettings, what: str = "known values") -> str | None:
    needed = (("reference", settings.minimum_reference_rows), ("current", settings.minimum_current_rows))
    short = [
        f"{name} has {has:,} {what}, needs {needs:,}"
        for (name, needs), has in zip(needed, counts, strict=True)
        if has < needs
    ]
    return "; ".join(short) or None


def _too_dependent(effective: float, settings: DriftSettings) -> str:
    return (
        f"worth {effective:.1f} independent values, needs {settings.minimum_effective_rows:g}: too slow for the window"
    )
