"""A change of level: how it is estimated, what was known when, and that courses are learned as if it were not there."""

from datetime import date, timedelta
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from delay_world import FEATURES
from hypothesis import given
from hypothesis import strategies as st

from atmr_pipeline.models.delay import DelayModel, DelayParams
from atmr_pipeline.models.delay.level import (
    LevelChange,
    Levels,
    LevelStep,
    estimated_levels,
    in_order,
    level_as_known,
    shrunk_level,
)
from atmr_pipeline.models.delay.training import train_delay_model

QUICK = DelayParams(candidates=("spline_ridge", "xgboost"))
START = date(2026, 3, 2)


def days_of(*numbers: int) -> np.ndarray:
    return np.array([np.datetime64(START + timedelta(days=number)) for number in numbers])


def change(day: int, known: int | None = None) -> LevelChange:
    return LevelChange(START + timedelta(days=day), START + timedelta(days=day if known is None else known))


def history_of(per_day: int, n_days: int) -> pd.DataFrame:
    days = pd.to_datetime(np.repeat(days_of(*range(n_days)), per_day))
    return pd.DataFrame({"service_day": days, "known_at": (days + pd.Timedelta(hours=15)).tz_localize("UTC")})


def test_a_level_nobody_has_seen_is_none() -> None:
    assert shrunk_level(np.array([]), days_of(), 3.0) == 0.0


def test_many_days_say_their_mean_and_few_say_less() -> None:
    many = np.repeat(days_of(*range(60)), 12)
    assert shrunk_level(np.full(len(many), 5.0), many, 3.0) == pytest.approx(5.0, abs=0.05)
    one = np.repeat(days_of(0), 2)
    assert 0.0 < shrunk_level(np.full(2, 5.0), one, 3.0) < 4.0


@given(shift=st.floats(-20, 20), std=st.floats(0.1, 30), sizes=st.lists(st.integers(1, 20), min_size=1, max_size=15))
def test_shrinking_never_overshoots_nor_turns_the_sign(shift: float, std: float, sizes: list[int]) -> None:
    days = np.concatenate([np.repeat(days_of(number), size) for number, size in enumerate(sizes)])
    level = shrunk_level(np.full(len(days), shift), days, std)
    assert abs(level) <= abs(shift) + 1e-9
    assert level * shift >= 0.0


def test_courses_of_one_day_count_less_than_courses_of_many_days() -> None:
    together = shrunk_level(np.full(24, 5.0), np.repeat(days_of(0), 24), 3.0)
    apart = shrunk_level(np.full(24, 5.0), days_of(*range(24)), 3.0)
    assert together < apart


def test_each_stretch_has_its_own_level() -> None:
    frame = history_of(per_day=10, n_days=60)
    number = np.repeat(np.arange(60), 10)
    residual = np.select([number >= 40, number >= 20], [2.0, 6.0], 0.0)
    levels = estimated_levels(residual, frame["service_day"], [change(20, 22), change(40)], 2.0)
    assert [step.shift_min for step in levels.steps] == pytest.approx([6.0, 2.0], abs=0.2)
    assert [(step.rows, step.days) for step in levels.steps] == [(200, 20), (200, 20)]
    assert levels.on(frame["service_day"])[[0, 250, 599]] == pytest.approx([0.0, 6.0, 2.0], abs=0.2)
    assert levels.latest_min == levels.steps[-1].shift_min
    assert Levels.from_list(levels.to_list()) == levels


def test_a_second_alarm_about_nothing_leaves_the_level_that_holds() -> None:
    frame = history_of(per_day=12, n_days=60)
    number = np.repeat(np.arange(60), 12)
    residual = np.where(number >= 20, 5.0, 0.0)
    one = estimated_levels(residual, frame["service_day"], [change(20)], 5.0)
    two = estimated_levels(residual, frame["service_day"], [change(20), change(59)], 5.0)
    assert two.latest_min == pytest.approx(one.latest_min, abs=0.2)
    day = pd.DataFrame(
        {"decided_at": [pd.Timestamp("2026-06-01", tz="UTC")], "service_day": [pd.Timestamp("2026-06-01")]}
    )
    known = level_as_known(day, frame, residual, [change(20), change(59)], 5.0)
    assert known == pytest.approx([one.latest_min], abs=0.2)


def test_changes_outside_the_rows_give_no_step() -> None:
    frame = history_of(per_day=5, n_days=10)
    assert estimated_levels(np.full(50, 4.0), frame["service_day"], [change(0), change(10)], 2.0) == Levels()
    assert estimated_levels(np.array([]), frame["service_day"].head(0), [change(3)], 2.0) == Levels()


def test_of_two_alarms_about_one_day_the_first_counts() -> None:
    assert in_order([change(5, 9), change(5, 6), change(1)]) == [change(1), change(5, 6)]


def test_a_change_cannot_be_known_before_it_is_there() -> None:
    with pytest.raises(ValueError, match="cannot be known"):
        change(5, 4)
    step = LevelStep(change(5), 1.0, 1, 1)
    with pytest.raises(ValueError, match="time order"):
        Levels((step, step))


def test_a_decision_knows_nothing_before_the_alarm_and_only_earlier_pickups_after() -> None:
    history = history_of(per_day=12, n_days=20)
    number = np.repeat(np.arange(20), 12)
    residual = np.where(number >= 8, 5.0, 0.0)
    decided = pd.to_datetime(days_of(*range(20))).tz_localize("UTC") - pd.Timedelta(hours=2)
    decisions = pd.DataFrame({"decided_at": decided, "service_day": pd.to_datetime(days_of(*range(20)))})
    level = level_as_known(decisions, history, residual, [change(8, 9)], 3.0)
    assert (level[:10] == 0.0).all()
    assert (level[10:] > 3.0).all()
    assert all(later >= earlier for earlier, later in pairwise(level[10:]))
    later = residual.copy()
    later[number >= 12] = -50.0
    again = level_as_known(decisions, history, later, [change(8, 9)], 3.0)
    assert (again[:13] == level[:13]).all()
    assert (again[13:] < level[13:]).all()


@pytest.fixture(scope="module")
def moved(world: tuple) -> tuple[pd.DataFrame, LevelChange]:
    """The world's rows; from 10 days before the end every pickup is 5 minutes later."""
    frame = world[0].copy()
    since = (frame["service_day"].max() - pd.Timedelta(days=9)).date()
    late = frame["service_day"] >= pd.Timestamp(since)
    frame["delay_min"] = frame["delay_min"] + np.where(late, 5.0, 0.0)
    return frame, LevelChange(since, since + timedelta(days=1))


def test_told_of_the_change_a_model_is_right_at_once_and_courses_are_told_apart_as_before(
    world: tuple, moved: tuple[pd.DataFrame, LevelChange]
) -> None:
    frame, alarm = moved
    untold = train_delay_model(frame, FEATURES, params=QUICK, holdout_days=28)
    told = train_delay_model(frame, FEATURES, params=QUICK, holdout_days=28, level_changes=[alarm])
    (step,) = told.model.levels_.steps
    assert step.shift_min == pytest.approx(5.0, abs=1.0)
    assert told.evaluation["mae_min"] < untold.evaluation["mae_min"]
    live = frame.tail(5)[FEATURES]
    gained = told.model.predict(live)["expected_delay_min"] - untold.model.predict(live)["expected_delay_min"]
    assert gained.to_numpy() == pytest.approx(np.full(5, step.shift_min))
    before = told.holdout["service_day"] <= pd.Timestamp(alarm.known_on)
    same = untold.holdout.loc[before, "expected_delay_min"]
    assert told.holdout.loc[before, "expected_delay_min"].to_numpy() == pytest.approx(same.to_numpy())


def test_a_change_within_the_train_rows_does_not_spoil_what_is_learned_of_courses(
    moved: tuple[pd.DataFrame, LevelChange], world: tuple
) -> None:
    frame = world[0].copy()
    middle = frame["service_day"].min() + (frame["service_day"].max() - frame["service_day"].min()) / 2
    since = middle.normalize().date()
    frame["delay_min"] = frame["delay_min"] + np.where(frame["service_day"] >= pd.Timestamp(since), 8.0, 0.0)
    quiet = train_delay_model(world[0], FEATURES, params=QUICK, holdout_days=28)
    told = train_delay_model(
        frame, FEATURES, params=QUICK, holdout_days=28, level_changes=[LevelChange(since, since + timedelta(days=2))]
    )
    assert told.evaluation["mae_min"] == pytest.approx(quiet.evaluation["mae_min"], rel=0.05)


def test_levels_are_saved_and_the_probability_moves_with_them(
    moved: tuple[pd.DataFrame, LevelChange], tmp_path
) -> None:
    frame, alarm = moved
    model = train_delay_model(frame, FEATURES, params=QUICK, holdout_days=28, level_changes=[alarm]).model
    model.save(tmp_path)
    loaded = DelayModel.load(tmp_path)
    assert loaded.levels_ == model.levels_
    rows = frame.tail(50)[FEATURES]
    pd.testing.assert_frame_equal(loaded.predict(rows), model.predict(rows))
    without = model.predict(rows, level_min=np.zeros(len(rows)))
    with_level = model.predict(rows)
    assert (with_level["p_late"] >= without["p_late"]).all()
    assert (with_level["p_late"] > without["p_late"]).any()
    width = with_level["high_min"] - with_level["low_min"]
    assert width.to_numpy() == pytest.approx((without["high_min"] - without["low_min"]).to_numpy())
    effects = model.contributions(rows)
    assert effects.sum(axis=1).to_numpy() == pytest.approx(with_level["expected_delay_min"].to_numpy(), abs=1e-4)
