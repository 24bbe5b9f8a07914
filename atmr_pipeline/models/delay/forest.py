"""Random forest (Breiman, 2001), grown by XGBoost: one round of many deep trees, each on its own rows."""

from typing import ClassVar, Self

import numpy as np
import xgboost as xgb

from atmr_pipeline.models.delay.boosting import BoostedTrees, train_matrix
from atmr_pipeline.models.delay.params import DelayParams

ROWS_OF_A_BOOTSTRAP = 0.632
"""Share of different rows in a bootstrap sample, 1 - 1/e; rows are drawn without putting back."""


class Forest(BoostedTrees):
    """The average of many trees that do not learn from each other.

    XGBoost answers an order of magnitude faster than a walk over scikit-learn's trees would, and stores no pickle.
    """

    name: ClassVar[str] = "random_forest"

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
        settings = {
            "objective": "reg:squarederror",
            "tree_method": "hist",
            "num_parallel_tree": params.forest_trees,
            "max_depth": params.forest_depth,
            "min_child_weight": params.forest_min_leaf,
            "subsample": min(ROWS_OF_A_BOOTSTRAP, params.forest_rows_per_tree / max(len(y), 1)),
            "colsample_bynode": params.forest_feature_share,
            "eta": 1.0,
            "reg_lambda": 0.0,
            "nthread": params.n_jobs,
            "seed": params.seed,
        }
        booster = xgb.train(settings, train_matrix(X, y, params), num_boost_round=1, verbose_eval=False)
        return cls(booster[:1], 1)

    def refit(self, X: np.ndarray, y: np.ndarray, *, is_indicator: np.ndarray, params: DelayParams) -> Self:
        """Fit again on more rows."""
        return self.fit(X, y, X[:0], y[:0], is_indicator=is_indicator, params=params)
