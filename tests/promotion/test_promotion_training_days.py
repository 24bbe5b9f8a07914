"""The days a dispatch policy was trained on: kept exactly, and enough to have the policy again."""

import tempfile
from dataclasses import asdict, fields, replace
from pathlib import Path

import numpy as np
import pytest

from atmr_pipeline.dispatch.problem import DayProblem
from atmr_pipeline.dispatch.synthetic import synthetic_days
from atmr_pipeline.domain.errors import TableContractError
from atmr_pipeline.models.policy import DemonstrationSettings, DispatchPolicy, PolicySettings, days_sha256
from atmr_pipeline.resources.retraining import retrain_version
from atmr_pipeline.resources.training_days import (
    keep_training_days,
    policy_training_record,
    read_training_days,
    train_policy_as_recorded,
)
from atmr_pipeline.resources.training_sets import keep_bytes
from atmr_pipeline.resources.workspace import Workspace

QUICK = PolicySettings(
    seed=3, gradient_steps=5, min_days=2, trust_days=4, trust_beam_days=3, generated_days=8, batch_size=32,
    parallel_episodes=4, warmup_steps=2, demonstrations=DemonstrationSettings(planner="local_search"),
)  # fmt: skip


@pytest.fixture
def workspace(tmp_path, monkeypatch) -> Workspace:
    monkeypatch.setenv("ATMR_HOME", str(tmp_path / "home"))
    return Workspace()


def days() -> list[DayProblem]:
    made = synthetic_days(12, seed=11)
    late = replace(made[0], ready_min=made[0].scheduled_min + 5.0, absences=((0, 600.0, 660.0), (1, 0.0, 30.5)))
    return [late, *made[1:]]


def nobody_drives() -> DayProblem:
    empty = {"shift_start_min": [], "shift_end_min": [], "is_emergency": [], "start_min": np.empty((0, 1))}
    one = {
        name: [1.0] for name in ("scheduled_min", "ride_min", "ride_km", "pickup_service_min", "dropoff_service_min")
    }
    legs = {"deadhead_min": [[0.0]], "deadhead_km": [[0.0]], "is_outbound": [True], "is_urgent": [False]}
    return DayProblem(driver_ids=(), booking_ids=("1",), start_km=np.empty((0, 1)), **empty, **one, **legs)


def test_days_are_kept_once_and_read_back_bit_for_bit(workspace):
    given = [*days(), nobody_drives()]
    digest = keep_training_days(workspace, given)
    again = read_training_days(workspace, digest)
    assert days_sha256(again) == days_sha256(given)
    for before, after in zip(given, again, strict=True):
        for field in fields(DayProblem):
            old, new = getattr(before, field.name), getattr(after, field.name)
            assert type(old) is type(new)
            assert np.array_equal(old, new) if isinstance(old, np.ndarray) else old == new
    assert keep_training_days(workspace, given) == digest
    assert keep_training_days(workspace, given[::-1]) != digest


def test_other_bytes_than_days_are_refused(workspace):
    for data in (b"no table", b""):
        digest = keep_bytes(workspace, data, ".parquet")
        with pytest.raises(TableContractError, match="does not hold days"):
            read_training_days(workspace, digest)
    with pytest.raises(TableContractError, match="is not kept"):
        read_training_days(workspace, "0" * 64)


@pytest.mark.slow
def test_a_policy_is_trained_again_to_the_same_content(workspace):
    given = days()
    record = policy_training_record(keep_training_days(workspace, given), QUICK)
    trained = train_policy_as_recorded(given, record)
    assert asdict(trained.settings) == asdict(QUICK)
    with tempfile.TemporaryDirectory() as folder:
        manifest = DispatchPolicy.from_training(trained).save(Path(folder))
        version = workspace.registry.register(
            "policy", Path(folder), manifest, training_fingerprint="f", metrics={"training": record}
        )
    result = retrain_version(workspace, version)
    assert (result.identical, result.differences) == (True, ())
    other = {**record, "settings": {**record["settings"], "seed": 4}}
    workspace.registry.register(
        "policy", workspace.registry.path(version), {}, training_fingerprint="g", metrics={"training": other}
    )
    changed = retrain_version(workspace, version)
    assert not changed.identical
    assert {"manifest: weights_sha256", "manifest: training.settings"} <= set(changed.differences)
