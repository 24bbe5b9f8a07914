"""Training sets that are kept by their content, and versions that are trained again to the same last bit."""

import json
import os
import stat
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from registry_cases import promote
from training_cases import PARAMS, company_rows, register_trained

from atmr_pipeline.domain.errors import ModelIntegrityError, TableContractError
from atmr_pipeline.features.contract import FEATURES
from atmr_pipeline.models.delay.training import hash_table
from atmr_pipeline.resources.retraining import retrain_version
from atmr_pipeline.resources.training_sets import (
    TRAINING_CODE,
    environment,
    keep_training_set,
    prune_training_sets,
    read_training_set,
)
from atmr_pipeline.resources.workspace import Workspace


@pytest.fixture
def workspace(tmp_path, monkeypatch) -> Workspace:
    monkeypatch.setenv("ATMR_HOME", str(tmp_path / "home"))
    return Workspace()


@pytest.fixture
def stored_workspace(workspace, store) -> Workspace:
    """The same on either state database."""
    workspace.__dict__["state"] = store
    return workspace


def kept_files(workspace: Workspace) -> list[str]:
    folder = workspace.settings.root / "training_sets"
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def file_of(workspace: Workspace, digest: str):
    return workspace.settings.root / "training_sets" / f"{digest}.parquet"


def test_a_training_set_is_kept_once_under_its_content_and_read_back_as_it_was(workspace):
    frame = company_rows()
    digest = keep_training_set(workspace, frame)
    again = read_training_set(workspace, digest)
    columns = list(again.columns)
    assert {feature.name for feature in FEATURES} < set(columns)
    pd.testing.assert_frame_equal(again, frame[columns].reset_index(drop=True), check_exact=True)
    assert hash_table(again, columns) == hash_table(frame, columns)
    assert keep_training_set(workspace, frame.set_axis(np.arange(len(frame)) + 7)) == digest
    assert kept_files(workspace) == [f"{digest}.parquet"]
    assert keep_training_set(workspace, frame.iloc[::-1]) != digest, "the order of rows is part of a training"


def test_what_training_does_not_need_is_not_kept_and_only_the_owner_reads_it(workspace):
    digest = keep_training_set(workspace, company_rows().assign(customer_name="Nobody Fictional", notes_medical="x"))
    path = file_of(workspace, digest)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    kept = set(read_training_set(workspace, digest).columns)
    assert not kept & {"customer_name", "notes_medical", "pickup_area", "patient_area", "company_id"}
    assert b"Nobody" not in path.read_bytes()
    assert b"Fictif" not in path.read_bytes()


def test_a_training_set_that_lacks_a_column_or_cannot_be_kept_exactly_is_refused(workspace):
    frame = company_rows()
    with pytest.raises(TableContractError, match="lacks distance_km, delay_min"):
        keep_training_set(workspace, frame.drop(columns=["delay_min", "distance_km"]))
    with pytest.raises(TableContractError, match="exactly: distance_km"):
        keep_training_set(workspace, frame.assign(distance_km=frame["distance_km"].astype(object)))
    assert kept_files(workspace) == []


@pytest.mark.parametrize("how", ["altered", "truncated", "gone"])
def test_a_damaged_training_set_is_not_trained_on(workspace, how):
    frame = company_rows()
    digest = keep_training_set(workspace, frame)
    path = file_of(workspace, digest)
    data = path.read_bytes()
    if how == "gone":
        path.unlink()
    else:
        path.write_bytes(data[:-1] if how == "truncated" else data[:-40] + bytes([data[-40] ^ 1]) + data[-39:])
    with pytest.raises(TableContractError, match="not kept" if how == "gone" else "altered"):
        read_training_set(workspace, digest)
    assert keep_training_set(workspace, frame) == digest, "keeping it again repairs it"
    assert len(read_training_set(workspace, digest)) == len(frame)


def test_a_crash_while_keeping_leaves_nothing_under_the_name(workspace, monkeypatch):
    def full(_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", full)
        with pytest.raises(OSError, match="No space"):
            keep_training_set(workspace, company_rows())
    assert kept_files(workspace) == []


def test_pruning_keeps_what_aliases_name_and_the_newest(stored_workspace, monkeypatch):
    workspace = stored_workspace
    monkeypatch.setenv("ATMR_TRAINING_SETS_KEEP", "2")
    served = register_trained(workspace, company_rows(seed=1))
    loose = register_trained(workspace, company_rows(seed=2))
    promote(workspace.registry, served)
    in_progress = [keep_training_set(workspace, company_rows(seed=seed)) for seed in (11, 12, 13)]
    newest = [workspace.registry.get(v).metrics["training"]["training_set"] for v in (served, loose)] + in_progress
    for age, digest in enumerate(reversed(newest)):
        os.utime(file_of(workspace, digest), (1_700_000_000 - age, 1_700_000_000 - age))
    assert prune_training_sets(workspace) == 2
    assert kept_files(workspace) == sorted(f"{digest}.parquet" for digest in (newest[0], *in_progress[1:]))
    assert retrain_version(workspace, served).identical
    with pytest.raises(TableContractError, match="not kept"):
        retrain_version(workspace, loose)
    assert prune_training_sets(workspace) == 0
    keep_training_set(workspace, company_rows(seed=12))
    keep_training_set(workspace, company_rows(seed=14))
    assert prune_training_sets(workspace) == 1
    assert f"{in_progress[1]}.parquet" in kept_files(workspace), "what is kept again is new again"


def test_a_version_is_trained_again_to_the_same_content(stored_workspace):
    version = register_trained(stored_workspace, company_rows())
    result = retrain_version(stored_workspace, version)
    assert (result.identical, result.differences) == (True, ())
    assert result.content_hash_after == result.content_hash_before
    assert result.content_hash_before.startswith(version)
    assert len(stored_workspace.registry.history("delay")) == 1, "nothing is registered"


def atmr(*arguments: str, home, **environment_values: str) -> subprocess.CompletedProcess:
    values = {name: value for name, value in os.environ.items() if not name.startswith(("ATMR_", "OMP_", "OPENBLAS_"))}
    values |= {"ATMR_HOME": str(home), **environment_values}
    command = [sys.executable, "-c", "from atmr_pipeline.cli import main; main()", *arguments]
    return subprocess.run(command, env=values, cwd=home, capture_output=True, text=True, timeout=200, check=False)


@pytest.mark.slow
def test_other_processes_threads_and_folders_give_the_same_content_by_the_command_line(workspace):
    home = workspace.settings.root
    version = register_trained(workspace, company_rows())
    threads = {"OMP_NUM_THREADS": "4", "OPENBLAS_NUM_THREADS": "4", "PYTHONHASHSEED": "7", "TZ": "Asia/Tokyo"}
    done = atmr("retrain", version, "--json", home=home, **threads)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["identical"] is True
    assert told["content_hash_after"] == workspace.registry.get(version).content_hash
    again = atmr("retrain", "0" * 16, home=home)
    assert (again.returncode, again.stdout) == (1, "")
    assert again.stderr.startswith("error: no model version")


def test_other_code_and_libraries_are_named_even_if_the_model_is_the_same(workspace):
    now = environment(TRAINING_CODE)
    older = {"code": "0" * 64, "libraries": {**now["libraries"], "numpy": "1.0.0"}, "python": "3.0.0"}
    version = register_trained(workspace, company_rows(), **older)
    result = retrain_version(workspace, version)
    assert result.identical
    assert [line.split(":")[0] for line in result.differences] == ["code", "python", "numpy"]
    assert f"numpy: 1.0.0 then, {now['libraries']['numpy']} now" in result.differences


@pytest.mark.slow
def test_what_came_out_otherwise_is_named_and_is_exit_1(workspace):
    version = register_trained(workspace, company_rows(), params={**PARAMS.to_dict(), "ridge_alpha": 1.0})
    result = retrain_version(workspace, version)
    assert not result.identical
    assert result.content_hash_after != result.content_hash_before
    assert {"manifest: params.ridge_alpha", "manifest: metrics.evaluation"} <= set(result.differences)
    done = atmr("retrain", version, home=workspace.settings.root)
    assert done.returncode == 1
    assert done.stdout.startswith("NOT identical")
    assert "manifest: params.ridge_alpha" in done.stderr


def test_a_version_without_a_record_or_with_damaged_files_is_refused(workspace, tmp_path):
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "manifest.json").write_text("{}")
    bare = workspace.registry.register("delay", tmp_path / "m", {}, training_fingerprint="f", metrics={})
    with pytest.raises(ModelIntegrityError, match="without a record"):
        retrain_version(workspace, bare)
    version = register_trained(workspace, company_rows())
    (workspace.registry.path(version) / "manifest.json").write_text("{}")
    with pytest.raises(ModelIntegrityError, match="altered"):
        retrain_version(workspace, version)
