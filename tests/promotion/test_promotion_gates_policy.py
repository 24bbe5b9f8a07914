"""The gates of dispatch policies: costs, guards, floors, and what is shown without blocking."""

import math

import numpy as np
import pandas as pd
import pytest
from gate_days import policy_costs

from atmr_pipeline.dispatch.planners import plan
from atmr_pipeline.dispatch.simulator import CostWeights
from atmr_pipeline.dispatch.synthetic import synthetic_days
from atmr_pipeline.domain.errors import TableContractError
from atmr_pipeline.promotion.decide import decide
from atmr_pipeline.promotion.gates import GateVerdict, policy_gates
from atmr_pipeline.promotion.plan_figures import PlanRecorder


def by_name(verdicts: list[GateVerdict]) -> dict[str, GateVerdict]:
    return {verdict.name: verdict for verdict in verdicts}


def failed(verdicts: dict[str, GateVerdict]) -> set[str]:
    return {name for name, verdict in verdicts.items() if not verdict.passed}


def gates(costs: pd.DataFrame, **options) -> list[GateVerdict]:
    return policy_gates(costs, **({"reload_identical": True} | options))


def test_a_policy_that_beats_the_baselines_passes():
    costs = policy_costs(1)
    verdicts = by_name(gates(costs))
    assert failed(verdicts) == set()
    assert decide(list(verdicts.values())).promote


def test_a_policy_like_greedy_or_behind_its_champion_is_refused():
    like_greedy = by_name(gates(policy_costs(1, against_greedy=0.0)))
    assert "better_than_greedy" in failed(like_greedy)
    costs = policy_costs(1)
    behind = by_name(gates(costs.assign(cost_champion=costs["cost_challenger"] * 0.9)))
    assert failed(behind) == {"not_inferior_to_champion"}
    beside = by_name(gates(costs.assign(cost_champion=costs["cost_challenger"])))
    assert failed(beside) == set()


@pytest.mark.parametrize(
    ("change", "gate"),
    [
        ({"completed": 10, "completed_local_search": 10}, "completion"),
        ({"max_delay_min": 31.0}, "max_delay"),
        ({"invalid_action_rate": 0.11}, "invalid_actions"),
        ({"cost_least_loaded": 0.5}, "better_than_least_loaded"),
        ({"guards_refused": True}, "guard_refusals"),
        ({"load_gap": 2}, "load_gap_floor"),
        ({"late": 1}, "on_time_floor"),
        ({"decision_ms": 51.0}, "latency"),
        ({"cost_anchor": 0.5}, "not_inferior_to_anchor"),
    ],
)
def test_policy_guards_refuse_what_they_are_for(change, gate):
    verdicts = by_name(gates(policy_costs(1).assign(**change)))
    assert failed(verdicts) == {gate}
    assert not decide(list(verdicts.values())).promote


def test_one_day_over_the_delay_limit_is_enough():
    costs = policy_costs(1)
    costs.loc[7, "max_delay_min"] = 45.0
    verdict = by_name(gates(costs))["max_delay"]
    assert not verdict.passed
    assert verdict.detail == "largest pickup delay 45.0 min, 1 days above 30 min"


def test_local_search_is_reported_but_does_not_block():
    costs = policy_costs(1)
    verdicts = by_name(gates(costs.assign(cost_local_search=costs["cost_challenger"] * 0.9)))
    assert failed(verdicts) == {"better_than_local_search"}
    assert not verdicts["better_than_local_search"].blocking
    assert decide(list(verdicts.values())).promote


def test_too_few_policy_days_and_a_policy_that_does_not_reload():
    assert "enough_days" in failed(by_name(gates(policy_costs(1, days=10))))
    assert failed(by_name(gates(policy_costs(1), reload_identical=False))) == {"reload_identical"}


def test_learning_may_add_little_but_not_harm():
    costs = policy_costs(1)
    same = by_name(gates(costs.assign(cost_untrained=costs["cost_challenger"])))
    assert failed(same) == {"better_than_untrained"}
    assert decide(list(same.values())).promote, "a tie with the untrained network is told, and does not block"
    harmed = by_name(gates(costs.assign(cost_untrained=costs["cost_challenger"] / 1.03)))
    assert failed(harmed) == {"better_than_untrained", "not_worse_than_untrained"}
    assert not decide(list(harmed.values())).promote
    learned = by_name(gates(costs.assign(cost_untrained=costs["cost_challenger"] * 1.03)))
    assert failed(learned) == set()


def test_a_goal_that_nobody_reaches_refuses_nobody():
    hard = policy_costs(1).assign(load_gap=2, load_gap_local_search=2, late=3, late_local_search=3)
    assert failed(by_name(gates(hard))) == set()
    a_little_behind = hard.assign(late=4)
    assert failed(by_name(gates(a_little_behind))) == {"on_time_floor"}


def test_fewer_bookings_than_local_search_serves_are_refused_above_the_guards_limit_too():
    costs = policy_costs(1, days=40)
    costs.loc[:, "bookings"] = 20
    verdicts = by_name(gates(costs.assign(completed=17, completed_local_search=20)))
    assert failed(verdicts) == {"completion_floor"}
    assert verdicts["completion_floor"].threshold == pytest.approx(0.88)


def test_days_that_no_plan_can_save_are_not_held_against_the_policy():
    lost = policy_costs(1).assign(guards_refused=True, guards_refused_local_search=True)
    verdict = by_name(gates(lost))["guard_refusals"]
    assert verdict.passed
    assert verdict.detail.startswith("the guards refuse 60 of 60 plans, 0 of them")


def test_a_day_without_bookings_has_no_latency_and_no_day_has_none_at_all():
    costs = policy_costs(1)
    costs.loc[0, "decision_ms"] = np.nan
    assert by_name(gates(costs))["latency"].n == 59
    unknown = by_name(gates(costs.assign(decision_ms=np.nan)))["latency"]
    assert not unknown.passed
    assert math.isnan(unknown.value)


def test_the_running_day_is_shown_where_it_was_lived_and_never_blocks():
    costs = policy_costs(1)
    absent = by_name(gates(costs))["not_inferior_to_resolve"]
    assert (absent.verdict, absent.passed, absent.blocking) == ("not judged", True, False)
    assert "running_day_evaluation" in absent.detail
    lived = pd.DataFrame({"service_day": costs["service_day"], "cost_resolve": 70.0, "cost_hybrid": 90.0})
    dearer = by_name(gates(costs, running=lived))
    assert dearer["not_inferior_to_resolve"].verdict == "noted"
    assert decide(list(dearer.values())).promote
    assert by_name(gates(costs, running=lived.assign(cost_hybrid=70.0)))["not_inferior_to_resolve"].passed


def test_what_is_not_compared_says_why():
    verdicts = by_name(gates(policy_costs(1), missing={"anchor": "the anchor cannot plan today's days"}))
    assert verdicts["not_inferior_to_anchor"].verdict == "not judged"
    assert verdicts["not_inferior_to_anchor"].detail == "the anchor cannot plan today's days"


def test_figures_that_are_not_known_are_refused_by_name():
    with pytest.raises(TableContractError, match="guards_refused in 1 rows"):
        gates(policy_costs(1).assign(guards_refused=pd.array([None] + [False] * 59, dtype="boolean")))
    with pytest.raises(TableContractError, match="load_gap"):
        gates(policy_costs(1).drop(columns="load_gap"))


class SlowClock:
    """Each reading is half a second later: a planner that takes that long."""

    now = 0.0

    def __call__(self) -> float:
        self.now += 0.5
        return self.now


def test_the_recorder_tells_what_the_guards_and_the_clock_say_and_changes_no_plan():
    days = synthetic_days(3, seed=1)
    recorder = PlanRecorder(lambda day: plan(day, method="local_search"), CostWeights(), clock=SlowClock())
    for day in days:
        assert recorder(day).assignment.tolist() == plan(day, method="local_search").assignment.tolist()
    figures = recorder.figures()
    assert figures["day"].tolist() == [0, 1, 2]
    assert figures["decision_ms"].tolist() == pytest.approx([500.0 / day.n_bookings for day in days])
    nobody = PlanRecorder(lambda day: np.full(day.n_bookings, -1), CostWeights())
    nobody(days[0])
    assert nobody.figures()["guards_broken"].tolist() == ["completion"]
