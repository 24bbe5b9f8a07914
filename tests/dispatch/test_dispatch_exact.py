"""The exact planner against every plan there is, and what it says when it has to stop."""

import numpy as np
import pytest
from dispatch_builders import line_day, random_day

from atmr_pipeline.dispatch.compiled import compiled
from atmr_pipeline.dispatch.kernel import SHIFT_START, drive_day, gap_cost, gap_of, pack
from atmr_pipeline.dispatch.planners import plan
from atmr_pipeline.dispatch.planners.arcs import DELAYS_MIN
from atmr_pipeline.dispatch.planners.exact import rest_of_day, solve_from
from atmr_pipeline.dispatch.planners.exact_bounds import bounds_of, least_chains
from atmr_pipeline.dispatch.simulator import CostWeights
from atmr_pipeline.dispatch.synthetic import synthetic_days

SMALL = {1: 9, 2: 7, 3: 6}
"""Drivers, and how many bookings can still be tried in every way."""


@compiled
def priced(day, driver_of_rank, carried):
    """Cost of a plan, infinite if forbidden."""
    loads = np.zeros(day.drivers.shape[0], dtype=np.int64)
    trace = np.empty((day.bookings.shape[0], 6))
    km, late, lost, emergency, breaker, _ = drive_day(day, driver_of_rank, trace, loads)
    if breaker >= 0:
        return np.inf
    return day.weights[0] * km + late + lost + emergency + gap_cost(day, gap_of(loads + carried))


@compiled
def cheapest_of_all(day, carried):
    """The least cost over all (D + 1)^B plans."""
    plan_now, best = np.full(day.bookings.shape[0], -1), np.inf
    while True:
        best = min(best, priced(day, plan_now, carried))
        rank = 0
        while rank < plan_now.size:
            plan_now[rank] += 1
            if plan_now[rank] < day.drivers.shape[0]:
                break
            plan_now[rank] = -1
            rank += 1
        if rank == plan_now.size:
            return best


def small_case(seed):
    """A day that can be tried in every way, weights, and bookings carried: as different as can be."""
    rng = np.random.default_rng(seed)
    drivers = int(rng.integers(1, 4))
    bookings = int(rng.integers(1, SMALL[drivers] + 1))
    hours = {"scheduled_min": 480.0 + 15.0 * rng.integers(0, rng.integers(1, 20), bookings)}
    day = random_day(bookings, drivers, seed, tight=bool(rng.random() < 0.6), **hours)
    if rng.random() < 0.3:
        depot = {name: np.tile(getattr(day, name)[:1], (drivers, 1)) for name in ("start_min", "start_km")}
        day = day.realised(**depot)
    if rng.random() < 0.4:
        away = rng.integers(0, drivers, 2)
        day = day.realised(absences=tuple((int(driver), 500.0, 500.0 + 60.0 * rng.random()) for driver in away))
    weights = CostWeights(
        emergency_use=rng.choice([0.0, 15.0]),
        load_gap=rng.choice([0.0, 3.0, 10.0, 40.0]),
        free_load_gap=rng.choice([0.0, 1.0, 1.5]),
        lost=rng.choice([20.0, 100.0]),
        empty_km=rng.choice([0.0, 1.0, 1.0]),
    )
    carried = rng.integers(0, 4, drivers) if rng.random() < 0.5 else np.zeros(drivers, dtype=np.int64)
    return day, weights, carried


def solved(day, carried, **options):
    return solve_from(day, 0, np.arange(len(day.drivers)), day.drivers[:, SHIFT_START], carried, **options)


def as_it_goes_on(day, carried):
    return rest_of_day(day, 0, np.arange(len(day.drivers)), day.drivers[:, SHIFT_START], carried)


@pytest.mark.parametrize("block", range(4))
def test_no_plan_is_cheaper(block):
    for seed in range(100 * block, 100 * block + 100):
        problem, weights, carried = small_case(seed)
        day = pack(problem, weights)
        drivers, cost, optimal, bound = solved(day, carried)
        rest = as_it_goes_on(day, carried)
        assert optimal, seed
        assert cost == pytest.approx(cheapest_of_all(rest, carried), abs=1e-6), seed
        assert cost == pytest.approx(priced(rest, drivers, carried), abs=1e-6), seed
        assert bound == pytest.approx(cost, abs=1e-8), seed


def test_the_search_alone_finds_it_without_a_good_plan_to_begin_with():
    for seed in range(150):
        problem, weights, carried = small_case(seed)
        day = pack(problem, weights)
        nothing = np.full(problem.n_bookings, -1), 1e7
        _, cost, optimal, _ = solved(day, carried, upper=nothing)
        assert optimal
        assert cost == pytest.approx(cheapest_of_all(as_it_goes_on(day, carried), carried), abs=1e-6), seed


def test_the_first_bound_holds_whatever_the_prices_were_raised_towards():
    for seed in range(150):
        problem, weights, carried = small_case(seed)
        day = as_it_goes_on(pack(problem, weights), carried)
        best = cheapest_of_all(day, carried)
        for upper in (best, 3.0 * best + 10.0):
            bounds = bounds_of(day, carried, upper)
            starts, scratch = DELAYS_MIN.size * np.arange(problem.n_drivers), np.empty(problem.n_drivers)
            ahead, _, _ = least_chains(bounds.chain[0], starts, carried, problem.n_bookings, day.weights, scratch)
            assert bounds.rest[0] + ahead <= best + 1e-6, seed


def test_with_too_little_room_the_bound_still_holds():
    proven = 0
    for seed in range(150):
        problem, weights, carried = small_case(seed)
        day = pack(problem, weights)
        best = cheapest_of_all(as_it_goes_on(day, carried), carried)
        nothing = np.full(problem.n_bookings, -1), 1e7
        drivers, cost, optimal, bound = solved(day, carried, upper=nothing, max_states=2)
        assert bound <= best + 1e-6
        assert cost >= best - 1e-6
        assert cost == pytest.approx(priced(as_it_goes_on(day, carried), drivers, carried), abs=1e-6)
        assert not optimal or cost == pytest.approx(best, abs=1e-6)
        proven += optimal
    assert 0 < proven < 150


def test_without_time_the_best_known_plan_is_returned_with_a_bound_that_holds():
    unproven = 0
    for problem in synthetic_days(15, seed=3):
        hasty, best = plan(problem, "exact", time_limit_s=0.0), plan(problem, "exact", time_limit_s=60.0)
        assert best.optimal
        assert best.bound == pytest.approx(best.outcome.total)
        assert hasty.bound <= best.outcome.total + 1e-6 <= hasty.outcome.total + 2e-6
        unproven += not hasty.optimal
    assert unproven > 0


def test_an_absence_makes_being_early_worse():
    """The driver who is early would overlap the absence; the one who is late misses it. Both states must live."""
    for seed in range(60):
        rng = np.random.default_rng(seed)
        day = random_day(6, 2, seed, scheduled_min=480.0 + 10.0 * rng.integers(0, 6, 6))
        begins = 480.0 + 90.0 * rng.random()
        day = day.realised(absences=((0, begins, begins + 8.0), (1, begins + 40.0, begins + 45.0)))
        packed, nobody = pack(day, CostWeights()), np.zeros(2, dtype=np.int64)
        _, cost, optimal, _ = solved(packed, nobody, upper=(np.full(6, -1), 1e6))
        assert optimal
        assert cost == pytest.approx(cheapest_of_all(packed, nobody), abs=1e-6), seed


def test_going_on_from_the_middle_of_the_best_plan_costs_what_was_left_of_it():
    for problem in synthetic_days(12, seed=8):
        day, drivers = pack(problem, CostWeights()), problem.n_drivers
        by_rank, cost, optimal, _ = solved(day, np.zeros(drivers, dtype=np.int64))
        assert optimal
        position, free_min = np.arange(drivers), day.drivers[:, SHIFT_START].copy()
        loads, spent = np.zeros(drivers, dtype=np.int64), 0.0
        for rank in range(problem.n_bookings):
            again, to_go, proven, _ = solve_from(day, rank, position, free_min, loads)
            assert proven
            assert spent + to_go == pytest.approx(cost, abs=1e-6)
            assert np.all(again[:rank] == -1)
            driver = by_rank[rank]
            if driver < 0:
                spent += day.bookings[rank, 7]
                continue
            arrival = free_min[driver] + day.travel[position[driver], rank, 0]
            late = max(0.0, arrival - day.bookings[rank, 0])
            if day.bookings[rank, 5] == 0.0:
                late = max(0.0, late - 15.0) ** 2 / 15.0
            spent += day.travel[position[driver], rank, 1] + day.bookings[rank, 6] * late
            free_min[driver] = max(arrival, day.bookings[rank, 1]) + day.bookings[rank, 2:5].sum()
            position[driver], loads[driver] = drivers + rank, loads[driver] + 1


def test_after_the_last_booking_only_the_load_gap_is_left():
    problem = line_day()
    drivers, cost, optimal, bound = solve_from(pack(problem, CostWeights()), 3, [2, 1], [550.0, 480.0], [3, 0])
    assert drivers.tolist() == [-1, -1, -1]
    assert (cost, optimal, bound) == (20.0, True, 20.0)


def test_an_emergency_driver_who_has_driven_is_paid_for():
    """Line day, booking 3 at km 20: driver 7 is at km 0; driver 8, of the emergency kind, at km 10 after booking 2."""
    day = pack(line_day(), CostWeights(emergency_use=15.0, load_gap=0.0))
    unused, cost, _, _ = solve_from(day, 2, [0, 3], [480.0, 515.0], [0, 0])
    assert (unused.tolist(), cost) == ([-1, -1, 0], 20.0)
    used, cost, _, _ = solve_from(day, 2, [0, 3], [480.0, 515.0], [0, 1])
    assert (used.tolist(), cost) == ([-1, -1, 1], 10.0)


def test_a_known_plan_must_have_a_cost():
    day = pack(line_day(), CostWeights())
    with pytest.raises(ValueError, match="must be finite"):
        solved(day, np.zeros(2, dtype=np.int64), upper=(np.full(3, -1), np.inf))
