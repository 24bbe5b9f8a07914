"""Every kind of unusable input ends in one clear line or a documented behaviour."""

import numpy as np
import pandas as pd
import pytest
from delay_world import FEATURES, training_set

from atmr_pipeline.domain.errors import NotEnoughDataError, TableContractError
from atmr_pipeline.models.delay import DelayModel, DelayParams, train_delay_model

QUICK = DelayParams(candidates=("constant_mean", "spline_ridge", "xgboost"))


def fit(frame: pd.DataFrame, names: list[str] = FEATURES) -> DelayModel:
    return DelayModel(QUICK).fit(frame[names], frame["delay_min"], frame["decided_at"])


def test_ten_rows_are_too_few(small):
    with pytest.raises(NotEnoughDataError, match="needs 100, has 10"):
        fit(small.head(10))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_unknown_or_infinite_labels_are_counted_and_refused(small, value):
    frame = small.assign(delay_min=small["delay_min"].where(small.index % 100 != 0, value))
    with pytest.raises(TableContractError, match="6 of 600"):
        fit(frame)


def test_labels_that_are_no_numbers_are_refused(small):
    with pytest.raises(TableContractError, match="delay_min"):
        fit(small.assign(delay_min="late"))
    with pytest.raises(TableContractError, match="delay_min"):
        fit(small.assign(delay_min=True))


def test_equal_labels_give_the_constant(small):
    model = fit(small.assign(delay_min=7.0))
    predicted = model.predict(small[FEATURES].head(5))
    assert model.chosen_name_ == "constant_mean"
    assert predicted["expected_delay_min"].tolist() == [7.0] * 5
    assert predicted["low_min"].tolist() == predicted["high_min"].tolist() == [7.0] * 5
    assert (predicted["p_late"] > 0.99).all()


def test_a_feature_without_a_value_is_named_and_harmless(small):
    frame = small.assign(altitude_diff_m=np.nan, remark=pd.Series([None] * len(small), dtype=object))
    model = fit(frame, [*FEATURES, "altitude_diff_m", "remark"])
    assert model.null_features_ == ["altitude_diff_m", "remark"]
    known = fit(small).predict(small[FEATURES])["expected_delay_min"]
    padded = model.predict(frame[[*FEATURES, "altitude_diff_m", "remark"]])["expected_delay_min"]
    # Trees draw other columns for their splits when there are more of them: not the same model, but as good a one.
    assert (padded - known).abs().mean() < 0.25
    error, before = (padded - small["delay_min"]).abs().mean(), (known - small["delay_min"]).abs().mean()
    assert error == pytest.approx(before, rel=0.03)


def test_equal_labels_give_the_constant_whatever_the_plan_says(small):
    frame = small.assign(delay_min=3.0, projected_lateness_min=np.where(small.index % 7 == 0, 40.0, 0.0))
    model = fit(frame, [*FEATURES, "projected_lateness_min"])
    assert model.chosen_name_ == "constant_mean"
    assert (model.predict(frame[[*FEATURES, "projected_lateness_min"]])["expected_delay_min"] == 3.0).all()


def test_the_plans_own_lateness_is_added_as_it_is(small):
    late = np.where(small.index % 7 == 0, 40.0, 0.0)
    frame = small.assign(delay_min=small["delay_min"] + late, projected_lateness_min=late)
    names = [*FEATURES, "projected_lateness_min"]
    model = fit(frame, names)
    plain = fit(small).predict(small[FEATURES])["expected_delay_min"]
    gain = model.predict(frame[names])["expected_delay_min"] - plain
    assert gain[late > 0].mean() == pytest.approx(40.0, abs=1.0)
    unheard_of = frame.assign(projected_lateness_min=90.0)
    assert model.predict(unheard_of[names])["expected_delay_min"].mean() == pytest.approx(90 + plain.mean(), abs=3.0)
    effects = model.contributions(frame[names])
    np.testing.assert_allclose(effects.sum(axis=1), model.predict(frame[names])["expected_delay_min"], atol=1e-4)


def test_infinite_features_are_named_at_fit_and_at_prediction(small, fitted):
    frame = small.assign(distance_km=small["distance_km"].where(small.index != 5, np.inf))
    with pytest.raises(TableContractError, match=r"distance_km \(1 rows\)"):
        fit(frame)
    with pytest.raises(TableContractError, match=r"distance_km \(1 rows\)"):
        fitted.predict(frame[FEATURES])


def test_missing_and_extra_columns_are_named(fitted, small):
    wrong = small[FEATURES].drop(columns=["distance_km"]).assign(surprise=1.0)
    with pytest.raises(TableContractError, match="missing distance_km; not known to the model: surprise"):
        fitted.predict(wrong)
    with pytest.raises(TableContractError, match="missing distance_km"):
        fitted.explain(wrong)


def test_a_retyped_column_is_named(fitted, small):
    with pytest.raises(TableContractError, match="distance_km was numeric"):
        fitted.predict(small[FEATURES].assign(distance_km="far"))
    frame = small.assign(driver="D" + small["driver_id"].astype(str))
    model = fit(frame, ["driver", "distance_km"])
    with pytest.raises(TableContractError, match="driver was categorical"):
        model.predict(frame[["driver", "distance_km"]].assign(driver=1))


@pytest.mark.parametrize("column", [pd.Timestamp("2024-01-01"), pd.Timedelta("1h"), 1j])
def test_times_and_complex_numbers_are_no_features(small, column):
    with pytest.raises(TableContractError, match="odd has dtype"):
        fit(small.assign(odd=column), [*FEATURES, "odd"])


def test_objects_are_no_features(small):
    with pytest.raises(TableContractError, match="odd has dtype"):
        fit(small.assign(odd=pd.Series([["list"]] * len(small), dtype=object)), [*FEATURES, "odd"])


def test_numbers_in_an_object_column_are_numbers(small, fitted):
    assert fit(small.astype({"distance_km": object})).contract_.features[2].kind == "numeric"
    predicted = fitted.predict(small[FEATURES].astype({"distance_km": object}))
    pd.testing.assert_frame_equal(predicted, fitted.predict(small[FEATURES]))


@pytest.mark.parametrize("dtype", ["object", "str", "category", "Float64"])
def test_a_batch_without_a_value_of_a_number_is_null_whatever_its_dtype(small, fitted, dtype):
    rows = small[FEATURES].head(3)
    null = fitted.predict(rows.assign(distance_km=np.nan))
    empty = pd.Series([None] * 3, index=rows.index, dtype=dtype)
    pd.testing.assert_frame_equal(fitted.predict(rows.assign(distance_km=empty)), null)


def test_no_column_or_two_of_one_name_are_refused(small):
    with pytest.raises(TableContractError, match="no column"):
        fit(small, [])
    with pytest.raises(TableContractError, match="twice: distance_km"):
        fit(small, ["distance_km", "distance_km"])
    with pytest.raises(TableContractError, match="must be text"):
        DelayModel().fit(small[FEATURES].set_axis(range(9), axis=1), small["delay_min"], small["decided_at"])
    with pytest.raises(TableContractError, match="DataFrame"):
        DelayModel().fit(small[FEATURES].to_numpy(), small["delay_min"], small["decided_at"])


def test_rows_filtered_apart_are_found_out(small):
    with pytest.raises(TableContractError, match="share one index"):
        DelayModel().fit(small[FEATURES], small["delay_min"].iloc[::-1], small["decided_at"])
    with pytest.raises(TableContractError, match="share one index"):
        DelayModel().fit(small[FEATURES], small["delay_min"], small["decided_at"].iloc[1:])


def test_decision_times_must_be_known_instants(small):
    with pytest.raises(TableContractError, match="NULL in 1 rows"):
        fit(small.assign(decided_at=small["decided_at"].where(small.index != 3)))
    with pytest.raises(TableContractError, match="instants"):
        fit(small.assign(decided_at=range(len(small))))


@pytest.mark.parametrize("instants", [1, 2])
def test_too_few_decision_times_make_no_blocks(small, instants):
    times = pd.Timestamp("2024-01-01", tz="UTC") + pd.to_timedelta(np.arange(len(small)) % instants, unit="D")
    with pytest.raises(NotEnoughDataError, match="blocks"):
        fit(small.assign(decided_at=times))


@pytest.mark.parametrize(("shift", "p_late"), [(-100.0, 0.0025), (100.0, 0.9975)])
def test_nobody_or_everybody_late_is_learned_and_never_certain(small, shift, p_late):
    frame = small.assign(delay_min=small["delay_min"] + shift)
    predicted = fit(frame).predict(frame[FEATURES])
    np.testing.assert_allclose(predicted["p_late"], p_late, atol=1e-6)
    assert np.isfinite(predicted.to_numpy()).all()
    trained = train_delay_model(frame, FEATURES, params=QUICK)
    assert trained.evaluation["auc"] is None
    assert trained.evaluation["brier"] == pytest.approx(0.0025**2, abs=1e-6)


def test_a_training_set_in_any_order_gives_the_same_model(small):
    shuffled = small.sample(frac=1.0, random_state=8)
    one, other = (train_delay_model(frame, FEATURES, params=QUICK) for frame in (small, shuffled))
    assert one.evaluation == pytest.approx(other.evaluation)
    assert one.window == other.window
    rows = small[FEATURES]
    pd.testing.assert_frame_equal(one.model.predict(rows), other.model.predict(rows))


def test_ten_rows_or_a_repeated_assignment_are_no_training_set(small):
    with pytest.raises(NotEnoughDataError, match="needs 500, has 10"):
        train_delay_model(small.head(10), FEATURES)
    twice = pd.concat([small, small.head(3)], ignore_index=True)
    with pytest.raises(TableContractError, match="more than once in 3 rows"):
        train_delay_model(twice, FEATURES)


def test_null_where_the_fit_never_saw_one_is_safe(small, fitted):
    rows = small[FEATURES].head(20).assign(distance_km=np.nan, is_medical=pd.Series([None] * 20, dtype="boolean"))
    assert np.isfinite(fitted.predict(rows).to_numpy()).all()
    assert np.isfinite(fitted.contributions(rows).to_numpy()).all()


@pytest.fixture(scope="module")
def mixed():
    frame, _ = training_set(600, seed=3)
    return frame.assign(
        driver=("D" + frame["driver_id"].astype(str)).where(frame.index % 9 != 0, None),
        zone=np.where(frame.index % 2, "centre", "outside"),
        legs=pd.array(frame.index % 3, dtype="Int64"),
        is_medical=frame["is_medical"].astype("boolean").where(frame.index % 5 != 0),
    )


MIXED = [*FEATURES, "driver", "zone", "legs"]


@pytest.fixture(scope="module")
def mixed_model(mixed) -> DelayModel:
    return fit(mixed, MIXED)


@pytest.mark.parametrize(
    ("column", "dtype"),
    [
        ("legs", "int8"),
        ("legs", "uint16"),
        ("legs", "float32"),
        ("legs", "Float64"),
        ("legs", "int64[pyarrow]"),
        ("legs", "object"),
        ("is_medical", "object"),
        ("is_medical", "Float64"),
        ("is_medical", "bool[pyarrow]"),
        ("distance_km", "Float64"),
        ("distance_km", "double[pyarrow]"),
        ("driver", "object"),
        ("driver", "category"),
        ("driver", "string"),
        ("driver", "string[pyarrow]"),
        ("zone", "object"),
        ("zone", "category"),
    ],
)
def test_the_same_values_in_another_dtype_are_the_same_rows(mixed, mixed_model, column, dtype):
    rows = mixed[MIXED]
    expected = mixed_model.contract_.encode(rows)
    np.testing.assert_array_equal(mixed_model.contract_.encode(rows.astype({column: dtype})), expected)


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA])
def test_every_kind_of_null_text_is_null(mixed, mixed_model, missing):
    rows = mixed[MIXED].head(4)
    known = mixed_model.contract_.encode(rows.assign(driver=pd.array([None] * 4, dtype="str")))
    mixture = pd.Series(["D1", missing, "D99", missing], dtype=object)
    encoded = mixed_model.contract_.encode(rows.assign(driver=mixture.to_numpy()))
    np.testing.assert_array_equal(encoded[[1, 3]], known[[1, 3]])
    assert (encoded[[0, 2]] != known[[0, 2]]).any(axis=1).all()


def test_a_category_that_is_a_number_matches_its_text(small):
    frame = small.assign(driver=pd.Categorical(small["driver_id"]))
    model = fit(frame, ["driver", "distance_km"])
    rows = frame[["driver", "distance_km"]].head(30)
    text = rows.assign(driver=rows["driver"].astype(str))
    pd.testing.assert_frame_equal(model.predict(text), model.predict(rows))
    assert model.contract_.features[0].categories == ("1", "2", "3", "4", "5")


def test_every_column_with_an_infinite_value_is_counted(mixed, mixed_model):
    rows = mixed[MIXED].assign(
        distance_km=mixed["distance_km"].where(mixed.index > 1, -np.inf),
        traffic_density=mixed["traffic_density"].where(mixed.index != 9, np.inf),
    )
    with pytest.raises(TableContractError, match=r"distance_km \(2 rows\), traffic_density \(1 rows\)"):
        mixed_model.predict(rows)


def test_a_prediction_does_not_change_its_input(mixed, mixed_model):
    rows = mixed[MIXED].astype({"driver": object, "zone": object})
    before = rows.copy(deep=True)
    mixed_model.predict(rows)
    pd.testing.assert_frame_equal(rows, before)
