"""Each candidate's own evaluation of its arrays agrees with the library that fitted it."""

import numpy as np
import pytest
from delay_world import FEATURES
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import Ridge
from sklearn.preprocessing import SplineTransformer

from atmr_pipeline.models.delay import DelayParams
from atmr_pipeline.models.delay.forest import Forest
from atmr_pipeline.models.delay.registry import CANDIDATES
from atmr_pipeline.models.delay.residuals import ResidualTable
from atmr_pipeline.models.delay.spline_ridge import SplineRidge

PARAMS = DelayParams(forest_trees=12)


@pytest.fixture
def matrix(small):
    X = small[FEATURES].to_numpy(dtype=np.float64)
    X[::11, 2] = np.nan
    return X, small["delay_min"].to_numpy()


def test_forest_predicts_like_scikit_learns(small):
    X, y = small[FEATURES].to_numpy(dtype=np.float64), small["delay_min"].to_numpy()
    first, later = slice(0, 450), slice(450, None)
    params = DelayParams(forest_trees=60)
    forest = Forest.fit(X[first], y[first], X[:0], y[:0], is_indicator=np.zeros(X.shape[1], dtype=bool), params=params)
    assert len(forest.booster.get_dump()) == 60
    assert forest.booster.num_boosted_rounds() == 1, "trees beside each other, none on the residuals of another"
    reference = RandomForestRegressor(
        n_estimators=60,
        max_depth=params.forest_depth,
        min_samples_leaf=params.forest_min_leaf,
        max_features=params.forest_feature_share,
        random_state=0,
    ).fit(X[first], y[first])
    ours, theirs = (np.abs(model.predict(X[later]) - y[later]).mean() for model in (forest, reference))
    assert ours == pytest.approx(theirs, rel=0.05)
    assert np.corrcoef(forest.predict(X[later]), reference.predict(X[later]))[0, 1] > 0.9


def test_spline_arrays_equal_scikit_learn(small):
    X = small[["time_of_day", "distance_km"]].to_numpy()
    y = small["delay_min"].to_numpy()
    model = SplineRidge.fit(X, y, X[:0], y[:0], is_indicator=np.zeros(2, dtype=bool), params=PARAMS)
    knots = np.quantile(X, np.linspace(0, 1, PARAMS.spline_knots), axis=0)
    reference = SplineTransformer(knots=knots, degree=3, extrapolation="constant", include_bias=False).fit(X)
    ridge = Ridge(alpha=PARAMS.ridge_alpha).fit(reference.transform(X), y)
    probe = X * 3.0 - 10.0
    expected = ridge.predict(reference.transform(probe))
    np.testing.assert_allclose(model.predict(probe), expected, atol=1e-9, rtol=0)


def test_spline_effects_are_centred(matrix):
    X, y = matrix
    model = SplineRidge.fit(X, y, X[:0], y[:0], is_indicator=np.zeros(9, dtype=bool), params=PARAMS)
    effects = model.contributions(X)
    np.testing.assert_allclose(effects[:, :-1].mean(axis=0), 0.0, atol=1e-9)
    np.testing.assert_allclose(effects[0, -1], y.mean(), atol=1e-9)


@pytest.mark.parametrize("name", list(CANDIDATES))
def test_contributions_sum_to_the_prediction_and_bytes_bring_it_back(matrix, name):
    X, y = matrix
    model = CANDIDATES[name].fit(X[:400], y[:400], X[400:], y[400:], is_indicator=np.zeros(9, bool), params=PARAMS)
    again = model.refit(X, y, is_indicator=np.zeros(9, bool), params=PARAMS)
    np.testing.assert_allclose(again.contributions(X).sum(axis=1), again.predict(X), atol=1e-4)
    restored = type(again).from_bytes(again.to_bytes())
    np.testing.assert_allclose(restored.predict(X), again.predict(X), atol=1e-9, rtol=0)
    assert restored.to_bytes() == again.to_bytes()
    assert restored.predict(X[:0]).shape == (0,)


def test_early_stopping_stops_on_later_rows_that_disagree(matrix):
    X, y = matrix
    boosting = CANDIDATES["xgboost"]
    agreeing = boosting.fit(X[:400], y[:400], X[400:], y[400:], is_indicator=np.zeros(9, bool), params=PARAMS)
    noise = np.random.default_rng(3).normal(y.mean(), 5, 200)
    disagreeing = boosting.fit(X[:400], y[:400], X[400:], noise, is_indicator=np.zeros(9, bool), params=PARAMS)
    assert disagreeing.rounds < agreeing.rounds < PARAMS.xgb_rounds


def test_residual_table_knows_that_spread_grows_with_the_mean():
    rng = np.random.default_rng(2)
    predicted = rng.uniform(0, 20, 4000)
    actual = predicted + rng.normal(0, 0.5 + predicted / 5)
    table = ResidualTable.fit(predicted, actual, bins=5)
    low, high = table.interval(np.array([2.0, 18.0]), 0.9)
    assert (high - low)[1] > 2.5 * (high - low)[0]
    assert table.rows.tolist() == [800] * 5
    fresh = rng.uniform(0, 20, 4000)
    drawn = fresh + rng.normal(0, 0.5 + fresh / 5)
    low, high = table.interval(fresh, 0.9)
    assert 0.88 < ((low <= drawn) & (drawn <= high)).mean() < 0.92
    assert abs(table.probability_above(fresh, 10.0).mean() - (drawn > 10.0).mean()) < 0.01


def test_residual_table_with_one_prediction_is_one_bin():
    actual = np.arange(100.0)
    table = ResidualTable.fit(np.full(100, 50.0), actual, bins=5)
    assert table.rows.tolist() == [100]
    assert table.probability_above(np.array([50.0]), 74.5)[0] == pytest.approx(0.25, abs=0.01)
    same = ResidualTable.from_dict(table.to_dict())
    np.testing.assert_array_equal(same.quantile_min, table.quantile_min)


def test_probability_falls_with_the_threshold_and_is_never_certain():
    rng = np.random.default_rng(2)
    predicted = rng.uniform(0, 20, 500)
    table = ResidualTable.fit(predicted, predicted + rng.normal(0, 3, 500), bins=5)
    chances = np.array([table.probability_above(np.array([10.0]), limit)[0] for limit in range(-50, 80)])
    assert (np.diff(chances) <= 1e-12).all()
    assert chances[0] == pytest.approx(0.9975)
    assert chances[-1] == pytest.approx(0.0025)
