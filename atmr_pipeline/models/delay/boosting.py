"""Gradient-boosted trees (Chen and Guestrin, 2016) on squared error, so that the prediction is a mean.

Absolute-error and quantile objectives give a lower mean absolute error but bias the mean by minutes on skewed delays.
"""

from typing import ClassVar, Self

import numpy as np
import xgboost as xgb

from atmr_pipeline.domain.errors import ModelIntegrityError
from atmr_pipeline.models.delay.params import DelayParams


class BoostedTrees:
    """XGBoost on the encoded matrix.

    Parameters
    ----------
    booster : xgboost.Booster
    rounds : int
        Boosting rounds that early stopping chose.
    """

    name: ClassVar[str] = "xgboost"
    suffix: ClassVar[str] = "ubj"

    def __init__(self, booster: xgb.Booster, rounds: int) -> None:
        self.booster = booster
        self.rounds = rounds

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
        """Boost until the later rows stop improving."""
        booster = xgb.train(
            _settings(params),
            train_matrix(X, y, params),
            num_boost_round=params.xgb_rounds,
            evals=[(train_matrix(X_stop, y_stop, params), "validation")],
            early_stopping_rounds=params.xgb_patience,
            verbose_eval=False,
        )
        rounds = int(booster.best_iteration) + 1
        # A slice carries no attributes, so that the bytes depend on the trees alone.
        return cls(booster[:rounds], rounds)

    def refit(self, X: np.ndarray, y: np.ndarray, *, is_indicator: np.ndarray, params: DelayParams) -> Self:
        """As many rounds as before, on more rows."""
        rows = train_matrix(X, y, params)
        booster = xgb.train(_settings(params), rows, num_boost_round=self.rounds, verbose_eval=False)
        return type(self)(booster, self.rounds)

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Expected delay, minutes, shape (n_rows,)."""
        if len(X) == 0:
            return np.empty(0)
        return self.booster.inplace_predict(X.astype(np.float32)).astype(np.float64)

    def contributions(self, X: np.ndarray) -> np.ndarray:
        """Exact SHAP values (Lundberg et al., 2020), with the base in the last column."""
        if len(X) == 0:
            return np.empty((0, X.shape[1] + 1))
        matrix = xgb.DMatrix(X.astype(np.float32), nthread=1)
        return self.booster.predict(matrix, pred_contribs=True).astype(np.float64)

    def to_bytes(self) -> bytes:
        """XGBoost's own UBJSON."""
        return bytes(self.booster.save_raw("ubj"))

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read what :meth:`to_bytes` wrote."""
        booster = xgb.Booster({"nthread": 1})
        try:
            booster.load_model(bytearray(data))
        except xgb.core.XGBoostError:
            raise ModelIntegrityError("a model file is no XGBoost model; restore the model or train again") from None
        return cls(booster, int(booster.num_boosted_rounds()))


def train_matrix(X: np.ndarray, y: np.ndarray, params: DelayParams) -> xgb.DMatrix:
    """Rows and labels as XGBoost takes them."""
    return xgb.DMatrix(X.astype(np.float32), label=y, nthread=params.n_jobs)


def _settings(params: DelayParams) -> dict[str, object]:
    return {
        "objective": "reg:squarederror",
        "tree_method": "hist",
        "max_depth": params.xgb_depth,
        "eta": params.xgb_learning_rate,
        "min_child_weight": params.xgb_min_child_weight,
        "num_parallel_tree": params.xgb_parallel_trees,
        "subsample": params.xgb_subsample,
        "colsample_bynode": params.xgb_colsample,
        "reg_lambda": params.xgb_reg_lambda,
        "nthread": params.n_jobs,
        "seed": params.seed,
    }
