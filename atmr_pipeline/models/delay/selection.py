"""Which candidate wins on the validation block."""

from collections.abc import Mapping

import numpy as np

from atmr_pipeline.models.delay.params import CANDIDATE_NAMES, SIMPLE_CANDIDATES, DelayParams

ROUNDING_MIN = 1e-9
"""Losses closer than this are equal: the simpler candidate wins."""


def choose(errors: Mapping[str, np.ndarray], params: DelayParams) -> str:
    """The candidate to keep.

    A few hundred validation rows cannot tell candidates apart that differ by a percent, and trees that win there by
    luck lose afterwards. So the best of the simple ones (constants, spline-ridge) is kept unless a tree model has a
    smaller loss by more than ``simpler_within_se`` standard errors of the paired difference, after the one-standard-
    error rule of Breiman et al. (1984), made stricter because whole days go together and one block is one season. Of
    several such models the best wins.

    Parameters
    ----------
    errors : mapping of name to ndarray, shape (n_rows,)
        Validation errors of each candidate that competes, minutes, on the same rows.
    params : DelayParams
        ``selection_metric`` and ``simpler_within_se`` are used.

    Returns
    -------
    str
        A key of ``errors``.
    """
    power = 1 if params.selection_metric == "mae" else 2
    loss = {name: np.abs(errors[name]) ** power for name in CANDIDATE_NAMES if name in errors}
    incumbent = _least({name: values for name, values in loss.items() if name in SIMPLE_CANDIDATES} or loss)
    proven = {incumbent: loss[incumbent]}
    for name, values in loss.items():
        gain = loss[incumbent] - values
        if gain.mean() > params.simpler_within_se * gain.std() / np.sqrt(len(gain)) and name not in SIMPLE_CANDIDATES:
            proven[name] = values
    return _least(proven)


def _least(loss: Mapping[str, np.ndarray]) -> str:
    best = min(float(values.mean()) for values in loss.values())
    return next(name for name in CANDIDATE_NAMES if name in loss and loss[name].mean() <= best + ROUNDING_MIN)
