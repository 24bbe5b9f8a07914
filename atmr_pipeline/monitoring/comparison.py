"""One column, one period against another: which test, on how many independent values, with which outcome."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from atmr_pipeline.monitoring.samples import FeatureKind, Sample, labels, numbers, why_not_numeric
from atmr_pipeline.monitoring.thresholds import DriftSettings
from atmr_pipeline.monitoring.two_sample import (
    Comparison,
    IntArray,
    binned_shares,
    chi_squared,
    cluster_correlations,
    design_effect,
    jensen_shannon,
    kolmogorov_smirnov,
    normed_wasserstein,
)

DRIFT_COLUMNS = {
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


def drift_table(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Rows of :func:`compare_column` as a table with fixed dtypes, also without rows."""
    return pd.DataFrame({name: pd.Series([row[name] for row in rows], dtype=t) for name, t in DRIFT_COLUMNS.items()})


@dataclass(frozen=True)
class Baseline:
    """A column of the reference with what is learned from it once, whatever the window.

    Parameters
    ----------
    sample : Sample
    kind : FeatureKind
    correlations, null_correlations : tuple of float
        Of days and weeks, for the known values and for being NULL.
    """

    sample: Sample
    kind: FeatureKind
    correlations: tuple[float, ...]
    null_correlations: tuple[float, ...]

    @classmethod
    def of(cls, sample: Sample, kind: FeatureKind) -> "Baseline":
        """Learn from a sample; values that cannot be ranked have no correlation, and are not tested either."""
        known = sample.known
        if kind is FeatureKind.NUMERIC and why_not_numeric(sample.values):
            scores = np.zeros((int(known.sum()), 1))
        elif kind is FeatureKind.NUMERIC:
            scores = np.asarray(pd.Series(numbers(sample)).rank(), dtype=np.float64)[:, None]
        else:
            categories, codes = np.unique(labels(sample), return_inverse=True)
            scores = (codes[:, None] == np.arange(len(categories))).astype(np.float64)
        return cls(
            sample,
            kind,
            cluster_correlations(scores, sample.days_ago[known]),
            cluster_correlations((~known).astype(np.float64)[:, None], sample.days_ago),
        )


@dataclass(frozen=True)
class Question:
    """What one row of the table asks."""

    feature: str
    aspect: str
    days: int
    kind: FeatureKind
    threshold: float


def compare_column(
    feature: str,
    before: Baseline,
    after: Sample,
    thresholds: Mapping[int, float],
    settings: DriftSettings,
    *,
    with_nulls: bool,
    binned: bool = False,
) -> list[dict[str, Any]]:
    """Test one column on each window.

    Parameters
    ----------
    thresholds : mapping of int to float
        Window length in days to the p-value below which the test alarms.
    with_nulls : bool
        Also test the share of NULLs.
    binned : bool
        Measure severity over the deciles of the reference instead of by the Wasserstein distance.
    """
    rows = []
    for days, threshold in thresholds.items():
        window = after.within(days)
        question = Question(feature, VALUE, days, before.kind, threshold)
        rows.append(_compare_values(question, before, window, settings, binned=binned))
        if with_nulls:
            rows.append(_compare_nulls(replace(question, aspect=NULL_SHARE), before, window, settings))
    return rows


def column_missing(
    feature: str, kind: FeatureKind, thresholds: Mapping[int, float], where: str, *, with_nulls: bool
) -> list[dict[str, Any]]:
    """The rows of a column that is not there."""
    return [
        _row(Question(feature, aspect, days, kind, threshold), reason=f"column missing in {where}")
        for days, threshold in thresholds.items()
        for aspect in ((VALUE, NULL_SHARE) if with_nulls else (VALUE,))
    ]


def _compare_values(
    question: Question, before: Baseline, after: Sample, settings: DriftSettings, *, binned: bool
) -> dict[str, Any]:
    counts = int(before.sample.known.sum()), int(after.known.sum())
    reason = _too_few(*counts, settings)
    if reason is None and before.kind is FeatureKind.NUMERIC:
        reason = why_not_numeric(before.sample.values) or why_not_numeric(after.values)
    if reason:
        return _row(question, counts, reason=reason)
    if before.kind is not FeatureKind.NUMERIC:
        both = np.concatenate([labels(before.sample), labels(after)])
        categories, codes = np.unique(both, return_inverse=True)
        if len(categories) == 1:
            return _row(question, counts, reason="one category only, the same in both")
        return _compare_codes(question, codes[: counts[0]], codes[counts[0] :], before, after, settings)
    effective = _effective_rows(before.correlations, before.sample, after, known_only=True)
    if min(effective) < settings.minimum_effective_rows:
        return _row(question, counts, reason=_too_dependent(min(effective), settings))
    old, new = numbers(before.sample), numbers(after)
    distance = jensen_shannon(*binned_shares(old, new)) if binned else normed_wasserstein(old, new)
    limit = settings.severity_jensen_shannon if binned else settings.severity_wasserstein
    return _row(question, counts, kolmogorov_smirnov(old, new, *effective), distance, limit)


def _compare_nulls(question: Question, before: Baseline, after: Sample, settings: DriftSettings) -> dict[str, Any]:
    counts = len(before.sample.values), len(after.values)
    reason = _too_few(*counts, settings, what="rows")
    if reason:
        return _row(question, counts, reason=reason)
    if before.sample.known.all() and after.known.all():
        return _row(question, counts, Comparison(0.0, 1.0), 0.0)
    codes = (~before.sample.known).astype(np.int64), (~after.known).astype(np.int64)
    return _compare_codes(question, *codes, before, after, settings)


def _compare_codes(
    question: Question, old: IntArray, new: IntArray, before: Baseline, after: Sample, settings: DriftSettings
) -> dict[str, Any]:
    """Chi-squared of two coded samples on effective counts (Rao & Scott 1981, first order)."""
    of_nulls = question.aspect == NULL_SHARE
    correlations = before.null_correlations if of_nulls else before.correlations
    effective = _effective_rows(correlations, before.sample, after, known_only=not of_nulls)
    counts = len(old), len(new)
    if min(effective) < settings.minimum_effective_rows:
        return _row(question, counts, reason=_too_dependent(min(effective), settings))
    size = int(max(old.max(), new.max())) + 1
    shares = [np.bincount(codes, minlength=size) / len(codes) for codes in (old, new)]
    outcome = chi_squared(np.vstack([share * n for share, n in zip(shares, effective, strict=True)]))
    if outcome is None:
        return _row(question, counts, reason="too few of all but one category to compare")
    if of_nulls:
        return _row(question, counts, outcome, float(shares[1][-1] - shares[0][-1]), settings.severity_null_share)
    return _row(question, counts, outcome, jensen_shannon(*shares), settings.severity_jensen_shannon)


def _effective_rows(
    correlations: tuple[float, ...], before: Sample, after: Sample, *, known_only: bool
) -> tuple[float, float]:
    old, new = (sample.days_ago[sample.known] if known_only else sample.days_ago for sample in (before, after))
    return len(old) / design_effect(correlations, old), len(new) / design_effect(correlations, new)


def _row(
    question: Question,
    counts: tuple[int, int] = (0, 0),
    outcome: Comparison | None = None,
    distance: float = float("nan"),
    severe_above: float = float("inf"),
    *,
    reason: str | None = None,
) -> dict[str, Any]:
    alarm = None if outcome is None else outcome.p_value < question.threshold
    severity = "none" if not alarm else ("critical" if abs(distance) > severe_above else "warning")
    return {
        "feature": question.feature,
        "aspect": question.aspect,
        "window_days": question.days,
        "n_reference": counts[0],
        "n_current": counts[1],
        "test": "ks" if question.kind is FeatureKind.NUMERIC and question.aspect == VALUE else "chi2",
        "statistic": np.nan if outcome is None else outcome.statistic,
        "p_value": np.nan if outcome is None else outcome.p_value,
        "threshold": question.threshold,
        "alarm": alarm,
        "distance": distance,
        "severity": severity,
        "skipped_reason": reason,
    }


def _too_few(n_reference: int, n_current: int, settings: DriftSettings, what: str = "known values") -> str | None:
    limits: Iterable[tuple[str, int, int]] = (
        ("reference", n_reference, settings.minimum_reference_rows),
        ("current", n_current, settings.minimum_current_rows),
    )
    short = [f"{name} has {has:,} {what}, needs {needs:,}" for name, has, needs in limits if has < needs]
    return "; ".join(short) or None


def _too_dependent(effective: float, settings: DriftSettings) -> str:
    return (
        f"worth {effective:.1f} independent values, needs {settings.minimum_effective_rows:g}: too slow for the window"
    )
