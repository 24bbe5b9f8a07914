"""Promotion, rollback and the anchor by a person: from the UI's launchpad and from the command line."""

import json
import sys

import dagster as dg
import pytest
from registry_cases import aliases, promote, register

from atmr_pipeline.cli import main
from atmr_pipeline.definitions import defs
from atmr_pipeline.jobs.registry_jobs import REGISTRY_JOBS
from atmr_pipeline.promotion.registry import ModelRegistry
from atmr_pipeline.resources.workspace import Workspace

OPS = {"promote_model": "promote", "rollback_model": "rollback", "set_anchor": "anchor"}


def launch(job: str, **config):
    """Run a job as the launchpad does."""
    (found,) = [known for known in REGISTRY_JOBS if known.name == job]
    return found.execute_in_process(
        run_config={"ops": {OPS[job]: {"config": config}}}, resources={"workspace": Workspace()}, raise_on_error=False
    )


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("ATMR_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def registry(store, home, monkeypatch) -> ModelRegistry:
    # Dagster makes resources anew for each run.
    monkeypatch.setattr(Workspace, "state", property(lambda _: store))
    return ModelRegistry(store, home / "models")


def test_the_jobs_are_in_the_definitions_and_take_a_configuration() -> None:
    for name in OPS:
        job = defs().resolve_job_def(name)
        assert job.description
        (op,) = job.graph.nodes
        assert op.definition.pool == "promotion"


def test_from_the_ui_a_version_is_promoted_rolled_back_and_made_the_anchor(registry, tmp_path):
    a, b = (register(registry, tmp_path, name) for name in "ab")
    runs = [
        launch("promote_model", kind="delay", version=a, reason="the first"),
        launch("promote_model", kind="delay", version=b, reason="fixes the night"),
        launch("set_anchor", kind="delay", version=b, reason="a year is over"),
        launch("rollback_model", kind="delay", reason="late pickups"),
    ]
    assert all(run.success for run in runs)
    assert aliases(registry) == (a, None)
    assert registry.alias("delay", "anchor").version_id == b
    told = [(event.action, event.actor, event.reason) for event in registry.history("delay")[2:]]
    ids = [f"run:{run.run_id}" for run in runs]
    assert told == [
        ("pointed", ids[0], "first promotion"),
        ("promoted", ids[0], "the first"),
        ("promoted", ids[1], "fixes the night"),
        ("pointed", ids[2], "a year is over"),
        ("rolled_back", ids[3], "late pickups"),
    ]
    shown = {
        name: entry.value
        for event in runs[-1].all_events
        if event.is_successful_output
        for name, entry in event.event_specific_data.metadata.items()
    }
    assert shown == {"champion": a, "sequence number": 3}


def test_a_refusal_in_the_ui_is_one_clear_line_and_changes_nothing(registry, tmp_path):
    a, policy = register(registry, tmp_path, "a"), register(registry, tmp_path, "p", kind="policy")
    refused = {
        "no model version": launch("promote_model", kind="delay", version="0" * 16, reason="x"),
        "is a policy model": launch("set_anchor", kind="delay", version=policy, reason="x"),
        "no previous version": launch("rollback_model", kind="delay", reason="x"),
        "a reason is needed": launch("promote_model", kind="delay", version=a, reason="  "),
    }
    for told, run in refused.items():
        (failed,) = run.get_step_failure_events()
        assert told in failed.step_failure_data.user_failure_data.description
    assert registry.aliases("delay") == {}


@pytest.mark.parametrize(
    ("job", "config"),
    [
        ("promote_model", {"kind": "horse", "version": "0" * 16, "reason": "x"}),
        ("promote_model", {"kind": "delay", "version": "0" * 16}),
        ("promote_model", {"kind": "delay", "reason": "x"}),
        ("set_anchor", {"kind": "delay", "version": 7, "reason": "x"}),
        ("rollback_model", {"kind": "delay", "version": "0" * 16, "reason": "x"}),
        ("rollback_model", {"reason": "x"}),
    ],
)
def test_a_wrong_configuration_never_becomes_a_run(job, config):
    with pytest.raises(dg.DagsterInvalidConfigError):
        dg.validate_run_config(defs().resolve_job_def(job), {"ops": {OPS[job]: {"config": config}}})


@pytest.fixture
def atmr(home, monkeypatch, capsys):
    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["atmr", *arguments])
        monkeypatch.setenv("USER", "dispatcher")
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        shown = capsys.readouterr()
        return int(ended.value.code or 0), shown.out, shown.err

    return run


@pytest.fixture
def local_registry(home) -> ModelRegistry:
    return Workspace().registry


def test_versions_and_history_of_a_home_as_tables_and_as_json(atmr, local_registry, tmp_path):
    assert json.loads(atmr("versions", "--json")[1]) == {"delay": [], "policy": []}
    a, b = (register(local_registry, tmp_path, name) for name in "ab")
    promote(local_registry, a)
    assert atmr("promote", "delay", b, "--reason", "after the data fix")[:2] == (0, f"champion of delay: {b}\n")
    assert atmr("anchor", "delay", b, "--reason", "a year is over")[:2] == (0, f"anchor of delay: {b}\n")
    newest, oldest = json.loads(atmr("versions", "delay", "--json")[1])["delay"]
    assert (newest["version"], newest["aliases"]) == (b, ["anchor", "champion"])
    assert newest["last_event"]["action"] == "pointed"
    assert (oldest["version"], oldest["aliases"], oldest["held_out_mae_min"]) == (a, ["previous"], None)
    assert oldest["last_event"]["action"] == "pointed"
    code, table, _ = atmr("versions")
    assert code == 0
    assert a in table
    assert "unknown" in table
    told = json.loads(atmr("history", "delay", "--json")[1])
    assert told["kind"] == "delay"
    last = told["events"][-1]
    assert (last["action"], last["alias"], last["from_version"], last["to_version"]) == ("pointed", "anchor", a, b)
    assert (last["actor"], last["reason"]) == ("cli:dispatcher", "a year is over")
    lines = atmr("history", "delay")[1].splitlines()
    assert len(lines) == len(told["events"])
    assert lines[-1].endswith(f"{a} -> {b}  cli:dispatcher: a year is over")
    assert atmr("rollback", "delay", "--reason", "late pickups")[:2] == (0, f"champion of delay: {a}\n")


def test_the_held_out_figure_is_the_version_s_own(atmr, local_registry, tmp_path):
    directory = tmp_path / "trained"
    directory.mkdir()
    (directory / "manifest.json").write_text("{}")
    metrics = {"evaluation": {"mae_min": 2.345}, "training": {"training_set": "f" * 64}}
    local_registry.register("delay", directory, {}, training_fingerprint="f", metrics=metrics)
    (row,) = json.loads(atmr("versions", "delay", "--json")[1])["delay"]
    assert (row["held_out_mae_min"], row["training_set"]) == (2.345, "f" * 64)
    assert "2.35" in atmr("versions", "delay")[1] or "2.34" in atmr("versions", "delay")[1]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("anchor", "delay", "0" * 16, "--reason", "x"), 1),
        (("anchor", "delay", "0" * 16), 2),
        (("anchor", "horse", "0" * 16, "--reason", "x"), 2),
        (("promote", "delay", "0" * 16, "--reason", " "), 1),
        (("versions", "horse"), 2),
        (("history",), 2),
        (("retrain", "0" * 16), 1),
        (("retrain",), 2),
    ],
)
def test_wrong_use_is_exit_2_and_a_refusal_exit_1(atmr, arguments, code):
    found, out, err = atmr(*arguments)
    assert (found, out) == (code, "")
    assert err.startswith("error: ") == (code == 1)
