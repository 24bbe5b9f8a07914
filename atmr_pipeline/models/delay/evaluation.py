"""What a delay model is worth on rows it has never seen."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from atmr_pipeline.domain.errors import NotEnoughDataError, TableContractError
from atmr_pipeline.domain.vocabulary import LATE_AFTER_MIN
from atmr_pipeline.models.delay.bootstrap import DRAWS, DayBlocks

CALIBRATION_BINS = 10
PROBABILITY_FLOOR = 1e-6
MISSING_SLICE = "(missing)"
SMALL_SLICES = "(small slices)"
COLUMNS_NEEDED = ("expected_delay_min", "low_min", "high_min", "p_late")


@dataclass(frozen=True)
class Comparison:
    """Mean absolute error of A against B on the same rows: negative is better for A.

    Attributes
    ----------
    relative_mae_pct : float or None
        ``100 (MAE_A / MAE_B - 1)``; None where B makes no error at all.
    low_pct, high_pct : float or None
        95 % interval of it.
    days, rows : int
        What was compared.
    """

    relative_mae_pct: float | None
    low_pct: float | None
    high_pct: float | None
    days: int
    rows: int

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def evaluate(
    delay_min: pd.Series, predictions: pd.DataFrame, *, late_after_min: float = LATE_AFTER_MIN
) -> dict[str, float | int | None]:
    """Figures of a prediction table against what happened.

    Parameters
    ----------
    delay_min : Series, shape (n_rows,)
        Actual delays, minutes, all known.
    predictions : DataFrame
        As :meth:`DelayModel.predict` returns it, row by row in the same order.
    late_after_min : float
        The threshold that ``p_late`` speaks of, minutes.

    Returns
    -------
    dict
        ``n``; ``mae_min, rmse_min, bias_min`` (bias: predicted - actual); ``r2``; ``brier`` (Brier, 1950),
        ``log_loss``, ``auc``; ``ece`` (expected calibration error, 10 bins of equal width, Naeini et al., 2015);
        ``coverage_pct`` and ``width_min`` of the interval; ``late_share`` and ``mean_p_late``. A figure that is not
        defined (R2 of equal delays, AUC of one class) is None.

    Raises
    ------
    TableContractError
        If rows, columns or values are missing.
    NotEnoughDataError
        If there is no row.
    """
    actual, table = _checked(delay_min, predictions)
    expected, low, high, p_late = (table[name] for name in COLUMNS_NEEDED)
    error = expected - actual
    late = actual > late_after_min
    spread = float(np.square(actual - actual.mean()).sum())
    clipped = np.clip(p_late, PROBABILITY_FLOOR, 1.0 - PROBABILITY_FLOOR)
    return {
        "n": len(actual),
        "mae_min": float(np.abs(error).mean()),
        "rmse_min": float(np.sqrt(np.square(error).mean())),
        "bias_min": float(error.mean()),
        "r2": 1.0 - float(np.square(error).sum()) / spread if spread > 0.0 else None,
        "brier": float(np.square(p_late - late).mean()),
        "log_loss": float(-np.where(late, np.log(clipped), np.log1p(-clipped)).mean()),
        "auc": area_under_curve(late, p_late),
        "ece": expected_calibration_error(late, p_late),
        "coverage_pct": 100.0 * float(((low <= actual) & (actual <= high)).mean()),
        "width_min": float((high - low).mean()),
        "late_share": float(late.mean()),
        "mean_p_late": float(p_late.mean()),
    }


def area_under_curve(late: np.ndarray, p_late: np.ndarray) -> float | None:
    """Area under the ROC curve as the Mann-Whitney statistic, ties counted half; None where one class is missing."""
    positives = int(late.sum())
    negatives = len(late) - positives
    if positives == 0 or negatives == 0:
        return None
    ranks = rankdata(p_late)
    return float((ranks[late].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def reliability(late: np.ndarray, p_late: np.ndarray, *, bins: int = CALIBRATION_BINS) -> pd.DataFrame:
    """Predicted against observed share of late pickups, by bins of equal width; empty bins are left out.

    Returns
    -------
    DataFrame
        ``n, mean_p_late, late_share``, one row a bin.
    """
    table = pd.DataFrame(
        {"bin": probability_bins(p_late, bins), "p": p_late, "late": np.asarray(late, dtype=np.float64)}
    )
    grouped = table.groupby("bin")
    return pd.DataFrame(
        {"n": grouped.size(), "mean_p_late": grouped["p"].mean(), "late_share": grouped["late"].mean()}
    ).reset_index(drop=True)


def probability_bins(p_late: np.ndarray, bins: int = CALIBRATION_BINS) -> np.ndarray:
    """Number of the bin of equal width that each probability lies in, 0 to ``bins - 1``; 1 belongs to the last."""
    return np.minimum((np.asarray(p_late, dtype=np.float64) * bins).astype(int), bins - 1)


def expected_calibration_error(late: np.ndarray, p_late: np.ndarray, *, bins: int = CALIBRATION_BINS) -> float:
    """Mean distance between predicted and observed share, weighted by rows. Small samples raise it by themselves."""
    table = reliability(late, p_late, bins=bins)
    return float(((table["mean_p_late"] - table["late_share"]).abs() * table["n"]).sum() / table["n"].sum())


def evaluate_slices(
    delay_min: pd.Series,
    predictions: pd.DataFrame,
    by: pd.Series,
    *,
    minimum_rows: int = 20,
    late_after_min: float = LATE_AFTER_MIN,
) -> pd.DataFrame:
    """The main figures for each value of ``by``: hour, driver, leg, or whatever the caller cuts by.

    Parameters
    ----------
    by : Series, shape (n_rows,)
        One value a row; NULL is a slice of its own, named ``(missing)``.
    minimum_rows : int
        Slices with fewer rows are gathered in ``(small slices)``, so that no row disappears.

    Returns
    -------
    DataFrame
        ``slice, n, mae_min, bias_min, coverage_pct, late_share, mean_p_late``, most rows first.
    """
    actual, table = _checked(delay_min, predictions)
    if len(by) != len(actual):
        raise TableContractError(f"by has {len(by):,} rows and delay_min {len(actual):,}")
    expected, low, high, p_late = (table[name] for name in COLUMNS_NEEDED)
    rows = pd.DataFrame(
        {
            "slice": slice_labels(by, minimum_rows=minimum_rows),
            "n": 1,
            "mae_min": np.abs(expected - actual),
            "bias_min": expected - actual,
            "coverage_pct": 100.0 * ((low <= actual) & (actual <= high)),
            "late_share": (actual > late_after_min).astype(float),
            "mean_p_late": p_late,
        }
    )
    grouped = rows.groupby("slice")
    result = grouped.mean()
    result["n"] = grouped.size()
    return result.reset_index().sort_values(["n", "slice"], ascending=[False, True], ignore_index=True)


def slice_labels(by: pd.Series, *, minimum_rows: int = 20) -> np.ndarray:
    """The name of each row's slice as :func:`evaluate_slices` cuts them, shape (n_rows,) of str."""
    label = by.astype(object).where(by.notna(), MISSING_SLICE).map(str).to_numpy(dtype=object)
    values, counts = np.unique(label.astype(str), return_counts=True)
    small = set(values[counts < minimum_rows])
    return np.array([SMALL_SLICES if value in small else value for value in label], dtype=object)


def compare(
    errors_a: pd.Series, errors_b: pd.Series, days: pd.Series, *, n_boot: int = DRAWS, seed: int = 0
) -> Comparison:
    """Relative difference in mean absolute error, with a paired bootstrap that draws whole days.

    The same days are drawn for both, see :mod:`~atmr_pipeline.models.delay.bootstrap`.

    Parameters
    ----------
    errors_a, errors_b : Series, shape (n_rows,)
        Prediction errors in minutes on the same rows.
    days : Series, shape (n_rows,)
        The service day of each row.
    n_boot : int
        Bootstrap draws.
    seed : int
        Same seed, same interval.

    Raises
    ------
    NotEnoughDataError
        If there are fewer than two days.
    TableContractError
        If lengths differ or an error is NULL.
    """
    a, b = np.abs(np.asarray(errors_a, dtype=np.float64)), np.abs(np.asarray(errors_b, dtype=np.float64))
    if not len(a) == len(b) == len(days):
        raise TableContractError(f"errors and days differ in length: {len(a):,}, {len(b):,}, {len(days):,}")
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise TableContractError("errors are NULL or infinite in some rows; compare on measured pickups only")
    blocks = DayBlocks.of(days, n_draws=n_boot, seed=seed)
    if b.sum() == 0.0:
        return Comparison(None, None, None, blocks.n_days, len(a))
    value, low, high = (100.0 * (figure - 1.0) for figure in blocks.ratio(a, b))
    return Comparison(value, low, high, blocks.n_days, len(a))


def _checked(delay_min: pd.Series, predictions: pd.DataFrame) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    missing = [name for name in COLUMNS_NEEDED if name not in predictions.columns]
    if missing:
        raise TableContractError(f"predictions lack {', '.join(missing)}")
    if len(delay_min) != len(predictions):
        raise TableContractError(f"{len(delay_min):,} delays but {len(predictions):,} predictions")
    if len(delay_min) == 0:
        raise NotEnoughDataError("held-out rows to evaluate", needs=1, has=0)
    actual = pd.Series(delay_min).to_numpy(dtype=np.float64, na_value=np.nan)
    table = {name: predictions[name].to_numpy(dtype=np.float64, na_value=np.nan) for name in COLUMNS_NEEDED}
    unknown = [name for name, values in {"delay_min": actual, **table}.items() if not np.isfinite(values).all()]
    if unknown:
        raise TableContractError(f"NULL or infinite values in {', '.join(unknown)}; evaluate measured pickups only")
    return actual, table
