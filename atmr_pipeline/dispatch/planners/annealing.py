"""Simulated annealing (Kirkpatrick, Gelatt and Vecchi, 1983, *Optimization by simulated annealing*).

Moves are those of local search: a booking to another driver or to nobody, two bookings exchanged, two tails exchanged.
Most are drawn where a booking could well follow: among the positions from which it is reached cheaply. A move that
makes the plan dearer is accepted with a probability that falls with its cost and with the temperature.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from atmr_pipeline.dispatch.compiled import compiled, inlined
from atmr_pipeline.dispatch.kernel import LOAD_GAP, LOST_COST, PackedDay
from atmr_pipeline.dispatch.planners.arcs import DELAYS_MIN, arcs_of
from atmr_pipeline.dispatch.planners.constructive import insertion
from atmr_pipeline.dispatch.planners.linked_routes import (
    AFTER,
    BEFORE,
    DRIVER,
    attach,
    exchange,
    link,
    plan_cost,
    position_before,
    route_change,
    shift_loads,
    tail_change,
)
from atmr_pipeline.dispatch.planners.local_search import improve, improve_rest, local_search
from atmr_pipeline.dispatch.planners.routes import EPSILON

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

NEIGHBOURS = 12
"""Positions from which a booking is driven to most cheaply: where most moves look."""
RUNS = ((20.0, 1.0, 0.0), (10.0, 0.2, 0.0), (20.0, 0.5, 0.0), (40.0, 1.0, 0.0))
"""First and last temperature, and evenness, of each run, in units of cost; a step of the load gap costs 10 of them."""
MOVES_PER_PAIR, MOST_MOVES = 128, 1_000_000
"""Moves of a run: so many for each pair of bookings, up to a limit: a day of 200 bookings is to take about a second."""
MANY_BOOKINGS, MANY_RUNS = 60, ((5.0, 0.1, 3.0),)
"""Days of more bookings than this get the other runs: there is no time for heat."""
RELOCATE, SWAP = 0.45, 0.30
"""Shares of the moves; the rest exchange tails."""
ANYWHERE, NOBODY = 0.15, 0.03
"""Share of moves that look at any driver, and of relocations that give a booking to nobody."""


def annealing(day: PackedDay, seed: int) -> IntArray:
    """Annealing from a local optimum, each run from the best plan so far; driver of each rank (B,).

    It never costs more than the plan it starts from: that of ``local_search``; on days of many bookings that of
    ``insertion``, improved.
    """
    carried = np.zeros(day.drivers.shape[0], dtype=np.int64)
    many = day.bookings.shape[0] > MANY_BOOKINGS
    drivers = improve(day, insertion(day, seed))[0] if many else local_search(day, seed)
    return anneal_runs(day, drivers, carried, MANY_RUNS if many else RUNS, seed)[0]


def anneal_runs(
    day: PackedDay,
    drivers: IntArray,
    carried: IntArray,
    runs: Sequence[tuple[float, float, float]],
    seed: int,
    moves_per_pair: int = MOVES_PER_PAIR,
) -> tuple[IntArray, float]:
    """Runs one after the other, then local search; the plan, driver of each rank (B,), and its cost."""
    moves = min(MOST_MOVES, moves_per_pair * day.bookings.shape[0] ** 2)
    for number, (hot, cold, evenness) in enumerate(runs):
        drivers, _ = anneal(day, drivers, carried, moves, hot, cold, evenness, len(RUNS) * seed + number)
    plan, cost = improve_rest(day, drivers, carried)
    return plan, float(cost)


@compiled
def anneal(day, driver_of_rank, carried, moves, hot, cold, evenness, seed):  # type: ignore[no-untyped-def]
    """Anneal a feasible plan.

    Parameters
    ----------
    day : PackedDay
    driver_of_rank : ndarray of int (B,)
    carried : ndarray of int (D,)
        Bookings that each driver has served before: they count in the load gap.
    moves, seed : int
    hot, cold : float
        Temperatures at the first and the last move, in units of cost.
    evenness : float
        What each booking of a driver's load outside the two whole numbers around the mean counts in accepting a move.
        With many drivers the load gap alone shows no way: it changes only with the last of those who are far out.

    Returns
    -------
    (ndarray of int (B,), float)
        The best plan seen, not worse than the first, and its cost.
    """
    drivers, bookings, travel, absences, weights = day
    n_drivers, n_bookings = drivers.shape[0], bookings.shape[0]
    routes = link(day, driver_of_rank, carried)
    links, values, loads, drivers_with = routes
    best, cost = links[n_drivers:, DRIVER].copy(), plan_cost(day, routes)
    if n_drivers == 0 or n_bookings == 0:
        return best, cost
    best_cost, near, total_load = cost, _neighbours(day), n_bookings + carried.sum()
    random = np.array([np.uint64(seed) * np.uint64(0xD1342543DE82EF95)])
    temperature, cooling = hot, (cold / hot) ** (1.0 / max(1, moves))
    for _ in range(moves):
        temperature *= cooling
        limit = -temperature * np.log(1.0 - _uniform(random))
        rank, kind = _below(random, n_bookings), _uniform(random)
        home, target = links[n_drivers + rank, DRIVER], _target(links, near, rank, n_drivers, random)
        partner, more = -1, -1
        if kind < RELOCATE:
            if _uniform(random) < NOBODY:
                target = -1
        elif kind < RELOCATE + SWAP:
            partner = _partner(links, rank, target, n_drivers, random)
            target, more = links[n_drivers + partner, DRIVER], 0
        tails = kind >= RELOCATE + SWAP
        if home == target or (tails and (home < 0 or target < 0)):
            continue
        if tails:
            change, more = _tails_change(
                drivers, bookings, travel, absences, weights, links, values, home, rank, target
            )
        else:
            change = _switch_change(
                drivers, bookings, travel, absences, weights, links, values, home, rank, target, partner
            )
        limit -= evenness * _unevenness_change(loads, total_load, home, more, target)
        # The load gap cannot gain more than this: most moves are refused before it is looked at.
        if change - 2.0 * weights[LOAD_GAP] * abs(more) >= limit or change == np.inf:
            continue
        change += shift_loads(loads, drivers_with, weights, home, more, target, -more)
        if change >= limit:
            shift_loads(loads, drivers_with, weights, home, -more, target, more)
            continue
        if tails:
            _exchange_tails(day, routes, home, rank, target)
        else:
            _switch(day, routes, home, rank, target, partner)
        cost += change
        if cost < best_cost - EPSILON:
            best_cost, best[:] = cost, links[n_drivers:, DRIVER]
    return best, plan_cost(day, link(day, best, carried))


@inlined
def _unevenness_change(loads, total, home, more, target):  # type: ignore[no-untyped-def]
    # By how many bookings more the loads of two drivers are outside the whole numbers around the mean.
    n_drivers, change = loads.size - 2, 0
    low = total // n_drivers
    high = low + 1
    for driver, grows in ((home, more), (target, -more)):
        if driver >= 0:
            load = loads[driver]
            change += (
                max(0, load + grows - high) + max(0, low - load - grows) - max(0, load - high) - max(0, low - load)
            )
    return change


@compiled
def _neighbours(day):  # type: ignore[no-untyped-def]
    # (B, NEIGHBOURS): positions by what it costs at least to drive from there to the booking; -1 where there are fewer.
    n_drivers, n_bookings = day.drivers.shape[0], day.bookings.shape[0]
    cost = arcs_of(day).cost[:: DELAYS_MIN.size]
    near = np.full((n_bookings, NEIGHBOURS), -1, dtype=np.int64)
    for rank in range(n_bookings):
        order = np.argsort(cost[: n_drivers + rank, rank])
        for index in range(min(NEIGHBOURS, order.size)):
            if cost[order[index], rank] < np.inf:
                near[rank, index] = order[index]
    return near


@inlined
def _uniform(random):  # type: ignore[no-untyped-def]
    # SplitMix64 (Steele, Lea and Flood, 2014): repeatable whatever numba's own generator is used for elsewhere.
    random[0] += np.uint64(0x9E3779B97F4A7C15)
    mixed = random[0]
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed = mixed ^ (mixed >> np.uint64(31))
    return np.float64(mixed >> np.uint64(11)) * (1.0 / 9007199254740992.0)


@inlined
def _below(random, size):  # type: ignore[no-untyped-def]
    return np.int64(_uniform(random) * size)


@inlined
def _target(links, near, rank, n_drivers, random):  # type: ignore[no-untyped-def]
    # A driver who might take the booking; -1 if the draw names nobody.
    target = -1
    if _uniform(random) < ANYWHERE:
        target = _below(random, n_drivers)
    else:
        position = near[rank, _below(random, near.shape[1])]
        if position >= 0:
            target = links[position, DRIVER]
    return target


@inlined
def _partner(links, rank, target, n_drivers, random):  # type: ignore[no-untyped-def]
    # A booking of the target's next to this one in time; any booking where there is none.
    partner = -1
    if target >= 0 and target != links[n_drivers + rank, DRIVER]:
        position = position_before(links, target, rank, n_drivers)
        partner = links[position, AFTER]
        if position >= n_drivers and (partner < 0 or _uniform(random) < 0.5):
            partner = position - n_drivers
    if partner < 0:
        partner = _below(random, links.shape[0] - n_drivers)
    return partner


@inlined
def _switch_change(drivers, bookings, travel, absences, weights, links, values, home, rank, target, partner):  # type: ignore[no-untyped-def]
    # Booking ``rank`` goes from home to target (-1: nobody), and ``partner`` (-1: none) the other way.
    change = 0.0
    for side in range(2):
        driver, leaving, coming = home, rank, partner
        if side == 1:
            driver, leaving, coming = target, partner, rank
        if driver >= 0:
            first = leaving
            if first < 0 or 0 <= coming < first:
                first = coming
            position = position_before(links, driver, first, drivers.shape[0])
            change += route_change(
                drivers, bookings, travel, absences, weights, links, values, driver, position, leaving, coming
            )
            if change == np.inf:
                break
        elif leaving >= 0:
            change -= bookings[leaving, LOST_COST]
        if driver < 0 and coming >= 0:
            change += bookings[coming, LOST_COST]
    return change


@compiled
def _switch(day, routes, home, rank, target, partner):  # type: ignore[no-untyped-def]
    if home >= 0:
        exchange(day, routes, home, rank, -1)
    if target >= 0:
        exchange(day, routes, target, partner, rank)
    if home >= 0 and partner >= 0:
        exchange(day, routes, home, -1, partner)


@inlined
def _tails_change(drivers, bookings, travel, absences, weights, links, values, home, rank, target):  # type: ignore[no-untyped-def]
    # Home and target exchange all bookings from ``rank`` on; also by how many bookings home's load grows.
    n_drivers, change, more = drivers.shape[0], 0.0, 0
    there = position_before(links, target, rank, n_drivers)
    for side in range(2):
        driver, position, head, sign = target, there, rank, -1
        if side == 1:
            driver, position, head, sign = home, links[n_drivers + rank, BEFORE], links[there, AFTER], 1
        added, length = tail_change(drivers, bookings, travel, absences, weights, links, values, driver, position, head)
        change, more = change + added, more + sign * length
        if added == np.inf:
            break
    return change, more


@compiled
def _exchange_tails(day, routes, home, rank, target):  # type: ignore[no-untyped-def]
    links, n_drivers = routes.links, day.drivers.shape[0]
    here, there = links[n_drivers + rank, BEFORE], position_before(links, target, rank, n_drivers)
    head = links[there, AFTER]
    attach(day, routes, target, there, rank)
    attach(day, routes, home, here, head)
