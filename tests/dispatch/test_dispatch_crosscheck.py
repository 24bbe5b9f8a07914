"""The exact planner against OR-Tools CP-SAT: the same day, formulated without any of our code.

Minutes are whole and km are thousandths, so that every cost is a whole number of 1/15,000 and both must agree exactly.
"""

from collections import defaultdict

import numpy as np
import pytest
from dispatch_builders import random_day
from ortools.sat.python import cp_model

from atmr_pipeline.dispatch.planners import plan
from atmr_pipeline.dispatch.simulator import CostWeights

UNIT = 15_000
LOST_AFTER, TOLERANCE, HORIZON = 30, 15, 3_000


def whole_day(seed, bookings=12, drivers=3):
    rng = np.random.default_rng(seed)
    day = random_day(bookings, drivers, seed, tight=seed % 2 == 0)
    hours = 480.0 + 15.0 * rng.integers(0, 20 + 8 * (seed % 3), bookings)
    minutes = ("start_min", "deadhead_min", "ride_min", "shift_start_min", "shift_end_min")
    rounded = {name: np.round(getattr(day, name)) for name in minutes}
    km = {name: np.round(getattr(day, name), 3) for name in ("start_km", "deadhead_km")}
    return day.realised(scheduled_min=hours, ready_min=hours + rng.integers(0, 6, bookings), **rounded, **km)


def cp_sat_optimum(day, emergency_use):
    """Least cost by CP-SAT, in units of 1/15,000."""
    model, order = cp_model.CpModel(), [int(index) for index in day.service_order]
    drivers, bookings, cost = range(day.n_drivers), range(day.n_bookings), []
    lost = [model.new_bool_var(f"lost{k}") for k in bookings]
    by = [[model.new_bool_var(f"by{k},{d}") for d in drivers] for k in bookings]
    end = [model.new_int_var(0, HORIZON, f"end{k}") for k in bookings]
    goes_to = defaultdict(list)
    for k in bookings:
        here = order[k]
        scheduled, ready = int(day.scheduled_min[here]), int(day.ready[here])
        service = int(day.pickup_service_min[here] + day.ride_min[here] + day.dropoff_service_min[here])
        arrival, start = model.new_int_var(0, HORIZON, ""), model.new_int_var(0, HORIZON, "")
        late = model.new_int_var(0, LOST_AFTER, "")
        model.add_exactly_one([lost[k], *by[k]])
        model.add_max_equality(start, [arrival, ready])
        model.add(end[k] == start + service)
        model.add(late >= arrival - scheduled)
        comes_from = []
        for d in drivers:
            arc = model.new_bool_var("")
            comes_from.append(arc)
            goes_to["start", d].append(arc)
            model.add_implication(arc, by[k][d])
            model.add(arrival == int(day.shift_start_min[d] + day.start_min[d, here])).only_enforce_if(arc)
            cost.append(arc * round(UNIT * day.start_km[d, here]))
            model.add(end[k] <= int(day.shift_end_min[d])).only_enforce_if(by[k][d])
        for before in range(k):
            there = order[before]
            arc = model.new_bool_var("")
            comes_from.append(arc)
            goes_to["booking", before].append(arc)
            for d in drivers:
                model.add(by[k][d] == by[before][d]).only_enforce_if(arc)
            model.add(arrival == end[before] + int(day.deadhead_min[there, here])).only_enforce_if(arc)
            cost.append(arc * round(UNIT * day.deadhead_km[there, here]))
        model.add(sum(comes_from) + lost[k] == 1)
        urgent = 2 if day.is_urgent[here] else 1
        cost.append(lost[k] * 100 * urgent * UNIT)
        if day.is_outbound[here]:
            cost.append(late * urgent * UNIT)
        else:
            excess, square = model.new_int_var(0, TOLERANCE, ""), model.new_int_var(0, TOLERANCE**2, "")
            model.add(excess >= late - TOLERANCE)
            model.add_multiplication_equality(square, [excess, excess])
            cost.append(square * urgent * (UNIT // TOLERANCE))
        for d, away_from, away_to in day.absences:
            earlier = model.new_bool_var("")
            model.add(end[k] <= int(away_from)).only_enforce_if([by[k][d], earlier])
            model.add(start >= int(away_to)).only_enforce_if([by[k][d], ~earlier])
    for (kind, index), arcs in goes_to.items():
        model.add(sum(arcs) <= (1 if kind == "start" else 1 - lost[index]))
    loads = [sum(by[k][d] for k in bookings) for d in drivers]
    most, least = model.new_int_var(0, len(order), ""), model.new_int_var(0, len(order), "")
    beyond = model.new_int_var(0, len(order), "")
    for d in drivers:
        model.add(most >= loads[d])
        model.add(least <= loads[d])
        if day.is_emergency[d]:
            used = model.new_bool_var("")
            model.add(loads[d] <= len(order) * used)
            cost.append(used * round(emergency_use * UNIT))
    model.add(beyond >= most - least - 1)
    cost.append(beyond * 10 * UNIT)
    model.minimize(sum(cost))
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    solver.parameters.max_time_in_seconds = 120.0
    assert solver.solve(model) == cp_model.OPTIMAL
    return solver.objective_value


@pytest.mark.parametrize("seed", range(12))
def test_both_find_the_same_least_cost(seed):
    day, use = whole_day(seed), 7.0 * (seed % 2)
    ours = plan(day, "exact", weights=CostWeights(emergency_use=use), time_limit_s=60.0)
    assert ours.optimal
    assert ours.outcome.total * UNIT == pytest.approx(cp_sat_optimum(day, use), abs=0.01)
