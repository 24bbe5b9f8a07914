"""Planners: feasible, repeatable, and in the order of quality that is claimed for them."""

import itertools

import numpy as np
import pytest
from dispatch_builders import line_day, random_day

from atmr_pipeline.dispatch.planners import METHODS, Plan
from atmr_pipeline.dispatch.planners import plan as plan_at_length
from atmr_pipeline.dispatch.simulator import CostWeights, simulate
from atmr_pipeline.domain.errors import InfeasiblePlanError

SEEDS = range(20)
CONSTRUCTIVE = ("nearest", "least_loaded", "greedy", "insertion")


def plan(day, method, **options) -> Plan:
    """As usual, but ``exact`` soon settles for what it knows: these days are hard on purpose."""
    return plan_at_length(day, method, **({"time_limit_s": 0.0} if method == "exact" else {}), **options)


def cost_or_infinity(day, assignment):
    try:
        return simulate(day, assignment).total
    except InfeasiblePlanError:
        return np.inf


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("bookings", "drivers"), [(12, 4), (25, 3), (7, 1), (3, 9)])
def test_plans_are_feasible_on_tight_days_and_cost_what_they_say(method, bookings, drivers):
    for seed in SEEDS:
        day = random_day(bookings, drivers, seed, tight=True)
        result = plan(day, method)
        again = simulate(day, result.assignment)
        assert again.total == pytest.approx(result.outcome.total)
        assert np.array_equal(again.driver, result.assignment)
        assert result.method == method
        if method == "exact":
            assert result.bound <= result.outcome.total
            assert result.optimal == (result.bound >= result.outcome.total - 1e-6)
        else:
            assert (result.optimal, result.bound) == (None, None)


@pytest.mark.parametrize("method", METHODS)
def test_the_same_day_gives_the_same_plan(method):
    day = random_day(25, 5, 3, tight=True)
    first, second = plan(day, method, seed=4), plan(day, method, seed=4)
    assert np.array_equal(first.assignment, second.assignment)


@pytest.mark.parametrize("method", METHODS)
def test_the_order_in_which_bookings_are_given_does_not_matter(method):
    day = random_day(15, 4, 8)
    shuffled = np.random.default_rng(0).permutation(15)
    by_booking = (
        "scheduled_min", "is_outbound", "is_urgent", "ride_min", "ride_km", "pickup_service_min", "dropoff_service_min",
    )  # fmt: skip
    other = day.realised(
        booking_ids=tuple(day.booking_ids[index] for index in shuffled),
        start_min=day.start_min[:, shuffled],
        start_km=day.start_km[:, shuffled],
        deadhead_min=day.deadhead_min[np.ix_(shuffled, shuffled)],
        deadhead_km=day.deadhead_km[np.ix_(shuffled, shuffled)],
        **{name: getattr(day, name)[shuffled] for name in by_booking},
    )
    assert np.array_equal(plan(day, method).assignment[shuffled], plan(other, method).assignment)


def test_local_search_is_never_worse_and_much_better_on_average():
    cost = {method: [] for method in METHODS}
    for seed in SEEDS:
        day = random_day(16, 4, seed, tight=seed % 2 == 0)
        for method in METHODS:
            cost[method].append(plan(day, method).outcome.total)
    for method in CONSTRUCTIVE:
        assert np.all(np.array(cost["local_search"]) <= np.array(cost[method]) + 1e-9)
    assert np.all(np.array(cost["anneal"]) <= np.array(cost["local_search"]) + 1e-9)
    mean = {method: float(np.mean(values)) for method, values in cost.items()}
    assert mean["local_search"] < 0.9 * mean["greedy"]
    assert mean["greedy"] < mean["nearest"]
    assert mean["insertion"] < mean["nearest"]


def test_local_search_is_close_to_the_optimum_of_small_days():
    found, best = [], []
    for seed in range(6):
        day = random_day(6, 2, seed, tight=True)
        plans = itertools.product(range(-1, 2), repeat=6)
        best.append(min(cost_or_infinity(day, np.array(assignment)) for assignment in plans))
        found.append(plan(day, "local_search").outcome.total)
    assert np.all(np.array(found) >= np.array(best) - 1e-9)
    assert sum(found) <= 1.02 * sum(best)


@pytest.mark.parametrize("method", ["local_search", "anneal"])
def test_no_single_move_improves_a_local_optimum(method):
    for seed in range(5):
        day = random_day(12, 3, seed, tight=True)
        result = plan(day, method)
        for booking, driver in itertools.product(range(12), range(-1, 3)):
            moved = result.assignment.copy()
            moved[booking] = driver
            assert cost_or_infinity(day, moved) >= result.outcome.total - 1e-6
        for one, other in itertools.combinations(range(12), 2):
            swapped = result.assignment.copy()
            swapped[[one, other]] = swapped[[other, one]]
            assert cost_or_infinity(day, swapped) >= result.outcome.total - 1e-6


def test_least_loaded_balances_and_nearest_does_not_care():
    gaps = {
        method: [plan(random_day(12, 4, seed), method).outcome.load_gap for seed in SEEDS]
        for method in ("nearest", "least_loaded")
    }
    assert max(gaps["least_loaded"]) <= 1
    assert np.mean(gaps["nearest"]) > 2


def test_more_bookings_than_can_be_served_are_lost_not_forced():
    day = random_day(20, 2, 5, scheduled_min=np.full(20, 600.0))
    for method in METHODS:
        outcome = plan(day, method).outcome
        assert 0 < outcome.n_served < 20
        assert outcome.n_lost == 20 - outcome.n_served


def test_urgent_bookings_are_served_first_when_not_all_can_be():
    urgent = np.array([False, False, True])
    day = line_day(scheduled_min=[500.0, 500.0, 500.0], shift_end_min=[516.0, 480.0], is_urgent=urgent)
    assert plan(day, "local_search").assignment.tolist() == [-1, -1, 0]


@pytest.mark.parametrize("method", METHODS)
def test_empty_days_and_single_ones(method):
    assert plan(random_day(0, 3, 0), method).outcome.total == 0.0
    assert plan(random_day(0, 0, 0), method).assignment.tolist() == []
    nobody = plan(random_day(4, 0, 0), method)
    assert nobody.outcome.n_lost == 4
    assert nobody.assignment.tolist() == [-1] * 4
    assert plan(random_day(1, 1, 0), method).assignment.tolist() == [0]


def test_an_emergency_driver_is_used_only_when_worth_it():
    dear = plan(line_day(), "local_search", weights=CostWeights(emergency_use=1000.0))
    assert 1 not in dear.assignment
    assert 1 in plan(line_day(), "local_search").assignment


@pytest.mark.parametrize("method", METHODS)
def test_a_driver_with_a_shift_of_no_length_serves_nobody(method):
    day = random_day(6, 2, 1)
    closed = day.realised(shift_end_min=np.array([1140.0, 420.0]))
    result = plan(closed, method)
    assert 1 not in result.assignment
    assert result.outcome.n_served > 0
    nobody = plan(day.realised(shift_end_min=day.shift_start_min), method)
    assert nobody.assignment.tolist() == [-1] * 6


@pytest.mark.parametrize("method", METHODS)
def test_one_driver_and_25_bookings(method):
    outcome = plan(random_day(25, 1, 4), method).outcome
    assert 0 < outcome.n_served < 25
    assert outcome.load_gap == 0


@pytest.mark.parametrize("method", METHODS)
def test_everything_at_the_same_minute_and_place(method):
    still = {"start_min": np.zeros((3, 9)), "deadhead_min": np.zeros((9, 9)), "ride_min": np.zeros(9)}
    day = random_day(9, 3, 2, scheduled_min=np.full(9, 600.0), **still)
    outcome = plan(day, method).outcome
    assert outcome.n_served > 3
    assert outcome.n_served + outcome.n_lost == 9


def test_only_exact_takes_a_time_limit_and_a_sensible_one():
    with pytest.raises(ValueError, match=r"'greedy' takes no time limit: only 'exact' does"):
        plan_at_length(line_day(), "greedy", time_limit_s=1.0)
    for nonsense in (-1.0, float("nan")):
        with pytest.raises(ValueError, match="time_limit_s must be a number >= 0"):
            plan_at_length(line_day(), "exact", time_limit_s=nonsense)


def test_an_unknown_method_is_named_with_those_that_exist():
    with pytest.raises(
        ValueError,
        match=r"'oracle': choose one of nearest, least_loaded, greedy, insertion, local_search, anneal, exact",
    ):
        plan(line_day(), "oracle")
