"""The feature contract: what a table of features must look like, and how it becomes a matrix.

Learned once at fit and checked at every prediction, so that a missing, renamed or retyped column is an error that
names it and never a silent constant.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import pandas as pd

from atmr_pipeline.domain.errors import TableContractError

NUMERIC = "numeric"
CATEGORICAL = "categorical"
OTHER = "(other)"
MISSING = "(missing)"


@dataclass(frozen=True)
class Feature:
    """One column: its name, kind, dtype at fit and, if categorical, the categories that are told apart."""

    name: str
    kind: str
    dtype: str
    categories: tuple[str, ...] = ()


@dataclass(frozen=True)
class FeatureContract:
    """The columns a model was fitted on, in order.

    A numeric or boolean feature is one matrix column, NULL as NaN. A categorical feature is one indicator column a
    category, then one for every other value (unseen or rare), then one for NULL.
    """

    features: tuple[Feature, ...]

    @classmethod
    def learn(cls, frame: pd.DataFrame, *, minimum_category_rows: int, maximum_categories: int) -> "FeatureContract":
        """Read the contract off a table of features.

        Parameters
        ----------
        frame : DataFrame, shape (n_rows, n_features)
            Numeric, boolean, string or category columns. A column without a single value is numeric.
        minimum_category_rows, maximum_categories : int
            Categories with fewer rows, or beyond the most frequent ones, count as other.

        Raises
        ------
        TableContractError
            If there is no column, a name occurs twice, or a column holds times or other objects.
        """
        check_names(frame)
        features = []
        for name in frame.columns:
            kind = kind_of(frame[name])
            categories: tuple[str, ...] = ()
            if kind == CATEGORICAL:
                counts = as_text(frame[name]).value_counts()
                frequent = counts[counts >= minimum_category_rows]
                # By name first, so that of equally frequent categories always the same ones are kept.
                ranked = frequent.sort_index().sort_values(ascending=False, kind="stable")
                categories = tuple(sorted(ranked.index[:maximum_categories]))
            features.append(Feature(str(name), kind, str(frame[name].dtype), categories))
        return cls(tuple(features))

    @property
    def names(self) -> list[str]:
        """Names of the features in matrix order."""
        return [feature.name for feature in self.features]

    @cached_property
    def column_feature(self) -> np.ndarray:
        """Index of the feature behind each matrix column, shape (n_columns,)."""
        widths = [1 if feature.kind == NUMERIC else len(feature.categories) + 2 for feature in self.features]
        return np.repeat(np.arange(len(self.features)), widths)

    @cached_property
    def is_indicator(self) -> np.ndarray:
        """Whether each matrix column is a category's indicator, shape (n_columns,)."""
        kinds = np.array([feature.kind == CATEGORICAL for feature in self.features])
        return kinds[self.column_feature]

    def encode(self, frame: pd.DataFrame) -> np.ndarray:
        """The matrix of a table that keeps the contract.

        Parameters
        ----------
        frame : DataFrame
            Exactly the contract's columns, in any order.

        Returns
        -------
        ndarray of float64, shape (n_rows, n_columns)

        Raises
        ------
        TableContractError
            Naming the columns that are missing, extra, of another kind than at fit, or infinite.
        """
        self._check_columns(frame)
        columns = dict(frame.items())
        matrix = np.zeros((len(frame), len(self.column_feature)))
        for start, feature in zip(self._starts, self.features, strict=True):
            column = columns[feature.name]
            if feature.kind == NUMERIC:
                matrix[:, start] = _numbers(column, feature)
            else:
                offsets = _offsets(column, feature, self._category_offset[feature.name])
                matrix[np.arange(len(frame)), start + offsets] = 1.0
        if np.isinf(matrix).any():
            counts = np.isinf(matrix).sum(axis=0)
            named = [f"{self.features[self.column_feature[j]].name} ({counts[j]} rows)" for j in np.flatnonzero(counts)]
            raise TableContractError(
                f"features hold infinite values: {', '.join(named)}; pass NULL where a value is not known"
            )
        return matrix

    @cached_property
    def _starts(self) -> list[int]:
        """First matrix column of each feature."""
        return np.searchsorted(self.column_feature, np.arange(len(self.features))).tolist()

    @cached_property
    def _category_offset(self) -> dict[str, dict[str, int]]:
        """Of each categorical feature: the indicator of each category, counted from the feature's first one."""
        return {
            feature.name: {category: offset for offset, category in enumerate(feature.categories)}
            for feature in self.features
            if feature.kind == CATEGORICAL
        }

    def minutes_of(self, matrix: np.ndarray, name: str | None) -> np.ndarray:
        """A numeric feature of an encoded matrix, NULL as 0; all 0 where the contract has no such feature.

        Raises
        ------
        TableContractError
            If the feature is categorical.
        """
        if name not in self.names:
            return np.zeros(len(matrix))
        position = self.names.index(name)
        if self.features[position].kind != NUMERIC:
            raise TableContractError(f"feature {name} is categorical; an offset is minutes")
        column = int(np.searchsorted(self.column_feature, position))
        return np.nan_to_num(matrix[:, column], nan=0.0)

    def _check_columns(self, frame: pd.DataFrame) -> None:
        check_names(frame)
        names, given = set(self.names), set(frame.columns.tolist())
        if names == given:
            return
        missing = [name for name in self.names if name not in given]
        extra = [str(name) for name in frame.columns if name not in names]
        parts = [f"missing {', '.join(missing)}"] if missing else []
        parts += [f"not known to the model: {', '.join(extra)}"] if extra else []
        raise TableContractError(
            f"features do not match the model's contract: {'; '.join(parts)}; pass exactly {', '.join(self.names)}"
        )

    def to_list(self) -> list[dict[str, Any]]:
        """Plain values for JSON."""
        return [{**asdict(feature), "categories": list(feature.categories)} for feature in self.features]

    @classmethod
    def from_list(cls, values: Sequence[dict[str, Any]]) -> "FeatureContract":
        """The inverse of :meth:`to_list`."""
        return cls(tuple(Feature(**{**value, "categories": tuple(value["categories"])}) for value in values))


def check_names(frame: pd.DataFrame) -> None:
    """Refuse a table without columns, with a name that is no text, or with one that occurs twice."""
    if not isinstance(frame, pd.DataFrame):
        raise TableContractError(f"features must be a DataFrame, not {type(frame).__name__}")
    if frame.shape[1] == 0:
        raise TableContractError("features have no column; pass at least one")
    names = frame.columns.tolist()
    if not all(isinstance(name, str) for name in names):
        raise TableContractError("feature names must be text; name the columns")
    if len(set(names)) < len(names):
        twice = sorted({str(name) for name in frame.columns[frame.columns.duplicated()]})
        raise TableContractError(f"feature names occur twice: {', '.join(twice)}")


def kind_of(column: pd.Series) -> str:
    """Numeric or categorical; a column without a value is numeric.

    Raises
    ------
    TableContractError
        If the column holds times, complex numbers or arbitrary objects.
    """
    dtype = column.dtype
    if pd.api.types.is_bool_dtype(dtype):
        return NUMERIC
    if pd.api.types.is_numeric_dtype(dtype) and not pd.api.types.is_complex_dtype(dtype):
        return NUMERIC
    if isinstance(dtype, pd.CategoricalDtype):
        return CATEGORICAL
    if pd.api.types.is_string_dtype(dtype) or pd.api.types.is_object_dtype(dtype):
        inferred = pd.api.types.infer_dtype(column, skipna=True)
        if inferred in ("empty", "floating", "integer", "mixed-integer-float", "boolean"):
            return NUMERIC
        if inferred == "string":
            return CATEGORICAL
    raise TableContractError(
        f"feature {column.name} has dtype {dtype}, which is neither numeric nor categorical; turn times into numbers"
    )


def as_text(column: pd.Series) -> pd.Series:
    """The column's values as text; NULL stays NULL."""
    return column.astype(object).where(column.notna(), None).map(lambda value: None if value is None else str(value))


@lru_cache(maxsize=64)
def _is_number(dtype: Any) -> bool:
    """Whether every column of this dtype is numeric; the answer of :func:`kind_of` where the values do not matter."""
    if isinstance(dtype, np.dtype):
        return dtype.kind in "fiub"
    return pd.api.types.is_bool_dtype(dtype) or (
        pd.api.types.is_numeric_dtype(dtype) and not pd.api.types.is_complex_dtype(dtype)
    )


def _numbers(column: pd.Series, feature: Feature) -> np.ndarray:
    dtype = column.dtype
    if isinstance(dtype, np.dtype) and dtype.kind in "fiub":
        return column.to_numpy()
    # A categorical dtype holds values of rows: it is no key of a cache that outlives the table.
    if isinstance(dtype, pd.CategoricalDtype) or not _is_number(dtype):
        if column.isna().all():
            return np.full(len(column), np.nan)
        if kind_of(column) != NUMERIC:
            raise _retyped(column, feature)
    return column.to_numpy(dtype=np.float64, na_value=np.nan)


def _offsets(column: pd.Series, feature: Feature, known: dict[str, int]) -> np.ndarray:
    """Offset of each row's indicator: known categories in order, then other, then missing."""
    other, missing = len(known), len(known) + 1
    dtype = column.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        by_code = [known.get(str(category), other) for category in dtype.categories.astype(object)]
        return np.array([*by_code, missing])[column.cat.codes.to_numpy()]
    if not isinstance(dtype, pd.StringDtype):
        if column.isna().all():
            return np.full(len(column), missing)
        if kind_of(column) != CATEGORICAL:
            raise _retyped(column, feature)
    # What is no text here is one of the several objects that stand for NULL.
    values = column.tolist()
    offsets = [known.get(value, other) if isinstance(value, str) else missing for value in values]
    return np.array(offsets, dtype=np.int64)


def _retyped(column: pd.Series, feature: Feature) -> TableContractError:
    return TableContractError(
        f"feature {feature.name} was {feature.kind} ({feature.dtype}) at fit and is {column.dtype} now"
    )
