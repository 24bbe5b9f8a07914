"""The policy's features as compiled code: some microseconds a decision, whatever the number of days at once."""

import numpy as np

from atmr_pipeline.dispatch.compiled import compiled, inlined
from atmr_pipeline.models.policy.environment import REWARD_SCALE
from atmr_pipeline.models.policy.feature_contract import (
    DISTANCE_SCALE_KM,
    EXPECTED_LIMIT,
    GAP_MEMORY,
    HORIZON,
    HOUR_MIN,
    LATENESS_BOUNDS_H,
    REGRET_LIMIT,
)
from atmr_pipeline.models.policy.rollout import (
    EMERGENCY_USE,
    IS_OUTBOUND,
    LOST_COST,
    RIDE,
    ROLLOUT_BOOKINGS,
    RULES,
    SCHEDULED,
    URGENCY,
    booking_of,
    gap_change,
    is_away,
    play,
    spread,
    way,
)

EARLIEST_H, LATEST_H = LATENESS_BOUNDS_H
LATE, KM, COST, FINISH, CAN = 0, 1, 2, 3, 4
"""Columns of a way: lateness (minutes, negative is early), km, cost, when free again, whether it can be driven."""
N_RULES = len(RULES)


@compiled
def fill_decisions(bank, states, out):  # type: ignore[no-untyped-def]
    """Fill the features of N decisions.

    Parameters
    ----------
    bank : tuple of ndarray
        ``DayBank.arrays``.
    states : tuple of ndarray
        ``day`` (N,), ``step`` (N,), ``free_min`` (N, D), ``position`` (N, D), ``load`` (N, D).
    out : tuple of ndarray
        Zeros to be filled: driver features (N, D, F), state features (N, S), prior (N, D + 1), legal (N, D + 1), cost
        (N, D + 1), its part of load gap (N, D + 1), finish_min (N, D).
    """
    drivers = states[2].shape[1]
    going = np.zeros((drivers, HORIZON, 5))
    after = np.zeros((drivers, HORIZON, 5))
    values = np.zeros((N_RULES + 1, drivers + 1))
    scratch = np.empty(drivers, dtype=np.int64), np.empty(drivers), np.empty(drivers, dtype=np.int64)
    table = np.empty((drivers, 6))
    given = bank[10]
    weights = given[0], given[1], given[2], given[3], given[4], given[5]
    for row in range(states[0].size):
        day, step = states[0][row], states[1][row]
        left = bank[0][day] - step
        if left <= 0:
            continue
        one_day = bank[1][day], bank[4][day], bank[3][day], bank[5][day], bank[6][day], bank[7][day], bank[8][day]
        state = states[3][row], states[2][row], states[4][row]
        choice = out[3][row], out[4][row], out[5][row], out[6][row]
        seen = min(HORIZON, left)
        _fill_ways(one_day, weights, step, seen, state, choice, going, after)
        _by_potential(one_day[0], bank[9][day], step, seen, left, (going, after), choice, values[N_RULES])
        _by_rollout(one_day, weights, step, left, state, choice, values, scratch, table)
        _fill_prior(values, choice[0], out[2][row])
        _fill_driver(one_day, seen, state[2], (going, after), (choice, values), out[0][row])
        _fill_state(one_day, bank[9][day], step, seen, left, state[2], going, (choice, values), out[1][row])


@inlined
def _keep(day, weights, driver, position, free_min, rank, out):  # type: ignore[no-untyped-def]
    booking = booking_of(day[3], rank)
    minutes, km = day[4][position, rank, 0], day[4][position, rank, 1]
    out[LATE], out[COST], start, out[FINISH], can = way(minutes, km, free_min, booking, day[2][driver], weights)
    out[KM] = km
    out[CAN] = 1.0 if can and not is_away((day[5], day[6]), driver, start, out[FINISH]) else 0.0


@compiled
def _fill_ways(day, weights, step, seen, state, choice, going, after):  # type: ignore[no-untyped-def]
    """Each driver's ways to the bookings in view, from where it stands and after serving the current one."""
    on_duty, is_emergency = day[0], day[1]
    position, free_min, load = state
    legal, cost, gap_cost, finish_min = choice
    drivers = load.size
    most, least, n_least = spread(on_duty, load)
    for driver in range(drivers):
        if not on_duty[driver]:
            continue
        for ahead in range(seen):
            _keep(day, weights, driver, position[driver], free_min[driver], step + ahead, going[driver, ahead])
        finish = going[driver, 0, FINISH]
        finish_min[driver] = finish
        for ahead in range(1, seen):
            _keep(day, weights, driver, drivers + step, finish, step + ahead, after[driver, ahead])
        legal[driver] = going[driver, 0, CAN] > 0.0
        gap_cost[driver] = gap_change(weights, most, least, n_least, load[driver])
        cost[driver] = going[driver, 0, COST] + gap_cost[driver]
        if is_emergency[driver] and load[driver] == 0:
            cost[driver] += weights[EMERGENCY_USE]
    legal[drivers] = True
    cost[drivers] = day[3][step, LOST_COST]


@inlined
def _cheapest(cheapest_arc, step, ahead, on_duty, going):  # type: ignore[no-untyped-def]
    # The cheapest way to a later booking: from one in between, at most losing it; from where a driver stands; and who.
    between = cheapest_arc[min(step + 1, cheapest_arc.shape[1]), step + ahead]
    best, second, who = np.inf, np.inf, -1
    for driver in range(on_duty.size):
        if on_duty[driver] and going[driver, ahead, CAN] > 0.0:
            cost = going[driver, ahead, COST]
            if cost < best:
                best, second, who = cost, best, driver
            elif cost < second:
                second = cost
    return between, best, second, who


@compiled
def _by_potential(on_duty, cheapest_arc, step, seen, left, ways, choice, value):  # type: ignore[no-untyped-def]
    """Each action's cost and the cheapest way to each later booking in view, looked at alone (D + 1,)."""
    going, after = ways
    _, cost, gap_cost, _ = choice
    drivers, there = on_duty.size, 0
    for driver in range(drivers):
        there += 1 if on_duty[driver] else 0
    rest = (left - 1) / max(there, 1)
    closing = rest / (rest + GAP_MEMORY)
    for action in range(drivers + 1):
        value[action] = cost[action] - closing * gap_cost[action]
    for ahead in range(1, seen):
        between, best, second, who = _cheapest(cheapest_arc, step, ahead, on_duty, going)
        for driver in range(drivers):
            reached = min(between, second if driver == who else best)
            if on_duty[driver] and after[driver, ahead, CAN] > 0.0:
                reached = min(reached, after[driver, ahead, COST])
            value[driver] += reached
        value[drivers] += min(between, best)


@compiled
def _by_rollout(day, weights, step, left, state, choice, values, scratch, table):  # type: ignore[no-untyped-def]
    """Each legal action's cost and that of what every rule makes of the rest (R, D + 1)."""
    position, free_min, load = state
    legal, cost, _, finish_min = choice
    drivers, last = load.size, step + min(left, ROLLOUT_BOOKINGS + 1)
    for action in range(drivers + 1):
        if not legal[action]:
            continue
        for rule in range(N_RULES):
            for driver in range(drivers):
                scratch[0][driver], scratch[1][driver] = position[driver], free_min[driver]
                scratch[2][driver] = load[driver]
            if action < drivers:
                scratch[0][action], scratch[1][action] = drivers + step, finish_min[action]
                scratch[2][action] += 1
            rest = play(day, weights, step + 1, last, scratch, RULES[rule], table)
            values[rule, action] = cost[action] + rest


@compiled
def _fill_prior(values, legal, prior):  # type: ignore[no-untyped-def]
    for action in range(legal.size):
        prior[action] = 0.0
        if legal[action]:
            expected = np.inf
            for rule in range(N_RULES):
                expected = min(expected, values[rule, action])
            prior[action] = -expected / REWARD_SCALE


@inlined
def _hours(minutes):  # type: ignore[no-untyped-def]
    return min(max(minutes / HOUR_MIN, EARLIEST_H), LATEST_H)


@inlined
def _lowest(values, legal):  # type: ignore[no-untyped-def]
    least = np.inf
    for action in range(legal.size):
        if legal[action]:
            least = min(least, values[action])
    return least


@compiled
def _fill_driver(day, seen, load, ways, of, out):  # type: ignore[no-untyped-def]
    going, after = ways
    choice, values = of
    legal, cost = choice[0], choice[1]
    on_duty, is_emergency = day[0], day[1]
    drivers, there, total, least = on_duty.size, 0, 0.0, np.inf
    for driver in range(drivers):
        if on_duty[driver]:
            there, total, least = there + 1, total + load[driver], min(least, load[driver])
    first = 7 + N_RULES
    for kind in range(N_RULES + 1):
        lowest = _lowest(values[kind], legal)
        for driver in range(drivers):
            if on_duty[driver]:
                regret = (values[kind, driver] - lowest) / REWARD_SCALE if legal[driver] else REGRET_LIMIT
                out[driver, 6 + kind] = min(max(regret, 0.0), REGRET_LIMIT)
    for driver in range(drivers):
        if not on_duty[driver]:
            continue
        into = out[driver]
        into[0] = load[driver] / 10.0
        into[1] = load[driver] - least
        into[2] = load[driver] - total / there
        into[3] = is_emergency[driver]
        into[4] = min(max((day[2][driver] - going[driver, 0, FINISH]) / HOUR_MIN, -1.0), 8.0)
        into[5] = min(cost[driver] / REWARD_SCALE, 10.0)
        for ahead in range(seen):
            into[first + ahead] = _hours(going[driver, ahead, LATE])
            into[first + HORIZON + ahead] = going[driver, ahead, KM] / DISTANCE_SCALE_KM
            into[first + 2 * HORIZON + ahead] = going[driver, ahead, CAN]
        for ahead in range(1, seen):
            into[first + 3 * HORIZON + ahead - 1] = _hours(after[driver, ahead, LATE])
            into[first + 4 * HORIZON + ahead - 2] = after[driver, ahead, CAN]


@compiled
def _fill_state(day, cheapest_arc, step, seen, left, load, going, of, out):  # type: ignore[no-untyped-def]
    bookings, travel, on_duty = day[3], day[4], day[0]
    choice, values = of
    drivers, there, total = on_duty.size, 0, 0.0
    for driver in range(drivers):
        if on_duty[driver]:
            there, total = there + 1, total + load[driver]
    most, least, _ = spread(on_duty, load)
    out[0] = bookings[step, SCHEDULED] / (24.0 * HOUR_MIN)
    out[1] = left / 10.0
    out[2] = there / 10.0
    out[3] = left / max(there, 1)
    out[4] = most - least if there > 0 else 0.0
    out[5] = total / max(there, 1) / 10.0
    for kind in range(N_RULES + 1):
        out[6 + kind] = min(_lowest(values[kind], choice[0]) / REWARD_SCALE, EXPECTED_LIMIT)
    first = 7 + N_RULES
    for ahead in range(seen):
        rank = step + ahead
        out[first + ahead] = 1.0
        out[first + HORIZON + ahead] = min((bookings[rank, SCHEDULED] - bookings[step, SCHEDULED]) / HOUR_MIN, 6.0)
        out[first + 2 * HORIZON + ahead] = bookings[rank, RIDE] / HOUR_MIN
        out[first + 3 * HORIZON + ahead] = bookings[rank, IS_OUTBOUND]
        out[first + 4 * HORIZON + ahead] = 1.0 if bookings[rank, URGENCY] > 1.0 else 0.0
        if ahead > 0:
            between, best, _, _ = _cheapest(cheapest_arc, step, ahead, on_duty, going)
            out[first + 5 * HORIZON + ahead - 1] = min(between, best) / REWARD_SCALE
            out[first + 6 * HORIZON + ahead - 2] = travel[drivers + step, rank, 1] / DISTANCE_SCALE_KM
