"""One layer of the exact planner: every way to decide one more booking, less what cannot or need not be the best.

A state is where each driver stands, from when, and how many bookings it has served. Two states of a layer are compared
only if the same positions are held by drivers of the same *group*, whose future is under the same rules.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from atmr_pipeline.dispatch.compiled import compiled, inlined
from atmr_pipeline.dispatch.kernel import (
    ALIGHTING,
    BOARDING,
    EMERGENCY_USE,
    EMPTY_KM,
    FIRST_ABSENCE,
    IS_EMERGENCY,
    LAST_ABSENCE,
    LOAD_GAP,
    LOST_AFTER,
    LOST_COST,
    MINUTES,
    READY,
    RIDE,
    SCHEDULED,
    SERVED,
    SHIFT_END,
    lateness_cost,
    serve,
)
from atmr_pipeline.dispatch.planners.arcs import ROUNDING_MIN
from atmr_pipeline.dispatch.planners.exact_bounds import least_chains, node_of

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

SAME_COST = 1e-9
"""Costs closer than this are equal: whichever came first is kept."""


class Layer(NamedTuple):
    """Partial plans that have decided the same bookings: D drivers, room for n states."""

    places: npt.NDArray[np.int32]
    """(n, 2 D): positions (rows of ``PackedDay.travel``), then bookings served, carried ones included."""
    times: FloatArray
    """(n, D + 2): from when each driver is free; cost so far (load gap apart); lower bound of any plan from here."""
    origin: npt.NDArray[np.int32]
    """(n, 2): state of the layer before, and driver of the booking decided since, -1 for nobody."""


class Rules(NamedTuple):
    """What makes states of a layer comparable: D drivers, B bookings."""

    place: IntArray
    """(D + B,): the first position from which every way is the same."""
    group: IntArray
    """(B + 1, D): drivers of one group may stand in for each other from this rank on."""
    punctual: npt.NDArray[np.bool_]
    """(B + 1, D): an absence lies ahead, so that being free earlier may be worse."""
    on_time: FloatArray
    """(B + 1, D + B): free at this minute or before, a driver there is on time for everything from this rank on."""


def empty_layer(size: int, n_drivers: int) -> Layer:
    """Room for ``size`` states; memory is taken only as they come."""
    return Layer(
        np.empty((size, 2 * n_drivers), dtype=np.int32),
        np.empty((size, n_drivers + 2)),
        np.empty((size, 2), dtype=np.int32),
    )


@compiled
def rules_of(day):  # type: ignore[no-untyped-def]
    """The rules by which states of a day are compared."""
    drivers, bookings, travel, absences, weights = day
    n_drivers, n_bookings = drivers.shape[0], bookings.shape[0]
    place = np.arange(n_drivers + n_bookings)
    for position in range(n_drivers + n_bookings):
        for other in range(position):
            if place[other] == other and np.array_equal(travel[other], travel[position]):
                place[position] = other
                break
    group = np.empty((n_bookings + 1, n_drivers), dtype=np.int64)
    punctual = np.zeros((n_bookings + 1, n_drivers), dtype=np.bool_)
    on_time = np.full((n_bookings + 1, n_drivers + n_bookings), np.inf)
    first_start, last_end = np.inf, -np.inf
    for rank in range(n_bookings, -1, -1):
        if rank < n_bookings:
            booking = bookings[rank]
            in_time = min(booking[SCHEDULED], booking[READY])
            on_time[rank] = np.minimum(on_time[rank + 1], in_time - travel[:, rank, MINUTES] - ROUNDING_MIN)
            first_start = min(first_start, booking[READY])
            service = booking[BOARDING] + booking[RIDE] + booking[ALIGHTING]
            last_end = max(
                last_end, max(booking[SCHEDULED] + weights[LOST_AFTER], booking[READY]) + service + ROUNDING_MIN
            )
        for driver in range(n_drivers):
            for row in range(int(drivers[driver, FIRST_ABSENCE]), int(drivers[driver, LAST_ABSENCE])):
                if absences[row, 1] > first_start and absences[row, 0] < last_end:
                    punctual[rank, driver] = True
            group[rank, driver] = driver
            for other in range(driver):
                # A shift that ends after all that can still happen ends never.
                same_end = min(drivers[driver, SHIFT_END], last_end) == min(drivers[other, SHIFT_END], last_end)
                if same_end and not punctual[rank, driver] and not punctual[rank, other]:
                    group[rank, driver] = group[rank, other]
                    break
    return Rules(place, group, punctual, on_time)


@compiled
def expand(day, bounds, rules, rank, parents, first, n_parents, children, n_children, heads, links, upper):  # type: ignore[no-untyped-def]
    """Decide booking ``rank`` in every way for the parents from ``first`` on.

    Parameters
    ----------
    day, bounds, rules : PackedDay, Bounds, Rules
    rank, first, n_parents : int
    parents, children : Layer
    n_children : int
        How many there are already.
    heads : ndarray of int (a power of two)
        Hash table: the newest child of each key, -1 for none.
    links : ndarray of int (room of children,)
        The next older child of the same key.
    upper : float
        Plans that cost this much or more are of no interest.

    Returns
    -------
    (int, int)
        The first parent that was left out for lack of room, and how many children there are now.
    """
    drivers, bookings, travel, absences, weights = day
    n_drivers, n_bookings = drivers.shape[0], bookings.shape[0]
    chain, rest, remaining = bounds.chain[rank + 1], bounds.rest[rank + 1], n_bookings - rank - 1
    places, times = np.empty(2 * n_drivers, dtype=np.int32), np.empty(n_drivers + 2)
    scratch, nodes = np.empty(n_drivers), np.empty(n_drivers, dtype=np.int64)
    for parent in range(first, n_parents):
        if n_children + n_drivers + 1 > children.origin.shape[0]:
            return parent, n_children
        if parents.times[parent, n_drivers + 1] >= upper:
            continue
        for choice in range(-1, n_drivers):
            places[:], times[:] = parents.places[parent], parents.times[parent]
            if choice < 0:
                times[n_drivers] += bookings[rank, LOST_COST]
            else:
                state, _, _, end, lateness, km = serve(
                    drivers, bookings, travel, absences, weights, choice, places[choice], times[choice], rank
                )
                if state != SERVED:
                    continue
                times[n_drivers] += weights[EMPTY_KM] * km + lateness_cost(bookings, weights, rank, lateness)
                if drivers[choice, IS_EMERGENCY] > 0.0 and places[n_drivers + choice] == 0:
                    times[n_drivers] += weights[EMERGENCY_USE]
                places[choice], times[choice] = n_drivers + rank, end
                places[n_drivers + choice] += 1
            for driver in range(n_drivers):
                nodes[driver] = node_of(bounds, places[driver], times[driver])
            ahead, _, _ = least_chains(chain, nodes, places[n_drivers:], remaining, weights, scratch)
            times[n_drivers + 1] = max(times[n_drivers + 1], times[n_drivers] + rest + ahead)
            if times[n_drivers + 1] >= upper:
                continue
            kept = _keep(day, rules, rank + 1, children, n_children, places, times, heads, links)
            if kept >= 0:
                children.origin[kept, 0], children.origin[kept, 1] = parent, choice
                n_children = max(n_children, kept + 1)
    return n_parents, n_children


@compiled
def _keep(day, rules, rank, layer, n_states, places, times, heads, links):  # type: ignore[no-untyped-def]
    """Enter a state unless another dominates it; where it went, or -1. It takes the row of one that it dominates."""
    head = _head(day, rules, rank, places, heads.size)
    row, seen = -1, heads[head]
    while seen >= 0:
        forward, backward = _compare(day, rules, rank, layer.places[seen], layer.times[seen], places, times)
        if forward:
            return -1
        if backward:
            row = seen
            break
        seen = links[seen]
    if row < 0:
        row = n_states
        links[row], heads[head] = heads[head], row
    layer.places[row], layer.times[row] = places, times
    return row


@compiled
def enter(day, rules, rank, layer, n_states, heads, links):  # type: ignore[no-untyped-def]
    """Empty the hash table and fill it with the states of a layer."""
    heads[:] = -1
    for row in range(n_states):
        head = _head(day, rules, rank, layer.places[row], heads.size)
        links[row], heads[head] = heads[head], row


@compiled
def _head(day, rules, rank, places, size):  # type: ignore[no-untyped-def]
    key = np.uint64(0)
    for driver in range(day.drivers.shape[0]):
        key += _mixed(_group(day, rules, rank, driver, places), rules.place[places[driver]])
    return np.int64(key & np.uint64(size - 1))


@inlined
def _mixed(group, place):  # type: ignore[no-untyped-def]
    # The finaliser of SplitMix64 (Steele, Lea and Flood, 2014): a sum of these does not depend on the drivers' order.
    mixed = np.uint64(group * 1048576 + place + 1) * np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))


@inlined
def _group(day, rules, rank, driver, places):  # type: ignore[no-untyped-def]
    # An emergency driver that is still to be paid for is in a group of its own kind.
    n_drivers = day.drivers.shape[0]
    group = rules.group[rank, driver]
    if day.drivers[driver, IS_EMERGENCY] > 0.0 and places[n_drivers + driver] == 0 and day.weights[EMERGENCY_USE] > 0.0:
        group += n_drivers
    return group


@compiled
def _compare(day, rules, rank, places, times, other_places, other_times):  # type: ignore[no-untyped-def]
    """Whether the first state dominates the other, and the other way round.

    A state dominates if it stands in the same places, is free there no later (at the very same time where an absence
    lies ahead), and costs less by at least what its loads may be worse: if loads differ by between a and b, the load
    gaps of two plans that go on alike differ by b - a at most.
    """
    n_drivers = times.size - 2
    taken = np.zeros(n_drivers, dtype=np.bool_)
    first, second = True, True
    lowest, highest = 1 << 40, -(1 << 40)
    for driver in range(n_drivers):
        place, group = rules.place[places[driver]], _group(day, rules, rank, driver, places)
        match = -1
        for shift in range(n_drivers):
            other = (driver + shift) % n_drivers
            if (
                not taken[other]
                and rules.place[other_places[other]] == place
                and _group(day, rules, rank, other, other_places) == group
            ):
                match = other
                break
        if match < 0:
            return False, False
        taken[match] = True
        on_time = rules.on_time[rank, place]
        free, other_free = max(times[driver], on_time), max(other_times[match], on_time)
        if free != other_free:
            if rules.punctual[rank, driver]:
                return False, False
            first, second = first and free < other_free, second and free > other_free
            if not first and not second:
                return False, False
        difference = int(places[n_drivers + driver]) - int(other_places[n_drivers + match])
        lowest, highest = min(lowest, difference), max(highest, difference)
    margin = 0.0
    if n_drivers > 0:
        margin = day.weights[LOAD_GAP] * (highest - lowest)
    cost, other_cost = times[n_drivers], other_times[n_drivers]
    return (
        first and cost + margin <= other_cost + SAME_COST,
        second and other_cost + margin <= cost + SAME_COST,
    )
