"""Which candidate wins on the validation block."""

from collections.abc import Mapping

import numpy as np

from atmr_pipeline.models.delay.params import CANDIDATE_NAMES, SIMPLE_CANDIDATES, DelayParams

ROUNDING_MIN = 1e-9
"""Losses closer than this are equal: the simpler candidate wins."""


def choose(errors: Mapping[str, np.ndarray], params: DelayParams) -> str:
    """The candidate to keep.

    A few hundred validation rows cannot tell candidates apart that differ by a percent, and a complex one that wins
    there by luck loses afterwards. So the best of the simple ones (constants, spline-ridge) is kept unless a more
    complex one has a smaller loss by more than ``simpler_within_se`` standard errors of the paired difference, and that
    one is kept in turn, up the ladder (after the one-standard-error rule of Breiman et al., 1984).

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
    best = _least({name: values for name, values in loss.items() if name in SIMPLE_CANDIDATES} or loss)
    for name, values in loss.items():
        gain = loss[best] - values
        if name not in SIMPLE_CANDIDATES and gain.mean() > params.simpler_within_se * gain.std() / np.sqrt(len(gain)):
            best = name
    return best


def _least(loss: Mapping[str, np.ndarray]) -> str:
    best = min(float(values.mean()) for values in loss.values())
    return next(name for name in CANDIDATE_NAMES if name in loss and loss[name].mean() <= best + ROUNDING_MIN)
