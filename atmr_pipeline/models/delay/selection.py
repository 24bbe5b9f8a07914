"""Which candidate wins on the validation block."""

from collections.abc import Mapping

import numpy as np

from atmr_pipeline.models.delay.params import CANDIDATE_NAMES, DelayParams

SIMPLER = "spline_ridge"
"""Preferred where rows are few."""

ROUNDING_MIN = 1e-6
"""Losses closer than this are equal: the simplest of equals is kept."""


def choose(errors: Mapping[str, np.ndarray], params: DelayParams, *, fit_rows: int) -> str:
    """The candidate to keep.

    A few hundred validation rows cannot tell candidates apart that differ by a percent. So the preferred one is kept
    unless another has a smaller loss by more than ``preferred_within_se`` standard errors of the paired difference; the
    others are tried from the simplest to the most complex (after the one-standard-error rule of Breiman et al., 1984).

    Parameters
    ----------
    errors : mapping of name to ndarray, shape (n_rows,)
        Validation errors of each candidate that competes, minutes, on the same rows.
    params : DelayParams
        ``preferred``, ``preferred_minimum_rows``, ``preferred_within_se`` and ``selection_metric`` are used.
    fit_rows : int
        Rows of the train and validation blocks; with few of them spline-ridge is the preferred one.

    Returns
    -------
    str
        A key of ``errors``. Without the preferred one the simplest is the one to beat.
    """
    power = 1 if params.selection_metric == "mae" else 2
    loss = {name: np.abs(errors[name]) ** power for name in CANDIDATE_NAMES if name in errors}
    preferred = params.preferred if fit_rows >= params.preferred_minimum_rows else SIMPLER
    best = preferred if preferred in loss else next(iter(loss))
    for name, values in loss.items():
        gain = loss[best] - values
        if gain.mean() > params.preferred_within_se * gain.std() / np.sqrt(len(gain)) + ROUNDING_MIN:
            best = name
    return next(name for name, values in loss.items() if np.abs(loss[best] - values).max() <= ROUNDING_MIN)
