"""Alarms ask for a retraining: drift by its own sensor, degradation of the served model by another."""

import json
from datetime import UTC, datetime

import dagster as dg

from atmr_pipeline.jobs.definitions import drift_retraining
from atmr_pipeline.resources.workspace import opened_state
from atmr_pipeline.settings import load_settings

RETRAINING_KINDS = {"drift": ("residual_drift", "label_drift"), "degradation": ("performance",)}
"""Kinds of event each sensor answers. Feature drift alone is shown, never acted on: it would retrain on noise."""


def _sensor(name: str, description: str) -> dg.SensorDefinition:
    kinds = RETRAINING_KINDS[name]

    @dg.sensor(
        name=name,
        job=drift_retraining,
        minimum_interval_seconds=60,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=description,
    )
    def sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        after = datetime.fromisoformat(json.loads(context.cursor)["after"]) if context.cursor else None
        events = [event for event in _events_after(after) if event[1] in kinds]
        if not events:
            return dg.SkipReason(f"no new event of kind {', '.join(kinds)}")
        newest = max(created_at for _, _, created_at in events)
        return dg.SensorResult(
            run_requests=[
                dg.RunRequest(run_key=f"{name}:{event_id}", tags={"atmr/event": event_id}) for event_id, _, _ in events
            ],
            cursor=json.dumps({"after": newest.astimezone(UTC).isoformat()}),
        )

    return sensor


def _events_after(after: datetime | None) -> list[tuple[str, str, datetime]]:
    from atmr_pipeline.state.drift_events import list_drift_events

    with opened_state(load_settings()) as store:
        found = list_drift_events(store, after=after)
    return [(event.event_id, event.kind, event.created_at) for event in found if event.created_at is not None]


drift = _sensor("drift", "A residual or label drift event asks for one drift_retraining; its id is the run key.")
degradation = _sensor("degradation", "A degradation of the served delay model asks for one drift_retraining.")
