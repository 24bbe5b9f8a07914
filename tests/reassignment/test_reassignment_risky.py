"""A day's risky courses: which changes are made, in what order, and when nothing is changed."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from reassignment_day import (
    DAY,
    EMERGENCY,
    LATE,
    NOW,
    PUNCTUAL,
    SURE,
    TRAVEL,
    HabitAndChain,
    Scene,
    day_question,
    shuffled,
)

from atmr_pipeline.dispatch.guards import check_plan
from atmr_pipeline.domain.errors import SettingsError, SourceError
from atmr_pipeline.models.delay import DelayModel
from atmr_pipeline.models.delay.reassignment import (
    Reassignment,
    ReassignmentParams,
    days_ahead,
    duty_day,
    reassign_days_ahead,
    reassign_risky,
)

ANY_GAP = ReassignmentParams(max_load_gap_increase=None)
BUSY = Scene([(8.0, LATE, 0.0), (10.0, LATE, 1.0), (12.0, LATE, 2.0), (15.0, LATE, 0.0), (17.0, PUNCTUAL, 1.0)])


def asked(params: ReassignmentParams = ANY_GAP, scene: Scene = BUSY, **changes: object) -> Reassignment:
    return reassign_risky(HabitAndChain(), scene.tables(), params=params, **day_question(**changes))


@pytest.fixture(scope="module")
def busy() -> Reassignment:
    return asked()


def test_changes_come_one_by_one_up_to_their_limit(busy: Reassignment) -> None:
    assert len(busy.suggestions) == ANY_GAP.max_changes
    assert busy.suggestions["assignment_id"].is_unique
    assert set(busy.suggestions["to_driver_id"]) == {PUNCTUAL}
    assert set(busy.suggestions["from_driver_id"]) == {LATE}
    assert set(busy.suggestions["reason"]) == {"expected_delay+p_late"}
    assert busy.refused_by_reason() == {"changes_used_up": 1}
    assert (busy.days, busy.scored, busy.risky, busy.fallbacks) == (1, 5, 4, ())


def test_the_changed_plan_is_feasible_and_breaks_no_guard(busy: Reassignment) -> None:
    day = duty_day(BUSY.tables(), 1, DAY.date(), TRAVEL)
    assert day.problem is not None
    changes = dict(zip(busy.suggestions["assignment_id"], busy.suggestions["to_driver_id"], strict=True))
    assert all(verdict.passed for verdict in check_plan(day.problem, day.with_changes(changes)))


def test_the_load_gap_is_not_widened_by_default() -> None:
    result = asked(ReassignmentParams())
    # 4, 1 and 0 courses become 3, 2, 0 and 2, 3, 0; a third change would widen the gap to 4.
    assert len(result.suggestions) == 2
    assert result.refused_by_reason() == {"emergency_reserved": 2, "load_gap": 2}


def test_nothing_is_changed_for_a_small_gain() -> None:
    result = asked(replace(ANY_GAP, min_gain_min=60.0))
    assert result.suggestions.empty
    assert set(result.refused_by_reason()) == {"emergency_reserved", "gain_too_small"}


def test_a_gain_that_cannot_be_counted_on_is_no_reason() -> None:
    unsure = asked(reliability=replace(SURE, low=0.1))
    assert unsure.suggestions.empty
    assert unsure.refused_by_reason()["not_confident"] == 4
    worthless = asked(reliability=replace(SURE, low=-0.5))
    assert worthless.suggestions.empty


def test_no_change_is_allowed() -> None:
    off = asked(replace(ANY_GAP, max_changes=0))
    assert off.suggestions.empty
    assert off.refused_by_reason() == {"changes_used_up": 4}


def test_rows_in_any_order_give_the_same(busy: Reassignment) -> None:
    again = reassign_risky(HabitAndChain(), shuffled(BUSY.tables(), 3), params=ANY_GAP, **day_question())
    pd.testing.assert_frame_equal(again.suggestions, busy.suggestions)
    pd.testing.assert_frame_equal(again.refused, busy.refused)


def test_what_happens_after_the_decision_changes_nothing() -> None:
    earlier = NOW - pd.Timedelta(days=4)
    tables = BUSY.tables()
    planned = tables.sources.assignments.copy()
    planned.loc[planned["service_day"] == DAY, "created_at"] = earlier - pd.Timedelta(days=1)
    wild = planned.copy()
    later = wild["actual_dropoff_at"] > earlier
    assert later.sum() > 10
    wild.loc[later, "actual_pickup_at"] -= pd.Timedelta(hours=1)
    answers = [
        reassign_risky(
            HabitAndChain(), replace(tables, sources=replace(tables.sources, assignments=table)), params=ANY_GAP,
            **day_question(decided_at=earlier),
        )
        for table in (planned, wild)
    ]  # fmt: skip
    assert len(answers[0].suggestions) == 3
    pd.testing.assert_frame_equal(answers[0].suggestions, answers[1].suggestions)


class NoAnswer:
    """A travel service that is down."""

    def matrix(self, *_: object, **__: object) -> None:
        raise SourceError("the travel service does not answer")


def test_a_typed_error_ends_in_no_change_and_says_why() -> None:
    unfitted = reassign_risky(DelayModel(), BUSY.tables(), **day_question())
    assert unfitted.suggestions.empty
    assert unfitted.fallbacks[0][2].startswith("NotFittedError: ")
    rng = np.random.default_rng(1)
    other = pd.DataFrame({"something_else": rng.normal(size=400)})
    decided = pd.Series(pd.date_range("2025-01-01", periods=400, freq="8h", tz="UTC"))
    stranger = DelayModel().fit(other, pd.Series(rng.normal(size=400)), decided)
    mismatch = reassign_risky(stranger, BUSY.tables(), **day_question())
    assert mismatch.suggestions.empty
    assert "something_else" in mismatch.fallbacks[0][2]
    down = reassign_risky(HabitAndChain(), BUSY.tables(), **day_question(travel=NoAnswer()))
    assert down.fallbacks == ((1, "2026-03-10", "SourceError: the travel service does not answer"),)
    assert list(down.suggestions.columns) == list(unfitted.suggestions.columns)


def test_without_evidence_about_its_gains_no_model_changes_anything() -> None:
    rng = np.random.default_rng(1)
    decided = pd.Series(pd.date_range("2025-01-01", periods=400, freq="8h", tz="UTC"))
    model = DelayModel().fit(pd.DataFrame({"x": rng.normal(size=400)}), pd.Series(rng.normal(size=400)), decided)
    nothing = pd.DataFrame({"decided_at": decided.iloc[:0], "service_day": pd.Series([], dtype="datetime64[us]")})
    result = reassign_days_ahead(model, nothing, BUSY.tables(), travel=TRAVEL, decided_at=NOW)
    assert result.suggestions.empty
    assert result.reliability is None
    assert result.fallbacks[0][2].startswith("NotEnoughDataError: ")


def test_days_ahead_are_those_with_something_left_to_drive() -> None:
    tables = BUSY.tables()
    assert days_ahead(tables, NOW) == [(1, DAY.date())]
    assert days_ahead(tables, pd.Timestamp("2026-03-10 23:00", tz="UTC")) == []


def test_a_day_without_shifts_has_nobody_to_offer() -> None:
    result = asked(scene=replace(BUSY, shifts={}))
    assert result.suggestions.empty
    assert result.refused_by_reason() == {"course_not_placed": 4}


def test_emergency_drivers_are_not_called_in_for_comfort() -> None:
    result = asked(replace(ANY_GAP, max_changes=10))
    assert EMERGENCY not in set(result.suggestions["to_driver_id"])


@pytest.mark.parametrize(
    "wrong",
    [{"risky_p_late": 1.5}, {"min_gain_min": -1.0}, {"max_changes": -1}, {"max_courses": 0}, {"emergency": "maybe"},
     {"risky_expected_delay_min": float("nan")}, {"max_load_gap_increase": -1}, {"evaluated_candidates": 0}],
)  # fmt: skip
def test_parameters_outside_their_range_are_refused_by_name(wrong: dict[str, object]) -> None:
    with pytest.raises(SettingsError, match=next(iter(wrong))):
        ReassignmentParams(**wrong)  # type: ignore[arg-type]
