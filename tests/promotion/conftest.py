import pytest

from atmr_pipeline.promotion.registry import ModelRegistry
from atmr_pipeline.state.store import StateStore


@pytest.fixture
def registry(store: StateStore, tmp_path) -> ModelRegistry:
    return ModelRegistry(store, tmp_path / "models")
