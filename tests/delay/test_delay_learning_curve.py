"""The learning curve: pieces of the past only, the same held-out days, the figures of a fit done by hand."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from delay_world import FEATURES

from atmr_pipeline.models.delay import DelayModel, DelayParams, time_split
from atmr_pipeline.models.delay.bootstrap import DayBlocks
from atmr_pipeline.models.delay.report.learning_curve import learning_curve, piece_sizes

HOLDOUT_DAYS = 60


@pytest.fixture(scope="module")
def parts(world):
    return time_split(world[0], HOLDOUT_DAYS)


@pytest.fixture(scope="module")
def model(parts) -> DelayModel:
    train, _ = parts
    params = DelayParams(candidates=("spline_ridge", "xgboost"), preferred_within_se=0.0)
    return DelayModel(params).fit(train[FEATURES], train["delay_min"], train["decided_at"])


def curve(model: DelayModel, train: pd.DataFrame, holdout: pd.DataFrame, **options) -> pd.DataFrame:
    return learning_curve(model, train, holdout, DayBlocks.of(holdout["service_day"]), **options)


def test_sizes_grow_by_a_factor_and_end_with_every_row():
    times = pd.Series(pd.date_range("2025-01-01", periods=4000, freq="h", tz="UTC"))
    assert piece_sizes(times, points=5, smallest_rows=250) == [250, 500, 1000, 2000, 4000]
    assert piece_sizes(times, points=1, smallest_rows=250) == [4000]
    assert piece_sizes(times.head(499), points=5, smallest_rows=250) == [499]


def test_what_was_decided_at_one_instant_stays_together():
    times = pd.Series(np.repeat(pd.date_range("2025-01-01", periods=10, freq="D", tz="UTC"), 70))
    sizes = piece_sizes(times, points=4, smallest_rows=100)
    assert sizes[-1] == 700
    assert all(size % 70 == 0 for size in sizes)


def test_a_point_is_the_error_of_a_fit_on_the_oldest_rows(model, parts):
    train, holdout = parts
    table = curve(model, train.sample(frac=1.0, random_state=0), holdout, points=4, smallest_rows=300)
    assert table["rows"].is_monotonic_increasing
    assert len(table) == 4
    assert table["not_fitted"].isna().all()
    second = train.sort_values("decided_at").head(int(table["rows"].iloc[1]))
    params = dataclasses.replace(model.params, candidates=(model.chosen_name_,))
    by_hand = DelayModel(params).fit(second[FEATURES], second["delay_min"], second["decided_at"])
    actual = holdout["delay_min"]
    for name, predict in (("model", by_hand.predict), ("spline_ridge", by_hand.predict_baseline)):
        error = (predict(holdout[FEATURES])["expected_delay_min"] - actual).abs().mean()
        line = table.iloc[1]
        assert line[f"{name}_mae_min"] == pytest.approx(error)
        assert line[f"{name}_low"] < error < line[f"{name}_high"]
    assert table["last_decided_at"].iloc[1] == second["decided_at"].max().isoformat()


def test_the_last_point_is_the_model_that_is_offered(training, parts):
    table = curve(training.model, *parts, points=2)
    assert table["rows"].iloc[-1] == training.rows["train"]
    assert table["model_mae_min"].iloc[-1] == pytest.approx(training.evaluation["mae_min"])
    assert table["spline_ridge_mae_min"].iloc[-1] == pytest.approx(training.baselines["spline_ridge"]["mae_min"])


def test_more_history_helps(model, parts):
    table = curve(model, *parts, points=3, smallest_rows=150)
    assert table["model_mae_min"].iloc[-1] < table["model_mae_min"].iloc[0]


def test_a_point_sees_nothing_that_came_after_its_rows(model, parts):
    """Labels and features of later training rows, and the order of the held-out ones, change no earlier point."""
    train, holdout = parts
    before = curve(model, train, holdout, points=3, smallest_rows=300)
    later = train["decided_at"] > pd.Timestamp(before["last_decided_at"].iloc[1])
    changed = train.assign(
        delay_min=train["delay_min"].where(~later, 500.0), distance_km=train["distance_km"].where(~later, 900.0)
    )
    after = curve(model, changed, holdout, points=3, smallest_rows=300)
    pd.testing.assert_frame_equal(before, after)
    assert pd.to_datetime(before["last_decided_at"]).max() < holdout["decided_at"].min()


def test_held_out_labels_are_judged_by_and_not_learned_from(model, parts):
    train, holdout = parts
    shifted = holdout.assign(delay_min=holdout["delay_min"] + 1000.0)
    table = curve(model, train, shifted, points=2, smallest_rows=300)
    assert (table["model_mae_min"] > 950.0).all()


def test_a_piece_that_cannot_be_fitted_says_why(model, parts):
    table = curve(model, *parts, points=3, smallest_rows=60)
    first = table.iloc[0]
    assert "not enough labelled rows" in first["not_fitted"]
    assert np.isnan(first["model_mae_min"])
    assert np.isnan(first["spline_ridge_low"])
    assert table["not_fitted"].iloc[1:].isna().all()


@pytest.mark.parametrize("options", [{"points": 0}, {"smallest_rows": 0}])
def test_nonsense_is_refused(model, parts, options):
    with pytest.raises(ValueError, match="at least 1"):
        curve(model, *parts, **options)
