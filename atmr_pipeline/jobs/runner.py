"""Run the pipeline's jobs in this process, with progress, and say in one line each what failed or was refused."""

import fcntl
import os
import shutil
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from atmr_pipeline.domain.errors import AtmrError
from atmr_pipeline.resources.liveness import is_dead
from atmr_pipeline.settings import Settings, load_settings

if TYPE_CHECKING:
    import dagster as dg

COMMAND_TAG = "atmr/command_on"
"""On runs of a command: the home whose run lock the command holds."""
MAX_RETRIES_TAG = "dagster/max_retries"
TURN_LIMIT_S = 3_600.0
Progress = Callable[[str, int, int], None]
"""Called with the step in work, the steps done and the steps planned."""


class AlreadyRunningError(AtmrError):
    """Another run works on the same home."""


@dataclass
class JobReport:
    """What came of one job."""

    job: str
    run_id: str
    succeeded: bool
    refused_by: dict[str, str] = field(default_factory=dict)
    """Blocking check -> its one-line verdict."""
    failures: dict[str, str] = field(default_factory=dict)
    """Step -> one clear line; errors that are not ours show their type only, since texts may quote source values."""


@contextmanager
def exclusive(root: Path) -> Iterator[None]:
    """Hold the home's run lock; the operating system frees it when the process dies, however it dies.

    Raises
    ------
    AlreadyRunningError
        If another process holds it.
    """
    root.mkdir(parents=True, exist_ok=True)
    with (root / "run.lock").open("a+", encoding="utf-8") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyRunningError(f"another run works on {root}: wait for it, or set ATMR_HOME") from None
        yield


def prepare_dagster_home(settings: Settings) -> Path:
    """Point Dagster at this home's storage and give it the embedded instance's configuration.

    A ``DAGSTER_HOME`` that is already set is respected: production sets its own.
    """
    chosen = os.environ.get("DAGSTER_HOME")
    home = Path(chosen) if chosen else settings.dagster_home
    home.mkdir(parents=True, exist_ok=True)
    os.environ["DAGSTER_HOME"] = str(home)
    source = Path(__file__).parents[2] / "dagster.yaml"
    target = home / "dagster.yaml"
    if not chosen and source.exists() and (not target.exists() or target.read_bytes() != source.read_bytes()):
        shutil.copyfile(source, target)
    return home


def close_abandoned_runs(instance: "dg.DagsterInstance") -> int:
    """Mark runs of dead processes as failed, and give back the pool slots that they held.

    Otherwise the UI would show them as running for ever, and the next run would wait for their slots as long. The
    caller holds the home's run lock (:func:`exclusive`): whatever a command began on this home is then surely over.
    """
    import dagster as dg

    root = load_settings().root
    open_states = [*_under_way_states(), dg.DagsterRunStatus.NOT_STARTED]
    closed = 0
    for record in instance.get_run_records(filters=dg.RunsFilter(statuses=open_states)):
        run = record.dagster_run
        begun_at = record.start_time or record.create_timestamp.timestamp()
        if run.tags.get(COMMAND_TAG) == str(root) or is_dead(root, run.run_id, begun_at):
            instance.report_run_failed(run, "the process that ran this is gone")
            instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
            closed += 1
    return closed


def refuse_beside_others(instance: "dg.DagsterInstance") -> None:
    """Refuse to start while the daemon or another person runs a job on the same instance.

    Raises
    ------
    AlreadyRunningError
        Naming the job.
    """
    if (run := _under_way(instance)) is not None:
        raise AlreadyRunningError(f"a run of {run.job_name} is under way (run {run.run_id}): wait for it to end")


def wait_for_others(
    instance: "dg.DagsterInstance", on_progress: Progress | None = None, *, limit_s: float = TURN_LIMIT_S
) -> None:
    """Let a run that the daemon began between two of our jobs end first; the daemon lets ours end in the same way.

    The daemon counts every run that is under way, ours too, before it takes the next one from its queue. Both may
    still begin in the same second; the pools then keep the training to one.

    Raises
    ------
    AlreadyRunningError
        If it has not ended in ``limit_s`` seconds.
    """
    deadline = time.monotonic() + limit_s
    while (run := _under_way(instance)) is not None:
        if time.monotonic() > deadline:
            refuse_beside_others(instance)
        if on_progress is not None:
            on_progress(f"waiting for {run.job_name}", 0, 0)
        time.sleep(1.0)


def _under_way(instance: "dg.DagsterInstance") -> "dg.DagsterRun | None":
    import dagster as dg

    return next(iter(instance.get_runs(filters=dg.RunsFilter(statuses=_under_way_states()), limit=1)), None)


def _under_way_states() -> "list[dg.DagsterRunStatus]":
    import dagster as dg

    return [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.CANCELING]


def run_job(
    name: str,
    instance: "dg.DagsterInstance",
    *,
    days: tuple[str, str] | None = None,
    assets: Sequence[str] | None = None,
    on_progress: Progress | None = None,
) -> JobReport:
    """Execute one job here, over an inclusive range of service days where it has partitioned assets.

    Parameters
    ----------
    name : str
        Job of :mod:`atmr_pipeline.definitions`.
    days : tuple of str, optional
        First and last service day, ``YYYY-MM-DD``.
    assets : sequence of str, optional
        Run only these assets of the job.
    on_progress : callable, optional
        See :data:`Progress`.
    """
    import dagster as dg

    from atmr_pipeline.definitions import defs
    from atmr_pipeline.jobs.schedules import range_tags

    job = defs().resolve_job_def(name)
    run_id = str(uuid.uuid4())
    # A command is repeated by whoever gave it, not by the daemon.
    tags = {COMMAND_TAG: str(load_settings().root), MAX_RETRIES_TAG: "0", **(range_tags(*days) if days else {})}
    wait_for_others(instance, on_progress)
    with _watching(instance, run_id, on_progress):
        result = job.execute_in_process(
            instance=instance,
            run_id=run_id,
            tags=tags,
            asset_selection=[dg.AssetKey(asset) for asset in assets] if assets else None,
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            raise_on_error=False,
        )
    return _report(name, run_id, result)


def _report(name: str, run_id: str, result: "dg.ExecuteInProcessResult") -> JobReport:
    import dagster as dg

    refused = {
        f"{evaluation.asset_key.path[-1]}.{evaluation.check_name}": evaluation.description or "failed"
        for evaluation in result.get_asset_check_evaluations()
        if not evaluation.passed and evaluation.severity == dg.AssetCheckSeverity.ERROR
    }
    failures: dict[str, str] = {}
    for event in result.get_step_failure_events():
        error = event.step_failure_data.error
        root = error
        while root is not None and root.cause is not None:
            root = root.cause
        kind = (root.cls_name if root else None) or "Error"
        if kind == "DagsterAssetCheckFailedError":
            continue
        ours = {error_type.__name__ for error_type in _all_subclasses(AtmrError)}
        text = root.message.strip().splitlines()[0] if root and kind in ours else f"{kind} (run {run_id})"
        failures[event.step_key or "run"] = text.split(": ", 1)[-1] if kind in ours else text
    if not (result.success or refused or failures):
        failures["run"] = f"ended without success and without saying why (run {run_id})"
    return JobReport(name, run_id, result.success, refused, failures)


def _all_subclasses(base: type) -> set[type]:
    children: list[type] = base.__subclasses__()
    return {base}.union(*(_all_subclasses(child) for child in children))


@contextmanager
def _watching(instance: "dg.DagsterInstance", run_id: str, on_progress: Progress | None) -> Iterator[None]:
    """Report step starts and ends from the event log while the job runs in this thread."""
    if on_progress is None:
        yield
        return
    stop = threading.Event()
    thread = threading.Thread(target=_follow, args=(instance, run_id, on_progress, stop), daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(timeout=10)


def _follow(instance: "dg.DagsterInstance", run_id: str, on_progress: Progress, stop: threading.Event) -> None:
    import dagster as dg

    wanted = {
        dg.DagsterEventType.STEP_START,
        dg.DagsterEventType.STEP_SUCCESS,
        dg.DagsterEventType.STEP_FAILURE,
        dg.DagsterEventType.STEP_SKIPPED,
    }
    cursor: str | None = None
    working, done, planned = "starting", 0, 0
    while not stop.wait(0.5):
        run = instance.get_run_by_id(run_id)
        if run is None:
            continue
        if not planned and run.execution_plan_snapshot_id:
            plan = instance.get_execution_plan_snapshot(run.execution_plan_snapshot_id)
            planned = len(plan.step_keys_to_execute)
        page = instance.get_records_for_run(run_id, cursor=cursor, of_type=wanted)
        cursor = page.cursor
        for record in page.records:
            event = record.event_log_entry.dagster_event
            if event is None:
                continue
            if event.event_type == dg.DagsterEventType.STEP_START:
                working = event.step_key or working
            else:
                done += 1
        on_progress(working, done, planned)
