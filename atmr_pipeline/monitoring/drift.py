"""Drift of features and of the label at a dozen courses a day.

A month and a week are compared with the data the champion was trained on: Kolmogorov-Smirnov for numbers, chi-squared
for categories and for the share of NULLs, Bonferroni over the tests of a window, effective sample sizes (see
:mod:`atmr_pipeline.monitoring.two_sample`). A test that could not be made says why: silence never means "no drift".
"""

from collections.abc import Mapping
from datetime import date

import pandas as pd

from atmr_pipeline.domain.errors import TableContractError
from atmr_pipeline.monitoring.comparison import TESTS_PER_FEATURE, ColumnTests
from atmr_pipeline.monitoring.cusum import CusumResult, ResidualReference, residual_cusum, residual_reference
from atmr_pipeline.monitoring.events import Alarm, DriftKind, Verdict, alarm_run_start, drift_alarm, verdicts
from atmr_pipeline.monitoring.samples import FeatureKind, feature_kinds
from atmr_pipeline.monitoring.thresholds import DriftSettings, DriftWindow

__all__ = [
    "Alarm",
    "CusumResult",
    "DriftKind",
    "DriftSettings",
    "DriftWindow",
    "FeatureKind",
    "ResidualReference",
    "Verdict",
    "alarm_run_start",
    "drift_alarm",
    "feature_drift",
    "feature_kinds",
    "feature_tests",
    "feature_thresholds",
    "label_drift",
    "label_tests",
    "label_thresholds",
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
        Feature columns and ``service_day`` of the champion's training data. Rows inside a window are not part of its
        reference.
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
        One row a feature, aspect (``value`` or ``null_share``) and window: ``company_id`` (NULL: all), ``feature,
        aspect, window_days, n_reference, n_current`` (known values; all rows for ``null_share``)``, test`` (``ks`` or
        ``chi2``)``, statistic, p_value, threshold, alarm, distance`` (normed Wasserstein, Jensen-Shannon or
        difference of shares)``, severity`` (``none``, ``warning`` or ``critical``)``, skipped_reason``. A test that
        was not made has a reason and a NULL alarm.

    Raises
    ------
    TableContractError
        When ``service_day`` is missing or NULL, or a kind is unknown.
    """
    settings = settings or DriftSettings()
    tests = feature_tests(reference, current, kinds, settings)
    return tests.look(as_of, feature_thresholds(kinds, settings))


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
    return label_tests(reference, current, settings, label).look(as_of, label_thresholds(settings))


def feature_tests(
    reference: pd.DataFrame, current: pd.DataFrame, kinds: Mapping[str, str], settings: DriftSettings
) -> ColumnTests:
    """The tests of :func:`feature_drift`, prepared for looks on several days."""
    checked = {name: _kind(name, kind) for name, kind in kinds.items()}
    return ColumnTests(reference, current, checked, settings, with_nulls=True)


def label_tests(reference: pd.DataFrame, current: pd.DataFrame, settings: DriftSettings, label: str) -> ColumnTests:
    """The tests of :func:`label_drift`, prepared for looks on several days."""
    return ColumnTests(reference, current, {label: FeatureKind.NUMERIC}, settings, with_nulls=False, binned=True)


def feature_thresholds(kinds: Mapping[str, str], settings: DriftSettings) -> dict[int, float]:
    """Window length to the p-value that alarms: the window's error rate over its planned tests."""
    planned_tests = TESTS_PER_FEATURE * max(len(kinds), 1)
    return {window.days: window.alpha / planned_tests for window in settings.feature_windows}


def label_thresholds(settings: DriftSettings) -> dict[int, float]:
    """Window length to the p-value that alarms: the error rate over the label windows."""
    return {days: settings.label_alpha / len(settings.label_windows) for days in settings.label_windows}


def _kind(name: str, kind: str) -> FeatureKind:
    try:
        return FeatureKind(kind)
    except ValueError:
        raise TableContractError(f"feature {name}: kind must be one of {', '.join(FeatureKind)}") from None
