"""The residual network as compiled code: what it adds to the search's values, in microseconds.

The same function as ``models/policy/running/network.py``, which trains it: a layer on each candidate's row, mean and
maximum over the candidates, a second layer on both, and one number a candidate.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from atmr_pipeline.dispatch.compiled import compiled
from atmr_pipeline.dispatch.running.features import COST_SCALE, N_FEATURES

Float32Array = npt.NDArray[np.float32]


class ResidualWeights(NamedTuple):
    """F features, H hidden units; every matrix is (inputs, outputs)."""

    first: Float32Array
    """(F, H)"""
    first_bias: Float32Array
    own: Float32Array
    """(H, H)"""
    pooled: Float32Array
    """(2 H, H): of the mean, then of the maximum."""
    second_bias: Float32Array
    last: Float32Array
    """(H,)"""


def no_residual() -> ResidualWeights:
    """Weights that add nothing: the search alone."""
    one = np.zeros((1, 1), dtype=np.float32)
    return ResidualWeights(
        np.zeros((N_FEATURES, 1), dtype=np.float32), one[0], one, np.zeros((2, 1), dtype=np.float32), one[0], one[0]
    )


@compiled
def residual(net, rows, values):  # type: ignore[no-untyped-def]
    """What to add to the value of each candidate (D + 1,), in cost units; 0 for those that are none.

    Parameters
    ----------
    net : ResidualWeights
    rows : ndarray of float32 (D + 1, F)
    values : ndarray (D + 1,)
        Infinite where a driver is no candidate.
    """
    n_rows, hidden = rows.shape[0], net.first_bias.size
    inner = np.zeros((n_rows, hidden), dtype=np.float32)
    mean, most = np.zeros(hidden, dtype=np.float32), np.zeros(hidden, dtype=np.float32)
    candidates = 0
    for row in range(n_rows):
        if values[row] == np.inf:
            continue
        candidates += 1
        inner[row] = net.first_bias
        for feature in range(rows.shape[1]):
            value = rows[row, feature]
            if value != 0.0:
                for unit in range(hidden):
                    inner[row, unit] += value * net.first[feature, unit]
        for unit in range(hidden):
            inner[row, unit] = max(np.float32(0.0), inner[row, unit])
            mean[unit] += inner[row, unit]
            most[unit] = max(most[unit], inner[row, unit])
    shared = net.second_bias.copy()
    for source in range(hidden):
        average, highest = mean[source] / np.float32(max(1, candidates)), most[source]
        for unit in range(hidden):
            shared[unit] += average * net.pooled[source, unit] + highest * net.pooled[hidden + source, unit]
    out = np.zeros(n_rows)
    outer = np.empty(hidden, dtype=np.float32)
    for row in range(n_rows):
        if values[row] == np.inf:
            continue
        outer[:] = shared
        for source in range(hidden):
            value = inner[row, source]
            if value != 0.0:
                for unit in range(hidden):
                    outer[unit] += value * net.own[source, unit]
        total = np.float32(0.0)
        for unit in range(hidden):
            total += max(np.float32(0.0), outer[unit]) * net.last[unit]
        out[row] = COST_SCALE * total
    return out
