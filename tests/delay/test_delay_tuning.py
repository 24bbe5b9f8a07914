"""Folds never look ahead, and a setting is changed only for a gain that is more than noise."""

import dataclasses
import itertools

import numpy as np
import pandas as pd
import pytest
from delay_world import FEATURES, training_set
from hypothesis import given
from hypothesis import strategies as st

from atmr_pipeline.domain.errors import NotEnoughDataError, TableContractError
from atmr_pipeline.models.delay import DelayModel, DelayParams
from atmr_pipeline.models.delay.folds import time_folds
from atmr_pipeline.models.delay.tuning import SPACES, paired_gain, tune

START = pd.Timestamp("2026-01-05 06:00", tz="UTC")
SPLINE_ONLY = DelayParams(candidates=("spline_ridge",))
HASTY = DelayParams(candidates=("xgboost",), xgb_depth=1, xgb_rounds=5, xgb_learning_rate=0.02)
"""Settings that leave nearly everything unlearned."""


def arguments(frame: pd.DataFrame) -> tuple[pd.DataFrame, pd.Series, pd.Series]:
    return frame[FEATURES], frame["delay_min"], frame["decided_at"]


@st.composite
def histories(draw):
    hours = draw(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 40)), min_size=0, max_size=80))
    decided = pd.Series([START + pd.Timedelta(hours=hour) for hour, _ in hours], dtype="datetime64[us, UTC]")
    lag = pd.Series([pd.Timedelta(hours=lag) for _, lag in hours], dtype="timedelta64[us]")
    return decided, decided + lag


@given(histories(), st.integers(1, 5))
def test_no_row_of_a_training_was_decided_or_known_after_its_test_begins(history, folds):
    decided, known = history
    try:
        parts = time_folds(decided, folds, known_at=known)
    except NotEnoughDataError:
        return
    assert len(parts) == folds
    for part in parts:
        begins = decided.iloc[part.test].min()
        assert part.start == begins.to_datetime64()
        assert (decided.iloc[part.train] < begins).all()
        assert (known.iloc[part.train] < begins).all()
        assert len(part.train)
        usable = (decided < begins) & (known < begins)
        assert part.train.tolist() == np.flatnonzero(usable).tolist()
    tested = np.concatenate([part.test for part in parts])
    assert len(set(tested)) == len(tested)
    assert set(tested) == set(np.flatnonzero(decided >= decided.iloc[parts[0].test].min()))
    for earlier, later in itertools.pairwise(parts):
        assert set(earlier.train) <= set(later.train)
        # Also what is decided at one instant: no instant is in two folds.
        assert decided.iloc[earlier.test].max() < decided.iloc[later.test].min()


@given(histories(), st.randoms(use_true_random=False))
def test_folds_do_not_depend_on_the_order_of_rows(history, random):
    decided, known = history
    order = list(range(len(decided)))
    random.shuffle(order)
    shuffled = decided.iloc[order].reset_index(drop=True), known.iloc[order].reset_index(drop=True)
    try:
        parts = time_folds(decided, 3, known_at=known)
    except NotEnoughDataError:
        with pytest.raises(NotEnoughDataError):
            time_folds(shuffled[0], 3, known_at=shuffled[1])
        return
    for part, other in zip(parts, time_folds(shuffled[0], 3, known_at=shuffled[1]), strict=True):
        assert set(part.train) == {order[row] for row in other.train}
        assert set(part.test) == {order[row] for row in other.test}


def test_folds_of_equal_parts():
    decided = pd.Series(START + pd.to_timedelta(np.arange(10), unit="h"))
    parts = time_folds(decided, 4)
    assert [part.train.tolist() for part in parts] == [list(range(cut)) for cut in (2, 4, 6, 8)]
    assert [part.test.tolist() for part in parts] == [[2, 3], [4, 5], [6, 7], [8, 9]]


def test_defaults_are_kept_when_there_is_nothing_to_gain(small):
    noise = small.assign(delay_min=np.random.default_rng(2).normal(3.0, 2.0, len(small)))
    found = tune(*arguments(noise), params=DelayParams(candidates=("xgboost",), ridge_alpha=100.0), n_trials=4)
    assert found.best.xgb_rounds == DelayParams().xgb_rounds
    assert found.best.ridge_alpha == 100.0
    assert found.trials.loc[found.trials["chosen"], "trial"].tolist() == [0, 0]


def test_a_better_setting_is_found_and_told(small):
    found = tune(*arguments(small), params=HASTY, n_trials=3)
    trials = found.trials
    assert set(trials["candidate"]) == set(SPACES)
    boosted = trials[trials["candidate"] == "xgboost"].set_index("trial")
    given, best = boosted.loc[0], boosted[boosted["chosen"]].iloc[0]
    assert best["mae"] < 0.8 * given["mae"]
    assert best["gain"] == pytest.approx(given["mae"] - best["mae"])
    assert best["gain"] > HASTY.tuning_gain_se * best["gain_se"] > 0.0
    assert np.isnan(given["gain"])
    assert best["mae"] == boosted["mae"].min()
    for knob in SPACES["xgboost"]:
        assert getattr(found.best, knob) == best[knob]
        assert trials.loc[trials["candidate"] == "spline_ridge", knob].isna().all()
    assert found.best.candidates == HASTY.candidates


def test_nothing_is_better_by_more_than_every_error(small):
    strict = dataclasses.replace(HASTY, tuning_gain_se=1e6)
    assert tune(*arguments(small), params=strict, n_trials=2, folds=2).best == strict


def test_same_seed_same_trials(small):
    first, again = (tune(*arguments(small), params=SPLINE_ONLY, n_trials=5, folds=2).trials for _ in range(2))
    pd.testing.assert_frame_equal(first.drop(columns="fit_s"), again.drop(columns="fit_s"))
    other = tune(*arguments(small), params=SPLINE_ONLY, n_trials=5, folds=2, seed=5).trials
    assert other["ridge_alpha"].tolist() != first["ridge_alpha"].tolist()
    shuffled = small.sample(frac=1.0, random_state=3)
    third = tune(*arguments(shuffled), params=SPLINE_ONLY, n_trials=5, folds=2).trials
    pd.testing.assert_frame_equal(first.drop(columns="fit_s"), third.drop(columns="fit_s"))


def test_more_trials_than_settings_try_each_once(small):
    trials = tune(*arguments(small), params=SPLINE_ONLY, n_trials=500, folds=1).trials
    knobs = list(SPACES["spline_ridge"])
    # 28 settings, and the given one with 6 knots, which the lists also hold with its penalty.
    assert len(trials) == 28 + (SPLINE_ONLY.spline_knots not in SPACES["spline_ridge"]["spline_knots"])
    assert not trials.duplicated(knobs).any()


def test_rows_not_known_in_time_do_not_train(small):
    frame = small.sort_values("decided_at", ignore_index=True)
    late = frame.index % 3 == 0
    known = frame["known_at"].where(~late, frame["known_at"].max())
    parts = time_folds(frame["decided_at"], 4, known_at=known)
    assert not any(late[part.train].any() for part in parts)
    slow = tune(*arguments(frame), params=SPLINE_ONLY, known_at=known, n_trials=1)
    fast = tune(*arguments(frame), params=SPLINE_ONLY, known_at=frame["known_at"], n_trials=1)
    assert slow.trials["mae"].iloc[0] != fast.trials["mae"].iloc[0]
    never = pd.Series(frame["known_at"].max(), index=frame.index)
    with pytest.raises(NotEnoughDataError, match="folds"):
        tune(*arguments(frame), params=SPLINE_ONLY, known_at=never)


def test_a_spent_budget_begins_no_trial_but_the_given_settings(small):
    ticks = itertools.count(0.0, 10.0)
    found = tune(*arguments(small), params=HASTY, n_trials=5, budget_s=1.0, clock=lambda: next(ticks))
    assert found.trials["trial"].tolist() == [0, 0]
    assert found.best == HASTY


def test_unusable_input_is_refused(small):
    good = arguments(small)
    with pytest.raises(ValueError, match="at least 1"):
        tune(*good, n_trials=0)
    with pytest.raises(ValueError, match="at least 1"):
        tune(*good, folds=0)
    with pytest.raises(NotEnoughDataError, match="needs 100, has 10"):
        tune(*arguments(small.head(10)))
    with pytest.raises(TableContractError, match="NULL in 1 rows"):
        tune(*good, known_at=small["known_at"].where(small.index != 4))
    with pytest.raises(TableContractError, match="index"):
        tune(*good, known_at=small["known_at"].iloc[1:])
    with pytest.raises(TableContractError, match="time zone"):
        tune(*good, known_at=small["known_at"].dt.tz_localize(None))
    with pytest.raises(NotEnoughDataError, match="folds"):
        tune(small[FEATURES], small["delay_min"], pd.Series(START, index=small.index))


def test_standard_error_counts_days_and_not_rows():
    rng = np.random.default_rng(0)
    shift = np.repeat(rng.normal(0.0, 1.0, 50), 20)
    loss = rng.normal(0.0, 0.1, 1000)
    mean, error = paired_gain(loss + shift, loss, np.repeat(np.arange(50), 20))
    assert mean == pytest.approx(shift.mean())
    assert error == pytest.approx(shift[::20].std(ddof=1) / np.sqrt(50))
    assert np.isnan(paired_gain(loss + shift, loss, np.zeros(1000))[1])


@pytest.mark.parametrize(
    "knob", [(knob, value) for space in SPACES.values() for knob in space for value in space[knob]]
)
def test_every_setting_is_a_valid_parameter(knob):
    assert getattr(DelayParams(**dict([knob])), knob[0]) == knob[1]


@pytest.mark.parametrize(
    "wrong",
    [
        {"tuning_trials": -1},
        {"tuning_folds": 0},
        {"tuning_gain_se": float("nan")},
        {"xgb_subsample": 0.0},
        {"xgb_subsample": 1.1},
        {"xgb_colsample": 0.0},
        {"xgb_reg_lambda": -1.0},
        {"mlp_units": 0},
        {"mlp_minimum_rows": 0},
        {"mlp_learning_rate": 0.0},
    ],
)
def test_parameters_outside_their_range_are_refused(wrong):
    with pytest.raises(ValueError, match="must"):
        DelayParams(**wrong)


@pytest.mark.parametrize(
    "setting",
    [{"xgb_subsample": 0.5}, {"xgb_colsample": 0.2}, {"xgb_reg_lambda": 100.0}, {"xgb_min_child_weight": 60.0}],
)
def test_every_knob_of_boosting_reaches_it(small, setting):
    plain, other = (
        DelayModel(DelayParams(candidates=("xgboost",), xgb_rounds=40, **knobs)).fit(*arguments(small))
        for knobs in ({}, setting)
    )
    rows = small[FEATURES]
    assert (plain.predict(rows)["expected_delay_min"] != other.predict(rows)["expected_delay_min"]).any()


TUNED = dataclasses.replace(HASTY, tuning_trials=2, tuning_folds=2)


@pytest.fixture(scope="module")
def tuned(small) -> DelayModel:
    return DelayModel(TUNED).fit(*arguments(small))


def test_a_model_tunes_itself_when_told_to(tuned, small):
    plain = DelayModel(HASTY).fit(*arguments(small))
    assert plain.params_ == HASTY
    assert plain.tuning_ is None
    assert tuned.params == TUNED
    assert tuned.params_ != TUNED
    better, worse = (
        model.candidates_.set_index("candidate").loc["xgboost", "validation_mae"] for model in (tuned, plain)
    )
    assert better < worse


def test_tuning_sees_the_train_block_and_nothing_after(tuned, small):
    ordered = small.sort_values("decided_at", ignore_index=True)
    # Labels and features of validation and calibration, which begin at row 420.
    changed = ordered.copy()
    changed.loc[420:, "delay_min"] = changed.loc[420:, "delay_min"].to_numpy()[::-1] * 3.0
    changed.loc[420:, "distance_km"] = np.nan
    again = DelayModel(TUNED).fit(*arguments(changed))
    assert again.blocks_["rows"].tolist() == [420, 90, 90]
    assert again.params_ == tuned.params_
    pd.testing.assert_frame_equal(again.tuning_.drop(columns="fit_s"), tuned.tuning_.drop(columns="fit_s"))


def test_a_tuned_model_is_stored_with_its_trials(tuned, small, tmp_path):
    manifest = tuned.save(tmp_path / "a")
    assert manifest["tuned"]["xgb_rounds"] == tuned.params_.xgb_rounds
    assert len(manifest["tuning"]) == len(tuned.tuning_)
    assert "fit_s" not in manifest["tuning"][0]
    loaded = DelayModel.load(tmp_path / "a")
    assert (loaded.params, loaded.params_) == (tuned.params, tuned.params_)
    assert loaded.tuning_["mae"].tolist() == tuned.tuning_["mae"].tolist()
    assert loaded.save(tmp_path / "b")["content_hash"] == manifest["content_hash"]
    again = DelayModel(TUNED).fit(*arguments(small)).save(tmp_path / "c")
    assert again["content_hash"] == manifest["content_hash"]


def test_too_few_days_to_tune_on_is_said():
    frame, _ = training_set(100, days=1)
    at_once = frame.assign(decided_at=START + pd.to_timedelta(np.arange(100) // 34, unit="h"))
    with pytest.raises(NotEnoughDataError, match="needs"):
        DelayModel(TUNED).fit(*arguments(at_once))
