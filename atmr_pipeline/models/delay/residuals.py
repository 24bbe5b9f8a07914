"""From a mean to an interval and a probability: the residuals of a block that no fit has seen.

Delays spread more where more delay is expected, so each bin of the prediction has its own residual distribution
(a binned form of split conformal prediction, Lei et al., 2018). Between the centres of two bins their quantiles are
interpolated, so that a prediction that moves by a second does not make the probability jump.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

LEVELS = np.round(np.arange(1, 200) / 200, 3)
"""Levels at which each bin's distribution is kept."""
MINIMUM_BIN_ROWS = 25
DECIMALS = 5
"""Of a minute: keeps the stored table short."""


@dataclass(frozen=True)
class ResidualTable:
    """Residual quantiles (actual - predicted, minutes) by bin of the prediction.

    Attributes
    ----------
    centre_min : ndarray, shape (n_bins,)
        Mean prediction of each bin, increasing.
    rows : ndarray, shape (n_bins,)
        Calibration rows of each bin.
    quantile_min : ndarray, shape (n_bins, 199)
        Quantiles of the residual at :data:`LEVELS`.
    """

    centre_min: np.ndarray
    rows: np.ndarray
    quantile_min: np.ndarray

    @classmethod
    def fit(cls, predicted_min: np.ndarray, actual_min: np.ndarray, *, bins: int) -> "ResidualTable":
        """Cut the calibration rows into bins of equal size by prediction; fewer bins where rows are few.

        Quantiles are taken at ``p (n + 1)`` (Weibull), which makes the expected coverage on new rows exact.
        """
        order = np.argsort(predicted_min, kind="stable")
        n_bins = max(1, min(bins, len(order) // MINIMUM_BIN_ROWS))
        groups: list[np.ndarray] = []
        for part in np.array_split(order, n_bins):
            same_as_before = groups and np.isclose(predicted_min[part].mean(), predicted_min[groups[-1]].mean())
            if same_as_before:
                groups[-1] = np.concatenate([groups[-1], part])
            else:
                groups.append(part)
        residual = actual_min - predicted_min
        quantiles = [np.quantile(residual[group], LEVELS, method="weibull") for group in groups]
        return cls(
            centre_min=np.array([predicted_min[group].mean() for group in groups]),
            rows=np.array([len(group) for group in groups]),
            quantile_min=np.round(quantiles, DECIMALS),
        )

    def interval(self, predicted_min: np.ndarray, coverage: float) -> tuple[np.ndarray, np.ndarray]:
        """Lower and upper end of the central interval, minutes, each of shape (n_rows,)."""
        tail = (1.0 - coverage) / 2.0
        ends = []
        for level in (tail, 1.0 - tail):
            by_bin = np.array([np.interp(level, LEVELS, quantiles) for quantiles in self.quantile_min])
            ends.append(predicted_min + np.interp(predicted_min, self.centre_min, by_bin))
        return ends[0], ends[1]

    @property
    def std_min(self) -> float:
        """Standard deviation of a residual, minutes, from the bins' quantiles (which leave the outermost tails out)."""
        shares = self.rows / self.rows.sum()
        mean = float(shares @ self.quantile_min.mean(axis=1))
        return float(np.sqrt(shares @ np.square(self.quantile_min - mean).mean(axis=1)))

    def probability_above(self, predicted_min: np.ndarray, threshold_min: float | np.ndarray) -> np.ndarray:
        """P(delay > threshold), shape (n_rows,); between .0025 and .9975, since no bin has seen everything."""
        edge = LEVELS[0] / 2
        room = threshold_min - predicted_min
        above = np.array(
            [1.0 - np.interp(room, quantiles, LEVELS, left=edge, right=1.0 - edge) for quantiles in self.quantile_min]
        )
        weights = self._weights(predicted_min)
        return np.einsum("bn,nb->n", above, weights)

    def _weights(self, predicted_min: np.ndarray) -> np.ndarray:
        """Linear interpolation between the centres as weights, shape (n_rows, n_bins)."""
        unit = np.eye(len(self.centre_min))
        return np.column_stack([np.interp(predicted_min, self.centre_min, unit[b]) for b in range(len(unit))])

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "centre_min": self.centre_min.tolist(),
            "rows": self.rows.tolist(),
            "quantile_min": self.quantile_min.tolist(),
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "ResidualTable":
        """The inverse of :meth:`to_dict`."""
        return cls(
            np.array(values["centre_min"], dtype=np.float64),
            np.array(values["rows"], dtype=np.int64),
            np.array(values["quantile_min"], dtype=np.float64).reshape(-1, len(LEVELS)),
        )
