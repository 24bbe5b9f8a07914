"""Explanations: alternatives priced on the whole day, gradients that are slopes, rules by hand, words without names."""

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from policy_days import make_day
from policy_networks import disturbed_policy

from atmr_pipeline.dispatch.planners import plan
from atmr_pipeline.dispatch.problem import DayProblem
from atmr_pipeline.dispatch.simulator import CostWeights, simulate
from atmr_pipeline.domain.errors import InfeasiblePlanError, InvalidProblemError
from atmr_pipeline.models.policy.adviser import decisions_along
from atmr_pipeline.models.policy.environment import REWARD_SCALE
from atmr_pipeline.models.policy.explain import Decision, explain, feature_gradients
from atmr_pipeline.models.policy.explanation import RULES, WHY_NOT
from atmr_pipeline.models.policy.features import DRIVER_FEATURES, STATE_FEATURES


def street(**changes: Any) -> DayProblem:
    """A straight road, 1 km a minute: drivers 7 (regular) and 8 (emergency) at km 0 and 5, one booking at km 2."""
    values: dict[str, Any] = {
        "driver_ids": ("7", "8"), "booking_ids": ("1",), "shift_start_min": np.full(2, 480.0),
        "shift_end_min": np.full(2, 600.0), "is_emergency": np.array([False, True]), "scheduled_min": np.array([490.0]),
        "is_outbound": np.array([True]), "is_urgent": np.array([False]), "start_min": np.array([[2.0], [3.0]]),
        "start_km": np.array([[2.0], [3.0]]), "deadhead_min": np.zeros((1, 1)), "deadhead_km": np.zeros((1, 1)),
        "ride_min": np.array([10.0]), "ride_km": np.array([10.0]), "pickup_service_min": np.array([5.0]),
        "dropoff_service_min": np.array([5.0]),
    }  # fmt: skip
    return DayProblem(**values | changes)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), bookings=st.integers(1, 14), drivers=st.integers(0, 5))
def test_an_explanation_agrees_with_the_simulator(seed: int, bookings: int, drivers: int) -> None:
    rng = np.random.default_rng(seed)
    day = make_day(rng, n_bookings=bookings, n_drivers=drivers, absence_share=0.4)
    assignment = plan(day, "nearest").assignment.copy()
    assignment[rng.random(bookings) < 0.2] = -1
    booking = int(rng.integers(bookings))
    told = explain(disturbed_policy(), day, assignment, day.booking_ids[booking])
    outcome = simulate(day, assignment)
    chosen = int(assignment[booking])
    assert told.driver_id == (None if chosen < 0 else day.driver_ids[chosen])
    assert set(told.rules) <= set(RULES)
    names = [one.driver_id for one in told.alternatives]
    assert names == [name for name in (*day.driver_ids, None) if name != told.driver_id]
    for one in told.alternatives:
        changed = assignment.copy()
        changed[booking] = -1 if one.driver_id is None else day.driver_ids.index(one.driver_id)
        assert one.why_not in (None, *WHY_NOT)
        try:
            other = simulate(day, changed)
        except InfeasiblePlanError:
            assert one.cost is None
            assert one.why_not is not None
            continue
        assert one.cost == pytest.approx(other.total - outcome.total)
        assert one.deadhead_km == pytest.approx(other.deadhead_km - outcome.deadhead_km)
        assert one.lateness_min == pytest.approx(other.total_lateness_min - outcome.total_lateness_min)
        assert one.lost == other.n_lost - outcome.n_lost
    for language in ("fr", "en"):
        assert 1 <= len(told.text(language).splitlines()) <= 2  # type: ignore[arg-type]


def test_who_can_is_what_the_environment_says() -> None:
    for seed in range(6):
        day = make_day(np.random.default_rng(seed), n_bookings=10, n_drivers=4, absence_share=0.6)
        assignment = plan(day, "nearest").assignment
        decision, _ = decisions_along(day, assignment, CostWeights())
        for rank, booking in enumerate(day.service_order):
            told = explain(disturbed_policy(), day, assignment, day.booking_ids[booking])
            for one in told.alternatives[:-1]:
                driver = day.driver_ids.index(one.driver_id)
                legal = bool(decision.choice.legal[rank, driver])
                assert legal == (one.why_not in (None, "later_booking"))
                assert legal == (one.q_value is not None)


def test_gradients_are_slopes() -> None:
    policy = disturbed_policy(3)
    network = policy.network.double()
    day = make_day(np.random.default_rng(5), n_bookings=8, n_drivers=3)
    every, _ = decisions_along(day, plan(day, "greedy").assignment, CostWeights())
    row = torch.tensor([2])
    decision = Decision(
        every.driver[row], every.state[row], every.on_duty[row], every.prior[row], every.choice.take(row)
    )
    of_driver, of_state = feature_gradients(network, decision, 0, 2)

    def difference(driver: torch.Tensor, state: torch.Tensor) -> float:
        q = network(replace(decision, driver=driver, state=state))[0]
        return float(q[0] - q[2])

    step = 1e-6
    for who in range(3):
        for column in range(len(DRIVER_FEATURES)):
            up, down = decision.driver.clone(), decision.driver.clone()
            up[0, who, column] += step
            down[0, who, column] -= step
            slope = (difference(up, decision.state) - difference(down, decision.state)) / (2 * step)
            assert float(of_driver[who, column]) == pytest.approx(slope, abs=1e-6)
    for column in range(len(STATE_FEATURES)):
        up, down = decision.state.clone(), decision.state.clone()
        up[0, column] += step
        down[0, column] -= step
        slope = (difference(decision.driver, up) - difference(decision.driver, down)) / (2 * step)
        assert float(of_state[column]) == pytest.approx(slope, abs=1e-6)


def test_features_have_names_units_and_weight() -> None:
    day = make_day(np.random.default_rng(5), n_bookings=8, n_drivers=3)
    assignment = plan(day, "greedy").assignment
    told = explain(disturbed_policy(3), day, assignment, day.booking_ids[0], top=4)
    units = {feature.name: feature.unit for feature in (*DRIVER_FEATURES, *STATE_FEATURES)}
    assert len(told.features) == 4
    assert all(units[share.name] == share.unit for share in told.features)
    weights = [abs(share.cost) for share in told.features]
    assert weights == sorted(weights, reverse=True)
    assert told.learned_cost != 0.0
    by_name = {one.driver_id: one.q_value for one in told.alternatives}
    difference = REWARD_SCALE * (told.q_value - by_name[told.compared_with])
    assert told.by_rule_cost + told.learned_cost == pytest.approx(difference)


def test_a_policy_that_learned_nothing_has_no_features_to_name() -> None:
    day = make_day(np.random.default_rng(5), n_bookings=8, n_drivers=3)
    told = explain(disturbed_policy().untrained(), day, plan(day, "greedy").assignment, day.booking_ids[0])
    assert told.features == ()
    assert told.learned_cost == pytest.approx(0.0)


def test_a_plain_case_in_both_languages() -> None:
    told = explain(disturbed_policy(), street(), [0], "1")
    assert told.rules == ("time_window_kept", "shortest_way", "short_way", "regular_preferred", "load_even")
    assert told.text("en").splitlines() == [
        "Booking 1 → driver 7: on time (8 min to spare), 2.0 km empty, shortest empty way, regular driver preferred, "
        "loads even (gap 1).",
        "Instead driver 8: +0 min late, +1.0 km, cost +1.0.",
    ]
    assert told.text("fr").splitlines() == [
        "Course 1 → chauffeur 7 : à l'heure (8 min d'avance), 2,0 km à vide, trajet à vide le plus court, chauffeur "
        "régulier préféré, charges équilibrées (écart 1).",
        "Sinon chauffeur 8 : +0 min de retard, +1,0 km, coût +1,0.",
    ]


@pytest.mark.parametrize(
    ("changes", "driver", "rules", "words"),
    [
        ({"scheduled_min": np.array([480.0])}, 0, {"late"}, "2 min late"),
        ({"scheduled_min": np.array([480.0]), "is_outbound": np.array([False])}, 0, {"within_tolerance"}, "tolerated"),
        ({"shift_end_min": np.array([500.0, 600.0])}, 1, {"last_resort", "only_driver"}, "Cannot: 1 end of shift"),
        ({}, 1, {"emergency_used"}, "emergency driver, cheaper"),
        ({}, -1, {"left_out"}, "the booking is lost"),
        ({"shift_end_min": np.full(2, 485.0)}, -1, {"nobody_can"}, "Cannot: 2 end of shift"),
        ({"absences": ((1, 480.0, 600.0),)}, 0, {"only_driver"}, "Cannot: 1 away"),
        ({"start_min": np.array([[2.0], [50.0]])}, 0, {"only_driver"}, "Cannot: 1 too late"),
    ],
)
def test_rules_by_hand(changes: dict[str, Any], driver: int, rules: set[str], words: str) -> None:
    told = explain(disturbed_policy(), street(**changes), [driver], "1")
    assert rules <= set(told.rules)
    assert words in told.text("en")


def test_a_driver_who_comes_too_late_does_not_go() -> None:
    told = explain(disturbed_policy(), street(start_min=np.array([[2.0], [50.0]])), [1], "1")
    assert told.driver_id is None
    assert "left_out" in told.rules
    assert told.next_best.driver_id == "7"


def test_no_word_but_those_of_the_vocabulary_and_ids() -> None:
    day = make_day(np.random.default_rng(1), n_bookings=12, n_drivers=4)
    assignment = plan(day, "nearest").assignment
    for name in day.booking_ids:
        text = explain(disturbed_policy(), day, assignment, name).text("fr")
        assert len(text) < 320
        assert not re.search(r"lat|lon|46\.|6\.1", text)


def test_what_cannot_be_explained_is_refused() -> None:
    policy = disturbed_policy()
    with pytest.raises(InvalidProblemError, match="no booking of this id"):
        explain(policy, street(), [0], "2")
    with pytest.raises(InvalidProblemError):
        explain(policy, street(), [2], "1")
    with pytest.raises(InfeasiblePlanError):
        explain(policy, street(shift_end_min=np.full(2, 485.0)), [0], "1")
    with pytest.raises(ValueError, match="fr, en"):
        explain(policy, street(), [0], "1").text("de")  # type: ignore[arg-type]
