"""Alarms ask for a retraining: drift by its own sensor, degradation of the served model by another.

What is open stands in the state database, what was asked for in Dagster's runs: a daemon that dies between the two
asks again with the same run key, and Dagster runs a key once.
"""

import json
from datetime import date
from typing import TYPE_CHECKING

import dagster as dg

from atmr_pipeline.jobs.definitions import drift_retraining
from atmr_pipeline.resources.drift_answers import EVENT_DAY_TAG, EVENT_TAG
from atmr_pipeline.resources.workspace import opened_state
from atmr_pipeline.settings import Settings, load_settings

if TYPE_CHECKING:
    from atmr_pipeline.monitoring.requests import OpenAlarm, PastRequest

RETRAINING_KINDS = {"drift": ("residual_drift", "label_drift"), "degradation": ("performance",)}
"""Kinds of event each sensor answers. Feature drift alone is shown, never acted on: it would retrain on noise."""

RUNS_LOOKED_AT = 100
OVER = (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)


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
        from atmr_pipeline.monitoring.requests import given_up, next_request

        settings = load_settings()
        # Runs may be deleted in the UI; the cursor keeps what this sensor has asked for.
        asked = json.loads(context.cursor)["asked"] if context.cursor else []
        alarms, past = open_alarms(settings, kinds), past_requests(context.instance)
        _give_up(settings, given_up(alarms, past, asked))
        request, reason = next_request(
            alarms,
            past,
            cooldown_days=settings.retrain_cooldown_days,
            max_per_week=settings.retrain_max_per_week,
            asked=asked,
        )
        if request is None:
            return dg.SkipReason(reason)
        # A run that dies is asked for again by the sensor, so that attempts are counted in one place.
        tags = {EVENT_TAG: request.event_id, EVENT_DAY_TAG: request.on.isoformat(), "dagster/max_retries": "0"}
        return dg.SensorResult(
            run_requests=[dg.RunRequest(run_key=request.run_key, tags=tags)],
            cursor=json.dumps({"asked": [*asked, request.run_key][-RUNS_LOOKED_AT:]}),
        )

    return sensor


def open_alarms(settings: Settings, kinds: tuple[str, ...]) -> "list[OpenAlarm]":
    """Events of these kinds without an outcome, the oldest first.

    An alarm of one company among several is told, and asks for nothing: one model serves them all, and a retraining
    could not set the level of one.
    """
    from atmr_pipeline.monitoring.requests import OpenAlarm
    from atmr_pipeline.state.drift_events import list_drift_events

    with opened_state(settings) as store:
        events = list_drift_events(store, only_open=True)
    return [
        OpenAlarm(event.event_id, event.seen_until)
        for event in events
        if event.kind in kinds and event.company_id is None
    ]


def past_requests(instance: dg.DagsterInstance) -> "list[PastRequest]":
    """Runs that alarms asked for, whichever sensor made them."""
    from atmr_pipeline.monitoring.requests import PastRequest

    runs = instance.get_runs(filters=dg.RunsFilter(job_name=drift_retraining.name), limit=RUNS_LOOKED_AT)
    return [
        PastRequest(run.tags[EVENT_TAG], date.fromisoformat(run.tags[EVENT_DAY_TAG]), run.status in OVER)
        for run in reversed(runs)
        if EVENT_TAG in run.tags and EVENT_DAY_TAG in run.tags
    ]


def _give_up(settings: Settings, event_ids: list[str]) -> None:
    """Say on alarms that nobody will ask for them again; a later promotion may still answer them."""
    if not event_ids:
        return
    from atmr_pipeline.state.drift_answers import GAVE_UP
    from atmr_pipeline.state.drift_events import close_drift_event

    with opened_state(settings) as store:
        for event_id in event_ids:
            close_drift_event(store, event_id, GAVE_UP)


drift = _sensor("drift", "A residual or label drift event asks for one drift_retraining; its id is the run key.")
degradation = _sensor("degradation", "A degradation of the served delay model asks for one drift_retraining.")
