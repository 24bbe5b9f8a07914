import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from dqn_child import SETTINGS
from dqn_worlds import Corridor

from atmr_pipeline.domain.errors import ModelIntegrityError
from atmr_pipeline.models.dqn.checkpoint import load_checkpoint, save_checkpoint
from atmr_pipeline.models.dqn.determinism import seeded
from atmr_pipeline.models.dqn.learner import Group, Trained
from atmr_pipeline.models.dqn.networks import multilayer
from atmr_pipeline.models.dqn.settings import DqnSettings
from atmr_pipeline.models.dqn.training import train

CHILD = Path(__file__).with_name("dqn_child.py")


def child(*arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, str(CHILD), *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})


def last_words(process: subprocess.Popen[str]) -> tuple[list[str], list[str]]:
    """Steps that a process reported, and what it said in the end."""
    out, _ = process.communicate(timeout=200)
    assert process.returncode == 0
    lines = out.splitlines()
    return [line for line in lines if line.startswith("step ")], [line for line in lines if "step " not in line]


def test_a_run_that_was_killed_twice_ends_as_if_it_had_not_been(tmp_path: Path) -> None:
    path = tmp_path / "run.safetensors"
    whole = child("-", 0)
    for wait_at in (35, 63):
        killed = child(path, wait_at)
        assert killed.stdout is not None
        while (line := killed.stdout.readline()) and line.strip() != f"step {wait_at}":
            pass
        assert line, "the run ended before it could be killed"
        killed.send_signal(signal.SIGKILL)
        killed.communicate()
        assert killed.returncode == -signal.SIGKILL
    resumed_steps, resumed = last_words(child(path, 0))
    whole_steps, expected = last_words(whole)
    assert resumed == expected
    # It went on from step 50, and did not begin anew.
    assert resumed_steps == [step for step in whole_steps if int(step.split()[1]) > 50]
    assert SETTINGS.gradient_steps == 90


SMALL = DqnSettings(gradient_steps=20, parallel_episodes=4, warmup_steps=5, batch_size=8, replay_capacity=100)


def run(checkpoint: Path, settings: DqnSettings = SMALL, **others: Any) -> Trained:
    with seeded(0):
        network = multilayer(5, Corridor.n_actions, settings, hidden=(8,))
    groups = [Group(Corridor()), Group(Corridor(cells=5, limit=3))]
    return train(groups, network, settings, checkpoint=checkpoint, checkpoint_every=6, **others)


def test_several_groups_go_on_too(tmp_path: Path) -> None:
    path = tmp_path / "run.safetensors"
    kept: list[bytes] = []
    whole = run(path, replace(SMALL, log_every=15), on_progress=lambda point: kept.append(_bytes(path)))
    path.write_bytes(kept[1])
    again = run(path, replace(SMALL, log_every=15))
    assert again.curve == whole.curve
    assert again.environment_steps == whole.environment_steps
    for mine, theirs in zip(again.network.parameters(), whole.network.parameters(), strict=True):
        assert torch.equal(mine, theirs)


def _bytes(path: Path) -> bytes:
    return path.read_bytes() if path.is_file() else b""


def test_a_checkpoint_of_another_run_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "run.safetensors"
    run(path, fingerprint="these days")
    with pytest.raises(ModelIntegrityError, match="other settings or data"):
        run(path, fingerprint="other days")
    with pytest.raises(ModelIntegrityError, match="other settings or data"):
        run(path, replace(SMALL, learning_rate=0.1), fingerprint="these days")
    with pytest.raises(ModelIntegrityError, match="other settings or data"):
        train(
            [Group(Corridor())], multilayer(5, 3, SMALL, hidden=(9,)), SMALL, checkpoint=path, fingerprint="these days"
        )


@pytest.mark.parametrize("content", [b"", b"nonsense", b"\xff" * 64])
def test_what_is_no_checkpoint_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "run.safetensors"
    path.write_bytes(content)
    with pytest.raises(ModelIntegrityError, match="cannot be read"):
        run(path)


def test_a_cut_off_file_and_a_foreign_one_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "run.safetensors"
    save_checkpoint(path, {"weights": torch.arange(1000)}, {}, fingerprint="x")
    whole = path.read_bytes()
    path.write_bytes(whole[:-100])
    with pytest.raises(ModelIntegrityError, match="cannot be read"):
        load_checkpoint(path, fingerprint="x")
    path.write_bytes(whole.replace(b"dqn_checkpoint", b"qdn_checkpoint"))
    with pytest.raises(ModelIntegrityError, match="not a training checkpoint"):
        load_checkpoint(path, fingerprint="x")


def test_a_checkpoint_says_what_it_was_told_to_the_last_bit(tmp_path: Path) -> None:
    path = tmp_path / "run.safetensors"
    shared = torch.rand(4)
    tensors = {"a": shared, "b": shared[1:3], "flags": torch.tensor([True, False]), "none": torch.zeros(0)}
    facts = {"loss": [0.1 + 0.2, 1e-300], "step": 3, "score": None}
    save_checkpoint(path, tensors, facts, fingerprint="x")
    (tmp_path / ".run.safetensors.half.partial").write_bytes(b"left behind by a kill")
    read, told = load_checkpoint(path, fingerprint="x")
    assert told == facts
    assert read.keys() == tensors.keys()
    assert all(torch.equal(read[name], tensors[name]) for name in tensors)
