"""What the rest of a day must cost at least: the bound with which the exact planner cuts partial plans.

Each booking gets a price. A driver who stands somewhere and serves x more bookings follows a *chain* through later
bookings, which costs its arcs less the prices on the way; the cheapest chain of each length is a shortest path, as
bookings have an order. The prices of all bookings left, plus the cheapest chain of each driver, plus the load gap of
those lengths, is a lower bound, whatever the prices: it forgets only that chains must not share a booking. An arc costs
its empty km and the lateness of the earliest possible arrival.

Prices are raised by subgradient steps (Held and Karp, 1971, *The traveling-salesman problem and minimum spanning trees:
part II*) on the whole day and kept for all its partial plans.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from atmr_pipeline.dispatch.compiled import compiled, inlined
from atmr_pipeline.dispatch.kernel import FREE_LOAD_GAP, LOAD_GAP, LOST_COST
from atmr_pipeline.dispatch.planners.arcs import DELAYS_MIN, arcs_of, delay_of

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

PRICE_STEPS = 1500
"""Subgradient steps on the prices of a day, at most."""
PATIENCE = 20
"""The step is halved after this many without a better bound."""
FIRST_SCALE, LAST_SCALE = 1.0, 0.01
"""Size of a step, in parts of the one that would close the gap to the known plan if the bound were linear."""
MOMENTUM = 0.8
"""How much of the last direction is kept: without it, prices swing to and fro."""


class Bounds(NamedTuple):
    """Lower bounds of a day: D drivers, B bookings. A *position* is a row of ``PackedDay.travel``."""

    rest: FloatArray
    """(B + 1,): prices of the bookings from each rank on."""
    chain: FloatArray
    """(B + 1, N, X + 1): least cost, less prices, of exactly x bookings from a rank on after each node (see Arcs); the
    last column stands for X or more."""
    earliest: FloatArray
    """(D + B,): from when a driver can be free at a position."""


@compiled
def bounds_of(day, carried, upper):  # type: ignore[no-untyped-def]
    """Lower bounds of a day.

    Parameters
    ----------
    day : PackedDay
    carried : ndarray of int (D,)
        Bookings that each driver has served before this day's.
    upper : float
        Cost of a known plan, infinite if none: steps are sized by the distance to it.

    Returns
    -------
    Bounds
    """
    n_drivers, n_bookings = day.drivers.shape[0], day.bookings.shape[0]
    longest = 1
    if n_drivers > 0:
        # At least 1: after the last booking a chain has exactly no more, not "none or more".
        longest = max(1, min(n_bookings, 2 * (n_bookings // n_drivers) + 8))
    arcs = arcs_of(day)
    n_nodes = arcs.cost.shape[0]
    price = _best_prices(day, carried, arcs, upper, longest)
    rest = np.zeros(n_bookings + 1)
    chain = np.full((n_bookings + 1, n_nodes, longest + 1), np.inf)
    chain[n_bookings, :, 0] = 0.0
    for rank in range(n_bookings - 1, -1, -1):
        rest[rank] = rest[rank + 1] + price[rank]
        chain[rank] = chain[rank + 1]
        for node in range(DELAYS_MIN.size * (n_drivers + rank)):
            after = chain[rank + 1, arcs.node[node, rank]]
            _extend(chain[rank, node], arcs.cost[node, rank] - price[rank], after)
    return Bounds(rest, chain, arcs.earliest)


@inlined
def node_of(bounds, position, free_min):  # type: ignore[no-untyped-def]
    """The node of a driver who is free at a position from some minute on."""
    return DELAYS_MIN.size * position + delay_of(free_min - bounds.earliest[position])


@inlined
def _extend(chain, arc, after):  # type: ignore[no-untyped-def]
    # The cheapest chains through one more arc, if they are cheaper than those known.
    longest = chain.size - 1
    if arc < np.inf:
        for length in range(longest):
            chain[length + 1] = min(chain[length + 1], arc + after[length])
        chain[longest] = min(chain[longest], arc + after[longest])


@compiled
def least_chains(chain, nodes, loads, remaining, weights, scratch):  # type: ignore[no-untyped-def]
    """Cheapest lengths of all drivers' chains, their load gap included.

    Parameters
    ----------
    chain : ndarray (N, X + 1)
    nodes, loads : ndarray of int (D,)
    remaining : int
        Bookings that are left; drivers cannot serve more between them.
    weights : ndarray
    scratch : ndarray (D,)

    Returns
    -------
    (float, int, int)
        Cost; least and most bookings that a driver ends with there.
    """
    n_drivers, longest = loads.size, chain.shape[1] - 1
    top, total_load, unbalanced = 0, remaining, 0.0
    for driver in range(n_drivers):
        top, total_load = max(top, loads[driver]), total_load + loads[driver]
        cheapest = 0.0
        for length in range(1, longest + 1):
            cheapest = min(cheapest, chain[nodes[driver], length])
        unbalanced += cheapest
    if n_drivers == 0 or weights[LOAD_GAP] == 0.0:
        return unbalanced, 0, top + remaining
    best, best_least, best_most = np.inf, 0, 0
    for least in range(total_load // n_drivers + 1):
        scratch[:] = np.inf
        for most in range(max(least, top), top + remaining + 1):
            gap_cost = weights[LOAD_GAP] * max(0.0, most - least - weights[FREE_LOAD_GAP])
            if unbalanced + gap_cost >= best:
                break
            total = gap_cost
            for driver in range(n_drivers):
                first = most - loads[driver]
                if most == max(least, top):
                    first = max(0, least - loads[driver])
                for length in range(min(first, longest), min(most - loads[driver], longest) + 1):
                    scratch[driver] = min(scratch[driver], chain[nodes[driver], length])
                total += scratch[driver]
            if total < best:
                best, best_least, best_most = total, least, most
    return best, best_least, best_most


@compiled
def _best_prices(day, carried, arcs, upper, longest):  # type: ignore[no-untyped-def]
    n_bookings, lost = day.bookings.shape[0], day.bookings[:, LOST_COST]
    price, direction = np.empty(n_bookings), np.zeros(n_bookings)
    for rank in range(n_bookings):
        # A booking's cheapest arc is a fair first guess.
        price[rank] = min(lost[rank], arcs.cost[:, rank].min())
    chain = np.empty((arcs.cost.shape[0], longest + 1))
    follower = np.empty((arcs.cost.shape[0], longest + 1), dtype=np.int64)
    visits = np.empty(n_bookings, dtype=np.int64)
    best_price, best, stalled, scale = price.copy(), -np.inf, 0, FIRST_SCALE
    for _ in range(PRICE_STEPS):
        value = _relaxed(day, carried, arcs, price, chain, follower, visits)
        stalled += 1
        if value > best:
            if value > best + 1e-4 * (upper - best):
                stalled = 0
            best = value
            best_price[:] = price
        if best >= upper:
            break
        if stalled >= PATIENCE:
            stalled, scale = 0, 0.5 * scale
            price[:] = best_price
            direction[:] = 0.0
            if scale < LAST_SCALE:
                break
            continue
        norm = 0.0
        for rank in range(n_bookings):
            direction[rank] = 1.0 - visits[rank] + MOMENTUM * direction[rank]
            if direction[rank] > 0.0 and price[rank] >= lost[rank]:
                direction[rank] = 0.0
            norm += direction[rank] ** 2
        if norm == 0.0:
            break
        for rank in range(n_bookings):
            price[rank] = min(lost[rank], price[rank] + scale * (upper - value) / norm * direction[rank])
    return best_price


@compiled
def _relaxed(day, carried, arcs, price, chain, follower, visits):  # type: ignore[no-untyped-def]
    """The bound of a whole day under these prices; counts the ``visits`` (B,) of its chains to each booking."""
    n_drivers, n_bookings = day.drivers.shape[0], day.bookings.shape[0]
    longest = chain.shape[1] - 1
    chain[:] = np.inf
    chain[:, 0] = 0.0
    for node in range(chain.shape[0] - 1, -1, -1):
        for rank in range(max(0, node // DELAYS_MIN.size - n_drivers + 1), n_bookings):
            arc = arcs.cost[node, rank] - price[rank]
            if arc == np.inf:
                continue
            after = arcs.node[node, rank]
            for length in range(longest):
                if arc + chain[after, length] < chain[node, length + 1]:
                    chain[node, length + 1] = arc + chain[after, length]
                    follower[node, length + 1] = rank
            if arc + chain[after, longest] < chain[node, longest]:
                chain[node, longest] = arc + chain[after, longest]
                # Below 0: the chain is still "so long or longer" after this booking.
                follower[node, longest] = -1 - rank
    starts, scratch = DELAYS_MIN.size * np.arange(n_drivers), np.empty(n_drivers)
    value, least, most = least_chains(chain, starts, carried, n_bookings, day.weights, scratch)
    visits[:] = 0
    for driver in range(n_drivers):
        length, cheapest, node = 0, np.inf, starts[driver]
        for candidate in range(min(max(0, least - carried[driver]), longest), longest + 1):
            if candidate <= most - carried[driver] and chain[node, candidate] < cheapest:
                length, cheapest = candidate, chain[node, candidate]
        while length > 0:
            rank = follower[node, length]
            if rank < 0:
                rank = -1 - rank
            else:
                length -= 1
            visits[rank] += 1
            node = arcs.node[node, rank]
    return value + price.sum()
