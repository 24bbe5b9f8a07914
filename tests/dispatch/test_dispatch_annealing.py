"""Annealing: prices its moves as the simulator does, repeats itself, and ends near the optimum."""

import numpy as np
import pytest
from dispatch_builders import random_day

from atmr_pipeline.dispatch.kernel import pack
from atmr_pipeline.dispatch.planners import plan
from atmr_pipeline.dispatch.planners.annealing import anneal
from atmr_pipeline.dispatch.planners.linked_routes import DRIVER, link, plan_cost
from atmr_pipeline.dispatch.simulator import CostWeights, simulate
from atmr_pipeline.dispatch.synthetic import synthetic_days


def annealed(day, weights, *, moves, seed=0, hot=20.0, cold=0.2):
    packed, carried = pack(day, weights), np.zeros(day.n_drivers, dtype=np.int64)
    return anneal(packed, np.full(day.n_bookings, -1), carried, moves, hot, cold, 0.0, seed)


def in_given_order(day, by_rank):
    drivers = np.empty(day.n_bookings, dtype=np.int64)
    drivers[day.service_order] = by_rank
    return drivers


@pytest.mark.parametrize("drivers", [1, 2, 4, 9])
def test_the_cost_it_follows_is_that_of_the_simulator(drivers):
    weights = CostWeights(emergency_use=12.0)
    for seed in range(30):
        day = random_day(14, drivers, seed, tight=True)
        for moves in (1, 30, 1000):
            by_rank, cost = annealed(day, weights, moves=moves, seed=seed)
            outcome = simulate(day, in_given_order(day, by_rank), weights=weights)
            assert cost == pytest.approx(outcome.total, abs=1e-6)
            assert np.array_equal(outcome.driver >= 0, in_given_order(day, by_rank) >= 0)


def test_routes_are_linked_as_they_are_driven_and_lost_bookings_are_nobodys():
    for seed in range(20):
        day, rng = random_day(12, 3, seed), np.random.default_rng(seed)
        drivers = rng.integers(-1, 3, 12)
        packed = pack(day, CostWeights())
        routes = link(packed, drivers[day.service_order], np.zeros(3, dtype=np.int64))
        outcome = simulate(day, drivers)
        assert np.array_equal(routes.links[3:, DRIVER], outcome.driver[day.service_order])
        assert routes.loads.tolist() == [*outcome.loads, outcome.loads.min(), outcome.loads.max()]
        assert plan_cost(packed, routes) == pytest.approx(outcome.total)


def test_more_moves_are_better_on_average_and_none_is_worse_than_the_start():
    days = synthetic_days(25, seed=4)
    few, many = ([annealed(day, CostWeights(), moves=moves)[1] for day in days] for moves in (300, 30_000))
    assert np.mean(many) < 0.97 * np.mean(few)
    for day in days:
        packed, carried = pack(day, CostWeights()), np.zeros(day.n_drivers, dtype=np.int64)
        start = plan(day, "local_search")
        _, cost = anneal(packed, start.assignment[day.service_order], carried, 500, 50.0, 1.0, 0.0, 0)
        assert cost <= start.outcome.total + 1e-9


def test_the_seed_decides():
    day = random_day(25, 5, 1)
    first, again, other = (annealed(day, CostWeights(), moves=2000, seed=seed)[0] for seed in (5, 5, 6))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_within_a_tenth_of_a_per_cent_of_the_optimum_on_usual_days():
    days = synthetic_days(40, seed=21)
    proofs = [plan(day, "exact", time_limit_s=60.0) for day in days]
    assert all(proof.optimal for proof in proofs)
    best = np.array([proof.outcome.total for proof in proofs])
    found = np.array([plan(day, "anneal").outcome.total for day in days])
    assert np.all(found >= best - 1e-6)
    assert found.mean() <= 1.001 * best.mean()
