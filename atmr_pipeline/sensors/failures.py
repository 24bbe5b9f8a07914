"""A failed run is told: at once by a sensor of its own, and again by the notifications sensor if that failed."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import dagster as dg

from atmr_pipeline.domain.errors import SourceError
from atmr_pipeline.resources.notifiers import ui_url, usable_channels
from atmr_pipeline.resources.workspace import opened_state
from atmr_pipeline.settings import load_settings

if TYPE_CHECKING:
    from atmr_pipeline.notifications.notification import Notification

GATE_STEPS = frozenset({"delay_evaluation_gates", "dispatch_evaluation_gates"})
"""Steps whose failed checks are a refusal, which is told by itself."""
CHECK_FAILED = "DagsterAssetCheckFailedError"
RUNS_A_TICK = 200


@dg.run_failure_sensor(
    name="run_failure",
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Tells each failed run, once a channel: job, run, failed steps; never the error's text.",
)
def run_failure(context: dg.RunFailureSensorContext) -> None:
    """Tell the failed job, run and steps; never the error text, which could quote a source value."""
    from atmr_pipeline.notifications.deliver import deliver

    settings = load_settings()
    told = _notification(context.instance, context.dagster_run, ui_url(settings), _ended_at(context))
    targets, problem = usable_channels(settings)
    try:
        with opened_state(settings) as store:
            done = deliver(store, [told], targets)
    except SourceError as error:
        # The state database may be why the run failed: the alert file needs none. The outbox knows nothing of this
        # line, so it may come a second time.
        context.log.error(f"{told.title_en}; not kept in the outbox: {error}")
        targets[0].notifier.send(told)
    else:
        context.log.error(f"{told.title_en} ({done.summary()})")
    if problem is not None:
        raise problem


def failed_runs_since(instance: dg.DagsterInstance, since: datetime, ui: str) -> "list[Notification]":
    """Runs that failed since an instant, as notifications."""
    filters = dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE], updated_after=since)
    records = instance.get_run_records(filters=filters, limit=RUNS_A_TICK)
    return [
        _notification(instance, record.dagster_run, ui, _instant(record.end_time) or record.update_timestamp)
        for record in records
        if (_instant(record.end_time) or since) >= since
    ]


def _notification(instance: dg.DagsterInstance, run: dg.DagsterRun, ui: str, ended_at: datetime) -> "Notification":
    from atmr_pipeline.notifications.runs import run_failed

    records = instance.get_records_for_run(run.run_id, of_type=dg.DagsterEventType.STEP_FAILURE).records
    events = [record.event_log_entry.dagster_event for record in records]
    failed, stopped = _steps(event for event in events if event is not None)
    return run_failed(
        run_id=run.run_id,
        job=run.job_name,
        failed_steps=failed,
        stopped_by=stopped,
        is_refusal=not failed and bool(stopped) and GATE_STEPS.issuperset(stopped),
        ended_at=ended_at,
        ui_url=ui,
    )


def _steps(events: Iterable[dg.DagsterEvent]) -> tuple[list[str], list[str]]:
    """Steps that failed by an error, and steps whose blocking checks stopped the run."""
    failed: set[str] = set()
    stopped: set[str] = set()
    for event in events:
        (stopped if _is_check(event.step_failure_data.error) else failed).add(event.step_key or "run")
    return sorted(failed), sorted(stopped)


def _is_check(error: Any) -> bool:
    while error is not None and error.cause is not None:
        error = error.cause
    return error is not None and error.cls_name == CHECK_FAILED


def _ended_at(context: dg.RunFailureSensorContext) -> datetime:
    record = context.instance.get_run_record_by_id(context.dagster_run.run_id)
    return (_instant(record.end_time) if record else None) or datetime.now(UTC)


def _instant(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
