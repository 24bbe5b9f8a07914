"""What a person does in the UI, by GraphQL, and what then stands in Dagster's storage and in the pipeline's state."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

import dagster as dg
import httpx
import sqlalchemy as sa
from servers import LOCATION, Servers, wait_for

from atmr_pipeline.state.store import StateStore

REPOSITORY = {"repositoryLocationName": LOCATION, "repositoryName": "__repository__"}
RANGE = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")
ENDED = {dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED}
RUN_S = 400.0
"""Far above what a run needs on a busy machine of two cores."""


class Production(Servers):
    """The servers, and what is asked of them."""

    def graphql(self, query: str, **variables: Any) -> dict[str, Any]:
        """Answer of the webserver's GraphQL; an error is an assertion."""
        reply = httpx.post(f"{self.ui}/graphql", json={"query": query, "variables": variables}, timeout=60).json()
        assert "errors" not in reply, reply["errors"]
        data: dict[str, Any] = reply["data"]
        return data

    def assets_of(self, job: str) -> dict[str, str]:
        """A job's assets and their groups."""
        nodes = self.graphql(
            "query($job: PipelineSelector!) { assetNodes(pipeline: $job) { groupName assetKey { path } } }",
            job={**REPOSITORY, "pipelineName": job},
        )["assetNodes"]
        return {node["assetKey"]["path"][-1]: node["groupName"] for node in nodes}

    def launch(
        self,
        job: str,
        *,
        days: tuple[str, str] | None = None,
        only: Collection[str] | None = None,
        checks: bool = True,
        config: dict[str, Any] | None = None,
    ) -> str:
        """Launch a job through GraphQL, as the UI does, or some of its assets; the id of its run."""
        tags = [{"key": key, "value": day} for key, day in zip(RANGE, days or (), strict=False)]
        selector: dict[str, Any] = {**REPOSITORY, "jobName": job}
        if only is not None:
            selector["assetSelection"] = [{"path": [name]} for name in sorted(only)]
        if not checks:
            selector["assetCheckSelection"] = []
        answer = self.graphql(
            """mutation($params: ExecutionParams!) { launchRun(executionParams: $params) {
                 __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message }
                 ... on RunConfigValidationInvalid { errors { message } } } }""",
            params={"selector": selector, "runConfigData": config or {}, "executionMetadata": {"tags": tags}},
        )["launchRun"]
        assert answer["__typename"] == "LaunchRunSuccess", answer
        return str(answer["run"]["runId"])

    def ended(self, run_id: str, seconds: float = RUN_S) -> dg.DagsterRun:
        """The run, once it has ended."""

        def look() -> dg.DagsterRun | None:
            self.check_alive()
            run = self.instance.get_run_by_id(run_id)
            return run if run is not None and run.status in ENDED else None

        return wait_for(f"run {run_id} to end", look, seconds)

    def run(self, job: str, **options: Any) -> dg.DagsterRun:
        """Launch a job and wait until it has ended."""
        return self.ended(self.launch(job, **options))

    def runs(self, job: str, **tags: str) -> list[dg.DagsterRun]:
        """Runs of a job, the newest first."""
        return list(self.instance.get_runs(filters=dg.RunsFilter(job_name=job, tags=tags)))

    def switch(self, schedule: str, *, on: bool) -> None:
        """Start or stop a schedule, as the UI's switch does."""
        selector = {**REPOSITORY, "scheduleName": schedule}
        if on:
            answer = self.graphql(
                "mutation($selector: ScheduleSelector!) { done: startSchedule(scheduleSelector: $selector) "
                "{ __typename ... on PythonError { message } } }",
                selector=selector,
            )
        else:
            state = self.graphql(
                "query($selector: InstigationSelector!) "
                "{ state: instigationStateOrError(instigationSelector: $selector) "
                "{ ... on InstigationState { id } } }",
                selector={**REPOSITORY, "name": schedule},
            )["state"]
            answer = self.graphql(
                "mutation($id: String!) { done: stopRunningSchedule(id: $id) "
                "{ __typename ... on PythonError { message } } }",
                id=state["id"],
            )
        assert answer["done"]["__typename"] == "ScheduleStateResult", answer

    def slots_of(self, run_id: str) -> list[str]:
        """Pools of which the run holds, or waits for, a slot."""
        log = self.instance.event_log_storage
        infos = [log.get_concurrency_info(pool) for pool in log.get_concurrency_keys()]
        return [info.concurrency_key for info in infos if run_id in info.active_run_ids | info.pending_run_ids]

    def has_begun(self, run_id: str, step: str) -> bool:
        """Whether a step of the run has started, or more."""
        page = self.instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.STEP_START)
        return any(record.event_log_entry.step_key == step for record in page.records)

    def failed_checks(self, run_id: str) -> dict[str, dg.AssetCheckEvaluation]:
        """Checks that a run failed at ERROR, by name."""
        page = self.instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION)
        events = [record.event_log_entry.dagster_event for record in page.records]
        found = [event.asset_check_evaluation_data for event in events if event is not None]
        return {one.check_name: one for one in found if not one.passed and one.severity == dg.AssetCheckSeverity.ERROR}

    def ticks(self, name: str) -> list[dict[str, Any]]:
        """Ticks of a schedule or sensor, the newest first: status and the runs it asked for."""
        state = self.graphql(
            "query($selector: InstigationSelector!) { instigationStateOrError(instigationSelector: $selector) "
            "{ ... on InstigationState { ticks(limit: 200) { status runIds timestamp } } } }",
            selector={**REPOSITORY, "name": name},
        )
        return list(state["instigationStateOrError"]["ticks"])

    @contextmanager
    def state(self) -> Iterator[StateStore]:
        store = StateStore(self.state_url)
        try:
            store.migrate()
            yield store
        finally:
            store.close()

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        """Rows of the pipeline's state."""
        with self.state() as store, store.engine.connect() as connection:
            return [tuple(row) for row in connection.execute(sa.text(statement))]
