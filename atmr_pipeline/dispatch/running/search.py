"""Local search over what is still open, fast enough to be asked once for every driver at every decision.

Relocate, swap and exchange of tails as in :mod:`atmr_pipeline.dispatch.planners.local_search`, on a view: it starts
from the plan of the last decision, and may hold the first booking with one driver.
"""

import numpy as np

from atmr_pipeline.dispatch.compiled import compiled
from atmr_pipeline.dispatch.running.plan import NOTHING, move, place_of, refresh, tentative, value_of
from atmr_pipeline.dispatch.running.prepared import LOSS, TOO_LATE, follow, gap_price, prepare
from atmr_pipeline.dispatch.running.view import legal_drivers

EPSILON = 1e-7
"""A change must save at least this much, so that rounding cannot make a search run in circles."""
UNTIL_NOTHING_HELPS = 100


@compiled
def relocate(day, plan, first):  # type: ignore[no-untyped-def]
    """Each booking from ``first`` on to its best place, nobody included. Whether anything was gained."""
    ways, services, duties, absences, rates, loads, _ = day
    routes, lengths, costs, counts, owner, marks, places = plan
    improved, too_late = False, rates[TOO_LATE]
    gap = gap_price(rates, loads, counts, -1, 0.0, -1, 0.0)
    for rank in range(first, owner.size):
        home = owner[rank]
        saved, home_count = services[rank, LOSS], 0.0
        best, target = -EPSILON, -2
        for turn in range(-2, counts.size):
            # The first turn prices the route that the booking would leave, the second leaves it to nobody.
            driver, leaving, coming = turn, NOTHING, rank
            if turn == -2:
                driver, leaving, coming = home, rank, NOTHING
            elif turn == home:
                continue
            change, count = services[rank, LOSS], 0.0
            if driver >= 0:
                index, before = place_of(plan, driver, rank)
                limit = np.inf if turn == -2 else costs[driver] + saved + gap + best
                cost, count = follow(
                    ways, services, duties, absences, too_late, driver, places[before], marks[before],
                    routes[driver], index, lengths[driver], leaving, coming, limit,
                )  # fmt: skip
                change = cost - costs[driver]
            if turn == -2:
                if home >= 0:
                    saved, home_count = -change, count
                continue
            if change - saved - gap >= best:
                continue
            change += gap_price(rates, loads, counts, home, home_count, driver, count) - gap - saved
            if change < best:
                best, target = change, driver
        if target > -2:
            improved = True
            move(day, plan, rank, target)
            gap = gap_price(rates, loads, counts, -1, 0.0, -1, 0.0)
    return improved


@compiled
def swap(day, plan, first):  # type: ignore[no-untyped-def]
    """Two bookings of different drivers change places. Whether anything was gained."""
    ways, services, duties, absences, rates, loads, _ = day
    routes, lengths, costs, counts, owner, marks, places = plan
    improved, too_late = False, rates[TOO_LATE]
    gap = gap_price(rates, loads, counts, -1, 0.0, -1, 0.0)
    for one in range(first, owner.size):
        for other in range(one + 1, owner.size):
            if owner[one] == owner[other]:
                continue
            change, here_count, there_count = 0.0, 0.0, 0.0
            for turn in range(2):
                driver, leaving, coming = owner[one], one, other
                if turn == 1:
                    driver, leaving, coming = owner[other], other, one
                count = 0.0
                if driver >= 0:
                    index, before = place_of(plan, driver, one)
                    elsewhere = owner[other] if turn == 0 else -1
                    most = services[leaving, LOSS] + gap if elsewhere < 0 else costs[elsewhere] + gap
                    limit = costs[driver] + (most if turn == 0 else gap - change)
                    cost, count = follow(
                        ways, services, duties, absences, too_late, driver, places[before], marks[before],
                        routes[driver], index, lengths[driver], leaving, coming, limit,
                    )  # fmt: skip
                    change += cost - costs[driver]
                else:
                    change += services[coming, LOSS] - services[leaving, LOSS]
                if turn == 0:
                    here_count = count
                else:
                    there_count = count
                if change == np.inf:
                    break
            if change >= gap:
                continue
            change += gap_price(rates, loads, counts, owner[one], here_count, owner[other], there_count) - gap
            if change < -EPSILON:
                improved = True
                here, there = owner[one], owner[other]
                move(day, plan, one, -1)
                move(day, plan, other, here)
                move(day, plan, one, there)
                gap = gap_price(rates, loads, counts, -1, 0.0, -1, 0.0)
    return improved


@compiled
def exchange_tails(day, plan, first):  # type: ignore[no-untyped-def]
    """Two drivers exchange what they have from some booking on. Whether anything was gained."""
    ways, services, duties, absences, rates, loads, _ = day
    routes, lengths, costs, counts, owner, marks, places = plan
    improved, too_late = False, rates[TOO_LATE]
    gap = gap_price(rates, loads, counts, -1, 0.0, -1, 0.0)
    for cut in range(first, owner.size):
        for other in range(counts.size):
            one = owner[cut]
            if one < 0 or one == other:
                continue
            index, before = place_of(plan, one, cut)
            other_index, other_before = place_of(plan, other, cut)
            limit = costs[one] + costs[other] + gap
            cost, count = follow(
                ways, services, duties, absences, too_late, one, places[before], marks[before],
                routes[other], other_index, lengths[other], NOTHING, NOTHING, limit,
            )  # fmt: skip
            if cost == np.inf:
                continue
            other_cost, other_count = follow(
                ways, services, duties, absences, too_late, other, places[other_before], marks[other_before],
                routes[one], index, lengths[one], NOTHING, NOTHING, limit - cost,
            )  # fmt: skip
            change = cost + other_cost - limit
            if change >= 0.0:
                continue
            change += gap_price(rates, loads, counts, one, count, other, other_count)
            if change < -EPSILON:
                improved = True
                exchange(day, plan, one, index, other, other_index)
                gap = gap_price(rates, loads, counts, -1, 0.0, -1, 0.0)
    return improved


@compiled
def exchange(day, plan, one, index, other, other_index):  # type: ignore[no-untyped-def]
    """Exchange what two routes have from an index on."""
    tail = plan.routes[one, index : plan.lengths[one]].copy()
    other_length = plan.lengths[other] - other_index
    for at in range(other_length):
        plan.routes[one, index + at] = plan.routes[other, other_index + at]
        plan.owner[plan.routes[one, index + at]] = one
    plan.lengths[one] = index + other_length
    for at in range(tail.size):
        plan.routes[other, other_index + at] = tail[at]
        plan.owner[tail[at]] = other
    plan.lengths[other] = other_index + tail.size
    refresh(day, plan, one)
    refresh(day, plan, other)


@compiled
def descend(day, plan, first, max_rounds):  # type: ignore[no-untyped-def]
    """Change the plan until no move helps, or for so many rounds; bookings before ``first`` stay. Its value."""
    for _ in range(max_rounds):
        improved = relocate(day, plan, first)
        improved = swap(day, plan, first) or improved
        improved = exchange_tails(day, plan, first) or improved
        if not improved:
            break
    return value_of(day, plan)


@compiled
def best_plan(view):  # type: ignore[no-untyped-def]
    """Who should take each visible booking, -1 nobody."""
    return best_of_starts(prepare(view), view.plan)


@compiled
def candidate_values(view, day, max_rounds):  # type: ignore[no-untyped-def]
    """What the rest of the day is expected to cost with the first booking given to each driver, or to nobody.

    Parameters
    ----------
    view : View
    day : Prepared
        The same view.
    max_rounds : int
        Of the search for each candidate; the search for the best plan goes on until nothing helps.

    Returns
    -------
    (ndarray (D + 1,), ndarray of int (D + 1, n))
        Expected cost to come, infinite where a driver may not; and the plan that has it. The last row is nobody.
    """
    n_drivers = view.drivers.shape[0]
    legal = legal_drivers(view)
    values = np.full(n_drivers + 1, np.inf)
    plans = np.full((n_drivers + 1, view.ranks.size), -1, dtype=np.int64)
    base = best_of_starts(day, view.plan)
    for candidate in range(n_drivers + 1):
        driver = candidate if candidate < n_drivers else NOTHING
        if driver >= 0 and not legal[driver]:
            continue
        plan = _with_first(day, base, driver, False)
        if driver >= 0 and base[0] >= 0 and driver != base[0]:
            other = _with_first(day, base, driver, True)
            if value_of(day, other) < value_of(day, plan):
                plan = other
        if plan.owner[0] == driver:
            values[candidate] = descend(day, plan, 1, max_rounds)
            plans[candidate] = plan.owner
    return values, plans


@compiled
def best_of_starts(day, remembered):  # type: ignore[no-untyped-def]
    """Search from the last plan and from nothing, as either alone ends too often in a poorer place; plan (n,)."""
    plan = tentative(day, remembered)
    value = descend(day, plan, 0, UNTIL_NOTHING_HELPS)
    fresh = tentative(day, np.full(remembered.size, NOTHING))
    if descend(day, fresh, 0, UNTIL_NOTHING_HELPS) < value - EPSILON:
        return fresh.owner
    return plan.owner


@compiled
def _with_first(day, base, driver, exchanged):  # type: ignore[no-untyped-def]
    # The plan with the first booking given to ``driver``, who may exchange the whole of its route with its owner's.
    owner, home = base.copy(), base[0]
    if exchanged:
        for rank in range(owner.size):
            if base[rank] == home:
                owner[rank] = driver
            elif base[rank] == driver:
                owner[rank] = home
    owner[0] = driver
    return tentative(day, owner)
