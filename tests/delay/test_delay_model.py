"""Fit, choice, calibration, prediction and explanation."""

import numpy as np
import pandas as pd
import pytest
from delay_world import FEATURES, training_set
from sklearn.exceptions import NotFittedError

from atmr_pipeline.models.delay import PREDICTION_COLUMNS, DelayModel, DelayParams

QUICK = DelayParams(candidates=("constant_mean", "spline_ridge", "xgboost"))
EVERY = ("constant_mean", "constant_median", "spline_ridge", "xgboost", "random_forest")


def fit(frame: pd.DataFrame, names: list[str], params: DelayParams = QUICK) -> DelayModel:
    return DelayModel(params).fit(frame[names], frame["delay_min"], frame["decided_at"])


@pytest.mark.parametrize(("candidate", "worst"), [("spline_ridge", 1.05), ("xgboost", 1.08), ("random_forest", 1.15)])
def test_error_is_close_to_what_the_noise_allows(world, candidate, worst):
    frame, truth = world
    past, future = frame.iloc[:2400], frame.iloc[2400:]
    predicted = fit(past, FEATURES, DelayParams(candidates=(candidate,))).predict(future[FEATURES])
    floor = (truth.iloc[2400:] - future["delay_min"]).abs().mean()
    mae = (predicted["expected_delay_min"] - future["delay_min"]).abs().mean()
    assert mae <= worst * floor


def test_boosting_wins_where_features_interact():
    frame, _ = training_set(2000, seed=11)
    rng = np.random.default_rng(5)
    frame["a"], frame["b"] = rng.uniform(-1, 1, 2000), rng.uniform(-1, 1, 2000)
    frame["delay_min"] = 8.0 * np.sign(frame["a"] * frame["b"]) + rng.normal(0, 1, 2000)
    model = fit(frame, ["a", "b"])
    assert model.chosen_name_ == "xgboost"
    assert model.candidates_.loc[model.candidates_["chosen"], "candidate"].tolist() == ["xgboost"]
    baseline = (model.predict_baseline(frame[["a", "b"]])["expected_delay_min"] - frame["delay_min"]).abs().mean()
    chosen = (model.predict(frame[["a", "b"]])["expected_delay_min"] - frame["delay_min"]).abs().mean()
    assert chosen < 0.5 * baseline


def test_where_nothing_can_be_learned_nothing_much_is(small):
    frame = small.assign(delay_min=np.random.default_rng(1).normal(3, 2, len(small)))
    first, later = frame.iloc[:450], frame.iloc[450:]
    expected = fit(first, FEATURES).predict(later[FEATURES])["expected_delay_min"]
    error, constant = (expected - later["delay_min"]).abs().mean(), (3.0 - later["delay_min"]).abs().mean()
    assert error < 1.05 * constant


def test_spline_ridge_is_fitted_even_when_it_does_not_compete(small):
    model = fit(small, FEATURES, DelayParams(candidates=("constant_median",)))
    assert model.chosen_name_ == "constant_median"
    assert model.baseline_.candidate.name == "spline_ridge"
    assert model.predict_baseline(small[FEATURES])["expected_delay_min"].std() > 0.5


def test_prediction_table_and_interval_order(fitted, small):
    features = small[FEATURES].head(80)
    predicted = fitted.predict(features)
    assert list(predicted.columns) == PREDICTION_COLUMNS
    assert predicted.index.equals(features.index)
    assert (predicted["low_min"] < predicted["high_min"]).all()
    assert predicted["p_late"].between(0, 1).all()
    assert predicted[["expected_delay_min", "p_late"]].corr(method="spearman").iloc[0, 1] > 0.9


def test_empty_table_gives_empty_predictions(fitted, small):
    assert list(fitted.predict(small[FEATURES].head(0)).columns) == PREDICTION_COLUMNS
    assert len(fitted.predict(small[FEATURES].head(0))) == 0
    assert fitted.explain(small[FEATURES].head(0)).empty


def test_column_order_does_not_matter(fitted, small):
    pd.testing.assert_frame_equal(fitted.predict(small[FEATURES]), fitted.predict(small[FEATURES[::-1]]))


def test_order_of_rows_and_duplicated_index_do_not_matter(small):
    shuffled = small.sample(frac=1.0, random_state=4)
    repeated = shuffled.set_axis(np.zeros(len(shuffled), dtype=int), axis=0)
    expected = fit(small, FEATURES).predict(small[FEATURES])
    pd.testing.assert_frame_equal(fit(shuffled, FEATURES).predict(small[FEATURES]), expected)
    pd.testing.assert_frame_equal(fit(repeated, FEATURES).predict(small[FEATURES]), expected)


def test_calibration_labels_move_the_interval_and_never_the_mean(small):
    ordered = small.sort_values("decided_at", ignore_index=True)
    changed = ordered.copy()
    changed.loc[510:, "delay_min"] = changed.loc[510:, "delay_min"].to_numpy()[::-1] + 20.0
    before, after = fit(ordered, FEATURES), fit(changed, FEATURES)
    assert before.blocks_["rows"].tolist() == [420, 90, 90]
    one, two = before.predict(ordered[FEATURES]), after.predict(ordered[FEATURES])
    np.testing.assert_array_equal(one["expected_delay_min"], two["expected_delay_min"])
    assert (two["high_min"] > one["high_min"] + 5).all()


def test_a_day_planned_at_once_is_never_cut_in_two(small):
    at_once = small.assign(decided_at=small["service_day"].dt.tz_localize("UTC") - pd.Timedelta("7h"))
    blocks = fit(at_once, FEATURES).blocks_
    assert (blocks["last_decided_at"].iloc[:-1].to_numpy() < blocks["first_decided_at"].iloc[1:].to_numpy()).all()


@pytest.mark.parametrize("candidate", EVERY)
def test_null_and_unseen_values_are_safe(small, candidate):
    frame = small.assign(
        driver=("D" + small["driver_id"].astype(str)).where(small.index % 9 != 0, None),
        zone=pd.Categorical(np.where(small.index % 2, "centre", "outside")),
        distance_km=small["distance_km"].where(small.index % 7 != 0),
        is_medical=small["is_medical"].astype("boolean").where(small.index % 5 != 0),
    )
    names = [*FEATURES, "driver", "zone"]
    model = fit(frame, names, DelayParams(candidates=(candidate,)))
    rows = frame[names].head(4).copy()
    rows["zone"] = pd.Categorical(["new", "newer", None, "centre"])
    rows["driver"] = ["D77", "D78", None, "D1"]
    rows.iloc[1:2, :9] = rows.iloc[0:1, :9].to_numpy()
    numbers = [name for name in FEATURES if name not in ("is_medical", "is_urgent")]
    rows.loc[rows.index[2], numbers] = np.nan
    predicted = model.predict(rows)
    assert np.isfinite(predicted.to_numpy()).all()
    assert predicted["expected_delay_min"].iloc[0] == predicted["expected_delay_min"].iloc[1]
    effects = model.contributions(rows)
    np.testing.assert_allclose(effects.sum(axis=1), predicted["expected_delay_min"], atol=1e-4)


def test_categories_carry_information(small):
    frame = small.assign(driver="D" + small["driver_id"].astype(str))
    frame["delay_min"] = 4.0 * frame["driver_id"] + np.random.default_rng(0).normal(0, 0.5, len(frame))
    model = fit(frame, ["driver"])
    row = pd.DataFrame({"driver": ["D1", "D5"]})
    np.testing.assert_allclose(model.predict(row)["expected_delay_min"], [4.0, 20.0], atol=0.5)


def test_contributions_and_explanation_agree(fitted, small):
    features = small[FEATURES].head(20).copy()
    features.iloc[3, 2] = np.nan
    effects = fitted.contributions(features)
    assert list(effects.columns) == [*FEATURES, "base_min"]
    np.testing.assert_allclose(effects.sum(axis=1), fitted.predict(features)["expected_delay_min"], atol=1e-4)
    told = fitted.explain(features, top=4)
    assert told.groupby("row").size().eq(4).all()
    for row, part in told.groupby("row"):
        strongest = effects[FEATURES].iloc[row].abs().sort_values(ascending=False).head(4)
        assert part["effect_min"].abs().tolist() == pytest.approx(strongest.tolist())
        for line in part.itertuples():
            assert line.effect_min == effects[line.feature].iloc[row]
    everything = fitted.explain(features, top=99)
    assert len(everything) == 20 * len(FEATURES)
    null_value = everything[(everything["row"] == 3) & (everything["feature"] == "distance_km")]["value"]
    assert null_value.tolist() == [None]


def test_explain_wants_at_least_one_line(fitted, small):
    with pytest.raises(ValueError, match="at least 1"):
        fitted.explain(small[FEATURES].head(1), top=0)


def test_not_fitted_is_said():
    frame = pd.DataFrame({"a": [1.0]})
    for call in (DelayModel().predict, DelayModel().explain, DelayModel().contributions, DelayModel().save):
        with pytest.raises(NotFittedError, match="not fitted"):
            call(frame)


@pytest.mark.parametrize(
    "wrong",
    [
        {"candidates": ()},
        {"candidates": ("oracle",)},
        {"selection_metric": "r2"},
        {"validation_share": 0.6, "calibration_share": 0.5},
        {"interval_coverage": 1.0},
        {"xgb_depth": 0},
        {"spline_knots": 1},
        {"ridge_alpha": -1.0},
        {"ridge_alpha": float("nan")},
    ],
)
def test_parameters_outside_their_range_are_refused(wrong):
    with pytest.raises(ValueError, match="must"):
        DelayParams(**wrong)


def test_parameters_survive_json():
    params = DelayParams(candidates=("xgboost",), xgb_depth=2)
    assert DelayParams.from_dict(params.to_dict()) == params
