"""Drift of features and of the label at a dozen courses a day.

A month and a week are compared with the data the champion was trained on: Kolmogorov-Smirnov for numbers, chi-squared
for categories and for the share of NULLs, Bonferroni over the tests of a window, effective sample sizes (see
:mod:`atmr_pipeline.monitoring.two_sample`). A test that could not be made says why: silence never means "no drift".
"""

from collections.abc import Mapping
from datetime import date
from typing import Any

import pandas as pd

from atmr_pipeline.domain.errors import TableContractError
from atmr_pipeline.monitoring.comparison import (
    TESTS_PER_FEATURE,
    Baseline,
    column_missing,
    compare_column,
    drift_table,
)
from atmr_pipeline.monitoring.cusum import CusumResult, ResidualReference, residual_cusum, residual_reference
from atmr_pipeline.monitoring.events import DriftEvent, DriftKind, Verdict, alarm_run_start, drift_event, verdicts
from atmr_pipeline.monitoring.samples import FeatureKind, Sample, days_before, feature_kinds
from atmr_pipeline.monitoring.thresholds import DriftSettings, DriftWindow

__all__ = [
    "CusumResult",
    "DriftEvent",
    "DriftKind",
    "DriftSettings",
    "DriftWindow",
    "FeatureKind",
    "ResidualReference",
    "Verdict",
    "alarm_run_start",
    "drift_event",
    "feature_drift",
    "feature_kinds",
    "label_drift",
    "residual_cusum",
    "residual_reference",
    "verdicts",
]


def feature_drift(
    reference: pd.DataFrame,
    current: pd.DataFrame,
    kinds: Mapping[str, str],
    settings: DriftSettings | None = None,
    *,
    as_of: date,
) -> pd.DataFrame:
    """Compare every feature, and its share of NULLs, with the reference on each window.

    Parameters
    ----------
    reference : DataFrame of shape (n, ...)
        Feature columns and ``service_day`` of the champion's training data.
    current : DataFrame of shape (m, ...)
        The same columns of recent days; rows outside a window are left out of it.
    kinds : mapping
        Feature name to a :class:`FeatureKind`.
    settings : DriftSettings, optional
    as_of : date
        The day of the look; windows end on it, inclusive.

    Returns
    -------
    DataFrame
        One row a feature, aspect (``value`` or ``null_share``) and window: ``feature, aspect, window_days,
        n_reference, n_current`` (known values; all rows for ``null_share``)``, test`` (``ks`` or ``chi2``)``,
        statistic, p_value, threshold, alarm, distance`` (normed Wasserstein, Jensen-Shannon or difference of
        shares)``, severity`` (``none``, ``warning`` or ``critical``)``, skipped_reason``. A test that was not made
        has a reason and a NULL alarm.

    Raises
    ------
    TableContractError
        When ``service_day`` is missing or NULL, or a kind is unknown.
    """
    settings = settings or DriftSettings()
    checked = {name: _kind(name, kind) for name, kind in kinds.items()}
    planned_tests = TESTS_PER_FEATURE * max(len(checked), 1)
    thresholds = {window.days: window.alpha / planned_tests for window in settings.feature_windows}
    rows = _compare(reference, current, checked, thresholds, settings, as_of, with_nulls=True)
    return drift_table(rows)


def label_drift(
    reference: pd.DataFrame,
    current: pd.DataFrame,
    settings: DriftSettings | None = None,
    *,
    as_of: date,
    label: str = "delay_min",
) -> pd.DataFrame:
    """Compare the label with the reference on each label window by KS; see :func:`feature_drift`.

    Unlabelled rows (no actual time yet) are left out, not tested: a pickup that has not happened is not a drift. The
    severity is the Jensen-Shannon distance over the deciles of the reference.
    """
    settings = settings or DriftSettings()
    thresholds = {days: settings.label_alpha / len(settings.label_windows) for days in settings.label_windows}
    columns = {label: FeatureKind.NUMERIC}
    rows = _compare(reference, current, columns, thresholds, settings, as_of, with_nulls=False, binned=True)
    return drift_table(rows)


def _kind(name: str, kind: str) -> FeatureKind:
    try:
        return FeatureKind(kind)
    except ValueError:
        raise TableContractError(f"feature {name}: kind must be one of {', '.join(FeatureKind)}") from None


def _compare(
    reference: pd.DataFrame,
    current: pd.DataFrame,
    columns: Mapping[str, FeatureKind],
    thresholds: Mapping[int, float],
    settings: DriftSettings,
    as_of: date,
    *,
    with_nulls: bool,
    binned: bool = False,
) -> list[dict[str, Any]]:
    frames = {"reference": reference, "current": current}
    days = {name: days_before(frame, as_of) for name, frame in frames.items()}
    rows: list[dict[str, Any]] = []
    for column, kind in columns.items():
        absent = " and ".join(name for name, frame in frames.items() if column not in frame.columns)
        if absent:
            rows += column_missing(column, kind, thresholds, absent, with_nulls=with_nulls)
            continue
        samples = {name: Sample(frame[column].reset_index(drop=True), days[name]) for name, frame in frames.items()}
        before = Baseline.of(samples["reference"], kind)
        rows += compare_column(
            column, before, samples["current"], thresholds, settings, with_nulls=with_nulls, binned=binned
        )
    return rows
