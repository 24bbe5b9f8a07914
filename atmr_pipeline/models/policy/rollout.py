"""What a rule would make of the rest of a day: the value of each action before anything is learned.

After an action, the bookings in sight are given out by a greedy rule that looks one booking ahead, and the cost is
added up: a rollout (Bertsekas, Tsitsiklis & Wu, 1997, *Rollout algorithms for combinatorial optimization*). Two rules
are played and the cheaper end counts, for what one of them reaches can be reached. On usual days the action of best
rollout is 4 to 6 % above the optimum where the rules alone are some 20 % above it (docs/dispatch-policy.md).
"""

import numpy as np

from atmr_pipeline.dispatch.compiled import compiled, inlined

RULES = ((0.3, 0.3), (0.6, 0.8))
"""Of each rule: share of a load gap's cost that counts, and of what a step does to the way to the next booking."""
ROLLOUT_BOOKINGS = 24
"""Bookings played after the current one: the whole of a usual day, and a bound on the time for a large one."""
DEAREST_WAY = 30.0
"""Ways to the next booking that cost more are all the same to a rule."""

SCHEDULED, READY, BOARDING, RIDE, ALIGHTING, IS_OUTBOUND, URGENCY, LOST_COST = 0, 1, 2, 3, 4, 5, 6, 7
"""Columns of ``DayBank.bookings``."""
EMPTY_KM, RETURN_TOLERANCE, LOST_AFTER, LOAD_GAP, FREE_LOAD_GAP, EMERGENCY_USE = 0, 1, 2, 3, 4, 5
"""Places of the weights in ``DayBank.arrays``."""
NOW, NOW_END, STAY, STAY_END, MOVE, MOVE_END = 0, 1, 2, 3, 4, 5
"""Columns of the scratch table: cost of the way to the current booking and when free after it; then to the next one,
from where the driver stands and from the current booking's drop-off. Infinite where it cannot be driven."""


@inlined
def booking_of(bookings, rank):  # type: ignore[no-untyped-def]
    """What a way needs to know of a booking, as plain numbers: arrays are read once, not for every driver."""
    outbound = bookings[rank, IS_OUTBOUND] != 0.0
    service = bookings[rank, BOARDING], bookings[rank, RIDE], bookings[rank, ALIGHTING]
    return bookings[rank, SCHEDULED], bookings[rank, READY], service, outbound, bookings[rank, URGENCY]


@inlined
def way(minutes, km, free_min, booking, shift_end, weights):  # type: ignore[no-untyped-def]
    """A driver's way to a booking and through it.

    Parameters
    ----------
    minutes, km : float
        Of the drive to the pickup.
    free_min : float
        When it begins.
    booking : tuple of float
        Of :func:`booking_of`.
    shift_end : float
    weights : tuple of float
        In the order of ``DayBank.arrays``.

    Returns
    -------
    (float, float, float, float, bool)
        Lateness (minutes, negative is early), cost, minutes of the start and the end of service, whether lateness and
        shift allow it. Sums are taken in the simulator's order: a plan that just keeps a limit keeps it there too.
    """
    scheduled, ready, service, outbound, urgency = booking
    arrival = free_min + minutes
    lateness = arrival - scheduled
    start = max(arrival, ready)
    end = start + service[0] + service[1] + service[2]
    late = max(lateness, 0.0)
    if not outbound:
        late = max(0.0, late - weights[RETURN_TOLERANCE])
        late *= late / weights[RETURN_TOLERANCE]
    can = lateness <= weights[LOST_AFTER] and end <= shift_end
    return lateness, weights[EMPTY_KM] * km + urgency * late, start, end, can


@inlined
def is_away(away, driver, start, end):  # type: ignore[no-untyped-def]
    """Whether a service from then to then overlaps an absence of the driver."""
    found = False
    for absence in range(away[0].shape[1]):
        if start < away[1][driver, absence] and end > away[0][driver, absence]:
            found = True
    return found


@inlined
def gap_change(weights, most, least, n_least, load):  # type: ignore[no-untyped-def]
    """By how much the load-gap cost changes if a driver with ``load`` takes one more."""
    lower = least + 1 if load == least and n_least == 1 else least
    before = max(0.0, most - least - weights[FREE_LOAD_GAP])
    return weights[LOAD_GAP] * (max(0.0, max(most, load + 1) - lower - weights[FREE_LOAD_GAP]) - before)


@compiled
def spread(on_duty, load):  # type: ignore[no-untyped-def]
    """Highest load, lowest load, and how many drivers on duty have the lowest."""
    most, least, n_least = 0, np.iinfo(np.int64).max, 0
    for driver in range(load.size):
        if on_duty[driver]:
            most = max(most, load[driver])
            if load[driver] < least:
                least, n_least = load[driver], 0
            if load[driver] == least:
                n_least += 1
    return most, least, n_least


@compiled
def play(day, weights, first, last, state, rule, table):  # type: ignore[no-untyped-def]
    """Cost of the bookings ``first`` to ``last - 1`` if a rule gives them out.

    Parameters
    ----------
    day : tuple of ndarray
        Of one day: on_duty (D,), is_emergency (D,), shift_end (D,), bookings (B, 8), travel (D + B, B, 2), absences
        from and to (D, A).
    weights : tuple of float
        In the order of ``DayBank.arrays``.
    first, last : int
    state : tuple of ndarray
        position, free_min, load, each (D,); overwritten.
    rule : tuple of float
        One of :data:`RULES`.
    table : ndarray (D, 6)
        Scratch.
    """
    on_duty, is_emergency, shift_end, bookings, travel, away_from, away_to = day
    position, free_min, load = state
    drivers, total, away = load.size, 0.0, (away_from, away_to)
    if first < last:
        booking = booking_of(bookings, first)
        for driver in range(drivers):
            if on_duty[driver]:
                minutes, km = travel[position[driver], first, 0], travel[position[driver], first, 1]
                _, cost, start, end, can = way(minutes, km, free_min[driver], booking, shift_end[driver], weights)
                can = can and not is_away(away, driver, start, end)
                table[driver, NOW], table[driver, NOW_END] = cost if can else np.inf, end
    for rank in range(first, last):
        most, least, n_least = spread(on_duty, load)
        best, step, who, following = bookings[rank, LOST_COST], bookings[rank, LOST_COST], -1, rank + 1 < last
        if following:
            booking = booking_of(bookings, rank + 1)
            to_km, to_min = travel[drivers + rank, rank + 1, 1], travel[drivers + rank, rank + 1, 0]
            for driver in range(drivers):
                if not on_duty[driver]:
                    continue
                minutes, km = travel[position[driver], rank + 1, 0], travel[position[driver], rank + 1, 1]
                _, cost, start, end, can = way(minutes, km, free_min[driver], booking, shift_end[driver], weights)
                can = can and not is_away(away, driver, start, end)
                table[driver, STAY], table[driver, STAY_END] = cost if can else np.inf, end
                _, cost, start, end, can = way(
                    to_min, to_km, table[driver, NOW_END], booking, shift_end[driver], weights
                )
                can = can and not is_away(away, driver, start, end)
                table[driver, MOVE], table[driver, MOVE_END] = cost if can else np.inf, end
        for driver in range(drivers):
            cost = table[driver, NOW]
            if not on_duty[driver] or cost == np.inf:
                continue
            if is_emergency[driver] and load[driver] == 0:
                cost += weights[EMERGENCY_USE]
            gap = gap_change(weights, most, least, n_least, load[driver])
            score = cost + rule[0] * gap
            if following:
                score += rule[1] * (min(table[driver, MOVE], DEAREST_WAY) - min(table[driver, STAY], DEAREST_WAY))
            if score < best:
                best, step, who = score, cost + gap, driver
        total += step
        if who >= 0:
            position[who], free_min[who] = drivers + rank, table[who, NOW_END]
            load[who] += 1
            table[who, STAY], table[who, STAY_END] = table[who, MOVE], table[who, MOVE_END]
        for driver in range(drivers):
            table[driver, NOW], table[driver, NOW_END] = table[driver, STAY], table[driver, STAY_END]
    return total
