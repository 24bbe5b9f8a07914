"""Folds that respect time: what is tested was decided after everything that it is trained on was known."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from atmr_pipeline.domain.errors import NotEnoughDataError


@dataclass(frozen=True)
class Fold:
    """Positions of the rows to train and to test on; ``start`` is the test's first decision."""

    start: np.datetime64
    train: np.ndarray
    test: np.ndarray


def time_folds(decided_at: pd.Series, folds: int, *, known_at: pd.Series | None = None) -> list[Fold]:
    """Cut rows into folds with an expanding window.

    The rows, sorted by decision time, are cut into ``folds + 1`` parts of about equal length; every part but the first
    is tested once, trained on what was decided, and known, before its first decision. Rows decided at one instant stay
    in one part.

    Parameters
    ----------
    decided_at : Series of datetime64, shape (n_rows,)
        In any order; no NULL.
    folds : int
        At least 1.
    known_at : Series of datetime64, shape (n_rows,), optional
        When each outcome was known.

    Raises
    ------
    NotEnoughDataError
        If a fold would have no row to train or to test on.
    """
    times = decided_at.to_numpy(dtype="datetime64[us]")
    known = times if known_at is None else known_at.to_numpy(dtype="datetime64[us]")
    ordered = np.sort(times)
    wanted = [round(len(times) * part / (folds + 1)) for part in range(1, folds + 1)]
    starts = [ordered[min(place, len(times) - 1)] for place in wanted] if len(times) else []
    ends = [*starts[1:], None]
    result = []
    for start, end in zip(starts, ends, strict=False):
        train = np.flatnonzero((times < start) & (known < start))
        test = np.flatnonzero((times >= start) if end is None else (times >= start) & (times < end))
        if len(train) and len(test):
            result.append(Fold(start, train, test))
    if len(result) < folds:
        raise NotEnoughDataError("time folds with rows to train and to test on", needs=folds, has=len(result))
    return result
