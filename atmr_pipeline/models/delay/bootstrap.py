"""Uncertainty of held-out figures by drawing whole days.

A day's delays hang together (weather, one late course delays the next), so days and not rows are drawn (block
bootstrap, Efron and Tibshirani, 1993, ch. 8). One object serves every figure of the same rows, so that what is compared
is always compared on the same draws.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

from atmr_pipeline.domain.errors import NotEnoughDataError, TableContractError

DRAWS = 2000
LEVELS = (0.025, 0.975)


class Interval(NamedTuple):
    """A figure and its 95 % interval; all three are NaN where there is no row to measure."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class DayBlocks:
    """The day of each row, and how often each draw takes each day.

    Attributes
    ----------
    codes : ndarray of int, shape (n_rows,)
        Number of the row's day.
    drawn : ndarray, shape (n_draws, n_days)
        Times that a draw takes a day; whole numbers, kept as floats since they are multiplied with sums.
    """

    codes: np.ndarray
    drawn: np.ndarray

    @classmethod
    def of(cls, days: pd.Series, *, n_draws: int = DRAWS, seed: int = 0) -> "DayBlocks":
        """Blocks of the service day of each row; the same seed gives the same draws.

        Raises
        ------
        NotEnoughDataError
            If there are fewer than two days.
        """
        codes, uniques = pd.factorize(pd.Series(days).to_numpy())
        n_days = len(uniques)
        if n_days < 2:
            raise NotEnoughDataError("held-out days for a bootstrap", needs=2, has=n_days)
        drawn = np.random.default_rng(seed).multinomial(n_days, np.full(n_days, 1.0 / n_days), size=n_draws)
        return cls(codes, drawn.astype(np.float64))

    @property
    def n_days(self) -> int:
        """Days that are drawn from."""
        return self.drawn.shape[1]

    def by_day(self, values: np.ndarray) -> np.ndarray:
        """Sum of the rows' values on each day, shape (n_days,)."""
        self._check(values)
        return np.bincount(self.codes, np.asarray(values, dtype=np.float64), minlength=self.n_days)

    def mean_draws(self, values: np.ndarray, where: np.ndarray | None = None) -> np.ndarray:
        """Mean over the rows ``where`` is true in each draw, shape (n_draws,); NaN for a draw without such a row."""
        chosen = np.ones(len(self.codes), dtype=bool) if where is None else np.asarray(where, dtype=bool)
        self._check(values)
        return self.ratio_draws(np.where(chosen, values, 0.0), chosen)

    def ratio_draws(self, numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
        """Ratio of the two sums in each draw, shape (n_draws,); NaN where the denominator's sum is 0."""
        below = self.drawn @ self.by_day(denominator)
        above = self.drawn @ self.by_day(numerator)
        return np.divide(above, below, out=np.full(len(below), np.nan), where=below > 0.0)

    def mean(self, values: np.ndarray, where: np.ndarray | None = None) -> Interval:
        """Mean over the rows ``where`` is true, with its percentile interval."""
        chosen = np.ones(len(self.codes), dtype=bool) if where is None else np.asarray(where, dtype=bool)
        draws = self.mean_draws(values, chosen)
        if not chosen.any():
            return Interval(np.nan, np.nan, np.nan)
        return interval(float(np.asarray(values, dtype=np.float64)[chosen].mean()), draws)

    def ratio(self, numerator: np.ndarray, denominator: np.ndarray) -> Interval:
        """Ratio of two sums over the same rows, with its percentile interval."""
        below = float(np.sum(denominator))
        value = float(np.sum(numerator)) / below if below > 0.0 else np.nan
        return interval(value, self.ratio_draws(numerator, denominator))

    def _check(self, values: np.ndarray) -> None:
        if len(values) != len(self.codes):
            raise TableContractError(f"{len(values):,} values for the days of {len(self.codes):,} rows")


def interval(value: float, draws: np.ndarray) -> Interval:
    """A figure with the 95 % percentile interval of its draws; draws that could not measure it (NaN) are left out."""
    measured = draws[np.isfinite(draws)]
    if not len(measured):
        return Interval(value, np.nan, np.nan)
    low, high = np.quantile(measured, LEVELS)
    return Interval(value, float(low), float(high))
