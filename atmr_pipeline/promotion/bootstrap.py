"""Paired bootstrap over days: how sure a difference between two models on the same days is."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd

RESAMPLES = 2_000


@dataclass(frozen=True)
class PairedComparison:
    """Relative difference of two means: 0.03 says that the challenger's is 3 % larger than the reference's.

    Parameters
    ----------
    relative : float
        ``mean(challenger) / mean(reference) - 1`` on the days as they were; NaN if the reference's mean is not
        positive.
    lower, upper : float
        One-sided bounds, each at the level asked for.
    rows, days : int
    """

    relative: float
    lower: float
    upper: float
    rows: int
    days: int


def compare_by_day(
    days: pd.Series, challenger: pd.Series, reference: pd.Series, *, level: float = 0.95, seed: int = 0
) -> PairedComparison:
    """Compare two costs of the same rows, resampling whole days.

    Rows of a day share traffic, weather and each driver's knock-on delays: they are not independent, so days are what
    is drawn, with replacement, and both models keep the same draw (block bootstrap: Efron and Tibshirani, *An
    Introduction to the Bootstrap*, 1993, chapter 8; percentile bound: chapter 13).

    Parameters
    ----------
    days : Series
        The day of each row.
    challenger, reference : Series of float
        Non-negative costs or absolute errors, same rows.
    level : float
        Probability that each bound holds, one-sided.
    seed : int
        Same data and seed, same verdict.
    """
    day = pd.factorize(days, sort=True)[0]
    sums = np.column_stack([np.bincount(day, weights=cost.to_numpy("float64")) for cost in (challenger, reference)])
    total_challenger, total_reference = sums.sum(axis=0)
    if len(sums) == 0 or not total_reference > 0:
        return PairedComparison(float("nan"), float("nan"), float("nan"), len(days), len(sums))
    drawn = _draws(len(sums), seed) @ sums
    # Days whose reference cost is zero can make up a whole draw; such a draw says "no bound".
    with np.errstate(divide="ignore", invalid="ignore"):
        drawn_ratios = np.where(drawn[:, 1] > 0, drawn[:, 0] / drawn[:, 1] - 1.0, np.inf)
    return PairedComparison(
        relative=float(total_challenger / total_reference - 1.0),
        lower=float(np.quantile(drawn_ratios, 1.0 - level, method="lower")),
        upper=float(np.quantile(drawn_ratios, level, method="higher")),
        rows=len(days),
        days=len(sums),
    )


@lru_cache(maxsize=4)
def _draws(n_days: int, seed: int) -> np.ndarray:
    """How often each day is drawn, shape (RESAMPLES, n_days): the same for every comparison over so many days."""
    counts = np.random.default_rng(seed).multinomial(n_days, np.full(n_days, 1.0 / n_days), size=RESAMPLES)
    return counts.astype(np.uint16)
