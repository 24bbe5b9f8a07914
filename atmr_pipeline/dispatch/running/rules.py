"""The simple rules: the cheapest driver now, and the plan of the morning."""

import numpy as np

from atmr_pipeline.dispatch.compiled import compiled
from atmr_pipeline.dispatch.kernel import (
    EMERGENCY_USE,
    EMPTY_KM,
    IS_EMERGENCY,
    LOST_AFTER,
    LOST_COST,
    SERVED,
    SHIFT_START,
    gap_cost,
    gap_of,
    lateness_cost,
    serve,
)
from atmr_pipeline.dispatch.running.view import legal_drivers


@compiled
def cheapest_driver(view):  # type: ignore[no-untyped-def]
    """The driver that adds least to the expected cost so far, -1 where leaving the booking out is cheaper."""
    best, chosen = view.bookings[0, LOST_COST], -1
    legal, loads = legal_drivers(view), view.loads.copy()
    gap = gap_cost(view, gap_of(loads))
    for driver in range(legal.size):
        if not legal[driver]:
            continue
        _, _, _, _, lateness, km = serve(
            view.drivers, view.bookings, view.travel, view.absences, view.weights, driver, driver,
            view.drivers[driver, SHIFT_START], 0,
        )  # fmt: skip
        cost = view.weights[EMPTY_KM] * km + lateness_cost(view.bookings, view.weights, 0, lateness)
        loads[driver] += 1
        cost += gap_cost(view, gap_of(loads)) - gap
        loads[driver] -= 1
        if view.drivers[driver, IS_EMERGENCY] > 0.0:
            cost += view.weights[EMERGENCY_USE]
        if cost < best:
            best, chosen = cost, driver
    return chosen


@compiled
def least_late_driver(view):  # type: ignore[no-untyped-def]
    """The driver who would come first, within shift and absences, however late; -1 if there is none."""
    best, chosen = np.inf, -1
    weights = view.weights.copy()
    weights[LOST_AFTER] = np.inf
    for driver in range(view.loads.size):
        state, arrival, _, _, _, _ = serve(
            view.drivers, view.bookings, view.travel, view.absences, weights, driver, driver,
            view.drivers[driver, SHIFT_START], 0,
        )  # fmt: skip
        if state == SERVED and arrival < best:
            best, chosen = arrival, driver
    return chosen


@compiled
def static_driver(view):  # type: ignore[no-untyped-def]
    """The driver of the plan where there is one who still can, else the cheapest; and the plan (n,)."""
    planned = view.plan[0]
    if planned >= 0 and legal_drivers(view)[planned]:
        return planned, view.plan
    return cheapest_driver(view), view.plan
