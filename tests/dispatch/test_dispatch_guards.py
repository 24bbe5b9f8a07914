"""Guards refuse a plan for its delay, its invalid assignments or its unserved bookings."""

import numpy as np
import pytest
from dispatch_builders import line_day, random_day

from atmr_pipeline.dispatch.guards import GuardThresholds, check_plan
from atmr_pipeline.dispatch.planners import plan
from atmr_pipeline.domain.errors import InvalidProblemError


def verdicts(day, assignment, **options):
    return {verdict.name: verdict for verdict in check_plan(day, assignment, **options)}


def test_a_good_plan_passes_every_guard():
    found = verdicts(line_day(), [0, 1, 1])
    assert [(v.value, v.passed) for v in found.values()] == [(0.0, True), (0.0, True), (1.0, True)]
    assert list(found) == ["max_delay_min", "invalid_actions", "completion"]


def test_a_plan_that_comes_too_late_is_measured_as_driven():
    day = line_day(scheduled_min=np.array([490.0, 491.0, 530.0]))
    found = verdicts(day, [0, 0, 1])
    assert found["max_delay_min"].value == 34.0
    assert not found["max_delay_min"].passed
    assert found["invalid_actions"].value == pytest.approx(1 / 3)
    assert found["completion"].value == pytest.approx(2 / 3)
    assert found["max_delay_min"].reason() == "max_delay_min 34 breaks its limit 30"


def test_a_delay_on_the_limit_passes():
    day = line_day(scheduled_min=np.array([490.0, 495.0, 530.0]))
    assert all(verdict.passed for verdict in check_plan(day, [0, 0, 1]))


@pytest.mark.parametrize(
    "changes",
    [{"shift_end_min": np.array([600.0, 544.0])}, {"absences": ((1, 540.0, 550.0),)}],
    ids=["shift", "absence"],
)
def test_service_outside_duty_is_invalid(changes):
    found = verdicts(line_day(**changes), [0, 1, 1])
    assert found["invalid_actions"].value == pytest.approx(1 / 3)
    assert not found["invalid_actions"].passed
    assert not found["completion"].passed


def test_a_driver_that_does_not_exist_is_invalid():
    found = verdicts(line_day(), [0, 5, -2])
    assert found["invalid_actions"].value == pytest.approx(2 / 3)
    assert found["completion"].value == pytest.approx(1 / 3)


def test_unassigned_bookings_are_incomplete_but_not_invalid():
    found = verdicts(line_day(), [0, -1, 1])
    assert found["invalid_actions"].passed
    assert found["completion"].value == pytest.approx(2 / 3)
    assert not found["completion"].passed
    assert all(v.passed for v in check_plan(line_day(), [0, -1, 1], thresholds=GuardThresholds(min_completion=0.6)))


def test_empty_days():
    assert all(verdict.passed for verdict in check_plan(random_day(0, 2, 0), []))
    assert not verdicts(random_day(3, 0, 0), [-1, -1, -1])["completion"].passed


def test_planners_pass_the_first_two_guards_on_tight_days():
    for seed in range(10):
        day = random_day(12, 4, seed, tight=True)
        found = verdicts(day, plan(day, "local_search").assignment)
        assert found["max_delay_min"].passed
        assert found["invalid_actions"].value == 0.0


@pytest.mark.parametrize("assignment", [[0, 1], [0.5, 1.0, 1.0]])
def test_refuses_a_malformed_assignment(assignment):
    with pytest.raises(InvalidProblemError, match="must be 3 integers"):
        check_plan(line_day(), assignment)
