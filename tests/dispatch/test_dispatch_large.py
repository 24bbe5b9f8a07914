"""Days as large as planners are meant for: feasible, repeatable, and in the order of quality that is claimed."""

import numpy as np
import pytest

from atmr_pipeline.dispatch.kernel import pack
from atmr_pipeline.dispatch.planners import plan
from atmr_pipeline.dispatch.planners.annealing import anneal
from atmr_pipeline.dispatch.simulator import CostWeights, simulate
from atmr_pipeline.dispatch.synthetic import synthetic_day

BOOKINGS, DRIVERS = 200, 45


@pytest.fixture(scope="module")
def day():
    return synthetic_day(np.random.default_rng(17), n_bookings=BOOKINGS, n_drivers=DRIVERS)


def test_better_methods_are_better_on_a_large_day(day):
    cost = {method: plan(day, method).outcome.total for method in ("greedy", "insertion", "local_search", "anneal")}
    assert cost["local_search"] < 0.8 * min(cost["greedy"], cost["insertion"])
    assert cost["anneal"] < 0.98 * cost["local_search"]


def test_evenness_leads_the_loads_of_many_drivers_together(day):
    packed, carried = pack(day, CostWeights()), np.zeros(DRIVERS, dtype=np.int64)
    start = plan(day, "insertion").assignment[day.service_order]
    gaps = []
    for evenness in (0.0, 3.0):
        by_rank, _ = anneal(packed, start, carried, 300_000, 5.0, 0.1, evenness, 9)
        drivers = np.empty(BOOKINGS, dtype=np.int64)
        drivers[day.service_order] = by_rank
        gaps.append(simulate(day, drivers).load_gap)
    assert gaps[1] <= 1 < gaps[0]


def test_exact_gives_up_in_time_with_a_plan_and_a_bound(day):
    result = plan(day, "exact", time_limit_s=0.0)
    assert result.optimal is False
    assert 0.5 * result.outcome.total < result.bound < result.outcome.total
    assert simulate(day, result.assignment).total == pytest.approx(result.outcome.total)


def test_annealing_a_large_day_repeats_itself(day):
    packed, carried = pack(day, CostWeights()), np.zeros(DRIVERS, dtype=np.int64)
    start = plan(day, "insertion").assignment[day.service_order]
    runs = [anneal(packed, start, carried, 50_000, 5.0, 0.1, 3.0, 9) for _ in range(2)]
    assert np.array_equal(runs[0][0], runs[1][0])
    assert runs[0][1] == runs[1][1]
