"""How the champion does on live days, relative to what it did on its validation days.

Fixed limits (mean absolute error above 8, R2 below .60, accuracy below .75) alarm in 17 to 28 % of weeks even on a
perfect model, because a week holds some eighty courses. They are shown. Degradation is declared relative to the
validation figures and only when a bootstrap over whole days leaves no reasonable doubt.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from atmr_pipeline.domain.errors import SettingsError, TableContractError
from atmr_pipeline.domain.vocabulary import LATE_AFTER_MIN
from atmr_pipeline.monitoring.samples import days_before, service_days
from atmr_pipeline.monitoring.two_sample import FloatArray, IntArray

PERFORMANCE_COLUMNS = {
    "window_days": "int64",
    "n": "int64",
    "n_unknown": "int64",
    "mae": "float64",
    "r2": "float64",
    "bias": "float64",
    "brier": "float64",
    "coverage": "float64",
    "accuracy": "float64",
    "mae_ratio": "float64",
    "mae_low": "float64",
    "mae_high": "float64",
    "degraded": "boolean",
    "company_thresholds_broken": "str",
    "skipped_reason": "str",
}
NEEDED = ["service_day", "expected_delay_min", "low_min", "high_min", "p_late", "actual_delay_min"]


@dataclass(frozen=True)
class PerformanceSettings:
    """When live figures count as degraded.

    Raises
    ------
    SettingsError
        When a value is outside its valid range.
    """

    margin: float = 1.15
    """Degraded when the lower confidence bound of the live MAE exceeds the validation MAE by this factor. The margin
    covers that validation figures are themselves estimates, and slightly flattered by model selection."""

    confidence: float = 0.90
    """Two-sided level of the bootstrap interval, so the lower bound is one-sided at 95 %."""

    draws: int = 1000
    """Bootstrap resamples of days (Efron & Tibshirani 1993 ask for about 1,000 for an interval)."""

    minimum_rows: int = 30
    """Measured pickups below which a window is not judged."""

    minimum_days: int = 4
    """Days with measured pickups below which a bootstrap over days means nothing."""

    company_mae_min: float = 8.0
    """The company's fixed limit of the mean absolute error, minutes; shown, not used alone."""

    company_r2: float = 0.60
    """The company's fixed limit of R2; shown, not used alone."""

    company_accuracy: float = 0.75
    """The company's fixed limit of the accuracy of "late" at probability one half; shown, not used alone."""

    def __post_init__(self) -> None:
        if self.margin < 1.0 or not 0.5 < self.confidence < 1.0 or self.draws < 100:
            raise SettingsError("performance settings: margin must be >= 1, .5 < confidence < 1, draws >= 100")
        if self.minimum_rows < 2 or self.minimum_days < 2:
            raise SettingsError("performance settings: minimum_rows and minimum_days must be >= 2")


def performance(
    predictions: pd.DataFrame,
    validation: Mapping[str, Any],
    windows: Sequence[int] = (7, 28),
    *,
    as_of: date | None = None,
    settings: PerformanceSettings | None = None,
    seed: int = 0,
) -> pd.DataFrame:
    """Compare live predictions with what happened, on trailing windows.

    Parameters
    ----------
    predictions : DataFrame
        ``service_day, expected_delay_min, low_min, high_min, p_late, actual_delay_min``; the actual delay is NULL
        where the pickup was not measured.
    validation : mapping
        Figures of the champion's validation days, as an evaluation writes them; ``mae_min`` (or ``mae``) is the one
        judged against.
    windows : sequence of int
        Calendar days, ``as_of`` included.
    as_of : date, optional
        Last day of the windows; the last service day of the frame if not given.
    settings : PerformanceSettings, optional
    seed : int
        Of the bootstrap, so that the same rows give the same interval.

    Returns
    -------
    DataFrame
        One row a window: ``window_days, n, n_unknown, mae, r2, bias`` (expected minus actual, minutes)``, brier,
        coverage`` (of the 90 % interval)``, accuracy, mae_ratio`` (live over validation)``, mae_low, mae_high,
        degraded, company_thresholds_broken, skipped_reason``. ``degraded`` is NULL, with a reason, where a window is
        too small or the validation MAE is not known.

    Raises
    ------
    TableContractError
        When a column is missing or a service day is NULL.
    """
    settings = settings or PerformanceSettings()
    missing = [name for name in NEEDED if name not in predictions.columns]
    if missing:
        raise TableContractError(f"performance: missing columns {', '.join(missing)}")
    if as_of is None and len(predictions):
        as_of = service_days(predictions).max().date()
    ages = days_before(predictions, as_of) if as_of is not None else np.empty(0, dtype=np.int64)
    table = predictions.reset_index(drop=True)
    rows = [
        _window(
            table[(ages >= 0) & (ages < days)],
            days,
            _finite(validation.get("mae_min", validation.get("mae"))),
            settings,
            seed,
        )
        for days in windows
    ]
    return pd.DataFrame(
        {name: pd.Series([row[name] for row in rows], dtype=t) for name, t in PERFORMANCE_COLUMNS.items()}
    )


def _window(
    frame: pd.DataFrame, days: int, validation_mae: float, settings: PerformanceSettings, seed: int
) -> dict[str, Any]:
    values = {name: pd.to_numeric(frame[name]).to_numpy(dtype=np.float64, na_value=np.nan) for name in NEEDED[1:]}
    measured = np.isfinite(values["actual_delay_min"]) & np.isfinite(values["expected_delay_min"])
    known = {name: column[measured] for name, column in values.items()}
    n = int(measured.sum())
    row: dict[str, Any] = dict.fromkeys(PERFORMANCE_COLUMNS, np.nan)
    row |= {"window_days": days, "n": n, "n_unknown": len(frame) - n, "degraded": None}
    row |= {"company_thresholds_broken": "", "skipped_reason": None}
    if n == 0:
        return row | {"skipped_reason": "no measured pickup in the window"}
    row |= _figures(known)
    row["mae_ratio"] = row["mae"] / validation_mae if validation_mae > 0.0 else np.nan
    row["company_thresholds_broken"] = "; ".join(_company_thresholds_broken(row, settings))
    errors = np.abs(known["expected_delay_min"] - known["actual_delay_min"])
    block = service_days(frame[measured]).to_numpy().astype(np.int64)
    reason = _why_not_judged(n, len(np.unique(block)), validation_mae, settings)
    if len(np.unique(block)) >= settings.minimum_days:
        row["mae_low"], row["mae_high"] = day_bootstrap(errors, block, settings.confidence, settings.draws, seed)
    if reason:
        return row | {"skipped_reason": reason}
    return row | {"degraded": bool(row["mae_low"] > settings.margin * validation_mae)}


def _figures(known: Mapping[str, FloatArray]) -> dict[str, float]:
    actual, expected, p_late = known["actual_delay_min"], known["expected_delay_min"], known["p_late"]
    spread = float(((actual - actual.mean()) ** 2).sum())
    late = (actual > LATE_AFTER_MIN).astype(np.float64)
    with_p = np.isfinite(p_late)
    with_interval = np.isfinite(known["low_min"]) & np.isfinite(known["high_min"])
    inside = (actual >= known["low_min"]) & (actual <= known["high_min"])
    return {
        "mae": float(np.abs(expected - actual).mean()),
        "r2": 1.0 - float(((expected - actual) ** 2).sum()) / spread if spread > 0.0 else float("nan"),
        "bias": float((expected - actual).mean()),
        "brier": float(((p_late - late)[with_p] ** 2).mean()) if with_p.any() else float("nan"),
        "accuracy": float(((p_late >= 0.5) == (late > 0.0))[with_p].mean()) if with_p.any() else float("nan"),
        "coverage": float(inside[with_interval].mean()) if with_interval.any() else float("nan"),
    }


def day_bootstrap(errors: FloatArray, days: IntArray, confidence: float, draws: int, seed: int) -> tuple[float, float]:
    """Percentile interval of a mean, whole days resampled, because the courses of a day share their luck.

    Parameters
    ----------
    errors, days : ndarray of shape (n,)
        Values and the day of each.
    confidence : float
        Two-sided level.

    Returns
    -------
    tuple of float
        Lower and upper bound.
    """
    _, codes, sizes = np.unique(days, return_inverse=True, return_counts=True)
    sums = np.bincount(codes, weights=errors)
    times = np.random.default_rng(seed).multinomial(len(sizes), np.full(len(sizes), 1.0 / len(sizes)), size=draws)
    means = (times @ sums) / (times @ sizes)
    tail = (1.0 - confidence) / 2.0
    low, high = np.quantile(means, [tail, 1.0 - tail])
    return float(low), float(high)


def rolling_mae(predictions: pd.DataFrame, window_days: int = 7) -> pd.DataFrame:
    """Mean absolute error over trailing calendar windows, one row a day that has measured pickups.

    Returns
    -------
    DataFrame
        ``service_day, n, mae``; weighted by courses, not by days.
    """
    errors = pd.to_numeric(predictions["expected_delay_min"]) - pd.to_numeric(predictions["actual_delay_min"])
    values = np.abs(errors.to_numpy(dtype=np.float64, na_value=np.nan))
    frame = pd.DataFrame({"service_day": service_days(predictions), "error": values})
    daily = frame.dropna().groupby("service_day")["error"].agg(["sum", "size"])
    if daily.empty:
        return pd.DataFrame({"service_day": daily.index, "n": daily["size"].astype("int64"), "mae": daily["sum"]})
    trailing = daily.rolling(f"{window_days}D").sum()
    mae = trailing["sum"] / trailing["size"]
    return pd.DataFrame({"n": trailing["size"].astype("int64"), "mae": mae}).reset_index()


def _company_thresholds_broken(row: Mapping[str, Any], settings: PerformanceSettings) -> list[str]:
    broken = []
    if row["mae"] > settings.company_mae_min:
        broken.append(f"mae > {settings.company_mae_min:g} min")
    if row["r2"] < settings.company_r2:
        broken.append(f"r2 < {settings.company_r2:.2f}")
    if row["accuracy"] < settings.company_accuracy:
        broken.append(f"accuracy < {settings.company_accuracy:.2f}")
    return broken


def _why_not_judged(n: int, days: int, validation_mae: float, settings: PerformanceSettings) -> str | None:
    reasons = []
    if n < settings.minimum_rows:
        reasons.append(f"{n:,} measured pickups, needs {settings.minimum_rows:,}")
    if days < settings.minimum_days:
        reasons.append(f"{days} days with measured pickups, needs {settings.minimum_days}")
    if not validation_mae > 0.0:
        reasons.append("the validation figures hold no mae_min")
    return "; ".join(reasons) or None


def _finite(value: Any) -> float:
    return float(value) if isinstance(value, int | float) and np.isfinite(value) else float("nan")
