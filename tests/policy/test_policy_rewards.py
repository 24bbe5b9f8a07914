"""Reward profiles: hand cases of the company's, refusals, and days that are the sum of their steps."""

import numpy as np
import pytest
from policy_days import make_day

from atmr_pipeline.dispatch.planners import plan
from atmr_pipeline.dispatch.simulator import simulate
from atmr_pipeline.domain.errors import InvalidProblemError
from atmr_pipeline.models.policy.rewards import (
    CompanyReward,
    CostReward,
    deadhead_km_by_booking,
    reward_profile,
)


@pytest.mark.parametrize(
    ("late_min", "outbound", "share"),
    [(0, True, 1), (0.5, True, 0), (29, True, 0), (0, False, 1), (15, False, 1), (22.5, False, 0.5), (30, False, 0)],
)
def test_punctuality_is_strict_outbound_and_falls_for_returns(late_min: float, outbound: bool, share: float) -> None:
    assert CompanyReward().punctuality(late_min, outbound) == pytest.approx(share)


def test_a_booking_earns_punctuality_and_pays_the_logarithm_of_its_way() -> None:
    company = CompanyReward(punctual=3.0, distance=2.0, distance_scale_km=1.0, lost=4.0)
    assert company.booking(0.0, True, False, np.e - 1.0) == pytest.approx(3.0 - 2.0)
    assert company.booking(0.0, True, True, 0.0) == pytest.approx(6.0)
    assert company.booking(None, True, False, 0.0) == -4.0
    assert company.booking(None, False, True, 0.0) == -8.0


def test_unevenness_is_the_mean_deviation_of_the_loads() -> None:
    company = CompanyReward(equity=2.0)
    assert company.unevenness(np.array([4, 0, 2])) == pytest.approx(2.0 * 4.0 / 3.0)
    assert company.unevenness(np.array([3, 3])) == 0.0
    assert company.unevenness(np.array([], dtype=np.int64)) == 0.0


def test_a_day_scores_its_parts() -> None:
    day = make_day(np.random.default_rng(4), n_bookings=9, n_drivers=3)
    outcome = simulate(day, plan(day, "nearest").assignment)
    only = dict.fromkeys(("punctual", "lost", "distance", "equity"), 0.0)
    assert CompanyReward(**only | {"equity": 1.0}).day(day, outcome) == pytest.approx(
        -np.abs(outcome.loads - outcome.loads.mean()).mean()
    )
    km = deadhead_km_by_booking(day, outcome)
    assert km.sum() == pytest.approx(outcome.deadhead_km)
    assert CompanyReward(**only | {"distance": 1.0}).day(day, outcome) == pytest.approx(-np.log1p(km).sum())
    nobody = simulate(day, np.full(9, -1))
    lost = CompanyReward(**only | {"lost": 1.0}).day(day, nobody)
    assert lost == pytest.approx(-(9 + day.is_urgent.sum()))


def test_a_better_day_scores_higher_under_both_profiles() -> None:
    for seed in range(5):
        day = make_day(np.random.default_rng(seed), n_bookings=14, n_drivers=4)
        good, bad = plan(day, "local_search").outcome, simulate(day, np.full(14, -1))
        for profile in (CostReward(), CompanyReward()):
            assert profile.day(day, good) > profile.day(day, bad)


def test_profiles_are_asked_for_by_name() -> None:
    assert reward_profile("cost") == CostReward()
    assert reward_profile("company") == CompanyReward()
    mine = CompanyReward(lost=9.0)
    assert reward_profile(mine) is mine
    with pytest.raises(ValueError, match="choose one of cost, company"):
        reward_profile("kindness")


@pytest.mark.parametrize(
    "wrong", [{"lost": -1.0}, {"equity": float("nan")}, {"distance_scale_km": 0.0}, {"return_full_min": 30.0}]
)
def test_nonsense_weights_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(InvalidProblemError):
        CompanyReward(**wrong)
