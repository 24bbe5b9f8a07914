"""How sure a change of plan is to pay: both plans are executed under the same random days, and the wins are counted.

A confidence of .8 says that of 100 days with the travel and service noise below, the changed plan is not dearer on
about 80. It is a statement about noise of this size, not about bookings that nobody knows of yet.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from atmr_pipeline.dispatch.compiled import compiled
from atmr_pipeline.dispatch.kernel import (
    ALIGHTING,
    BOARDING,
    EMERGENCY_USE,
    EMPTY_KM,
    IS_EMERGENCY,
    LOST,
    LOST_COST,
    MINUTES,
    RIDE,
    SHIFT_START,
    gap_cost,
    gap_of,
    lateness_cost,
    pack,
    serve,
)
from atmr_pipeline.dispatch.problem import DayProblem
from atmr_pipeline.dispatch.simulator import CostWeights, check_assignment
from atmr_pipeline.domain.errors import InvalidProblemError

FloatArray = npt.NDArray[np.float64]

SAME_COST = 1e-9
"""Costs this near are equal."""


@dataclass(frozen=True)
class ExecutionNoise:
    """How a day differs from what was expected. Every factor is lognormal with mean 1, independent of the others.

    Raises
    ------
    InvalidProblemError
        A spread is negative or not a number.
    """

    travel_sigma: float = 0.3
    """Spread of the logarithm of the minutes of each way, with or without a patient."""
    service_sigma: float = 0.3
    """Spread of the logarithm of each boarding and each alighting."""

    def __post_init__(self) -> None:
        if not (self.travel_sigma >= 0 and self.service_sigma >= 0):
            raise InvalidProblemError("the spreads of the noise must be numbers >= 0")


def noisy_costs(
    problem: DayProblem,
    assignment: npt.ArrayLike,
    *,
    weights: CostWeights | None = None,
    noise: ExecutionNoise | None = None,
    draws: int,
    seed: int = 0,
) -> FloatArray:
    """Cost of a plan on random executions of the day.

    Drivers follow the plan as on the road: one who would come too late does not go, one who is past the end of the
    shift finishes the day. The same draw, way and booking give the same factor whatever the plan, so plans can be
    compared draw by draw.

    Parameters
    ----------
    problem : DayProblem
    assignment : array of int (B,)
        -1 for nobody.
    weights : CostWeights, optional
    noise : ExecutionNoise, optional
    draws : int
    seed : int
        Of the random numbers, which depend on nothing else.

    Returns
    -------
    ndarray (draws,)

    Raises
    ------
    InvalidProblemError
        ``assignment`` is no plan of this day.
    """
    noise = noise or ExecutionNoise()
    drivers = check_assignment(problem, assignment)[problem.service_order]
    day = pack(problem, weights or CostWeights(), enforce_shifts=False)
    sigmas = np.array([noise.travel_sigma, noise.service_sigma])
    return np.asarray(_execute(day, drivers, sigmas, draws, np.uint64(seed)))


def confidence_of(before: FloatArray, after: FloatArray) -> float:
    """Probability that a change is not dearer, from costs of the same draws (K,): (wins + 1) / (K + 2).

    The added win and loss (Laplace's rule) keep few draws from claiming certainty.
    """
    return float((after <= before + SAME_COST).sum() + 1) / (len(before) + 2)


@compiled
def _execute(day, driver_of_rank, sigmas, draws, seed):  # type: ignore[no-untyped-def]
    n_drivers, n_bookings = day.drivers.shape[0], day.bookings.shape[0]
    drivers, bookings, travel, absences, weights = day
    # Copies in which a draw's own minutes stand where they are about to be read.
    told, ways = bookings.copy(), travel.copy()
    costs = np.empty(draws)
    position, free_min = np.empty(n_drivers, dtype=np.int64), np.empty(n_drivers)
    loads = np.empty(n_drivers, dtype=np.int64)
    for draw in range(draws):
        position[:], free_min[:], loads[:] = np.arange(n_drivers), drivers[:, SHIFT_START], 0
        total = 0.0
        for rank in range(n_bookings):
            driver = driver_of_rank[rank]
            if driver < 0:
                total += bookings[rank, LOST_COST]
                continue
            origin = position[driver]
            ways[origin, rank, MINUTES] = travel[origin, rank, MINUTES] * _factor(sigmas[0], seed, draw, origin, rank)
            # Rows past the last position number what belongs to the booking itself.
            for row, column, sigma in ((0, BOARDING, sigmas[1]), (1, RIDE, sigmas[0]), (2, ALIGHTING, sigmas[1])):
                factor = _factor(sigma, seed, draw, n_drivers + n_bookings + row, rank)
                told[rank, column] = bookings[rank, column] * factor
            state, _, _, end, lateness, km = serve(
                drivers, told, ways, absences, weights, driver, origin, free_min[driver], rank
            )
            if state == LOST:
                total += bookings[rank, LOST_COST]
                continue
            total += weights[EMPTY_KM] * km + lateness_cost(told, weights, rank, lateness)
            if drivers[driver, IS_EMERGENCY] > 0.0 and loads[driver] == 0:
                total += weights[EMERGENCY_USE]
            position[driver], free_min[driver] = n_drivers + rank, end
            loads[driver] += 1
        costs[draw] = total + gap_cost(day, gap_of(loads))
    return costs


@compiled
def _factor(sigma, seed, draw, row, rank):  # type: ignore[no-untyped-def]
    # Lognormal with mean 1 from numbers that say which draw, way and booking it is (Box and Muller, 1958).
    if sigma == 0.0:
        return 1.0
    key = _mixed(_mixed(_mixed(_mixed(seed) ^ np.uint64(draw)) ^ np.uint64(row)) ^ np.uint64(rank))
    scale = 1.0 / 9007199254740992.0
    first = (np.float64(key >> np.uint64(11)) + 0.5) * scale
    second = np.float64(_mixed(key) >> np.uint64(11)) * scale
    normal = np.sqrt(-2.0 * np.log(first)) * np.cos(2.0 * np.pi * second)
    return np.exp(sigma * normal - 0.5 * sigma * sigma)


@compiled
def _mixed(number):  # type: ignore[no-untyped-def]
    # The output function of SplitMix64 (Steele, Lea and Flood, 2014).
    mixed = number + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))
