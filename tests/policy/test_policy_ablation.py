"""The ablation trains the variants it is asked for, and reports what it measured."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from atmr_pipeline.models.policy.learner import PolicySettings

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "dqn_ablation.py"
SOME = ["base", "noisy", "c51", "attention"]


@pytest.fixture(scope="module")
def benchmark() -> ModuleType:
    spec = importlib.util.spec_from_file_location("dqn_ablation", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_variants_are_trained_and_reported(benchmark: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(benchmark, "HELD_OUT_DAYS", 5)
    result = benchmark.measure(SOME, seeds=1, cpu_s=0.01, training_days=40)
    assert list(result["variants"]) == SOME
    assert result["proven_pct"] == 100.0
    for figures in result["variants"].values():
        assert figures["gap_pct"] == figures["gap_pct_of_seeds"][0] >= 0.0
        assert figures["gradient_steps"] >= 1
    lines = benchmark.table(result).splitlines()
    assert len(lines) == 2 + len(SOME)
    gaps = [float(line.split("|")[3].split("%")[0]) for line in lines[2:]]
    assert gaps == sorted(gaps)


def test_a_variant_changes_one_part_of_the_base(benchmark: ModuleType) -> None:
    base = PolicySettings()
    for name, changed in benchmark.VARIANTS.items():
        assert (not changed.settings and changed.network is None) == (name == "base")
        assert all(getattr(base, key) != value for key, value in changed.settings.items())
