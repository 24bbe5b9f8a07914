"""A failed run is said aloud: in the daemon's log and in the home's alert file."""

import json
from datetime import UTC, datetime

import dagster as dg

from atmr_pipeline.settings import load_settings


@dg.run_failure_sensor(
    name="run_failure",
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Writes one line for each failed run to <home>/alerts.jsonl: job, run, failed steps.",
)
def run_failure(context: dg.RunFailureSensorContext) -> None:
    """Append the failed job, run and steps; never the error text, which could quote a source value."""
    steps = sorted({event.step_key for event in context.get_step_failure_events() if event.step_key})
    alert = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "job": context.dagster_run.job_name,
        "run_id": context.dagster_run.run_id,
        "failed_steps": steps,
    }
    path = load_settings().root / "alerts.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as handle:
        handle.write(json.dumps(alert) + "\n")
    context.log.error(f"run of {alert['job']} failed at {', '.join(steps) or 'start'}")
