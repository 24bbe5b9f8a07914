"""Planners that build a day once, without looking back.

Three take the bookings in service order and add each at the end of a driver's route; ``insertion`` chooses the order by
regret (Potvin & Rousseau, 1993, *A parallel route building algorithm for the vehicle routing and scheduling problem
with time windows*).
"""

import numpy as np
import numpy.typing as npt

from atmr_pipeline.dispatch.compiled import compiled
from atmr_pipeline.dispatch.kernel import (
    EMERGENCY_USE,
    EMPTY_KM,
    IS_EMERGENCY,
    LOST_COST,
    SERVED,
    SHIFT_START,
    PackedDay,
    lateness_cost,
    serve,
)
from atmr_pipeline.dispatch.planners.routes import accept, gap_change, put, route_cost, routes_of

IntArray = npt.NDArray[np.int64]

_NEAREST, _LEAST_LOADED, _CHEAPEST = 0, 1, 2


def nearest(day: PackedDay, seed: int) -> IntArray:
    """Each booking to the driver that reaches it with the shortest drive; driver of each rank (B,)."""
    return _append(day, _NEAREST)


def least_loaded(day: PackedDay, seed: int) -> IntArray:
    """Each booking to the driver with the fewest so far, the cheapest of them; driver of each rank (B,)."""
    return _append(day, _LEAST_LOADED)


def greedy(day: PackedDay, seed: int) -> IntArray:
    """Each booking where it adds least to the cost of the day so far, or to nobody; driver of each rank (B,)."""
    return _append(day, _CHEAPEST)


def insertion(day: PackedDay, seed: int) -> IntArray:
    """Always the booking that would lose most by waiting, into its best route (regret-2); driver of each rank (B,)."""
    return insert_by_regret(day, np.zeros(day.drivers.shape[0], dtype=np.int64))


@compiled
def _append(day, rule):  # type: ignore[no-untyped-def]
    n_drivers, n_bookings = day.drivers.shape[0], day.bookings.shape[0]
    chosen = np.full(n_bookings, -1, dtype=np.int64)
    drivers, bookings, travel, absences, weights = day
    position = np.arange(n_drivers)
    free_min = drivers[:, SHIFT_START].copy()
    loads = np.zeros(n_drivers, dtype=np.int64)
    for rank in range(n_bookings):
        best, best_load, best_end = np.inf, np.iinfo(np.int64).max, 0.0
        if rule == _CHEAPEST:
            best = day.bookings[rank, LOST_COST]
        for driver in range(n_drivers):
            state, arrival, _, end, lateness, km = serve(
                drivers, bookings, travel, absences, weights, driver, position[driver], free_min[driver], rank
            )
            if state != SERVED:
                continue
            score = day.weights[EMPTY_KM] * km + lateness_cost(bookings, weights, rank, lateness)
            if rule == _NEAREST:
                score = arrival - free_min[driver]
            elif rule == _CHEAPEST:
                score += gap_change(day, loads, driver, loads[driver] + 1, -1, 0)
                if day.drivers[driver, IS_EMERGENCY] > 0.0 and loads[driver] == 0:
                    score += day.weights[EMERGENCY_USE]
            lighter = rule == _LEAST_LOADED and loads[driver] < best_load
            if lighter or (score < best and not (rule == _LEAST_LOADED and loads[driver] > best_load)):
                chosen[rank], best, best_load, best_end = driver, score, loads[driver], end
        driver = chosen[rank]
        if driver >= 0:
            position[driver], free_min[driver] = n_drivers + rank, best_end
            loads[driver] += 1
    return chosen


@compiled
def insert_by_regret(day, carried):  # type: ignore[no-untyped-def]
    """Regret-2 insertion where drivers have ``carried`` (D,) bookings before; driver of each rank (B,)."""
    n_drivers, n_bookings = day.drivers.shape[0], day.bookings.shape[0]
    routes = routes_of(day, np.full(n_bookings, -1, dtype=np.int64), carried)
    added = np.empty((n_bookings, n_drivers))
    candidate = np.empty(n_bookings + 1, dtype=np.int64)
    for driver in range(n_drivers):
        _price(day, routes, driver, added, candidate)
    while True:
        rank, driver = _largest_regret(day, routes, added)
        if rank < 0:
            return routes.driver
        length = put(routes.ranks[driver], routes.lengths[driver], rank, candidate)
        cost, load = route_cost(day, driver, candidate, length, routes.trace)
        accept(day, routes, driver, candidate, length, cost, load)
        _price(day, routes, driver, added, candidate)


@compiled
def _price(day, routes, driver, added, candidate):  # type: ignore[no-untyped-def]
    # What each free booking would add to this driver's route; a route that loses a booking pays for it there.
    for rank in range(routes.driver.size):
        if routes.driver[rank] < 0:
            length = put(routes.ranks[driver], routes.lengths[driver], rank, candidate)
            cost, load = route_cost(day, driver, candidate, length, routes.trace)
            added[rank, driver] = cost - routes.costs[driver] if load == length else np.inf


@compiled
def _largest_regret(day, routes, added):  # type: ignore[no-untyped-def]
    best_rank, best_driver, best_regret, best_cost = -1, -1, -1.0, np.inf
    gap = np.empty(routes.loads.size)
    for driver in range(routes.loads.size):
        gap[driver] = gap_change(day, routes.loads, driver, routes.loads[driver] + 1, -1, 0)
    for rank in range(routes.driver.size):
        if routes.driver[rank] >= 0:
            continue
        first, second, chosen = day.bookings[rank, LOST_COST], day.bookings[rank, LOST_COST], -1
        for driver in range(routes.loads.size):
            cost = added[rank, driver] + gap[driver]
            if cost < first:
                first, second, chosen = cost, first, driver
            elif cost < second:
                second = cost
        regret = second - first
        if chosen >= 0 and (regret > best_regret or (regret == best_regret and first < best_cost)):
            best_rank, best_driver, best_regret, best_cost = rank, chosen, regret, first
    return best_rank, best_driver
