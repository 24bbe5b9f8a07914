"""Routes as linked lists: what a move changes is priced by going on from there until nothing differs any more.

A booking that starts on time ends at a set time, so most changes die out after one or two bookings. Bookings that would
be lost are given to nobody here, never to a driver. The arrays are passed one by one, and what is called for every move
is copied into its caller: compiled code pays for each array that it takes out of a tuple.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from atmr_pipeline.dispatch.compiled import compiled, inlined
from atmr_pipeline.dispatch.kernel import (
    EMERGENCY_USE,
    EMPTY_KM,
    FREE_LOAD_GAP,
    IS_EMERGENCY,
    LOAD_GAP,
    LOST_COST,
    SERVED,
    SHIFT_START,
    gap_cost,
    gap_of,
    lateness_cost,
    serve,
)

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

DRIVER, BEFORE, AFTER = 0, 1, 2
"""Columns of links: whose position it is, the position before, the rank that follows; -1 for none."""
FREE, COST = 0, 1
"""Columns of values: from when the driver is free there; cost of the booking that ends there (load gap apart)."""


class LinkedRoutes(NamedTuple):
    """A plan: D drivers, B bookings. A *position* is a row of ``PackedDay.travel``: a start point or a drop-off."""

    links: IntArray
    """(D + B, 3)."""
    values: FloatArray
    """(D + B, 2)."""
    loads: IntArray
    """(D + 2,): bookings served, those before this day included; least and most of them."""
    drivers_with: IntArray
    """(B + most carried + 2,): how many drivers have each load."""


@compiled
def link(day, driver_of_rank, carried):  # type: ignore[no-untyped-def]
    """The linked routes of a feasible plan, given by booking (B,); what would be lost is given to nobody."""
    drivers, bookings, travel, absences, weights = day
    n_drivers, n_bookings = drivers.shape[0], bookings.shape[0]
    links = np.full((n_drivers + n_bookings, 3), -1, dtype=np.int64)
    values = np.zeros((n_drivers + n_bookings, 2))
    loads = np.zeros(n_drivers + 2, dtype=np.int64)
    last = np.arange(n_drivers)
    values[:n_drivers, FREE], links[:n_drivers, DRIVER], loads[:n_drivers] = drivers[:, SHIFT_START], last, carried
    for rank in range(n_bookings):
        driver = driver_of_rank[rank]
        if driver < 0:
            continue
        position, here = last[driver], n_drivers + rank
        added, end = step(drivers, bookings, travel, absences, weights, driver, position, values[position, FREE], rank)
        if added == np.inf:
            continue
        links[here, DRIVER], links[here, BEFORE], links[position, AFTER] = driver, position, rank
        values[here, FREE], values[here, COST] = end, added
        last[driver] = here
        loads[driver] += 1
    most = 0
    for driver in range(n_drivers):
        most = max(most, loads[driver])
    count = np.zeros(n_bookings + most + 2, dtype=np.int64)
    for driver in range(n_drivers):
        count[loads[driver]] += 1
    loads[n_drivers], loads[n_drivers + 1] = most, most
    for driver in range(n_drivers):
        loads[n_drivers] = min(loads[n_drivers], loads[driver])
    return LinkedRoutes(links, values, loads, count)


@compiled
def plan_cost(day, routes):  # type: ignore[no-untyped-def]
    """Cost of linked routes, load gap and lost bookings included."""
    n_drivers = day.drivers.shape[0]
    total = gap_cost(day, gap_of(routes.loads[:n_drivers]))
    for rank in range(day.bookings.shape[0]):
        lost = routes.links[n_drivers + rank, DRIVER] < 0
        total += day.bookings[rank, LOST_COST] if lost else routes.values[n_drivers + rank, COST]
    return total


@inlined
def step(drivers, bookings, travel, absences, weights, driver, position, free_min, rank):  # type: ignore[no-untyped-def]
    """Cost and end of one booking; the cost is infinite if it is forbidden or would be lost."""
    state, _, _, end, lateness, km = serve(
        drivers, bookings, travel, absences, weights, driver, position, free_min, rank
    )
    added = np.inf
    if state == SERVED:
        added = weights[EMPTY_KM] * km + lateness_cost(bookings, weights, rank, lateness)
        if position == driver and drivers[driver, IS_EMERGENCY] > 0.0:
            added += weights[EMERGENCY_USE]
    return added, end


@inlined
def route_change(drivers, bookings, travel, absences, weights, links, values, driver, position, leaving, coming):  # type: ignore[no-untyped-def]
    """By how much a driver's cost changes from ``position`` on; infinite if something would be forbidden or lost.

    Parameters
    ----------
    drivers, bookings, travel, absences, weights : ndarray
        The parts of a PackedDay.
    links, values : ndarray
        Of LinkedRoutes.
    driver : int
    position : int
        On the driver's route, before everything that changes.
    leaving, coming : int
        Ranks that leave and join the route, -1 for none.
    """
    n_drivers = drivers.shape[0]
    free_min, following, change = values[position, FREE], links[position, AFTER], 0.0
    while True:
        joins = coming >= 0 and (following < 0 or coming < following)
        if joins:
            rank, coming = coming, -1
        elif following < 0:
            break
        else:
            rank, following = following, links[n_drivers + following, AFTER]
            change -= values[n_drivers + rank, COST]
            if rank == leaving:
                leaving = -1
                continue
        added, free_min = step(drivers, bookings, travel, absences, weights, driver, position, free_min, rank)
        change += added
        position = n_drivers + rank
        # Free at the same place at the same time as before: what follows stays as it is.
        same = not joins and coming < 0 and leaving < 0 and free_min == values[position, FREE]
        if same or added == np.inf:
            break
    return change


@inlined
def tail_change(drivers, bookings, travel, absences, weights, links, values, driver, position, head):  # type: ignore[no-untyped-def]
    """Change of cost of the bookings from ``head`` on, when ``driver`` takes them over after ``position``; how many.

    All are gone through, because another driver has another shift end and other absences.
    """
    n_drivers = drivers.shape[0]
    free_min, change, length, rank = values[position, FREE], 0.0, 0, head
    while rank >= 0 and change < np.inf:
        added, free_min = step(drivers, bookings, travel, absences, weights, driver, position, free_min, rank)
        position = n_drivers + rank
        change += added - values[position, COST]
        rank = links[position, AFTER]
        length += 1
    return change, length


@inlined
def position_before(links, driver, rank, n_drivers):  # type: ignore[no-untyped-def]
    """Where the driver is when booking ``rank``, its own or not, has to be driven to."""
    position = driver
    while links[position, AFTER] >= 0 and links[position, AFTER] < rank:
        position = n_drivers + links[position, AFTER]
    return position


@compiled
def attach(day, routes, driver, position, head):  # type: ignore[no-untyped-def]
    """Let ``driver`` go on from ``position`` with the bookings from ``head`` (-1: none) on; loads are not touched."""
    drivers, bookings, travel, absences, weights = day
    links, values = routes.links, routes.values
    n_drivers = drivers.shape[0]
    links[position, AFTER] = head
    free_min, rank = values[position, FREE], head
    while rank >= 0:
        here = n_drivers + rank
        links[here, DRIVER], links[here, BEFORE] = driver, position
        values[here, COST], free_min = step(
            drivers, bookings, travel, absences, weights, driver, position, free_min, rank
        )
        values[here, FREE] = free_min
        position, rank = here, links[here, AFTER]


@compiled
def exchange(day, routes, driver, leaving, coming):  # type: ignore[no-untyped-def]
    """Take ``leaving`` out of a driver's route and put ``coming`` into it (-1: none); loads are not touched."""
    n_drivers, links = day.drivers.shape[0], routes.links
    if leaving >= 0:
        position = links[n_drivers + leaving, BEFORE]
        links[n_drivers + leaving, DRIVER], links[n_drivers + leaving, BEFORE] = -1, -1
        attach(day, routes, driver, position, links[n_drivers + leaving, AFTER])
    if coming >= 0:
        position = position_before(links, driver, coming, n_drivers)
        links[n_drivers + coming, AFTER] = links[position, AFTER]
        attach(day, routes, driver, position, coming)


@inlined
def shift_loads(loads, count, weights, first, first_more, second, second_more):  # type: ignore[no-untyped-def]
    """Change the loads of two drivers (-1: nobody); by how much the load-gap cost changes."""
    least, most = loads.size - 2, loads.size - 1
    before = max(0.0, loads[most] - loads[least] - weights[FREE_LOAD_GAP])
    for driver, more in ((first, first_more), (second, second_more)):
        if driver >= 0:
            count[loads[driver]] -= 1
            loads[driver] += more
            count[loads[driver]] += 1
            loads[least] = min(loads[least], loads[driver])
            loads[most] = max(loads[most], loads[driver])
    while count[loads[most]] == 0:
        loads[most] -= 1
    while count[loads[least]] == 0:
        loads[least] += 1
    return weights[LOAD_GAP] * (max(0.0, loads[most] - loads[least] - weights[FREE_LOAD_GAP]) - before)
