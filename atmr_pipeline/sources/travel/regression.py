"""Minutes of trips as fixed minutes plus pace x km, robustly, with paces by weekday and hour that borrow from others.

Paces are shrunk towards that of their hour and day type, that one towards its hour's, and that towards the pace of all
hours, the more so the fewer trips there are: a Gaussian prior, that is ridge regression (Hoerl and Kennard,
*Technometrics* 12, 1970). The loss is Huber's (*Annals of Mathematical Statistics* 35, 1964) on errors relative to the
expected minutes, because a trip of twice the length varies twice as much; iteratively reweighted least squares minimise
it.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from atmr_pipeline.domain.travel import FloatArray
from atmr_pipeline.sources.travel.profile import DAYS, HOURS

IntArray = npt.NDArray[np.int64]

CELLS = DAYS * HOURS
SERVICE_MIN, SERVICE_SD_MIN = 12.0, 5.0
"""Prior of the fixed minutes: the planner's boarding and alighting (5 + 7), give or take 5."""

SPREAD = (0.15, 0.08, 0.05)
"""Prior standard deviations of pace, relative: an hour from all hours, a day type (weekday, Saturday, Sunday) from its
hour, a weekday from its day type. Assumptions; halving or doubling all three changes the held-out error of the demo
company by less than 1 %."""

HUBER = 2.0
"""Errors beyond this many standard deviations count in proportion, not squared: 5 % of a normal sample."""

_FLAT = 10.0
"""Prior standard deviation of the pace of all hours, relative: says nothing."""
_MOST_STEPS, _TOLERANCE = 100, 1e-6


class Paces(NamedTuple):
    """Fixed minutes, their standard error, and pace of each cell (168,), min/km."""

    fixed_min: float
    fixed_sd_min: float
    pace: FloatArray


def fit_paces(minutes: FloatArray, km: FloatArray, cell: IntArray) -> Paces:
    """Fit fixed minutes and a pace for each cell.

    Only sums by cell enter the equations: time and memory grow with the trips, not with trips x cells.

    Parameters
    ----------
    minutes, km : ndarray (n,)
        Of each trip.
    cell : ndarray of int (n,)
        24 x weekday + hour.

    Returns
    -------
    Paces
        Cells without trips have the pace that the others suggest.
    """
    fixed, level = fit_line(minutes, km)
    pace = np.full(CELLS, level)
    # The prior is relative to the pace of all hours; a line that falls leaves its scale to the slope's size.
    prior = np.linalg.inv(_prior_covariance()) / max(level**2, 1e-6)
    equations = np.zeros((1 + CELLS, 1 + CELLS))
    for _ in range(_MOST_STEPS):
        weight = _weights(minutes, fixed + pace[cell] * km)
        km_sum, km_km, km_min = (
            np.bincount(cell, weight * value, minlength=CELLS) for value in (km, km * km, km * minutes)
        )
        equations[0, 0] = weight.sum() + SERVICE_SD_MIN**-2
        equations[0, 1:] = equations[1:, 0] = km_sum
        equations[1:, 1:] = np.diag(km_km) + prior
        right = np.concatenate([[(weight * minutes).sum() + SERVICE_MIN * SERVICE_SD_MIN**-2], km_min])
        solved = np.linalg.solve(equations, right)
        moved = np.abs(solved - np.concatenate([[fixed], pace])).max()
        fixed, pace = float(solved[0]), solved[1:]
        if moved < _TOLERANCE:
            break
    return Paces(fixed, float(np.sqrt(np.linalg.inv(equations)[0, 0])), pace)


def fit_line(minutes: FloatArray, km: FloatArray) -> tuple[float, float]:
    """Fixed minutes and one pace for all hours, with the same loss."""
    columns = np.stack([np.ones_like(km), km], axis=1)
    line = np.linalg.lstsq(columns, minutes, rcond=None)[0]
    for _ in range(_MOST_STEPS):
        root = np.sqrt(_weights(minutes, columns @ line))
        before, line = line, np.linalg.lstsq(root[:, None] * columns, root * minutes, rcond=None)[0]
        if np.abs(line - before).max() < _TOLERANCE:
            break
    return float(line[0]), float(line[1])


def _weights(minutes: FloatArray, expected: FloatArray) -> FloatArray:
    """Inverse variances with Huber's factor; the variance grows with the square of the expected minutes."""
    expected = np.maximum(expected, 1.0)
    relative = (minutes - expected) / expected
    # 1.4826 makes the median absolute deviation the standard deviation of a normal sample.
    spread = max(1.4826 * float(np.median(np.abs(relative - np.median(relative)))), 1e-3)
    beyond = np.maximum(np.abs(relative) / (HUBER * spread), 1.0)
    return np.asarray(1.0 / (beyond * (spread * expected) ** 2))


def _prior_covariance() -> FloatArray:
    """Of relative paces, (168, 168): cells share the level of all hours, their hour, and their day type within it."""
    weekday, hour = np.divmod(np.arange(CELLS), HOURS)
    day_type = np.maximum(weekday, 4)
    same_hour = hour[:, None] == hour[None, :]
    same_type = same_hour & (day_type[:, None] == day_type[None, :])
    by_hour, by_type, by_day = (spread**2 for spread in SPREAD)
    return np.asarray(_FLAT**2 + by_hour * same_hour + by_type * same_type + by_day * np.eye(CELLS))
