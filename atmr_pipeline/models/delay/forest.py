"""Random forest (Breiman, 2001), fitted with scikit-learn and kept as flat arrays of nodes."""

from collections.abc import Iterator
from typing import ClassVar, Self

import numpy as np
from sklearn.ensemble import RandomForestRegressor

from atmr_pipeline.models.delay.candidates import dump_arrays, read_arrays
from atmr_pipeline.models.delay.params import DelayParams

ARRAYS = ["root", "left", "right", "feature", "threshold", "value", "null_left"]
ROWS_AT_ONCE = 4096


class Forest:
    """The average of many trees.

    Parameters
    ----------
    arrays : dict of ndarray
        ``root`` (n_trees,): first node of each tree. For every node: ``left`` and ``right`` children (a leaf is its
        own child), ``feature`` column and ``threshold`` of the split, ``value`` mean delay of its rows, minutes, and
        ``null_left``: whether NULL goes left.
    """

    name: ClassVar[str] = "random_forest"
    suffix: ClassVar[str] = "safetensors"

    def __init__(self, arrays: dict[str, np.ndarray]) -> None:
        self.arrays = arrays

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
        forest = RandomForestRegressor(
            n_estimators=params.forest_trees,
            max_depth=params.forest_depth,
            min_samples_leaf=params.forest_min_leaf,
            max_features=params.forest_feature_share,
            max_samples=min(params.forest_rows_per_tree, len(y)),
            n_jobs=params.n_jobs,
            random_state=params.seed % 2**32,
        ).fit(X.astype(np.float32), y)
        return cls(_flatten(forest))

    def refit(self, X: np.ndarray, y: np.ndarray, *, is_indicator: np.ndarray, params: DelayParams) -> Self:
        """Fit again on more rows."""
        return self.fit(X, y, X[:0], y[:0], is_indicator=is_indicator, params=params)

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Expected delay, minutes, shape (n_rows,)."""
        chunks = [self._leaf_mean(X[start : start + ROWS_AT_ONCE]) for start in range(0, len(X), ROWS_AT_ONCE)]
        return np.concatenate(chunks) if chunks else np.empty(0)

    def contributions(self, X: np.ndarray) -> np.ndarray:
        """Changes of the mean along each tree's path, by the column that was split (Saabas, 2014).

        Exact in sum; unlike SHAP values it credits the later splits of a path more.
        """
        result = np.zeros((len(X), X.shape[1] + 1))
        values = self.arrays["value"]
        rows = np.arange(len(X))[:, None]
        for node, child in self._walk(X):
            column = self.arrays["feature"][node]
            np.add.at(result, (np.broadcast_to(rows, node.shape), column), values[child] - values[node])
        result /= len(self.arrays["root"])
        result[:, -1] = values[self.arrays["root"]].mean()
        return result

    def to_bytes(self) -> bytes:
        """Safetensors with the nodes."""
        return dump_arrays(self.arrays)

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read what :meth:`to_bytes` wrote."""
        return cls(read_arrays(data, ARRAYS))

    def _leaf_mean(self, X: np.ndarray) -> np.ndarray:
        node = np.broadcast_to(self.arrays["root"], (len(X), len(self.arrays["root"])))
        for _, child in self._walk(X):
            node = child
        return self.arrays["value"][node].mean(axis=1)

    def _walk(self, X: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield (nodes, their children) level by level, both (n_rows, n_trees), until every row is in a leaf."""
        arrays = self.arrays
        # scikit-learn compares 32-bit features with 64-bit thresholds; anything else moves rows at the border.
        values = X.astype(np.float32).astype(np.float64)
        rows = np.arange(len(X))[:, None]
        node = np.broadcast_to(arrays["root"], (len(X), len(arrays["root"])))
        while True:
            value = values[rows, arrays["feature"][node]]
            goes_left = np.where(np.isnan(value), arrays["null_left"][node], value <= arrays["threshold"][node])
            child = np.where(goes_left, arrays["left"][node], arrays["right"][node])
            if np.array_equal(child, node):
                return
            yield node, child
            node = child


def _flatten(forest: RandomForestRegressor) -> dict[str, np.ndarray]:
    """All trees of a fitted forest in one numbering of nodes."""
    parts: dict[str, list[np.ndarray]] = {name: [] for name in ARRAYS if name != "root"}
    roots, offset = [], 0
    for estimator in forest.estimators_:
        tree = estimator.tree_
        own = np.arange(tree.node_count)
        leaf = tree.children_left < 0
        parts["left"].append(np.where(leaf, own, tree.children_left) + offset)
        parts["right"].append(np.where(leaf, own, tree.children_right) + offset)
        parts["feature"].append(np.where(leaf, 0, tree.feature))
        parts["threshold"].append(np.where(leaf, 0.0, tree.threshold))
        parts["value"].append(tree.value[:, 0, 0])
        parts["null_left"].append(np.asarray(tree.missing_go_to_left, dtype=bool))
        roots.append(offset)
        offset += tree.node_count
    kinds = {"left": "int32", "right": "int32", "feature": "int32", "null_left": "bool"}
    arrays = {name: np.concatenate(part).astype(kinds.get(name, "float64")) for name, part in parts.items()}
    return {"root": np.array(roots, dtype=np.int32), **arrays}
