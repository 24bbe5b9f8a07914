"""The runner: one run a home, abandoned runs closed."""

from pathlib import Path

import dagster as dg
import pytest

from atmr_pipeline.jobs.runner import (
    PROCESS_TAG,
    AlreadyRunningError,
    close_abandoned_runs,
    exclusive,
)


def test_a_second_run_on_the_same_home_is_refused_in_one_line(tmp_path: Path) -> None:
    with exclusive(tmp_path), pytest.raises(AlreadyRunningError, match="another run works on"), exclusive(tmp_path):
        raise AssertionError("two runs at once")
    with exclusive(tmp_path):
        pass


def test_runs_of_dead_processes_are_closed_and_of_living_ones_are_not() -> None:
    with dg.instance_for_test() as instance:
        job = dg.define_asset_job("nothing", selection="*")

        @dg.asset
        def thing() -> int:
            return 1

        definitions = dg.Definitions(assets=[thing], jobs=[job])
        resolved = definitions.resolve_job_def("nothing")
        dead = instance.create_run_for_job(resolved, tags={PROCESS_TAG: "99999999"})
        alive = instance.create_run_for_job(resolved, tags={PROCESS_TAG: "1"})
        for run in (dead, alive):
            instance.report_engine_event("start", run)
        assert close_abandoned_runs(instance) == 1
        assert instance.get_run_by_id(dead.run_id).status == dg.DagsterRunStatus.FAILURE
        assert instance.get_run_by_id(alive.run_id).status == dg.DagsterRunStatus.NOT_STARTED
