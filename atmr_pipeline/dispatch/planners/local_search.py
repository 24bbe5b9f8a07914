"""Local search: relocate, swap and 2-opt* until none of them helps.

2-opt* exchanges the tails of two routes (Potvin & Rousseau, 1995, *An exchange heuristic for routing problems with time
windows*). A driver's order of service is fixed by the schedule, so a move changes only who drives, and a cut is a
moment of the day. It starts from every constructive plan and keeps the best: it is never worse than any of them.
"""

import numpy as np
import numpy.typing as npt

from atmr_pipeline.dispatch.compiled import compiled
from atmr_pipeline.dispatch.kernel import LOST_COST, PackedDay, gap_cost, gap_of
from atmr_pipeline.dispatch.planners import constructive
from atmr_pipeline.dispatch.planners.routes import (
    EPSILON,
    accept,
    gap_change,
    put,
    route_cost,
    routes_of,
    take,
)

IntArray = npt.NDArray[np.int64]

STARTS = (constructive.greedy, constructive.insertion, constructive.least_loaded, constructive.nearest)


def local_search(day: PackedDay, seed: int) -> IntArray:
    """The best local optimum reached from the constructive plans; driver of each rank (B,)."""
    best, best_cost = np.full(day.bookings.shape[0], -1, dtype=np.int64), np.inf
    for start in STARTS:
        drivers, cost = improve(day, start(day, seed))
        if cost < best_cost - EPSILON:
            best, best_cost = drivers, cost
    return best


@compiled
def improve(day, driver_of_rank):  # type: ignore[no-untyped-def]
    """Local search from a feasible plan of a whole day, see :func:`improve_rest`."""
    return improve_rest(day, driver_of_rank, np.zeros(day.drivers.shape[0], dtype=np.int64))


@compiled
def improve_rest(day, driver_of_rank, carried):  # type: ignore[no-untyped-def]
    """Local search from a feasible plan.

    Parameters
    ----------
    day : PackedDay
    driver_of_rank : ndarray of int (B,)
        -1 for nobody.
    carried : ndarray of int (D,)
        Bookings that each driver has served before: they count in the load gap.

    Returns
    -------
    (ndarray of int (B,), float)
        A plan that is not worse, and its cost.
    """
    routes = routes_of(day, driver_of_rank, carried)
    first = np.empty(driver_of_rank.size + 1, dtype=np.int64)
    second = np.empty(driver_of_rank.size + 1, dtype=np.int64)
    improved = True
    while improved:
        improved = _relocate(day, routes, first, second)
        improved = _swap(day, routes, first, second) or improved
        improved = _exchange_tails(day, routes, first, second) or improved
    total = gap_cost(day, gap_of(routes.loads)) + routes.costs.sum()
    for rank in range(routes.driver.size):
        if routes.driver[rank] < 0:
            total += day.bookings[rank, LOST_COST]
    return routes.driver, total


@compiled
def _gap_change(day, routes, first, first_served, second, second_served):  # type: ignore[no-untyped-def]
    first_load, second_load = first_served, second_served
    if first >= 0:
        first_load += routes.carried[first]
    if second >= 0:
        second_load += routes.carried[second]
    return gap_change(day, routes.loads, first, first_load, second, second_load)


@compiled
def _relocate(day, routes, first, second):  # type: ignore[no-untyped-def]
    # Each booking to its best place, "nobody" (-1) included.
    improved = False
    for rank in range(routes.driver.size):
        home = routes.driver[rank]
        saved, home_cost, home_load, home_length = day.bookings[rank, LOST_COST], 0.0, 0, 0
        if home >= 0:
            home_length = take(routes.ranks[home], routes.lengths[home], rank, first)
            home_cost, home_load = route_cost(day, home, first, home_length, routes.trace)
            saved = routes.costs[home] - home_cost
        best, target = -EPSILON, -2
        for driver in range(-1, routes.loads.size):
            if driver == home:
                continue
            change, load = day.bookings[rank, LOST_COST], 0
            if driver >= 0:
                length = put(routes.ranks[driver], routes.lengths[driver], rank, second)
                cost, load = route_cost(day, driver, second, length, routes.trace)
                change = cost - routes.costs[driver]
            change += _gap_change(day, routes, home, home_load, driver, load) - saved
            if change < best:
                best, target = change, driver
        if target == -2:
            continue
        improved = True
        routes.driver[rank] = target
        if home >= 0:
            accept(day, routes, home, first, home_length, home_cost, home_load)
        if target >= 0:
            length = put(routes.ranks[target], routes.lengths[target], rank, second)
            cost, load = route_cost(day, target, second, length, routes.trace)
            accept(day, routes, target, second, length, cost, load)
    return improved


@compiled
def _swap(day, routes, first, second):  # type: ignore[no-untyped-def]
    # Two bookings change drivers; one of them may be nobody's, then it takes the other's place.
    improved = False
    for one in range(routes.driver.size):
        for other in range(one + 1, routes.driver.size):
            if routes.driver[one] == routes.driver[other]:
                continue
            leaving, coming = one, other
            if routes.driver[one] < 0:
                leaving, coming = other, one
            here, there = routes.driver[leaving], routes.driver[coming]
            length = _replace(routes, here, leaving, coming, first)
            cost, load = route_cost(day, here, first, length, routes.trace)
            change = cost - routes.costs[here]
            there_length, there_cost, there_load = 0, 0.0, 0
            if there >= 0:
                there_length = _replace(routes, there, coming, leaving, second)
                there_cost, there_load = route_cost(day, there, second, there_length, routes.trace)
                change += there_cost - routes.costs[there]
            else:
                change += day.bookings[leaving, LOST_COST] - day.bookings[coming, LOST_COST]
            change += _gap_change(day, routes, here, load, there, there_load)
            if change < -EPSILON:
                improved = True
                routes.driver[leaving] = -1
                accept(day, routes, here, first, length, cost, load)
                if there >= 0:
                    accept(day, routes, there, second, there_length, there_cost, there_load)
    return improved


@compiled
def _replace(routes, driver, leaving, coming, out):  # type: ignore[no-untyped-def]
    kept, placed = 0, False
    for position in range(routes.lengths[driver]):
        rank = routes.ranks[driver, position]
        if not placed and rank > coming:
            out[kept], placed = coming, True
            kept += 1
        if rank != leaving:
            out[kept] = rank
            kept += 1
    if not placed:
        out[kept] = coming
        kept += 1
    return kept


@compiled
def _exchange_tails(day, routes, first, second):  # type: ignore[no-untyped-def]
    improved = False
    for one in range(routes.loads.size):
        for other in range(one + 1, routes.loads.size):
            for cut in range(routes.driver.size):
                if routes.driver[cut] != one and routes.driver[cut] != other:
                    continue
                length = _join(routes, one, other, cut, first)
                cost, load = route_cost(day, one, first, length, routes.trace)
                if cost == np.inf:
                    continue
                other_length = _join(routes, other, one, cut, second)
                other_cost, other_load = route_cost(day, other, second, other_length, routes.trace)
                change = cost + other_cost - routes.costs[one] - routes.costs[other]
                change += _gap_change(day, routes, one, load, other, other_load)
                if change < -EPSILON:
                    improved = True
                    accept(day, routes, one, first, length, cost, load)
                    accept(day, routes, other, second, other_length, other_cost, other_load)
    return improved


@compiled
def _join(routes, head, tail, cut, out):  # type: ignore[no-untyped-def]
    # The head's bookings before the cut, then the tail's from the cut on.
    length = 0
    for position in range(routes.lengths[head]):
        if routes.ranks[head, position] < cut:
            out[length] = routes.ranks[head, position]
            length += 1
    for position in range(routes.lengths[tail]):
        if routes.ranks[tail, position] >= cut:
            out[length] = routes.ranks[tail, position]
            length += 1
    return length
