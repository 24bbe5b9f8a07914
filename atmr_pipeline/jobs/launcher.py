"""The run launcher of both instances: Dagster's own, which also notices that a run's process has died."""

import time

# Dagster exports no public names for what a launcher answers with.
from dagster import DagsterRun, DefaultRunLauncher
from dagster._core.errors import DagsterUserCodeUnreachableError
from dagster._core.launcher import CheckRunHealthResult, WorkerStatus
from dagster._serdes import ConfigurableClassData

from atmr_pipeline.resources.liveness import is_dead
from atmr_pipeline.settings import load_settings

WAIT_FOR_SERVER_S = 120.0
"""A run that dies with its code server is begun again by a daemon that asks that server once: it should be back."""


class WatchedRunLauncher(DefaultRunLauncher):
    """Runs as children of the code server, watched by run monitoring through their locks in the home.

    For the in-process executor, and a daemon on the machine of the home.
    """

    def __init__(self, inst_data: ConfigurableClassData | None = None) -> None:
        super().__init__(inst_data)
        self._dead_since: dict[str, float] = {}

    @property
    def supports_check_run_worker_health(self) -> bool:
        """Run monitoring asks :meth:`check_run_worker_health` for each run that is under way."""
        return True

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        """Failed where the run's process is gone and its code server is back, or does not come back."""
        record = self._instance.get_run_record_by_id(run.run_id)
        begun_at = record.start_time if record is not None else None
        if not is_dead(load_settings().root, run.run_id, begun_at):
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        dead_for_s = time.monotonic() - self._dead_since.setdefault(run.run_id, time.monotonic())
        if dead_for_s < WAIT_FOR_SERVER_S and not self._code_server_answers(run.run_id):
            return CheckRunHealthResult(WorkerStatus.RUNNING, "the process is gone; waiting for its code server")
        del self._dead_since[run.run_id]
        return CheckRunHealthResult(WorkerStatus.FAILED, "the process that ran this is gone")

    def _code_server_answers(self, run_id: str) -> bool:
        """Whether the server that began the run is there; a run that no server began waits for none."""
        client = self._get_grpc_client_for_termination(run_id)
        if client is None:
            return True
        try:
            client.ping("run monitoring")
        except DagsterUserCodeUnreachableError:
            return False
        return True
