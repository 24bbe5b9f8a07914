"""Models are data: stored without pickle, byte for byte the same, and never read when altered."""

import ast
import hashlib
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from delay_world import FEATURES

import atmr_pipeline.models.delay as package
from atmr_pipeline.domain.errors import ModelIntegrityError
from atmr_pipeline.models.delay import DelayModel, DelayParams
from atmr_pipeline.models.delay.persistence import content_hash

CANDIDATES = ("constant_mean", "constant_median", "spline_ridge", "xgboost", "random_forest")


def fit(frame: pd.DataFrame, candidate: str) -> DelayModel:
    names = [*FEATURES, "driver"]
    frame = frame.assign(driver="D" + frame["driver_id"].astype(str))
    return DelayModel(DelayParams(candidates=(candidate,))).fit(frame[names], frame["delay_min"], frame["decided_at"])


@pytest.fixture
def probe(small):
    rows = small[FEATURES].assign(driver="D" + small["driver_id"].astype(str)).head(200)
    rows.iloc[0, 2] = np.nan
    rows.iloc[1, -1] = "unseen"
    return rows


@pytest.mark.parametrize("candidate", CANDIDATES)
def test_round_trip_is_exact(small, probe, tmp_path, candidate):
    model = fit(small, candidate)
    manifest = model.save(tmp_path / "model")
    loaded = DelayModel.load(tmp_path / "model")
    assert loaded.manifest_ == manifest
    assert loaded.feature_names_ == list(probe.columns)
    assert loaded.chosen_name_ == candidate
    assert loaded.params == model.params
    assert loaded.contract_ == model.contract_
    for method in ("predict", "predict_baseline", "contributions"):
        expected, again = getattr(model, method)(probe), getattr(loaded, method)(probe)
        np.testing.assert_allclose(again, expected, atol=1e-9, rtol=0)
    pd.testing.assert_frame_equal(loaded.explain(probe), model.explain(probe))


@pytest.mark.parametrize("candidate", CANDIDATES)
def test_same_fit_gives_the_same_bytes(small, tmp_path, candidate):
    stored = [fit(small, candidate).save(tmp_path / name, data_hash="d", metrics={"mae": 1.0}) for name in "ab"]
    stored.append(DelayModel.load(tmp_path / "a").save(tmp_path / "c"))
    assert stored[0] == stored[1] == stored[2]
    for path in (tmp_path / "a").iterdir():
        assert (
            path.read_bytes() == (tmp_path / "b" / path.name).read_bytes() == (tmp_path / "c" / path.name).read_bytes()
        )
    other = fit(small.assign(delay_min=small["delay_min"] + 0.01), candidate).save(tmp_path / "d")
    assert other["content_hash"] != stored[0]["content_hash"]


def test_manifest_says_what_the_model_is(fitted, tmp_path):
    fitted.save(tmp_path, data_hash="abc", metrics={"mae_min": 2.0})
    manifest = DelayModel.load(tmp_path).manifest_
    assert [feature["name"] for feature in manifest["features"]] == FEATURES
    assert manifest["data_hash"] == "abc"
    assert manifest["metrics"] == {"mae_min": 2.0}
    assert {"numpy", "xgboost", "scikit-learn"} <= set(manifest["libraries"])
    assert [block["block"] for block in manifest["blocks"]] == ["train", "validation", "calibration"]
    assert sum(manifest["residuals"]["chosen"]["rows"]) == manifest["blocks"][2]["rows"]


def test_a_model_fitted_again_forgets_what_was_stored(fitted, small, tmp_path):
    fitted.save(tmp_path, data_hash="old")
    loaded = DelayModel.load(tmp_path).fit(small[FEATURES], small["delay_min"], small["decided_at"])
    loaded.save(tmp_path)
    assert DelayModel.load(tmp_path).manifest_["data_hash"] is None


@pytest.mark.parametrize("role", ["chosen", "baseline"])
def test_an_altered_or_lost_file_is_refused(small, tmp_path, role):
    fit(small, "xgboost").save(tmp_path)
    path = next(tmp_path.glob(f"{role}.*"))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(ModelIntegrityError, match="altered"):
        DelayModel.load(tmp_path)
    path.unlink()
    with pytest.raises(ModelIntegrityError, match="cannot be read"):
        DelayModel.load(tmp_path)


def rewrite_manifest(directory: Path, change: dict[str, object]) -> None:
    """Change entries and give the manifest the hash it would have had with them."""
    path = directory / "manifest.json"
    manifest = {**json.loads(path.read_text()), **change}
    path.write_text(json.dumps({**manifest, "content_hash": content_hash(manifest)}))


def test_an_altered_manifest_is_refused(fitted, tmp_path):
    fitted.save(tmp_path)
    path = tmp_path / "manifest.json"
    path.write_text(path.read_text().replace('"late_after_min": 5.0', '"late_after_min": 9.0'))
    with pytest.raises(ModelIntegrityError, match="altered"):
        DelayModel.load(tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        {"format": "another/9"},
        {"files": {}},
        {"candidate": "oracle"},
        {"params": {}},
        {"residuals": {}},
        {"features": [{"name": "x"}]},
    ],
)
def test_a_manifest_that_is_not_understood_is_refused(fitted, tmp_path, change):
    fitted.save(tmp_path)
    rewrite_manifest(tmp_path, change)
    with pytest.raises(ModelIntegrityError, match=r"format|lacks an entry"):
        DelayModel.load(tmp_path)


def test_a_model_stored_with_other_knobs_is_still_served(fitted, small, tmp_path):
    fitted.save(tmp_path)
    params = fitted.params.to_dict()
    del params["preferred"], params["offset_feature"]
    rewrite_manifest(tmp_path, {"params": {**params, "knob_of_old": 2.5, "candidates": ["xgboost", "retired"]}})
    loaded = DelayModel.load(tmp_path)
    pd.testing.assert_frame_equal(loaded.predict(small[FEATURES]), fitted.predict(small[FEATURES]))
    assert loaded.params.offset_feature is None, "what was fitted without an offset is served without one"


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", "null"])
def test_garbage_is_no_manifest(tmp_path, text):
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(ModelIntegrityError, match="no manifest"):
        DelayModel.load(tmp_path)


def test_an_empty_folder_is_no_model(tmp_path):
    with pytest.raises(ModelIntegrityError, match="cannot be read"):
        DelayModel.load(tmp_path)


def test_garbage_with_the_right_hash_is_still_refused(small, tmp_path):
    for candidate in ("spline_ridge", "xgboost"):
        fit(small, candidate).save(tmp_path)
        path = next(tmp_path.glob("chosen.*"))
        path.write_bytes(b"not a model")
        manifest = json.loads((tmp_path / "manifest.json").read_text())
        manifest["files"]["chosen"]["sha256"] = hashlib.sha256(b"not a model").hexdigest()
        rewrite_manifest(tmp_path, manifest)
        with pytest.raises(ModelIntegrityError, match="model file"):
            DelayModel.load(tmp_path)
        path.unlink()


def test_metrics_that_json_cannot_hold_are_refused_and_leave_no_manifest(fitted, tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        fitted.save(tmp_path, metrics={"mae_min": float("nan")})
    assert not (tmp_path / "manifest.json").exists()


def test_the_package_imports_no_pickle():
    unsafe = {"pickle", "cloudpickle", "joblib", "dill", "shelve", "marshal"}
    for path in Path(package.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                assert not unsafe & {alias.name.split(".")[0] for alias in node.names}, path.name
            if isinstance(node, ast.ImportFrom):
                assert (node.module or "").split(".")[0] not in unsafe, path.name
