"""Columns prepared once for many looks: values as codes, rows in the order of their days, correlations learned.

A look on another day then only counts codes, which keeps a look at some forty columns and three windows within
milliseconds.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd
from pandas.api.types import is_bool_dtype, is_numeric_dtype

from atmr_pipeline.monitoring.samples import FeatureKind, Sample, day_numbers, labels, numbers, why_not_numeric
from atmr_pipeline.monitoring.two_sample import (
    CLUSTER_DAYS,
    FloatArray,
    IntArray,
    cluster_correlations,
    mean_cluster_size,
)

UNKNOWN = -1


class Period:
    """The rows of a frame in the order of their days.

    Parameters
    ----------
    frame : DataFrame
        With ``service_day``.
    """

    def __init__(self, frame: pd.DataFrame) -> None:
        days = day_numbers(frame)
        self.order = np.argsort(days, kind="stable")
        self.days: IntArray = days[self.order]

    def window(self, last: int, length: int) -> slice:
        """The rows of the ``length`` days that end on day number ``last``."""
        first, end = np.searchsorted(self.days, [last - length, last], side="right")
        return slice(int(first), int(end))


@dataclass(frozen=True)
class Cut:
    """One window of one look: current rows inside it, reference rows outside it.

    Parameters
    ----------
    reference, current : Period
    last, length : int
        Day number of the look, and days of the window.
    """

    reference: Period
    current: Period
    last: int
    length: int

    @cached_property
    def inside(self) -> slice:
        """Current rows of the window."""
        return self.current.window(self.last, self.length)

    @cached_property
    def excluded(self) -> slice:
        """Reference rows that lie in the window, which would be compared with themselves."""
        return self.reference.window(self.last, self.length)

    @cached_property
    def cluster_sizes(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Of all reference rows and of all current rows; for columns without unknown values."""
        outside = np.delete(self.reference.days, self.excluded)
        return self._sizes(outside), self._sizes(self.current.days[self.inside])

    def known_sizes(self, column: "WatchedColumn") -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Of the rows in which the column has a value."""
        if column.all_known:
            return self.cluster_sizes
        reference, current = column.known
        kept = reference.copy()
        kept[self.excluded] = False
        inside = self.current.days[self.inside][current[self.inside]]
        return self._sizes(self.reference.days[kept]), self._sizes(inside)

    def _sizes(self, days: IntArray) -> tuple[float, ...]:
        # Counted back from the look, so that weeks line up with the window.
        return tuple(mean_cluster_size((self.last - days) // length) for length in CLUSTER_DAYS)


class WatchedColumn:
    """A column of both periods, its values coded over both together.

    Parameters
    ----------
    name : str
    kind : FeatureKind
    reference, current : Series
        As in the frames, before ordering.
    periods : tuple of Period
        Of the two frames.

    Attributes
    ----------
    codes : tuple of ndarray
        Reference and current, in the order of days; :data:`UNKNOWN` where there is no value.
    points : ndarray of shape (n_codes,)
        The number behind each code, ascending; empty for categories.
    not_numeric : str or None
        Why a numeric column cannot be compared as numbers; its codes are then all unknown.
    correlations, null_correlations : tuple of float
        Of days and weeks, on the whole reference: for the values and for being NULL.
    """

    def __init__(
        self,
        name: str,
        kind: FeatureKind,
        reference: pd.Series,
        current: pd.Series,
        periods: tuple[Period, Period],
    ) -> None:
        self.name, self.kind = name, kind
        samples = tuple(
            Sample(values.iloc[period.order].reset_index(drop=True), period.days)
            for values, period in zip((reference, current), periods, strict=True)
        )
        self.known = tuple(sample.known for sample in samples)
        self.all_known = all(bool(known.all()) for known in self.known)
        self.not_numeric: str | None = None
        if kind is FeatureKind.NUMERIC:
            self.not_numeric = next(filter(None, (why_not_numeric(sample.values) for sample in samples)), None)
        self.points: FloatArray = np.empty(0)
        self.codes = self._code(samples)
        self.n_codes = 1 + max((int(codes.max()) for codes in self.codes if len(codes)), default=UNKNOWN)
        self.correlations, self.null_correlations = self._learn(periods[0].days)

    def _code(self, samples: tuple[Sample, ...]) -> tuple[IntArray, ...]:
        coded = [np.full(len(sample.values), UNKNOWN, dtype=np.int64) for sample in samples]
        if self.not_numeric:
            return tuple(coded)
        if self.kind is FeatureKind.NUMERIC:
            known = [numbers(sample) for sample in samples]
            self.points, codes = np.unique(np.concatenate(known), return_inverse=True)
        else:
            codes = pd.factorize(np.concatenate(list(_comparable(samples))), sort=True)[0]
        first = int(self.known[0].sum())
        for target, mask, part in zip(coded, self.known, (codes[:first], codes[first:]), strict=True):
            target[mask] = part
        return tuple(coded)

    def _learn(self, days: IntArray) -> tuple[tuple[float, ...], tuple[float, ...]]:
        known, codes = self.known[0], self.codes[0]
        nothing = tuple(0.0 for _ in CLUSTER_DAYS)
        of_nulls = nothing if known.all() else cluster_correlations((~known).astype(np.float64)[:, None], days)
        if self.not_numeric or not known.any():
            return nothing, of_nulls
        values = codes[known]
        if self.kind is FeatureKind.NUMERIC:
            counts = np.bincount(values, minlength=self.n_codes).astype(np.float64)
            scores = (np.cumsum(counts) - (counts - 1.0) / 2.0)[values][:, None]
        else:
            scores = (values[:, None] == np.unique(values)).astype(np.float64)
        return cluster_correlations(scores, days[known]), of_nulls

    @cached_property
    def reference_counts(self) -> FloatArray:
        """How often each code stands in the whole reference."""
        return np.bincount(self.codes[0][self.codes[0] >= 0], minlength=self.n_codes).astype(np.float64)

    def counts(self, cut: Cut) -> tuple[FloatArray, FloatArray]:
        """How often each code stands in the reference outside the window, and in the window."""
        excluded, inside = self.codes[0][cut.excluded], self.codes[1][cut.inside]
        if not self.all_known:
            excluded, inside = excluded[excluded >= 0], inside[inside >= 0]
        before = self.reference_counts
        if len(excluded):
            before = before - np.bincount(excluded, minlength=self.n_codes)
        return before, np.bincount(inside, minlength=self.n_codes).astype(np.float64)

    def rows(self, cut: Cut) -> tuple[tuple[int, int], tuple[int, int]]:
        """Rows and known values: of the reference outside the window, and of the window."""
        n_reference = len(self.known[0]) - (cut.excluded.stop - cut.excluded.start)
        rows = n_reference, cut.inside.stop - cut.inside.start
        if self.all_known:
            return rows, rows
        known = [int(mask.sum()) for mask in (self.known[0], self.known[0][cut.excluded], self.known[1][cut.inside])]
        return rows, (known[0] - known[1], known[2])


def _comparable(samples: tuple[Sample, ...]) -> Iterator[npt.NDArray[np.generic]]:
    """Known values of both periods in one form: 1, 1.0 and True are one category, in numbers and in text."""
    plain = [sample.values[sample.known] for sample in samples]
    if all(is_bool_dtype(values.dtype) or is_numeric_dtype(values.dtype) for values in plain):
        yield from (values.to_numpy(dtype=np.float64) for values in plain)
    else:
        yield from (labels(sample) for sample in samples)
