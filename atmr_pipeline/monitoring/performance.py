"""How what was served does on live days, relative to what the versions that served did on their held-out days.

Fixed limits (mean absolute error above 8, R2 below .60, accuracy below .75) alarm in 17 to 28 % of weeks even on a
perfect model, because a week holds some eighty courses. They are shown. Degradation is declared relative to the
validation figures and only when a bootstrap over whole days leaves no reasonable doubt. The validation figure of a
window is the mean over its courses of the figures of the versions that predicted them, so a champion that changes
every day does not begin anew every day.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from atmr_pipeline.domain.errors import SettingsError, TableContractError
from atmr_pipeline.domain.vocabulary import LATE_AFTER_MIN
from atmr_pipeline.monitoring.events import Alarm, DriftKind, alarm_start, drift_alarm
from atmr_pipeline.monitoring.samples import day_number, day_numbers, service_days
from atmr_pipeline.monitoring.two_sample import FloatArray, IntArray

FIGURES = ("mae", "r2", "brier", "coverage")
PERFORMANCE_COLUMNS = {
    "window_days": "int64",
    "n": "int64",
    "n_unknown": "int64",
    "n_without_validation": "int64",
    "mae": "float64",
    "r2": "float64",
    "bias": "float64",
    "brier": "float64",
    "coverage": "float64",
    "accuracy": "float64",
    "mae_ratio": "float64",
    **{f"{figure}_{bound}": "float64" for figure in FIGURES for bound in ("low", "high")},
    **{f"validation_{figure}": "float64" for figure in FIGURES},
    "worse_than_validation": "str",
    "degraded": "boolean",
    "company_thresholds_broken": "str",
    "skipped_reason": "str",
}
MEASURED = ["expected_delay_min", "low_min", "high_min", "p_late", "actual_delay_min"]
NEEDED = ["service_day", "model_version", *MEASURED]
MORE_IS_BETTER = frozenset({"r2", "coverage"})


@dataclass(frozen=True)
class PerformanceSettings:
    """When live figures count as degraded.

    Raises
    ------
    SettingsError
        When a value is outside its valid range.
    """

    margin: float = 1.25
    """Degraded when the lower confidence bound of the live MAE exceeds the validation MAE by this factor. The margin
    covers that validation figures are themselves estimates, and slightly flattered by model selection."""

    confidence: float = 0.98
    """Two-sided level of the bootstrap interval, so the lower bound is one-sided at 99 %. Looked at every night on a
    week of heavy-tailed errors, 90 % and a margin of 1.15 called 3 % of quiet weeks degraded; these call .15 %."""

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
    validations: Mapping[str, Mapping[str, Any]],
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
        ``service_day, model_version, expected_delay_min, low_min, high_min, p_late, actual_delay_min``; the actual
        delay is NULL where the pickup was not measured.
    validations : mapping
        Model version to its held-out figures, as an evaluation writes them: ``mae_min, r2, brier, coverage_pct``.
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
        One row a window: ``window_days, n, n_unknown, n_without_validation`` (courses of versions without held-out
        figures)``, mae, r2, bias`` (expected minus actual, minutes)``, brier, coverage`` (of the 90 % interval)``,
        accuracy, mae_ratio`` (live over validation)``, worse_than_validation`` (the figures whose whole interval lies
        on the bad side)``, degraded, company_thresholds_broken, skipped_reason``; for MAE, R2, Brier and coverage
        also ``<figure>_low, <figure>_high, validation_<figure>``. ``degraded`` is NULL, with a reason, where a window
        is too small or no validation MAE is known.

    Raises
    ------
    TableContractError
        When a column is missing or a service day is NULL.
    """
    settings = settings or PerformanceSettings()
    missing = [name for name in NEEDED if name not in predictions.columns]
    if missing:
        raise TableContractError(f"performance: missing columns {', '.join(missing)}")
    days = service_days(predictions)
    if as_of is None and len(predictions):
        as_of = days.max().date()
    ages = (day_number(as_of) - day_numbers(predictions)) if as_of is not None else np.empty(0, dtype=np.int64)
    table = predictions.reset_index(drop=True)
    rows = [_window(table[(ages >= 0) & (ages < length)], length, validations, settings, seed) for length in windows]
    return pd.DataFrame(
        {name: pd.Series([row[name] for row in rows], dtype=t) for name, t in PERFORMANCE_COLUMNS.items()}
    )


def _window(
    frame: pd.DataFrame,
    length: int,
    validations: Mapping[str, Mapping[str, Any]],
    settings: PerformanceSettings,
    seed: int,
) -> dict[str, Any]:
    values = {name: pd.to_numeric(frame[name]).to_numpy(dtype=np.float64, na_value=np.nan) for name in MEASURED}
    measured = np.isfinite(values["actual_delay_min"]) & np.isfinite(values["expected_delay_min"])
    known = {name: column[measured] for name, column in values.items()}
    n = int(measured.sum())
    row: dict[str, Any] = dict.fromkeys(PERFORMANCE_COLUMNS, np.nan)
    row |= {"window_days": length, "n": n, "n_unknown": len(frame) - n, "n_without_validation": 0, "degraded": None}
    row |= {"worse_than_validation": "", "company_thresholds_broken": "", "skipped_reason": None}
    if n == 0:
        return row | {"skipped_reason": "no measured pickup in the window"}
    row |= _figures(known) | _validation(frame.loc[measured, "model_version"], validations)
    validation_mae = row["validation_mae"]
    row["mae_ratio"] = row["mae"] / validation_mae if validation_mae > 0.0 else np.nan
    row["company_thresholds_broken"] = "; ".join(_company_thresholds_broken(row, settings))
    block = day_numbers(frame[measured])
    days = len(np.unique(block))
    if days >= settings.minimum_days:
        row |= _intervals(known, block, settings, seed)
        row["worse_than_validation"] = ", ".join(name for name in FIGURES if _is_worse(row, name))
    reason = _why_not_judged(n, days, validation_mae, settings)
    if reason:
        return row | {"skipped_reason": reason}
    return row | {"degraded": bool(row["mae_low"] > settings.margin * validation_mae)}


def _validation(versions: pd.Series, validations: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
    """Mean over the courses of the held-out figures of the version that predicted each."""
    counts = versions.value_counts()
    figures = {version: _held_out(validations.get(str(version), {})) for version in counts.index}
    found: dict[str, float] = {
        "n_without_validation": int(sum(n for version, n in counts.items() if not figures[version]["mae"] > 0.0))
    }
    for name in FIGURES:
        known = [(figures[version][name], n) for version, n in counts.items() if np.isfinite(figures[version][name])]
        total = sum(n for _, n in known)
        found[f"validation_{name}"] = sum(value * n for value, n in known) / total if total else float("nan")
    return found


def _held_out(figures: Mapping[str, Any]) -> dict[str, float]:
    return {
        "mae": _finite(figures.get("mae_min")),
        "r2": _finite(figures.get("r2")),
        "brier": _finite(figures.get("brier")),
        "coverage": _finite(figures.get("coverage_pct")) / 100.0,
    }


def _is_worse(row: Mapping[str, Any], name: str) -> bool:
    if name in MORE_IS_BETTER:
        return bool(row[f"{name}_high"] < row[f"validation_{name}"])
    return bool(row[f"{name}_low"] > row[f"validation_{name}"])


def _figures(known: Mapping[str, FloatArray]) -> dict[str, float]:
    actual, expected, p_late = known["actual_delay_min"], known["expected_delay_min"], known["p_late"]
    late = actual > LATE_AFTER_MIN
    with_p = np.isfinite(p_late)
    figures = {name: float(value[0]) for name, value in _ratios(_terms(known), np.ones((1, len(actual)))).items()}
    return figures | {
        "bias": float((expected - actual).mean()),
        "accuracy": float(((p_late >= 0.5) == late)[with_p].mean()) if with_p.any() else float("nan"),
    }


def _terms(known: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
    """What each course adds to the sums that the figures are made of; 0 where it adds nothing."""
    actual, error = known["actual_delay_min"], known["expected_delay_min"] - known["actual_delay_min"]
    centred = actual - actual.mean()
    with_p = np.isfinite(known["p_late"])
    with_interval = np.isfinite(known["low_min"]) & np.isfinite(known["high_min"])
    late = (actual > LATE_AFTER_MIN).astype(np.float64)
    inside = (actual >= known["low_min"]) & (actual <= known["high_min"])
    return {
        "n": np.ones(len(actual)),
        "absolute": np.abs(error),
        "squared": error**2,
        "actual": centred,
        "actual_squared": centred**2,
        "n_p": with_p.astype(np.float64),
        "brier": np.where(with_p, (known["p_late"] - late) ** 2, 0.0),
        "n_interval": with_interval.astype(np.float64),
        "inside": (with_interval & inside).astype(np.float64),
    }


def _ratios(terms: Mapping[str, FloatArray], times: FloatArray) -> dict[str, FloatArray]:
    """MAE, R2, Brier and coverage of each resample; ``times`` is (draws, rows), how often each row is drawn."""
    sums = {name: times @ values for name, values in terms.items()}
    with np.errstate(invalid="ignore", divide="ignore"):
        spread = sums["actual_squared"] - sums["actual"] ** 2 / sums["n"]
        return {
            "mae": sums["absolute"] / sums["n"],
            "r2": np.where(spread > 1e-9 * sums["n"], 1.0 - sums["squared"] / spread, np.nan),
            "brier": sums["brier"] / sums["n_p"],
            "coverage": sums["inside"] / sums["n_interval"],
        }


def _intervals(
    known: Mapping[str, FloatArray], days: IntArray, settings: PerformanceSettings, seed: int
) -> dict[str, float]:
    """Percentile intervals of the figures, whole days resampled; see :func:`day_bootstrap`."""
    _, codes, sizes = np.unique(days, return_inverse=True, return_counts=True)
    by_day = {name: np.bincount(codes, weights=values).astype(np.float64) for name, values in _terms(known).items()}
    drawn = _ratios(by_day, _resamples(len(sizes), settings.draws, seed))
    tail = (1.0 - settings.confidence) / 2.0
    bounds: dict[str, float] = {}
    for name, values in drawn.items():
        defined = values[np.isfinite(values)]
        low, high = np.quantile(defined, [tail, 1.0 - tail]) if len(defined) else (np.nan, np.nan)
        bounds |= {f"{name}_low": float(low), f"{name}_high": float(high)}
    return bounds


def _resamples(days: int, draws: int, seed: int) -> FloatArray:
    """How often each day is drawn in each resample, shape (draws, days)."""
    drawn = np.random.default_rng(seed).multinomial(days, np.full(days, 1.0 / days), size=draws)
    return drawn.astype(np.float64)


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
    times = _resamples(len(sizes), draws, seed)
    means = (times @ sums) / (times @ sizes)
    tail = (1.0 - confidence) / 2.0
    low, high = np.quantile(means, [tail, 1.0 - tail])
    return float(low), float(high)


def degradation_alarm(
    windows: pd.DataFrame,
    look: Callable[[date], pd.DataFrame],
    *,
    as_of: date,
    first_day: date,
    seen: date | None,
    quiet_days: int,
    model_version: str,
) -> Alarm | None:
    """The alarm of degraded windows; None where no window is.

    Parameters
    ----------
    windows : DataFrame
        Of :func:`performance` on ``as_of``.
    look : callable
        :func:`performance` on an earlier day, to find the first day of the alarm.
    first_day, seen, quiet_days
        As in :func:`~atmr_pipeline.monitoring.events.alarm_start`.
    """

    def degraded(table: pd.DataFrame) -> pd.DataFrame:
        return table[table["degraded"].fillna(False).astype(bool)]

    alarmed = degraded(windows)
    if alarmed.empty:
        return None
    started_on = alarm_start(
        lambda day: bool(len(degraded(look(day)))), as_of, quiet_days=quiet_days, first_day=first_day, seen=seen
    )
    figures = alarmed[["window_days", "n", "mae", "mae_low", "mae_high", "validation_mae", "mae_ratio"]].round(4)
    return drift_alarm(
        DriftKind.PERFORMANCE,
        company_id=None,
        started_on=started_on,
        severity="critical",
        evidence={"degraded": figures.to_dict("records"), "alarm_started_on": started_on.isoformat()},
        model_version=model_version,
    )


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
        reasons.append("no version that served has a held-out MAE")
    return "; ".join(reasons) or None


def _finite(value: Any) -> float:
    return float(value) if isinstance(value, int | float) and np.isfinite(value) else float("nan")
