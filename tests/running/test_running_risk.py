"""Expected costs in closed form against many draws, and the search's arithmetic against the kernel's."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atmr_pipeline.dispatch.kernel import SHIFT_START, pack
from atmr_pipeline.dispatch.planners.exact import solve_from
from atmr_pipeline.dispatch.running import day as running
from atmr_pipeline.dispatch.running.noise import AS_EXPECTED, CERTAIN, draw
from atmr_pipeline.dispatch.running.plan import tentative, value_of
from atmr_pipeline.dispatch.running.prepared import prepare
from atmr_pipeline.dispatch.running.risk import expected_lateness, expected_wait
from atmr_pipeline.dispatch.running.search import candidate_values
from atmr_pipeline.dispatch.running.view import look, packed
from atmr_pipeline.dispatch.simulator import CostWeights, simulate
from atmr_pipeline.dispatch.synthetic import varied_days

DRAWS = 400_000


@pytest.mark.parametrize("tolerance", [0.0, 15.0])
@pytest.mark.parametrize("late", [-40.0, -10.0, 0.0, 12.0, 28.0, 45.0])
@pytest.mark.parametrize("spread", [2.0, 9.0])
def test_expected_lateness_is_the_mean_over_draws(late: float, spread: float, tolerance: float) -> None:
    lateness = late + spread * np.random.default_rng(0).standard_normal(DRAWS)
    excess = np.maximum(0.0, lateness - tolerance)
    cost = np.where(lateness > 30.0, 0.0, excess * excess / tolerance if tolerance else excess)
    minutes, lost = expected_lateness(late, spread, tolerance, 30.0)
    assert minutes == pytest.approx(cost.mean(), abs=0.05)
    assert lost == pytest.approx(np.mean(lateness > 30.0), abs=0.005)


@pytest.mark.parametrize("slack", [-20.0, -3.0, 0.0, 4.0, 25.0])
def test_expected_wait_is_the_mean_over_draws(slack: float) -> None:
    arrival = -slack + 6.0 * np.random.default_rng(0).standard_normal(DRAWS)
    begin = np.maximum(arrival, 0.0)
    wait, variance = expected_wait(slack, 36.0)
    assert -slack + wait == pytest.approx(begin.mean(), abs=0.05)
    assert variance == pytest.approx(begin.var(), abs=0.2)


def morning_view(seed: int, beliefs: np.ndarray):
    problem = varied_days(1, seed=seed, drivers=(1, 5))[0]
    day = pack(problem, CostWeights())
    return problem, look(day, draw(problem, CERTAIN, np.random.default_rng(0)), running.start(day), 0, -np.inf, beliefs)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**31))
def test_a_plan_is_priced_as_the_simulator_prices_it(seed: int) -> None:
    problem, view = morning_view(seed, AS_EXPECTED)
    day = prepare(view)
    drivers = np.random.default_rng(seed).integers(-1, problem.n_drivers, problem.n_bookings)
    plan = tentative(day, drivers[problem.service_order])
    assignment = np.empty(problem.n_bookings, dtype=np.int64)
    assignment[problem.service_order] = plan.owner
    assert value_of(day, plan) == pytest.approx(simulate(problem, assignment).total, abs=1e-6)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**31))
def test_values_of_candidates_are_those_of_their_plans_and_never_below_the_optimum(seed: int) -> None:
    problem, view = morning_view(seed, AS_EXPECTED)
    day = prepare(view)
    values, plans = candidate_values(view, day, 2)
    _, optimum, proven, _ = solve_from(
        packed(view), 0, np.arange(problem.n_drivers), view.drivers[:, SHIFT_START], view.loads
    )
    for row in np.flatnonzero(np.isfinite(values)):
        assert values[row] == pytest.approx(value_of(day, tentative(day, plans[row])), abs=1e-6)
        assert not proven or values[row] >= optimum - 1e-6
