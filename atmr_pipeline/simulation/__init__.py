"""The demo company: a world with known truth, for the demo, the tests and the benchmarks."""

from atmr_pipeline.simulation.build import DemoManifest, build_demo
from atmr_pipeline.simulation.config import Scenario, ScenarioName, WorldConfig
from atmr_pipeline.simulation.living import advance
from atmr_pipeline.simulation.truth import (
    Replay,
    World,
    expected_delays,
    expected_delays_as_decided,
    irreducible_error,
)

__all__ = [
    "DemoManifest",
    "Replay",
    "Scenario",
    "ScenarioName",
    "World",
    "WorldConfig",
    "advance",
    "build_demo",
    "expected_delays",
    "expected_delays_as_decided",
    "irreducible_error",
]
