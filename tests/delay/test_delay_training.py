"""A whole training: honest figures, no leak, and a refusal where data are too few."""

import json

import numpy as np
import pandas as pd
import pytest
from delay_world import FEATURES, training_set

from atmr_pipeline.domain.errors import NotEnoughDataError, TableContractError
from atmr_pipeline.models.delay import DelayParams, train_delay_model

QUICK = DelayParams(candidates=("spline_ridge", "xgboost"))


def test_held_out_error_is_close_to_the_floor_and_the_interval_is_honest(training, world):
    frame, truth = world
    held_out = training.holdout.merge(frame[["assignment_id"]].assign(truth=truth), on="assignment_id")
    floor = (held_out["truth"] - held_out["delay_min"]).abs().mean()
    assert training.evaluation["mae_min"] <= 1.05 * floor
    assert 86 <= training.evaluation["coverage_pct"] <= 94
    assert abs(training.evaluation["bias_min"]) < 0.5
    assert training.evaluation["ece"] < 0.06
    assert training.evaluation["auc"] > 0.8


def test_baselines_are_measured_on_the_same_rows(training):
    assert set(training.baselines) == set(training.comparisons) == {"constant_mean", "constant_median", "spline_ridge"}
    for name, figures in training.baselines.items():
        assert figures["n"] == training.evaluation["n"] == len(training.holdout)
        ratio = training.evaluation["mae_min"] / figures["mae_min"]
        assert training.comparisons[name].relative_mae_pct == pytest.approx(100 * (ratio - 1))
    assert training.comparisons["constant_median"].high_pct < -15
    assert training.comparisons["spline_ridge"].low_pct < 1
    assert training.baselines["constant_median"]["mae_min"] < training.baselines["constant_mean"]["mae_min"]


def test_candidates_are_all_listed_and_one_is_chosen(training):
    assert list(training.candidates.columns) == ["candidate", "validation_mae", "validation_rmse", "fit_s", "chosen"]
    assert training.candidates["candidate"].tolist() == ["constant_mean", "spline_ridge", "xgboost", "random_forest"]
    assert training.candidates["chosen"].sum() == 1


def test_rows_are_accounted_for(training, world):
    assert sum(training.rows.values()) == len(world[0])
    assert training.rows["holdout"] == len(training.holdout)
    assert training.holdout["service_day"].nunique() <= 60
    assert json.loads(json.dumps(training.metrics(), allow_nan=False))["rows"] == training.rows


def test_changing_the_held_out_days_changes_nothing_that_was_learned(small, tmp_path):
    first = train_delay_model(small, FEATURES, params=QUICK, holdout_days=60)
    held_out = small["assignment_id"].isin(first.holdout["assignment_id"])
    changed = small.copy()
    changed.loc[held_out, "delay_min"] = changed.loc[held_out, "delay_min"].to_numpy()[::-1] * 9.0
    changed.loc[held_out, "distance_km"] = 500.0
    second = train_delay_model(changed, FEATURES, params=QUICK, holdout_days=60)
    assert first.model.save(tmp_path / "a") == second.model.save(tmp_path / "b")
    assert second.evaluation["mae_min"] > first.evaluation["mae_min"]
    assert first.data_hash != second.data_hash


def test_training_twice_gives_the_same_model(small, tmp_path):
    runs = [train_delay_model(small, FEATURES, params=QUICK, holdout_days=60) for _ in range(2)]
    assert runs[0].model.save(tmp_path / "a") == runs[1].model.save(tmp_path / "b")
    assert runs[0].data_hash == runs[1].data_hash
    assert runs[0].comparisons == runs[1].comparisons


def test_equal_delays_train_a_constant(small):
    flat = train_delay_model(small.assign(delay_min=2.0), FEATURES, params=QUICK, holdout_days=60)
    assert flat.evaluation["r2"] is None
    assert flat.evaluation["auc"] is None
    assert flat.evaluation["mae_min"] == pytest.approx(0.0, abs=1e-6)


def test_a_driver_id_may_be_a_feature(small):
    frame = small.assign(driver_id=small["driver_id"].astype("Int64").where(small.index % 10 != 0))
    result = train_delay_model(frame, [*FEATURES, "driver_id"], params=QUICK, holdout_days=60)
    assert result.holdout.columns.is_unique


def test_too_few_rows_or_days_are_refused():
    frame, _ = training_set(600, days=50)
    with pytest.raises(NotEnoughDataError, match="needs 500, has 499"):
        train_delay_model(frame.head(499), FEATURES)
    with pytest.raises(NotEnoughDataError, match=r"calendar days.*needs 60, has 50"):
        train_delay_model(frame, FEATURES)
    with pytest.raises(NotEnoughDataError, match="train part"):
        train_delay_model(frame, FEATURES, minimum_days=10, holdout_days=50)
    with pytest.raises(NotEnoughDataError, match="to fit the delay model"):
        train_delay_model(frame, FEATURES, minimum_days=10, holdout_days=45)


def test_unusable_training_sets_are_refused(small):
    with pytest.raises(TableContractError, match="lacks known_at, weather_factor"):
        train_delay_model(small.drop(columns=["known_at", "weather_factor"]), FEATURES)
    with pytest.raises(TableContractError, match="delay_min, is_late cannot be features"):
        train_delay_model(small, [*FEATURES, "is_late", "delay_min"])
    with pytest.raises(TableContractError, match="more than once in 600 rows"):
        train_delay_model(pd.concat([small, small]), FEATURES)
    with pytest.raises(TableContractError, match="NULL or infinite"):
        train_delay_model(small.assign(delay_min=np.nan), FEATURES)
