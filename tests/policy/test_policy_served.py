"""The plan that is served: the cheapest that the guards pass, named after who made it, and what was refused."""

import numpy as np
import pytest
from policy_days import make_day
from policy_networks import disturbed_policy

from atmr_pipeline.dispatch.guards import GuardThresholds, check_plan
from atmr_pipeline.dispatch.planners import plan
from atmr_pipeline.dispatch.problem import DayProblem
from atmr_pipeline.dispatch.simulator import simulate
from atmr_pipeline.dispatch.synthetic import synthetic_days
from atmr_pipeline.models.policy.policy import DispatchPolicy
from atmr_pipeline.models.policy.polish import plan_polished, polish
from atmr_pipeline.models.policy.served import SERVED_BY, serve_day


class Stubborn(DispatchPolicy):
    """A policy that always plans the same way, whatever its network says."""

    def __init__(self, method: str) -> None:
        other = disturbed_policy()
        super().__init__(other.network, other.weights)
        self.method = method

    def plan(self, problem: DayProblem, *, beam_width: int = 1) -> np.ndarray:
        if self.method == "nobody":
            return np.full(problem.n_bookings, -1)
        return plan(problem, self.method).assignment


@pytest.mark.parametrize("method", ["nearest", "greedy", "local_search"])
def test_the_cheapest_plan_is_served_under_the_name_of_its_maker(method: str) -> None:
    policy = Stubborn(method)
    for day in synthetic_days(12, seed=4):
        served = serve_day(policy, day, beam_width=4)
        own = simulate(day, policy.plan(day)).total
        polished = simulate(day, polish(day, policy.plan(day))).total
        searched = plan(day, "local_search").outcome.total
        assert served.method in SERVED_BY
        assert served.policy_cost == pytest.approx(own)
        assert served.cost == pytest.approx(simulate(day, served.assignment).total)
        assert served.cost <= min(own, polished, searched) + 1e-6
        if not served.refused:
            assert (served.method == "policy") == (own <= served.cost + 1e-6)
        assert served.gap_to_optimum_pct is None or served.gap_to_optimum_pct >= 0.0


def test_a_refused_policy_is_told_and_replaced() -> None:
    day = make_day(np.random.default_rng(1), n_bookings=8, n_drivers=4)
    served = serve_day(Stubborn("nobody"), day, beam_width=1)
    assert served.policy_refused
    assert served.refused["policy"] == ("completion",)
    assert served.method != "policy"
    assert not served.all_refused
    assert served.refused_because.startswith("policy: completion")
    assert all(verdict.passed for verdict in check_plan(day, served.assignment))


def test_where_every_plan_breaks_a_guard_the_better_one_is_served_and_every_refusal_told() -> None:
    day = make_day(np.random.default_rng(1), n_bookings=12, n_drivers=1)
    served = serve_day(Stubborn("nobody"), day, beam_width=1)
    assert served.all_refused
    assert "policy" in served.refused
    assert len(served.refused) >= 3
    assert served.cost <= plan(day, "local_search").outcome.total + 1e-6
    assert f"{served.method}: completion" in served.refused_because


def test_the_guards_limits_are_those_that_are_given() -> None:
    day = make_day(np.random.default_rng(1), n_bookings=12, n_drivers=1)
    generous = GuardThresholds(min_completion=0.0)
    assert serve_day(disturbed_policy(), day, beam_width=1, thresholds=generous).refused_because is None


@pytest.mark.parametrize(("bookings", "drivers"), [(0, 2), (3, 0), (1, 1)])
def test_the_smallest_days(bookings: int, drivers: int) -> None:
    day = make_day(np.random.default_rng(0), n_bookings=bookings, n_drivers=drivers)
    served = serve_day(disturbed_policy(), day, beam_width=2)
    assert len(served.assignment) == bookings
    assert served.all_refused == (drivers == 0)


def test_polishing_is_never_dearer() -> None:
    for day in synthetic_days(20, seed=9):
        policy = disturbed_policy()
        own = simulate(day, policy.plan(day, beam_width=2)).total
        assert simulate(day, plan_polished(policy, day, beam_width=2)).total <= own + 1e-9
        spoilt = plan(day, "nearest").assignment
        spoilt[::3] = -1
        assert simulate(day, polish(day, spoilt)).total <= simulate(day, spoilt).total
