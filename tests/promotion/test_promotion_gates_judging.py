"""From the stored tables to verdicts: every gate of both kinds, on real models, registries and source tables."""

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import pandas as pd
import pytest
from gate_days import policy_costs

from atmr_pipeline.assets.delay_judging import _others, judge_delay
from atmr_pipeline.assets.dispatch_policy import _kept, _to_compare
from atmr_pipeline.assets.policy_judging import judge_policy
from atmr_pipeline.assets.promotion import DELAY_GATES, POLICY_GATES
from atmr_pipeline.dispatch.simulator import CostWeights
from atmr_pipeline.features.contract import FEATURE_NAMES
from atmr_pipeline.features.delay import delay_training_set
from atmr_pipeline.models.delay import DelayParams
from atmr_pipeline.models.delay.training import DelayTraining, train_delay_model
from atmr_pipeline.models.policy import DispatchPolicy
from atmr_pipeline.models.policy.network import QNetwork
from atmr_pipeline.promotion.gates import GateVerdict
from atmr_pipeline.resources.workspace import Workspace

FRAMES = Path(__file__).parents[1] / "features" / "feature_frames.py"
DAILY = ("bookings", "assignments", "dispatch_runs")


def by_name(verdicts: list[GateVerdict]) -> dict[str, GateVerdict]:
    return {verdict.name: verdict for verdict in verdicts}


def feature_frames() -> ModuleType:
    if "feature_frames" not in sys.modules:
        spec = importlib.util.spec_from_file_location("feature_frames", FRAMES)
        assert spec is not None
        assert spec.loader is not None
        sys.modules[spec.name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[spec.name])
    return sys.modules["feature_frames"]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("gates-home")


@pytest.fixture
def workspace(home: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """Of a company, so that nothing is taken from the demo."""
    monkeypatch.setenv("ATMR_HOME", str(home))
    monkeypatch.setenv("ATMR_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    monkeypatch.setenv("ATMR_HASH_KEY", "a key for tests only")
    monkeypatch.setenv("ATMR_HISTORY_START", "2025-02-01")
    return Workspace()


@pytest.fixture(scope="module")
def trainings(home: Path) -> dict[str, DelayTraining]:
    """Two models of the same make, and the tables that they were made from in the home."""
    from atmr_pipeline.resources.tables import Tables

    world = feature_frames().random_world(31, bookings=900, days=75)
    tables = Tables(home / "tables")
    for name in DAILY:
        frame = getattr(world, name)
        tables.write_days(name, frame, sorted({day.date() for day in frame["service_day"]}))
    tables.write("drivers", world.drivers)
    tables.write("weather_forecast", world.weather)
    tables.write("calendar_days", world.calendar)
    training_set, _ = delay_training_set(world)
    tables.write("delay_training_set", training_set)

    def trained(seed: int) -> DelayTraining:
        params = DelayParams(seed=seed, candidates=("spline_ridge",))
        return train_delay_model(
            training_set, list(FEATURE_NAMES), params=params, holdout_days=21, minimum_rows=300, minimum_days=30
        )

    return {"champion": trained(1), "challenger": trained(2)}


def register(workspace: Workspace, training: DelayTraining, folder: Path, name: str) -> str:
    manifest = training.model.save(folder, data_hash=name, metrics={})
    return workspace.registry.register("delay", folder, manifest, training_fingerprint=name, metrics={})


@pytest.fixture
def challenger(workspace: Workspace, trainings: dict[str, DelayTraining], tmp_path: Path) -> str:
    version = register(workspace, trainings["challenger"], tmp_path / "challenger", "challenger")
    workspace.tables.write_value("delay_model", {"version_id": version})
    workspace.tables.write("delay_evaluation", trainings["challenger"].holdout.assign(model_version=version))
    return version


@pytest.mark.slow
def test_every_delay_gate_is_judged_from_the_tables(
    workspace: Workspace,
    challenger: str,
    trainings: dict[str, DelayTraining],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    alone = by_name(judge_delay(workspace))
    assert set(alone) == set(DELAY_GATES)
    assert alone["no_leak"].passed
    assert alone["reload_identical"].passed
    assert alone["latency"].n == 100
    assert alone["company_f1"].verdict == "off"
    for name in ("not_inferior_to_champion", "not_inferior_to_anchor", "brier_not_inferior_to_champion"):
        assert alone[name].verdict == "not judged"
    assert "than the constant mean" in alone["slices"].detail

    first = register(workspace, trainings["champion"], tmp_path / "champion", "champion")
    workspace.registry.promote("delay", first, expected_seq=0, actor="test", reason="first", evidence={})
    monkeypatch.setenv("ATMR_COMPANY_GATES", "true")
    beside = by_name(judge_delay(Workspace()))
    rows = beside["enough_rows"].n
    for name in ("not_inferior_to_champion", "not_inferior_to_anchor", "brier_not_inferior_to_champion"):
        assert (beside[name].verdict, beside[name].n) == ("passed", rows)
    assert "than the champion" in beside["slices"].detail
    assert {line["cut"] for line in beside["slices"].table} >= {"company", "driver", "leg", "weekday"}
    assert beside["company_accuracy"].n == rows


@pytest.mark.slow
def test_a_value_that_the_sources_do_not_give_is_a_leak_and_no_reload(workspace: Workspace, challenger: str) -> None:
    stored = workspace.tables.read("delay_evaluation")
    workspace.tables.write("delay_evaluation", stored.assign(slack_min=stored["delay_min"]))
    planted = by_name(judge_delay(workspace))
    assert not planted["no_leak"].passed
    assert "slack_min" in planted["no_leak"].detail
    assert not planted["reload_identical"].passed
    assert planted["enough_rows"].passed


def test_an_anchor_that_cannot_be_read_is_not_judged_with_its_reason(
    trainings: dict[str, DelayTraining], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ATMR_HOME", str(tmp_path / "home"))
    workspace = Workspace()
    first, second = (register(workspace, one, tmp_path / name, name) for name, one in trainings.items())
    workspace.registry.promote("delay", first, expected_seq=0, actor="test", reason="first", evidence={})
    workspace.registry.promote("delay", second, expected_seq=1, actor="test", reason="second", evidence={})
    found, missing, _ = _others(workspace, "challenger")
    assert (set(found), missing) == ({"champion", "anchor"}, {})
    damaged = workspace.registry.path(first) / "manifest.json"
    damaged.chmod(0o644)
    damaged.write_text("{}")
    found, missing, _ = _others(workspace, "challenger")
    assert set(found) == {"champion"}
    assert f"the anchor {first} cannot be read" in missing["anchor"]
    assert _others(workspace, second)[1]["champion"] == "this version is the champion itself"


class Log:
    """What a run's log is asked for here."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.log = self

    def warning(self, text: str) -> None:
        self.lines.append(text)


def policy_version(workspace: Workspace, folder: Path, *, features: str | None = None) -> str:
    policy = DispatchPolicy(QNetwork(), CostWeights())
    manifest = policy.save(folder)
    if features is not None:
        manifest["feature_contract"] = features
        (folder / "manifest.json").write_text(json.dumps(manifest))
    return workspace.registry.register("policy", folder, manifest, training_fingerprint=folder.name, metrics={})


def test_an_anchor_of_older_features_is_skipped_with_its_reason(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ATMR_HOME", str(tmp_path / "home"))
    workspace = Workspace()
    champion = policy_version(workspace, tmp_path / "champion")
    anchor = policy_version(workspace, tmp_path / "anchor", features="of older days")
    workspace.registry.promote("policy", champion, expected_seq=0, actor="test", reason="first", evidence={})
    log = Log()
    against = {"champion": champion, "anchor": anchor}
    found, skipped = _to_compare(log, workspace, against, "challenger")
    assert set(found) == {"champion"}
    assert f"the anchor {anchor} cannot plan today's days" in skipped["anchor"]
    assert len(log.lines) == 1
    assert _to_compare(log, workspace, against, champion)[1]["champion"] == "this version is the champion itself"
    assert _to_compare(log, workspace, {"champion": None, "anchor": None}, "challenger") == ({}, {})


METHODS = {"policy": "challenger", "champion": "champion", "anchor": "anchor"}


def evaluated_days(workspace: Workspace, version: str, record: dict[str, object]) -> None:
    """The tables of a policy's evaluation: 30 held-out days of one company."""
    costs = policy_costs(3, days=30)
    costs = costs.assign(cost_champion=costs["cost_challenger"], cost_anchor=costs["cost_challenger"])
    parts = []
    for method in ("policy", "champion", "anchor", "greedy", "least_loaded", "local_search", "untrained"):
        cost = costs[f"cost_{METHODS.get(method, method)}"]
        parts.append(costs[["service_day", "bookings", "completed", "max_delay_min"]].assign(method=method, cost=cost))
    table = pd.concat(parts, ignore_index=True).assign(company_id=1, model_version=version)
    workspace.tables.write("dispatch_evaluation", table)
    plans = pd.concat(
        [
            costs[["service_day", "load_gap", "late", "invalid_action_rate", "decision_ms"]].assign(method=method)
            for method in ("policy", "local_search")
        ],
        ignore_index=True,
    )
    plans = plans.assign(company_id=1, guards_broken="", model_version=version)
    workspace.tables.write("dispatch_plan_figures", plans)
    workspace.tables.write_value("dispatch_policy", {"version_id": version, **record})


def test_every_policy_gate_is_judged_from_the_tables_and_against_the_champion_of_now(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ATMR_HOME", str(tmp_path / "home"))
    workspace = Workspace()
    champion = policy_version(workspace, tmp_path / "champion")
    workspace.registry.promote("policy", champion, expected_seq=0, actor="test", reason="first", evidence={})
    evaluated_days(workspace, "v2", {"compared_with": {"champion": champion, "anchor": champion}, "not_compared": {}})
    verdicts = by_name(judge_policy(workspace))
    assert set(verdicts) == set(POLICY_GATES)
    assert [name for name, one in verdicts.items() if not one.passed] == []
    assert verdicts["not_inferior_to_anchor"].n == 30
    assert verdicts["not_inferior_to_resolve"].verdict == "not judged"
    assert _kept(workspace, "v2", {"champion": champion, "anchor": champion}) is not None
    assert _kept(workspace, "v2", {"champion": champion, "anchor": "another"}) is None

    lived = pd.DataFrame({"service_day": workspace.tables.read("dispatch_evaluation")["service_day"].unique()})
    lived = pd.concat([lived.assign(method="hybrid", cost=9.0), lived.assign(method="exact", cost=10.0)])
    workspace.tables.write("running_day_evaluation", lived.assign(company_id=1, draw=0).reset_index(drop=True))
    assert by_name(judge_policy(workspace))["not_inferior_to_resolve"].verdict == "passed"
    without = lived[lived["method"] == "hybrid"].assign(company_id=1, draw=0).reset_index(drop=True)
    workspace.tables.write("running_day_evaluation", without)
    assert "no exact on the running day" in by_name(judge_policy(workspace))["not_inferior_to_resolve"].detail

    evaluated_days(workspace, "v2", {"compared_with": {"champion": "older", "anchor": champion}, "not_compared": {}})
    outdated = by_name(judge_policy(workspace))
    assert outdated["not_inferior_to_champion"].verdict == "refused"
    assert "materialise dispatch_policy again" in outdated["not_inferior_to_champion"].detail

    skipped = {"compared_with": {"champion": champion, "anchor": champion}, "not_compared": {"anchor": "too old"}}
    evaluated_days(workspace, "v2", skipped)
    assert by_name(judge_policy(workspace))["not_inferior_to_anchor"].detail == "too old"
    evaluated_days(workspace, champion, {"compared_with": {"champion": None, "anchor": None}, "not_compared": {}})
    itself = by_name(judge_policy(workspace))
    assert itself["not_inferior_to_champion"].detail == "this version is the champion itself"
