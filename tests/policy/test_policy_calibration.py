"""Confidence in a change: its noise, its agreement with the simulator, and that .8 means 80 of 100 on fresh days."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from policy_days import make_day

from atmr_pipeline.dispatch.planners import plan
from atmr_pipeline.dispatch.problem import DayProblem
from atmr_pipeline.dispatch.simulator import CostWeights, simulate
from atmr_pipeline.dispatch.synthetic import synthetic_days
from atmr_pipeline.domain.errors import InvalidProblemError
from atmr_pipeline.models.policy.calibration import ExecutionNoise, confidence_of, noisy_costs

STILL = ExecutionNoise(0.0, 0.0)
WEIGHTS = CostWeights(empty_km=1.3, lost=97.7, load_gap=7.3, emergency_use=11.1)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), bookings=st.integers(0, 20), drivers=st.integers(1, 5))
def test_without_noise_a_plan_costs_what_the_simulator_says(seed: int, bookings: int, drivers: int) -> None:
    rng = np.random.default_rng(seed)
    day = make_day(rng, n_bookings=bookings, n_drivers=drivers, absence_share=0.3)
    assignment = rng.integers(-1, drivers, size=bookings)
    expected = simulate(day, assignment, weights=WEIGHTS, enforce_shifts=False).total
    found = noisy_costs(day, assignment, weights=WEIGHTS, noise=STILL, draws=2, seed=seed)
    assert found == pytest.approx([expected, expected], abs=1e-9)


def test_noise_has_mean_one_and_the_spread_that_is_asked_for() -> None:
    # One driver, one way of 20 min to a booking due at once that is never lost: the cost is the way's minutes.
    one = DayProblem(
        driver_ids=("1",), booking_ids=("1",), shift_start_min=np.zeros(1), shift_end_min=np.full(1, 600.0),
        is_emergency=np.zeros(1, dtype=bool), scheduled_min=np.zeros(1), is_outbound=np.ones(1, dtype=bool),
        is_urgent=np.zeros(1, dtype=bool), start_min=np.full((1, 1), 20.0), start_km=np.zeros((1, 1)),
        deadhead_min=np.zeros((1, 1)), deadhead_km=np.zeros((1, 1)), ride_min=np.ones(1), ride_km=np.ones(1),
        pickup_service_min=np.ones(1), dropoff_service_min=np.ones(1),
    )  # fmt: skip
    weights = CostWeights(lost_after_min=1e6)
    minutes = noisy_costs(one, [0], weights=weights, noise=ExecutionNoise(0.4, 0.0), draws=40_000, seed=3)
    logarithm = np.log(minutes / 20.0)
    assert minutes.mean() == pytest.approx(20.0, rel=0.01)
    assert logarithm.std() == pytest.approx(0.4, rel=0.02)
    assert logarithm.mean() == pytest.approx(-0.08, abs=0.01)
    assert abs(np.corrcoef(minutes[1:], minutes[:-1])[0, 1]) < 0.02


def test_the_same_draws_for_every_plan() -> None:
    day = make_day(np.random.default_rng(2), n_bookings=10, n_drivers=3)
    plans = [plan(day, method).assignment for method in ("nearest", "local_search")]
    costs = [noisy_costs(day, assignment, draws=100, seed=1) for assignment in plans]
    assert np.array_equal(costs[0], noisy_costs(day, plans[0], draws=100, seed=1))
    assert not np.array_equal(costs[0], noisy_costs(day, plans[0], draws=100, seed=2))
    assert np.array_equal(noisy_costs(day, plans[0], draws=40, seed=1), costs[0][:40])
    # Moving a booking to nobody leaves the ways of the other drivers as they were.
    alone = np.where(plans[1] == 0, 0, -1)
    lost_one = alone.copy()
    lost_one[np.flatnonzero(alone == 0)[-1]] = -1
    free = CostWeights(empty_km=0.0, load_gap=0.0, lost=0.0, lost_urgent=0.0)
    earlier = noisy_costs(day, lost_one, draws=100, seed=1, weights=free)
    assert (earlier <= noisy_costs(day, alone, draws=100, seed=1, weights=free) + 1e-9).all()


def test_confidence_is_modest() -> None:
    costs = np.arange(8.0)
    assert confidence_of(costs, costs) == pytest.approx(0.9)
    assert confidence_of(costs, costs + 1.0) == pytest.approx(0.1)


def test_confidence_is_what_fresh_days_show() -> None:
    said, seen = [], []
    for seed, day in enumerate(synthetic_days(60, seed=11)):
        rng = np.random.default_rng(seed)
        base = plan(day, "greedy").assignment
        if day.n_drivers < 2:
            continue
        for booking in rng.permutation(day.n_bookings)[:6]:
            changed = base.copy()
            changed[booking] = rng.integers(day.n_drivers)
            if changed[booking] == base[booking]:
                continue
            said.append(confidence_of(*(noisy_costs(day, one, draws=200, seed=seed) for one in (base, changed))))
            fresh = [noisy_costs(day, one, draws=1000, seed=1_000_000 + seed) for one in (base, changed)]
            seen.append((fresh[1] <= fresh[0] + 1e-9).mean())
    said_of, seen_of = np.array(said), np.array(seen)
    assert len(said_of) > 150
    assert np.abs(said_of - seen_of).mean() < 0.03
    sure = said_of >= 0.8
    assert sure.sum() > 20
    assert seen_of[sure].mean() >= 0.8
    for low, high in ((0.0, 0.2), (0.2, 0.5), (0.5, 0.8), (0.8, 1.0)):
        inside = (said_of >= low) & (said_of < high)
        if inside.sum() >= 10:
            assert abs(said_of[inside].mean() - seen_of[inside].mean()) < 0.03


@pytest.mark.parametrize("wrong", [{"travel_sigma": -0.1}, {"service_sigma": float("nan")}])
def test_nonsense_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(InvalidProblemError):
        ExecutionNoise(**wrong)
    with pytest.raises(InvalidProblemError):
        noisy_costs(make_day(np.random.default_rng(0), n_bookings=3), [0, 1], draws=3)
