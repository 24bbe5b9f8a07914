"""Whether the probability and the interval keep their promise, over the range of the prediction."""

import numpy as np
import pandas as pd

from atmr_pipeline.models.delay.bootstrap import DayBlocks
from atmr_pipeline.models.delay.evaluation import probability_bins, reliability

COVERAGE_BINS = 8
LEAST_BIN_ROWS = 25
LEAST_BAND_ROWS = 10


def reliability_table(holdout: pd.DataFrame, blocks: DayBlocks) -> pd.DataFrame:
    """Observed against predicted share of late pickups with the band of the observed one.

    Returns
    -------
    DataFrame
        ``n, mean_p_late, late_share, low, high``: a bin of equal width a row, 95 % by drawing days; no band (NULL)
        under 10 rows, which cannot say how much they vary.
    """
    late = holdout["is_late"].to_numpy(dtype=bool)
    p_late = holdout["p_late"].to_numpy(dtype=np.float64)
    codes = probability_bins(p_late)
    table = reliability(late, p_late)
    bands = [blocks.mean(late, codes == code) for code in np.unique(codes)]
    table = table.assign(low=[band.low for band in bands], high=[band.high for band in bands])
    table.loc[table["n"] < LEAST_BAND_ROWS, ["low", "high"]] = np.nan
    return table


def coverage_by_prediction(holdout: pd.DataFrame, blocks: DayBlocks, *, bins: int = COVERAGE_BINS) -> pd.DataFrame:
    """Coverage and width of the interval in bins of the expected delay, each with as many rows.

    Returns
    -------
    DataFrame
        ``n, expected_min`` (mean of the bin), ``bias_min`` (expected - actual), ``coverage_pct, low, high`` (95 % by
        drawing days) and ``width_min``, in order of the expected delay. Fewer bins where rows are few or predictions
        are equal.
    """
    expected, actual, low, high = (
        holdout[name].to_numpy(dtype=np.float64) for name in ("expected_delay_min", "delay_min", "low_min", "high_min")
    )
    n_bins = max(1, min(bins, len(expected) // LEAST_BIN_ROWS))
    edges = np.unique(np.quantile(expected, np.linspace(0.0, 1.0, n_bins + 1)))
    codes = np.searchsorted(edges[1:-1], expected, side="right")
    covered = 100.0 * ((low <= actual) & (actual <= high))
    lines = []
    for code in np.unique(codes):
        here = codes == code
        coverage = blocks.mean(covered, here)
        lines.append(
            {
                "n": int(here.sum()),
                "expected_min": float(expected[here].mean()),
                "bias_min": float((expected - actual)[here].mean()),
                "coverage_pct": coverage.value,
                "low": coverage.low,
                "high": coverage.high,
                "width_min": float((high - low)[here].mean()),
            }
        )
    return pd.DataFrame(lines)
