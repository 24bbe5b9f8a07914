"""Additive cubic splines with a ridge penalty: the baseline that any other model must not lose to.

The generalised additive model of Hastie and Tibshirani (1990), fitted as penalised regression on B-splines. It is
fitted with scikit-learn and kept as knots and coefficients: a prediction is a sum of one curve a feature.
"""

from typing import ClassVar, Self

import numpy as np
from scipy.interpolate import BSpline
from sklearn.linear_model import Ridge
from sklearn.preprocessing import SplineTransformer

from atmr_pipeline.models.delay.candidates import dump_arrays, read_arrays
from atmr_pipeline.models.delay.params import DelayParams

DEGREE = 3
ARRAYS = ["intercept", "fill", "offset", "slope", "null_effect", "knots", "knot_count", "spline_coef", "spline_count"]


class SplineRidge:
    """One curve a numeric column, one effect a category.

    Parameters
    ----------
    arrays : dict of ndarray
        ``intercept`` (1,): the base, minutes. For each of the p columns: ``fill`` (p,) the value that stands for
        NULL, ``offset`` (p,) and ``slope`` (p,) of its straight line, ``null_effect`` (p,) minutes added where NULL,
        ``knot_count`` (p,) and ``spline_count`` (p,) how many of the concatenated ``knots`` and ``spline_coef`` are
        its own; 0 means no curve. Every column's effect is centred: its mean over the fitted rows is 0.
    """

    name: ClassVar[str] = "spline_ridge"
    suffix: ClassVar[str] = "safetensors"

    def __init__(self, arrays: dict[str, np.ndarray]) -> None:
        self.arrays = arrays
        knots = np.split(arrays["knots"], np.cumsum(arrays["knot_count"])[:-1])
        coefs = np.split(arrays["spline_coef"], np.cumsum(arrays["spline_count"])[:-1])
        self._curves = [
            BSpline(knot, coef, DEGREE) if len(knot) else None for knot, coef in zip(knots, coefs, strict=True)
        ]

    @classmethod
    def fit(
        cls,
        X: np.ndarray,
        y: np.ndarray,
        X_stop: np.ndarray,
        y_stop: np.ndarray,
        *,
        is_indicator: np.ndarray,
        params: DelayParams,
    ) -> Self:
        """Fit on ``X, y``; nothing is stopped early, so the later rows are not used."""
        n_columns = X.shape[1]
        fill = _medians(X)
        filled = np.where(np.isnan(X), fill, X)
        splines = [
            None if is_indicator[column] else _spline(filled[:, column], params.spline_knots)
            for column in range(n_columns)
        ]
        scale = np.array([_line_scale(filled[:, column], bool(is_indicator[column])) for column in range(n_columns)])
        parts, owners = [], []
        for column, spline in enumerate(splines):
            values = filled[:, [column]]
            block = spline.transform(values) if spline is not None else values * scale[column]
            parts += [block, np.isnan(X[:, [column]]).astype(np.float64)]
            owners += [(column, "curve" if spline is not None else "line")] * block.shape[1] + [(column, "null")]
        design = np.hstack(parts)
        ridge = Ridge(alpha=max(params.ridge_alpha, 1e-9)).fit(design, y)
        return cls(_as_arrays(ridge, design, owners, splines, fill, scale))

    def refit(self, X: np.ndarray, y: np.ndarray, *, is_indicator: np.ndarray, params: DelayParams) -> Self:
        """Fit again on more rows."""
        return self.fit(X, y, X[:0], y[:0], is_indicator=is_indicator, params=params)

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Expected delay, minutes, shape (n_rows,)."""
        return self.contributions(X).sum(axis=1)

    def contributions(self, X: np.ndarray) -> np.ndarray:
        """Each column's own curve, and the base: exact, since the model is additive."""
        arrays = self.arrays
        null = np.isnan(X)
        filled = np.where(null, arrays["fill"], X)
        effects = filled * arrays["slope"] + arrays["offset"] + null * arrays["null_effect"]
        for column, curve in enumerate(self._curves):
            if curve is not None:
                # Beyond the outermost knots of the fit a curve stays level: nothing was seen there.
                inside = np.clip(filled[:, column], curve.t[DEGREE], curve.t[-DEGREE - 1])
                effects[:, column] += curve(inside)
        return np.column_stack([effects, np.full(len(X), arrays["intercept"][0])])

    def to_bytes(self) -> bytes:
        """Safetensors with knots and coefficients."""
        return dump_arrays(self.arrays)

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read what :meth:`to_bytes` wrote."""
        return cls(read_arrays(data, ARRAYS))


def _medians(X: np.ndarray) -> np.ndarray:
    known = ~np.isnan(X)
    return np.array([np.median(X[known[:, j], j]) if known[:, j].any() else 0.0 for j in range(X.shape[1])])


def _line_scale(values: np.ndarray, is_indicator: bool) -> float:
    """Numbers on a straight line are scaled to unit spread, so that the penalty does not depend on their unit."""
    spread = float(np.std(values))
    return 1.0 if is_indicator or spread == 0.0 else 1.0 / spread


def _spline(values: np.ndarray, n_knots: int) -> SplineTransformer | None:
    """A cubic basis with knots at quantiles; None where a column has too few different values for a curve."""
    knots = np.unique(np.quantile(values, np.linspace(0.0, 1.0, n_knots)))
    if len(np.unique(values)) < 4 or len(knots) < 2:
        return None
    # One function less than the basis has: together they always sum to 1, as the intercept does.
    spline = SplineTransformer(knots=knots[:, None], degree=DEGREE, extrapolation="constant", include_bias=False)
    return spline.fit(values[:, None])


def _as_arrays(
    ridge: Ridge,
    design: np.ndarray,
    owners: list[tuple[int, str]],
    splines: list[SplineTransformer | None],
    fill: np.ndarray,
    scale: np.ndarray,
) -> dict[str, np.ndarray]:
    """Knots and coefficients of a fitted ridge, every effect centred and the means moved into the base."""
    n_columns = len(fill)
    mean_effect = design.mean(axis=0) * ridge.coef_
    offset, slope, null_effect = np.zeros(n_columns), np.zeros(n_columns), np.zeros(n_columns)
    coefs: list[list[float]] = [[] for _ in range(n_columns)]
    for (column, role), coef, mean in zip(owners, ridge.coef_, mean_effect, strict=True):
        offset[column] -= mean
        if role == "line":
            slope[column] = coef * scale[column]
        elif role == "null":
            null_effect[column] = coef
        else:
            coefs[column].append(float(coef))
    knots: list[np.ndarray] = []
    for column, spline in enumerate(splines):
        knots.append(np.empty(0) if spline is None else spline.bsplines_[0].t)
        if spline is not None:
            coefs[column].append(0.0)
    return {
        "intercept": np.array([float(ridge.intercept_) + float(mean_effect.sum())]),
        "fill": fill,
        "offset": offset,
        "slope": slope,
        "null_effect": null_effect,
        "knots": np.concatenate(knots),
        "knot_count": np.array([len(knot) for knot in knots], dtype=np.int64),
        "spline_coef": np.concatenate([np.asarray(coef, dtype=np.float64) for coef in coefs]),
        "spline_count": np.array([len(coef) for coef in coefs], dtype=np.int64),
    }
