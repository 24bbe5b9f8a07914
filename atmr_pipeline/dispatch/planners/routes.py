"""Routes as planners change them: sorted ranks of bookings, one row a driver."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from atmr_pipeline.dispatch.compiled import compiled
from atmr_pipeline.dispatch.kernel import (
    EMERGENCY_USE,
    EMPTY_KM,
    IS_EMERGENCY,
    TRACE_COLUMNS,
    drive_route,
    gap_cost,
    gap_of,
)

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

EPSILON = 1e-9
"""A change must save at least this much, so that rounding cannot make a search run in circles."""


class Routes(NamedTuple):
    """A plan under construction: D drivers, B bookings.

    ``ranks[d, :lengths[d]]`` are the bookings of driver d in increasing order, ``costs[d]`` what they cost (load gap
    apart), ``loads[d]`` how many are served, with the ``carried[d]`` before the first of them. ``driver[rank]`` is the
    same plan by booking, -1 for nobody.
    """

    ranks: IntArray
    lengths: IntArray
    costs: FloatArray
    loads: IntArray
    driver: IntArray
    trace: FloatArray
    carried: IntArray


@compiled
def routes_of(day, driver_of_rank, carried):  # type: ignore[no-untyped-def]
    """The routes of a feasible plan, given by booking (B,); ``carried`` (D,) is zero at the start of a day."""
    n_drivers, n_bookings = day.drivers.shape[0], day.bookings.shape[0]
    routes = Routes(
        np.empty((n_drivers, n_bookings), dtype=np.int64),
        np.zeros(n_drivers, dtype=np.int64),
        np.zeros(n_drivers),
        np.zeros(n_drivers, dtype=np.int64),
        driver_of_rank.copy(),
        np.empty((n_bookings, TRACE_COLUMNS)),
        carried,
    )
    for rank in range(n_bookings):
        driver = driver_of_rank[rank]
        if driver >= 0:
            routes.ranks[driver, routes.lengths[driver]] = rank
            routes.lengths[driver] += 1
    for driver in range(n_drivers):
        length = routes.lengths[driver]
        cost, served = route_cost(day, driver, routes.ranks[driver], length, routes.trace)
        routes.costs[driver], routes.loads[driver] = cost, carried[driver] + served
    return routes


@compiled
def route_cost(day, driver, route, length, trace):  # type: ignore[no-untyped-def]
    """Cost of a driver's route without the load gap, infinite if forbidden; and how many bookings it serves."""
    km, late, lost, served, forbidden = drive_route(day, driver, route, length, trace)
    if forbidden >= 0:
        return np.inf, served
    cost = day.weights[EMPTY_KM] * km + late + lost
    if day.drivers[driver, IS_EMERGENCY] > 0.0 and served > 0:
        cost += day.weights[EMERGENCY_USE]
    return cost, served


@compiled
def gap_change(day, loads, first, first_load, second, second_load):  # type: ignore[no-untyped-def]
    """By how much the load-gap cost changes when drivers ``first`` and ``second`` (-1: nobody) get other loads."""
    before = gap_cost(day, gap_of(loads))
    most, least = -1, np.iinfo(np.int64).max
    for driver in range(loads.size):
        load = loads[driver]
        if driver == first:
            load = first_load
        elif driver == second:
            load = second_load
        most, least = max(most, load), min(least, load)
    return gap_cost(day, most - least) - before if loads.size > 0 else 0.0


@compiled
def put(route, length, rank, out):  # type: ignore[no-untyped-def]
    """Write the route with ``rank`` added to ``out``; return its length."""
    position = 0
    while position < length and route[position] < rank:
        out[position] = route[position]
        position += 1
    out[position] = rank
    for later in range(position, length):
        out[later + 1] = route[later]
    return length + 1


@compiled
def take(route, length, rank, out):  # type: ignore[no-untyped-def]
    """Write the route without ``rank`` to ``out``; return its length."""
    kept = 0
    for position in range(length):
        if route[position] != rank:
            out[kept] = route[position]
            kept += 1
    return kept


@compiled
def accept(day, routes, driver, route, length, cost, served):  # type: ignore[no-untyped-def]
    """Make ``route[:length]`` the driver's route. Bookings that left it must be given elsewhere by the caller."""
    for position in range(length):
        routes.ranks[driver, position] = route[position]
        routes.driver[route[position]] = driver
    routes.lengths[driver] = length
    routes.costs[driver] = cost
    routes.loads[driver] = routes.carried[driver] + served
