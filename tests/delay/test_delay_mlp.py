"""The perceptron: close to the floor, explained exactly, the same bytes every time, no torch where none is needed."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from delay_world import FEATURES

from atmr_pipeline.domain.errors import ModelIntegrityError, NotEnoughDataError
from atmr_pipeline.models.delay import DelayModel, DelayParams
from atmr_pipeline.models.delay.mlp import ROWS_AT_ONCE, Perceptron
from atmr_pipeline.models.delay.registry import competing
from atmr_pipeline.models.delay.spline_ridge import SplineRidge

PARAMS = DelayParams(mlp_batch_rows=128, mlp_epochs=30)
NUMBERS = np.zeros(4, dtype=bool)


def interacting(rows: int = 3000) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Four columns, one with NULLs that mean a delay of their own; delays, and their true means."""
    rng = np.random.default_rng(4)
    X = rng.normal(0.0, 1.0, (rows, 4))
    mean = 3.0 + 4.0 * X[:, 0] * X[:, 1] + X[:, 2]
    null = rng.random(rows) < 0.2
    X[null, 3] = np.nan
    mean = mean + 6.0 * null
    return X, mean + rng.normal(0.0, 1.0, rows), mean


@pytest.fixture(scope="module")
def world():
    return interacting()


@pytest.fixture(scope="module")
def perceptron(world):
    X, y, _ = world
    return Perceptron.fit(X[:2000], y[:2000], X[2000:2500], y[2000:2500], is_indicator=NUMBERS, params=PARAMS)


def test_it_learns_interactions_and_what_null_means(world, perceptron):
    X, y, mean = world
    later = slice(2500, None)
    floor = np.abs(mean[later] - y[later]).mean()
    assert np.abs(perceptron.predict(X[later]) - y[later]).mean() < 1.15 * floor
    spline = SplineRidge.fit(X[:2500], y[:2500], X[:0], y[:0], is_indicator=NUMBERS, params=PARAMS)
    assert np.abs(spline.predict(X[later]) - y[later]).mean() > 2.0 * floor
    row = np.zeros((2, 4))
    row[1, 3] = np.nan
    known, null = perceptron.predict(row)
    assert null - known == pytest.approx(6.0, abs=0.8)


def test_null_that_the_fit_never_saw_is_the_mean_and_no_random_number(world, perceptron):
    X, _, _ = world
    row = np.array([[0.3, -0.2, 0.5, 0.1]])
    unknown, average = row.copy(), row.copy()
    unknown[0, 2], average[0, 2] = np.nan, X[:2000, 2].mean()
    np.testing.assert_allclose(perceptron.predict(unknown), perceptron.predict(average), atol=1e-4)


def test_beyond_what_was_seen_nothing_changes(world, perceptron):
    X, _, _ = world
    row = np.array([[0.3, -0.2, X[:2000, 2].max(), 0.1]])
    far = row.copy()
    far[0, 2] = 1e9
    np.testing.assert_array_equal(perceptron.predict(far), perceptron.predict(row))


def test_contributions_sum_to_the_prediction_from_one_base(world, perceptron):
    X, _, _ = world
    effects = perceptron.contributions(X)
    np.testing.assert_allclose(effects.sum(axis=1), perceptron.predict(X), atol=1e-9)
    # The base would be one number if the path integral were exact; what it misses is less than a tenth of a second.
    assert np.ptp(effects[:, -1]) < 1e-3
    null = np.isnan(X[:, 3])
    assert effects[null, 3].mean() - effects[~null, 3].mean() == pytest.approx(6.0, abs=0.8)


def test_contributions_of_a_sum_are_its_terms():
    rng = np.random.default_rng(8)
    X = rng.uniform(-1.0, 1.0, (2000, 2))
    y = 3.0 * X[:, 0] - 2.0 * X[:, 1]
    model = Perceptron.fit(X, y, X, y, is_indicator=np.zeros(2, dtype=bool), params=PARAMS)
    expected = (X - X.mean(axis=0)) * [3.0, -2.0]
    np.testing.assert_allclose(model.contributions(X)[:, :2], expected, atol=0.3)
    assert model.contributions(X[:0]).shape == (0, 3)


def test_later_rows_that_disagree_leave_the_mean(world):
    X, y, _ = world
    contrary = 2.0 * y.mean() - y[2000:]
    model = Perceptron.fit(X[:2000], y[:2000], X[2000:], contrary, is_indicator=NUMBERS, params=PARAMS)
    assert model.arrays["epochs"].tolist() == [0]
    np.testing.assert_allclose(model.predict(X), y[:2000].mean(), atol=1e-5)
    again = model.refit(X, y, is_indicator=NUMBERS, params=PARAMS)
    np.testing.assert_allclose(again.predict(X), y.mean(), atol=1e-5)


def test_refit_takes_as_many_epochs(world, perceptron):
    X, y, _ = world
    again = perceptron.refit(X, y, is_indicator=NUMBERS, params=PARAMS)
    assert again.arrays["epochs"] == perceptron.arrays["epochs"] >= 3
    assert again.to_bytes() != perceptron.to_bytes()


def test_same_fit_gives_the_same_bytes_and_leaves_torch_as_it_was(world, perceptron):
    import torch

    X, y, _ = world
    threads = torch.get_num_threads()
    torch.manual_seed(99)
    expected = torch.rand(3)
    torch.manual_seed(99)
    torch.set_num_threads(2)
    try:
        again = Perceptron.fit(X[:2000], y[:2000], X[2000:2500], y[2000:2500], is_indicator=NUMBERS, params=PARAMS)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)
    assert again.to_bytes() == perceptron.to_bytes()
    assert torch.equal(torch.rand(3), expected)


def test_rows_are_predicted_in_pieces(perceptron):
    X = np.random.default_rng(1).normal(0.0, 1.0, (ROWS_AT_ONCE + 7, 4))
    apart = np.concatenate([perceptron.predict(X[:-7]), perceptron.predict(X[-7:])])
    np.testing.assert_allclose(perceptron.predict(X), apart, atol=1e-4)
    assert perceptron.predict(X[:0]).shape == (0,)


def test_columns_that_say_nothing_are_harmless(world):
    X, y, _ = world
    idle = np.column_stack([X[:600], np.full(600, np.nan), np.full(600, 7.0), np.zeros(600)])
    is_indicator = np.array([False] * 6 + [True])
    model = Perceptron.fit(idle[:500], y[:500], idle[500:], y[500:600], is_indicator=is_indicator, params=PARAMS)
    assert np.isfinite(model.predict(idle)).all()
    assert not model.contributions(idle)[:, 4:7].any()


@pytest.mark.parametrize("data", [b"not a model", Perceptron.name.encode() * 20])
def test_garbage_is_refused(data):
    with pytest.raises(ModelIntegrityError, match="safetensors"):
        Perceptron.from_bytes(data)


def test_it_takes_part_only_with_enough_rows(small):
    few = DelayParams(candidates=("constant_mean", "mlp"), mlp_minimum_rows=510, mlp_epochs=2)
    enough = DelayParams(candidates=("constant_mean", "mlp"), mlp_minimum_rows=509, mlp_epochs=2)
    arguments = (small[FEATURES], small["delay_min"], small["decided_at"])
    # 600 rows: 510 are train and validation.
    assert DelayModel(few).fit(*arguments).candidates_["candidate"].tolist() == ["constant_mean", "spline_ridge"]
    assert "mlp" in DelayModel(enough).fit(*arguments).candidates_["candidate"].tolist()
    with pytest.raises(NotEnoughDataError, match="needs 511, has 510"):
        DelayModel(DelayParams(candidates=("mlp",), mlp_minimum_rows=510)).fit(*arguments)
    assert "mlp" in DelayParams().candidates
    assert competing(DelayParams(), fit_rows=100_000) == ["constant_mean", "spline_ridge", "xgboost", "random_forest"]
    assert competing(DelayParams(), fit_rows=100_001)[-1] == "mlp"


@pytest.fixture(scope="module")
def mixed(small) -> pd.DataFrame:
    return small.assign(
        driver=("D" + small["driver_id"].astype(str)).where(small.index % 9 != 0, None),
        distance_km=small["distance_km"].where(small.index % 7 != 0),
        is_medical=small["is_medical"].astype("boolean").where(small.index % 5 != 0),
        empty=np.nan,
    )


@pytest.fixture(scope="module")
def model(mixed) -> DelayModel:
    params = DelayParams(candidates=("mlp",), mlp_minimum_rows=1, mlp_batch_rows=64, mlp_epochs=10)
    return DelayModel(params).fit(mixed[[*FEATURES, "driver", "empty"]], mixed["delay_min"], mixed["decided_at"])


def test_null_unseen_and_huge_values_are_safe(model, mixed):
    rows = mixed[model.feature_names_].head(4).copy()
    rows["driver"] = ["D77", "D78", None, "D1"]
    rows.loc[rows.index[1], FEATURES] = rows.loc[rows.index[0], FEATURES]
    rows.loc[rows.index[2], [name for name in FEATURES if name not in ("is_medical", "is_urgent")]] = np.nan
    rows.loc[rows.index[3], "distance_km"] = 1e300
    predicted = model.predict(rows)
    assert np.isfinite(predicted.to_numpy()).all()
    assert predicted["expected_delay_min"].iloc[0] == pytest.approx(predicted["expected_delay_min"].iloc[1], abs=1e-5)
    sums = model.contributions(rows).sum(axis=1)
    np.testing.assert_allclose(sums, predicted["expected_delay_min"], atol=1e-9)


def test_saved_and_loaded_it_predicts_the_same(model, mixed, tmp_path):
    rows = mixed[model.feature_names_]
    manifest = model.save(tmp_path)
    assert "torch" in manifest["libraries"]
    loaded = DelayModel.load(tmp_path)
    pd.testing.assert_frame_equal(loaded.predict(rows), model.predict(rows))
    assert loaded.save(tmp_path / "again")["content_hash"] == manifest["content_hash"]


def test_neither_import_nor_load_nor_prediction_needs_torch(model, fitted, mixed, tmp_path):
    model.save(tmp_path / "mlp")
    fitted.save(tmp_path / "other")
    mixed[model.feature_names_].to_parquet(tmp_path / "rows.parquet")
    code = (
        "import sys, pandas as pd\n"
        "from atmr_pipeline.models.delay import DelayModel\n"
        "rows = pd.read_parquet(sys.argv[1] + '/rows.parquet')\n"
        "for name in ('other', 'mlp'):\n"
        "    model = DelayModel.load(sys.argv[1] + '/' + name)\n"
        "    model.explain(rows[model.feature_names_].head(5))\n"
        "    model.predict(rows[model.feature_names_])\n"
        "print(model.chosen_name_, 'torch' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["mlp", "False"]
