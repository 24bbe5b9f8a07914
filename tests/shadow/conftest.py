"""Two small models for the whole folder; homes of their own for each test."""

from pathlib import Path

import pytest
from shadow_company import evaluated, learned, registered

from atmr_pipeline.models.delay import DelayModel
from atmr_pipeline.resources.workspace import Workspace


@pytest.fixture(scope="session")
def good() -> DelayModel:
    return learned()


@pytest.fixture(scope="session")
def biased() -> DelayModel:
    """Three minutes too high, always."""
    return learned(3.0)


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.setenv("ATMR_HOME", str(tmp_path / "home"))
    return Workspace()


@pytest.fixture
def challenged(workspace: Workspace, tmp_path: Path, good: DelayModel, biased: DelayModel) -> tuple[str, str]:
    """Champion and newest version: a biased model serves, a good one was evaluated and refused by the gates."""
    champion = registered(workspace, biased, tmp_path / "champion")
    challenger = registered(workspace, good, tmp_path / "challenger")
    workspace.registry.promote("delay", champion, expected_seq=0, actor="test", reason="test", evidence={})
    evaluated(workspace, challenger, passed=False)
    return champion, challenger
