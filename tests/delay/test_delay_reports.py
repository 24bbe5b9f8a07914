"""Pictures and the model card."""

import struct

import pandas as pd
import pytest
from delay_world import FEATURES

from atmr_pipeline.domain.errors import TableContractError
from atmr_pipeline.models.delay import DelayModel, DelayParams, evaluate_slices, model_card, permutation_importance
from atmr_pipeline.models.delay.pictures import (
    feature_importance,
    holdout_pictures,
    predicted_against_actual,
    reliability_diagram,
    residuals_by_hour,
)


@pytest.fixture(scope="module")
def importance(training):
    return permutation_importance(training.model, training.holdout[FEATURES], training.holdout["delay_min"], repeats=2)


def test_importance_finds_what_drives_the_delay(importance):
    ranked = importance["feature"].tolist()
    assert set(ranked[:4]) == {"time_of_day", "driver_punctuality_score", "distance_km", "weather_factor"}
    useless = importance.set_index("feature")["mae_increase_min"][["booking_priority", "is_medical"]]
    assert useless.abs().max() < 0.05


def test_importance_needs_rows_that_match(training):
    with pytest.raises(TableContractError):
        permutation_importance(training.model, training.holdout[FEATURES], training.holdout["delay_min"].head(3))


def test_pictures_are_small_and_repeatable(training, importance):
    held = training.holdout
    many = pd.concat([held] * 20, ignore_index=True)
    pictures = [
        predicted_against_actual(held["delay_min"], held),
        predicted_against_actual(many["delay_min"], many),
        feature_importance(importance),
        reliability_diagram(held["is_late"], held["p_late"]),
        residuals_by_hour(held["delay_min"], held, held["time_of_day"]),
        residuals_by_hour(held["delay_min"], held, held["time_of_day"].where(held.index > 5)),
    ]
    for picture in pictures:
        assert picture.startswith(b"\x89PNG\r\n\x1a\n")
        assert len(picture) < 60_000
        width, height = struct.unpack(">II", picture[16:24])
        assert width >= 400
        assert height >= 300
    assert pictures[0] == predicted_against_actual(held["delay_min"], held)


def test_a_training_has_all_its_pictures(training):
    drawn = holdout_pictures(training)
    assert set(drawn) == {"predicted_against_actual", "feature_importance", "reliability", "residuals_by_hour"}
    assert len(set(drawn.values())) == 4


def test_pictures_of_nothing_are_empty_axes(training):
    none = training.holdout.head(0)
    assert predicted_against_actual(none["delay_min"], none).startswith(b"\x89PNG")
    assert reliability_diagram(none["is_late"], none["p_late"]).startswith(b"\x89PNG")
    assert residuals_by_hour(none["delay_min"], none, none["time_of_day"]).startswith(b"\x89PNG")


def test_card_holds_the_figures(training, importance, tmp_path):
    training.model.save(tmp_path, data_hash=training.data_hash, metrics=training.metrics())
    manifest = DelayModel.load(tmp_path).manifest_
    held = training.holdout
    by_driver = evaluate_slices(held["delay_min"], held, held["driver_id"])
    card = model_card(
        manifest,
        training.evaluation,
        baselines=training.baselines,
        comparisons=training.comparisons,
        importance=importance,
        slices={"driver": by_driver},
    )
    assert training.data_hash in card
    assert f"{training.evaluation['mae_min']:.3f}" in card
    assert f"{training.baselines['constant_median']['mae_min']:.3f}" in card
    assert all(f"`{name}`" in card for name in FEATURES)
    assert "## By driver" in card
    assert manifest["blocks"][0]["first_decided_at"] in card
    short = model_card(manifest, {**training.evaluation, "auc": None})
    assert "not defined" in short
    assert "Against the baselines" not in short


def test_card_lists_no_value_of_a_category(small, tmp_path):
    frame = small.assign(zone="Secteur Fictif", empty=float("nan"))
    model = DelayModel(DelayParams(candidates=("constant_mean",)))
    model.fit(frame[["zone", "empty"]], frame["delay_min"], frame["decided_at"]).save(tmp_path)
    card = model_card(DelayModel.load(tmp_path).manifest_, {"mae_min": 1.0})
    assert "Secteur Fictif" not in card
    assert "Without a single value in training: empty." in card
    assert "not recorded" in card
