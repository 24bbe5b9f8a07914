"""Small changes of a plan, priced on the whole day: the best one that harms nothing."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from atmr_pipeline.dispatch.kernel import EMPTY_KM, TRACE_COLUMNS, PackedDay, drive_day, gap_cost, gap_of, pack
from atmr_pipeline.dispatch.problem import DayProblem
from atmr_pipeline.dispatch.simulator import CostWeights, simulate

IntArray = npt.NDArray[np.int64]
Change = tuple[int, int]
"""A booking (index in the problem) and its new driver."""

LEAST_SAVING = 1e-6
"""A change must save at least this much: less is rounding."""


def changes_advised(advice: Sequence[Change]) -> list[Change]:
    """Advice without repetition, in order."""
    return list(dict.fromkeys((int(booking), int(driver)) for booking, driver in advice))


def best_change(
    problem: DayProblem,
    base: IntArray,
    changes: list[Change],
    weights: CostWeights,
    *,
    gap_limit: int,
    settled: set[int],
) -> tuple[IntArray, tuple[int, ...], float] | None:
    """The change of a feasible plan that saves most.

    Each change is tried alone and as an exchange with every booking that the new driver has. A change counts if it
    saves cost, keeps the load gap within ``gap_limit``, breaks no shift end or absence and loses no further booking.

    Parameters
    ----------
    problem : DayProblem
    base : ndarray of int (B,)
        A feasible plan, -1 for nobody.
    changes : list of (booking, driver)
    weights : CostWeights
    gap_limit : int
    settled : set of int
        Bookings that must stay where they are.

    Returns
    -------
    (ndarray of int (B,), tuple of int, float) or None
        The changed plan, the bookings that moved, and the cost saved; None where nothing pays.
    """
    order = problem.service_order
    day = pack(problem, weights)
    price = _Price(day, problem.n_bookings, problem.n_drivers)
    base_cost, _, base_served = price(base[order])
    best, best_cost = None, base_cost - LEAST_SAVING
    moved: tuple[int, ...] = ()
    for booking, driver in changes:
        for others in _variants(base, booking, driver, settled):
            candidate = base.copy()
            candidate[booking] = driver
            candidate[list(others)] = base[booking]
            cost, gap, served = price(candidate[order])
            if cost < best_cost and gap <= gap_limit and served >= base_served:
                best, moved, best_cost = candidate, (booking, *others), cost
    if best is None:
        return None
    return _confirmed(problem, base, best, moved, weights)


def _variants(base: IntArray, booking: int, driver: int, settled: set[int]) -> list[tuple[int, ...]]:
    """Nothing in return, or each of the new driver's bookings for the old one."""
    if booking in settled or base[booking] == driver:
        return []
    if base[booking] < 0:
        return [()]
    back = [int(other) for other in np.flatnonzero(base == driver) if int(other) not in settled]
    return [(), *((other,) for other in back)]


def _confirmed(
    problem: DayProblem, base: IntArray, changed: IntArray, moved: tuple[int, ...], weights: CostWeights
) -> tuple[IntArray, tuple[int, ...], float] | None:
    """The change as the simulator prices it."""
    saved = simulate(problem, base, weights=weights).total - simulate(problem, changed, weights=weights).total
    return (changed, moved, saved) if saved > 0.0 else None


class _Price:
    """Cost, load gap and bookings served of plans of one day, by the compiled functions of the simulator."""

    def __init__(self, day: PackedDay, bookings: int, drivers: int) -> None:
        self.day = day
        self.trace = np.empty((bookings, TRACE_COLUMNS))
        self.loads = np.zeros(drivers, dtype=np.int64)

    def __call__(self, driver_of_rank: IntArray) -> tuple[float, int, int]:
        km, late, lost, emergency, breaker, _ = drive_day(self.day, driver_of_rank, self.trace, self.loads)
        if breaker >= 0:
            return np.inf, 0, 0
        gap = int(gap_of(self.loads))
        total = self.day.weights[EMPTY_KM] * km + late + lost + emergency + gap_cost(self.day, gap)
        return float(total), gap, int(self.loads.sum())
