"""Expected cost of a service whose arrival is uncertain, in closed form.

The arrival is taken as normal with a given mean and variance, carried along a route: a driver that arrives early waits,
so the mean and variance of max(arrival, ready) follow Clark (1961, *The greatest of a finite set of random variables*).
"""

import math

import numpy as np
import numpy.typing as npt

from atmr_pipeline.dispatch.compiled import compiled

_Z_MAX, _Z_STEPS = 4.0, 400

CLEAR = 12.0
"""A driver that is early by more than the square root of so many variances is taken as surely early."""

HOPE = 2.0
"""A booking that is expected to be reached too late by more standard deviations than this is taken as surely lost."""


def _normal_table() -> npt.NDArray[np.float64]:
    # P(Z < z), E max(0, Z + z), E max(0, Z + z)^2 at equal steps of z, and one row more for interpolation.
    rows = []
    for step in range(_Z_STEPS + 2):
        z = -_Z_MAX + step * 2.0 * _Z_MAX / _Z_STEPS
        below, density = 0.5 * math.erfc(-z / math.sqrt(2.0)), math.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi)
        rows.append((below, density + z * below, (1.0 + z * z) * below + z * density))
    return np.array(rows)


NORMAL = _normal_table()


@compiled
def partial_moments(z):  # type: ignore[no-untyped-def]
    """P(Z < z), E max(0, Z + z) and E max(0, Z + z)^2 of a standard normal Z."""
    if z <= -_Z_MAX:
        return 0.0, 0.0, 0.0
    if z >= _Z_MAX:
        return 1.0, z, 1.0 + z * z
    at = (z + _Z_MAX) * (0.5 * _Z_STEPS / _Z_MAX)
    row = int(at)
    part = at - row
    below = NORMAL[row, 0] + part * (NORMAL[row + 1, 0] - NORMAL[row, 0])
    first = NORMAL[row, 1] + part * (NORMAL[row + 1, 1] - NORMAL[row, 1])
    return below, first, NORMAL[row, 2] + part * (NORMAL[row + 1, 2] - NORMAL[row, 2])


@compiled
def expected_lateness(late_min, spread_min, tolerance_min, lost_after_min):  # type: ignore[no-untyped-def]
    """Lateness that costs something, in expectation, and the probability of coming too late.

    Parameters
    ----------
    late_min : float
        Expected arrival minus scheduled time, below 0 if early.
    spread_min : float
        Standard deviation of the arrival, > 0.
    tolerance_min : float
        Of a return booking, whose excess counts squared over it; 0 for an outbound one, whose lateness counts as it is.
    lost_after_min : float
        Later arrivals are lost, and cost that instead.

    Returns
    -------
    (float, float)
        Minutes of an outbound booking that is not urgent; probability.
    """
    lost, lost_first, lost_second = partial_moments((late_min - lost_after_min) / spread_min)
    _, first, second = partial_moments((late_min - tolerance_min) / spread_min)
    width = lost_after_min - tolerance_min
    if tolerance_min == 0.0:
        tail = width * lost + spread_min * lost_first if lost > 0.0 else 0.0
        return max(0.0, spread_min * first - tail), lost
    tail = 0.0
    if lost > 0.0:
        tail = width * width * lost + 2.0 * width * spread_min * lost_first + spread_min * spread_min * lost_second
    return max(0.0, spread_min * spread_min * second - tail) / tolerance_min, lost


@compiled
def expected_wait(slack_min, variance):  # type: ignore[no-untyped-def]
    """Minutes that a driver waits who is expected ``slack_min`` early (below 0: late), and the variance that is left.

    Parameters
    ----------
    slack_min : float
        Ready time minus expected arrival.
    variance : float
        Of the arrival, > 0.
    """
    spread = math.sqrt(variance)
    _, first, second = partial_moments(-slack_min / spread)
    return slack_min + spread * first, variance * max(0.0, second - first * first)
