"""Who is offered for a risky course, who is not and why, and what the rest of the day has to do with it."""

from dataclasses import replace
from typing import Any

import pandas as pd
import pytest
from reassignment_day import DAY, EMERGENCY, LATE, NOW, PUNCTUAL, TRAVEL, HabitAndChain, Scene, question

from atmr_pipeline.domain.errors import TableContractError
from atmr_pipeline.features.delay import delay_features
from atmr_pipeline.models.delay.reassignment import (
    BetterDriver,
    EmergencyUse,
    ReassignmentParams,
    Refusal,
    duty_day,
    find_better_driver,
)
from atmr_pipeline.models.delay.reassignment.availability import Availability, PlanCheck
from atmr_pipeline.models.delay.reassignment.scoring import expected_lateness_min

ANY_GAP = ReassignmentParams(max_load_gap_increase=None)
ONE_COURSE = Scene([(10.0, LATE, 0.0)])


def ask(scene: Scene, params: ReassignmentParams = ANY_GAP, assignment_id: int = 10) -> BetterDriver:
    return find_better_driver(HabitAndChain(), scene.tables(), assignment_id, params=params, **question())


def available(scene: Scene, params: ReassignmentParams = ANY_GAP, assignment_id: int = 10) -> Availability:
    day = duty_day(scene.tables(), 1, DAY.date(), TRAVEL)
    return PlanCheck(day, {}, params).candidates(assignment_id, LATE)


def reasons(answer: BetterDriver) -> dict[int | None, str]:
    return dict(zip(answer.refused["driver_id"], answer.refused["reason"], strict=True))


def test_the_punctual_driver_is_offered_and_the_gain_is_what_the_model_says() -> None:
    answer = ask(ONE_COURSE)
    assert answer.best_driver_id == PUNCTUAL
    offer = answer.candidates.iloc[0]
    assert offer["expected_delay_before_min"] == pytest.approx(9.0)
    assert offer["expected_delay_after_min"] == pytest.approx(0.0, abs=1e-9)
    before, after = expected_lateness_min(
        pd.DataFrame({"expected_delay_min": [9.0, 0.0], "low_min": [4.0, -5.0], "high_min": [14.0, 5.0]})
    )
    assert offer["gain_min"] == pytest.approx(before - after)
    assert offer["knock_on_min"] == pytest.approx(0.0, abs=1e-9)
    assert reasons(answer) == {EMERGENCY: "emergency_reserved"}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"drivers": {PUNCTUAL: {"is_active": False}}}, Refusal.INACTIVE),
        ({"drivers": {PUNCTUAL: {"is_available": False}}}, Refusal.UNAVAILABLE),
        ({"drivers": {PUNCTUAL: {"lat": None}}}, Refusal.NO_POSITION),
        ({"shifts": {LATE: (6.5, 19.5), EMERGENCY: (6.5, 19.5)}}, Refusal.OFF_SHIFT),
        ({"shifts": {LATE: (6.5, 19.5), PUNCTUAL: (10.1, 19.5), EMERGENCY: (6.5, 19.5)}}, Refusal.OFF_SHIFT),
        ({"shifts": {LATE: (6.5, 19.5), PUNCTUAL: (6.5, 10.2), EMERGENCY: (6.5, 19.5)}}, Refusal.OFF_SHIFT),
        ({"absences": {PUNCTUAL: (10.1, 11.0)}}, Refusal.ABSENT),
        ({"absences": {PUNCTUAL: (-60.0, 60.0)}}, Refusal.ABSENT),
    ],
)
def test_a_driver_who_cannot_come_is_not_available(changes: dict[str, Any], reason: Refusal) -> None:
    answer = available(replace(ONE_COURSE, **changes))
    assert answer.refused[PUNCTUAL] == reason
    assert answer.available == (EMERGENCY,)


def test_an_absence_that_ends_before_the_course_does_not_matter() -> None:
    assert available(replace(ONE_COURSE, absences={PUNCTUAL: (8.0, 9.5)})).available == (PUNCTUAL,)


def test_a_driver_of_whom_less_is_known_is_not_offered() -> None:
    answer = ask(replace(ONE_COURSE, without_history=(PUNCTUAL,)))
    assert reasons(answer)[PUNCTUAL] == Refusal.LESS_KNOWN
    assert answer.candidates.empty


def test_a_course_that_overlaps_with_travel_is_refused() -> None:
    # 12 min of service and 4 min of ride end at 9:56; the way back of 2 km takes longer than the 4 minutes left.
    overlap = Scene([(10.0, LATE, 0.0), (9.0 + 40 / 60, PUNCTUAL, 0.0)])
    assert available(overlap).refused[PUNCTUAL] == Refusal.OVERLAPS
    room = Scene([(10.0, LATE, 0.0), (9.5, PUNCTUAL, 0.0)])
    assert available(room).available == (PUNCTUAL,)


def test_a_course_that_would_make_the_next_one_late_is_refused() -> None:
    tight = Scene([(10.0, LATE, 0.0), (10.25, PUNCTUAL, 0.0)])
    assert available(tight).refused[PUNCTUAL] == Refusal.OVERLAPS


def test_a_driver_whose_other_course_cannot_be_placed_is_not_available() -> None:
    scene = Scene([(10.0, LATE, 0.0), (15.0, PUNCTUAL, 0.0)], unplaced=(1,))
    assert available(scene).refused[PUNCTUAL] == Refusal.UNPLACED_COURSE


def test_limits_of_courses_and_of_the_load_gap() -> None:
    scene = Scene([(10.0, LATE, 0.0), (13.0, PUNCTUAL, 0.0), (15.0, PUNCTUAL, 0.0)])
    assert available(scene, replace(ANY_GAP, max_courses=2)).refused[PUNCTUAL] == Refusal.OVER_LIMIT
    assert available(scene, ReassignmentParams()).refused[PUNCTUAL] == Refusal.LOAD_GAP
    assert available(scene, replace(ANY_GAP, max_courses=3)).available == (PUNCTUAL,)


def test_the_emergency_driver_is_the_last_resort() -> None:
    nobody_else = replace(ONE_COURSE, drivers={PUNCTUAL: {"is_active": False}})
    assert ask(nobody_else).best_driver_id == EMERGENCY
    never = available(nobody_else, replace(ANY_GAP, emergency=EmergencyUse.NEVER))
    assert never.refused == {PUNCTUAL: "inactive", EMERGENCY: "emergency_reserved"}
    assert available(ONE_COURSE, replace(ANY_GAP, emergency=EmergencyUse.ALWAYS)).available == (PUNCTUAL, EMERGENCY)


def test_fairness_alone_does_not_call_in_an_emergency_driver() -> None:
    scene = Scene([(10.0, LATE, 0.0), (13.0, PUNCTUAL, 0.0), (15.0, PUNCTUAL, 0.0)])
    assert available(scene, ReassignmentParams()).refused == {PUNCTUAL: "load_gap", EMERGENCY: "emergency_reserved"}


def test_every_other_driver_is_offered_or_refused_once() -> None:
    answer = ask(Scene([(10.0, LATE, 0.0), (13.0, PUNCTUAL, 0.0), (10.0, EMERGENCY, 3.0)]))
    seen = [*answer.candidates["to_driver_id"], *answer.refused["driver_id"]]
    assert sorted(seen) == [PUNCTUAL, EMERGENCY]


def test_the_knock_on_is_the_rest_of_the_day_under_the_changed_plan() -> None:
    # Taking the 10:00 course makes the punctual driver's 10:15 late, and frees the late driver's own 10:20.
    scene = Scene([(10.0, LATE, 0.0), (10.25, PUNCTUAL, 4.0), (10.0 + 20 / 60, LATE, 6.0)])
    relaxed = replace(ANY_GAP, max_planned_lateness_min=60.0)
    offer = ask(scene, relaxed).candidates.set_index("to_driver_id").loc[PUNCTUAL]
    tables = scene.tables()
    changed = tables.sources.assignments.copy()
    changed.loc[changed["assignment_id"] == 10, "driver_id"] = PUNCTUAL
    totals = []
    for assignments in (tables.sources.assignments, changed):
        ahead = assignments[assignments["service_day"] == DAY].sort_values("assignment_id")
        decisions = ahead[["assignment_id", "booking_id", "driver_id"]].assign(decided_at=NOW).reset_index(drop=True)
        features = delay_features(decisions, replace(tables.sources, assignments=assignments))
        totals.append(expected_lateness_min(HabitAndChain().predict(features[HabitAndChain.feature_names_])))
    saved = totals[0] - totals[1]
    assert offer["gain_min"] == pytest.approx(saved.sum())
    assert offer["own_gain_min"] == pytest.approx(saved[0])
    assert offer["knock_on_min"] == pytest.approx(saved[1] + saved[2])
    assert saved[1] < -1.0
    assert saved[2] > 1.0


def test_a_course_as_such_may_be_left_alone() -> None:
    soon = find_better_driver(
        HabitAndChain(), ONE_COURSE.tables(), 10,
        **question(decided_at=pd.Timestamp("2026-03-10 08:45", tz="UTC")),
    )  # fmt: skip
    assert list(soon.refused["reason"]) == ["too_soon"]
    nobody = ask(Scene([(10.0, None, 0.0)]))
    assert list(nobody.refused["reason"]) == ["no_driver"]
    unplaced = ask(Scene([(10.0, LATE, 0.0), (11.0, LATE, 0.0)], unplaced=(0,)))
    assert list(unplaced.refused["reason"]) == ["course_not_placed"]
    assert unplaced.refused["driver_id"].isna().all()


def test_an_assignment_that_is_not_open_is_a_typed_error() -> None:
    tables = ONE_COURSE.tables()
    with pytest.raises(TableContractError, match="has begun"):
        find_better_driver(HabitAndChain(), tables, 1000, **question())
    with pytest.raises(TableContractError, match="not in the tables"):
        find_better_driver(HabitAndChain(), tables, 99_999, **question())
