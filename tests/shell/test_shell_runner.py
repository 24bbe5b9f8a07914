"""The runner: one run a home, abandoned runs closed."""

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.storage.tags import GRPC_INFO_TAG

from atmr_pipeline.jobs import launcher as launcher_module
from atmr_pipeline.jobs.launcher import WatchedRunLauncher
from atmr_pipeline.jobs.runner import (
    COMMAND_TAG,
    AlreadyRunningError,
    close_abandoned_runs,
    exclusive,
    wait_for_others,
)
from atmr_pipeline.resources.liveness import START_GRACE_S, is_dead


def test_a_second_run_on_the_same_home_is_refused_in_one_line(tmp_path: Path) -> None:
    with exclusive(tmp_path), pytest.raises(AlreadyRunningError, match="another run works on"), exclusive(tmp_path):
        raise AssertionError("two runs at once")
    with exclusive(tmp_path):
        pass


@pytest.fixture
def nothing() -> Iterator[tuple[dg.DagsterInstance, dg.JobDefinition]]:
    @dg.asset
    def thing() -> int:
        return 1

    job = dg.define_asset_job("nothing", selection="*")
    resolved = dg.Definitions(assets=[thing], jobs=[job]).resolve_job_def("nothing")
    with dg.instance_for_test() as instance:
        yield instance, resolved


def _holder(root: Path, run_id: str) -> "subprocess.Popen[str]":
    """Another process that does a run's work and says when it has begun."""
    code = (
        "import sys, time; from pathlib import Path; from atmr_pipeline.resources.liveness import mark_alive; "
        "mark_alive(Path(sys.argv[1]), sys.argv[2]); print('begun', flush=True); time.sleep(600)"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(root), run_id], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"
    return process


def _kill(process: "subprocess.Popen[str]") -> None:
    process.kill()
    process.wait(timeout=30)
    assert process.stdout is not None
    process.stdout.close()


def test_runs_of_dead_processes_are_closed_and_of_living_ones_are_not(nothing, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("ATMR_HOME", str(tmp_path))
    instance, job = nothing
    runs = [instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED) for _ in range(3)]
    dead, alive, starting = runs
    killed, living = (_holder(tmp_path, run.run_id) for run in (dead, alive))
    try:
        assert close_abandoned_runs(instance) == 0
        _kill(killed)
        assert close_abandoned_runs(instance) == 1
        statuses = [instance.get_run_by_id(run.run_id).status for run in runs]
        assert statuses == [dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.STARTED]
        assert instance.get_run_by_id(starting.run_id).status == dg.DagsterRunStatus.STARTED
    finally:
        _kill(living)
        if killed.poll() is None:
            _kill(killed)


def test_what_an_earlier_command_began_on_this_home_is_closed_and_on_another_home_is_not(
    nothing, tmp_path, monkeypatch
) -> None:
    monkeypatch.setenv("ATMR_HOME", str(tmp_path / "ours"))
    instance, job = nothing
    ours, theirs = (
        instance.create_run_for_job(job, tags={COMMAND_TAG: str(tmp_path / name)}) for name in ("ours", "theirs")
    )
    assert close_abandoned_runs(instance) == 1
    assert instance.get_run_by_id(ours.run_id).status == dg.DagsterRunStatus.FAILURE
    assert instance.get_run_by_id(theirs.run_id).status == dg.DagsterRunStatus.NOT_STARTED


def test_a_run_that_never_took_its_lock_is_dead_after_the_time_that_starting_takes(tmp_path) -> None:
    now = time.time()
    assert not is_dead(tmp_path, "unknown", now)
    assert not is_dead(tmp_path, "unknown", None)
    assert is_dead(tmp_path, "unknown", now - START_GRACE_S - 1)


def test_the_launcher_tells_run_monitoring_who_is_dead(nothing, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("ATMR_HOME", str(tmp_path))
    instance, job = nothing
    launcher = WatchedRunLauncher()
    launcher.register_instance(instance)
    run = instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED)
    holder = _holder(tmp_path, run.run_id)
    assert launcher.supports_check_run_worker_health
    assert launcher.check_run_worker_health(run).status.value == "RUNNING"
    _kill(holder)
    assert launcher.check_run_worker_health(run).status.value == "FAILED"


def test_a_dead_run_is_said_to_be_dead_once_its_code_server_is_back_or_stays_away(
    nothing, tmp_path, monkeypatch
) -> None:
    monkeypatch.setenv("ATMR_HOME", str(tmp_path))
    instance, job = nothing
    launcher = WatchedRunLauncher()
    launcher.register_instance(instance)
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        tags = {GRPC_INFO_TAG: json.dumps({"host": "127.0.0.1", "port": nobody.getsockname()[1]})}
        run = instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED, tags=tags)
        _kill(_holder(tmp_path, run.run_id))
        assert launcher.check_run_worker_health(run).status.value == "RUNNING"
        monkeypatch.setattr(launcher_module, "WAIT_FOR_SERVER_S", 0.0)
        assert launcher.check_run_worker_health(run).status.value == "FAILED"


def test_a_command_waits_for_a_run_of_the_daemon_and_says_for_which(nothing) -> None:
    instance, job = nothing
    other = instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED)
    said: list[str] = []

    def ended(text: str, *_: int) -> None:
        said.append(text)
        instance.report_run_failed(other)

    wait_for_others(instance, ended)
    assert said == ["waiting for nothing"]


def test_a_command_does_not_wait_for_ever(nothing) -> None:
    instance, job = nothing
    instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED)
    with pytest.raises(AlreadyRunningError, match="a run of nothing is under way"):
        wait_for_others(instance, limit_s=0.0)
