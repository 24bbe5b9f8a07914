"""Figures of a sample of delays: centre, spread, quantiles, shares, an interval on the mean, outliers."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from atmr_pipeline.domain.vocabulary import LATE_AFTER_MIN
from atmr_pipeline.monitoring.performance import day_bootstrap

FloatArray = npt.NDArray[np.float64]

LEVEL = 0.95
DRAWS = 1000
MIN_INTERVAL_DAYS = 5
"""Below five days whole days cannot be resampled with any sense: the interval is NULL."""

FENCE = 1.5
"""Tukey's fences, in interquartile ranges beyond the quartiles (Tukey, *Exploratory Data Analysis*, 1977)."""

RETURN_TOLERATED_MIN, RETURN_LIMIT_MIN = 15.0, 30.0
"""Minutes that patients accept on the way home, and where it becomes unacceptable."""

SAMPLE_FIGURES = {
    "n": "int64", "days": "int64", "mean_min": "float64", "mean_low_min": "float64", "mean_high_min": "float64",
    "sd_min": "float64", "p05_min": "float64", "q1_min": "float64", "median_min": "float64", "q3_min": "float64",
    "p95_min": "float64", "whisker_low_min": "float64", "whisker_high_min": "float64", "late_share": "float64",
    "early_share": "float64",
}  # fmt: skip


def sample_figures(delay_min: FloatArray, days: npt.NDArray[Any], seed: int = 0) -> dict[str, Any]:
    """The figures :data:`SAMPLE_FIGURES` of one sample.

    Parameters
    ----------
    delay_min : ndarray of shape (n,)
        Finite delays, minutes.
    days : ndarray of shape (n,)
        Service day of each.
    seed : int
        Of the bootstrap.

    Returns
    -------
    dict
        All but ``n`` and ``days`` are NaN for an empty sample, the standard deviation also for a single row. Whiskers
        end at the outermost rows within the fences.
    """
    row: dict[str, Any] = dict.fromkeys(SAMPLE_FIGURES, np.nan) | {"n": len(delay_min), "days": len(np.unique(days))}
    if len(delay_min) == 0:
        return row
    p05, q1, median, q3, p95 = (float(value) for value in np.quantile(delay_min, [0.05, 0.25, 0.5, 0.75, 0.95]))
    low_fence, high_fence = fences(q1, q3)
    inside = delay_min[(delay_min >= low_fence) & (delay_min <= high_fence)]
    low, high = mean_interval(delay_min, days, seed)
    return row | {
        "mean_min": float(delay_min.mean()),
        "mean_low_min": low,
        "mean_high_min": high,
        "sd_min": float(delay_min.std(ddof=1)) if len(delay_min) > 1 else np.nan,
        "p05_min": p05,
        "q1_min": q1,
        "median_min": median,
        "q3_min": q3,
        "p95_min": p95,
        "whisker_low_min": float(inside.min()),
        "whisker_high_min": float(inside.max()),
        "late_share": float((delay_min > LATE_AFTER_MIN).mean()),
        "early_share": float((delay_min < 0.0).mean()),
    }


def mean_interval(delay_min: FloatArray, days: npt.NDArray[Any], seed: int = 0) -> tuple[float, float]:
    """95 % interval of a mean by a bootstrap over whole days; NaN below :data:`MIN_INTERVAL_DAYS` days.

    The plain percentile interval is too narrow on few days. Its quantiles are therefore moved outwards as a t interval
    is wider than a normal one (the expanded percentile interval of Hesterberg, *What Teachers Should Know About the
    Bootstrap*, The American Statistician 69, 2015, section 5).
    """
    codes, unique = pd.factorize(days)
    blocks = len(unique)
    if blocks < MIN_INTERVAL_DAYS:
        return float("nan"), float("nan")
    t_value = stats.t.ppf((1.0 + LEVEL) / 2.0, blocks - 1)
    tail = float(stats.norm.cdf(-np.sqrt(blocks / (blocks - 1)) * t_value))
    return day_bootstrap(delay_min, codes.astype(np.int64), 1.0 - 2.0 * tail, DRAWS, seed)


def fences(q1_min: float, q3_min: float) -> tuple[float, float]:
    """Delays beyond these are outliers (Tukey 1977)."""
    reach = FENCE * (q3_min - q1_min)
    return q1_min - reach, q3_min + reach


def distribution(cases: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
    """All labels together: ``figure, value, unit``; NULL where a figure does not exist for so few or so equal rows."""
    delay = cases["delay_min"].to_numpy()
    figures = sample_figures(delay, cases["service_day"].to_numpy(), seed)
    low_fence, high_fence = fences(figures["q1_min"], figures["q3_min"])
    some = len(delay) > 0
    figures |= {
        "min_min": float(delay.min()) if some else np.nan,
        "max_min": float(delay.max()) if some else np.nan,
        "over_15_min_share": float((delay > RETURN_TOLERATED_MIN).mean()) if some else np.nan,
        "over_30_min_share": float((delay > RETURN_LIMIT_MIN).mean()) if some else np.nan,
        "skewness": _skewness(delay),
        "fence_low_min": low_fence,
        "fence_high_min": high_fence,
        "outliers_low": int((delay < low_fence).sum()),
        "outliers_high": int((delay > high_fence).sum()),
    }
    units = [next((unit for end, unit in _UNITS.items() if name.endswith(end)), "rows") for name in figures]
    units = ["days" if name == "days" else unit for name, unit in zip(figures, units, strict=True)]
    return pd.DataFrame({"figure": list(figures), "value": [float(v) for v in figures.values()], "unit": units}).astype(
        {"figure": "str", "value": "float64", "unit": "str"}
    )


_UNITS = {"_min": "min", "_share": "share", "skewness": "ratio"}


def _skewness(delay_min: FloatArray) -> float:
    """Adjusted Fisher-Pearson coefficient; it does not exist below three rows or where all are equal."""
    if len(delay_min) < 3 or np.ptp(delay_min) == 0.0:
        return float("nan")
    return float(stats.skew(delay_min, bias=False))


def histogram(delay_min: FloatArray) -> pd.DataFrame:
    """Counts by minute: ``from_min, to_min, n``; the first and the last bin are open and hold the outer 0.5 % each."""
    if len(delay_min) == 0:
        return _histogram(np.empty(0), np.empty(0), np.empty(0))
    low, high = np.floor(np.quantile(delay_min, 0.005)), np.ceil(np.quantile(delay_min, 0.995))
    inner = np.arange(low, max(high, low + 1.0) + 0.5)
    edges = np.concatenate([[-np.inf], inner, [np.inf]])
    # A bin holds its right end: "more than 5 minutes" is what lies to the right of an edge at 5.
    counts = np.bincount(np.searchsorted(edges, delay_min, side="left") - 1, minlength=len(edges) - 1)
    return _histogram(edges[:-1], edges[1:], counts)


def _histogram(low: npt.ArrayLike, high: npt.ArrayLike, counts: npt.ArrayLike) -> pd.DataFrame:
    frame = pd.DataFrame({"from_min": low, "to_min": high, "n": counts})
    return frame.astype({"from_min": "float64", "to_min": "float64", "n": "int64"})


def outliers(cases: pd.DataFrame, most: int = 20) -> pd.DataFrame:
    """The rows farthest beyond the fences: ``assignment_id, service_day, delay_min, side, beyond_min``."""
    q1, q3 = np.quantile(cases["delay_min"], [0.25, 0.75]) if len(cases) else (np.nan, np.nan)
    low_fence, high_fence = fences(q1, q3)
    delay = cases["delay_min"]
    found = cases.loc[(delay < low_fence) | (delay > high_fence), ["assignment_id", "service_day", "delay_min"]]
    late = found["delay_min"] > high_fence
    found["side"] = late.map({True: "late", False: "early"}).astype("str")
    found["beyond_min"] = (found["delay_min"] - high_fence).where(late, low_fence - found["delay_min"])
    ordered = found.sort_values(["beyond_min", "assignment_id"], ascending=[False, True])
    return ordered.head(most).reset_index(drop=True)
