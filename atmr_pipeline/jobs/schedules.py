"""The clock of the pipeline, on the wall clock of Geneva.

Each tick asks for the days whose records may still change, from the late-arrival window up to the last day that
bookings are taken for; older days that changed at the source are read again by runs of their own, which go first.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import dagster as dg

from atmr_pipeline.domain.errors import AtmrError
from atmr_pipeline.domain.vocabulary import LOCAL_TIMEZONE
from atmr_pipeline.jobs.days import day_ranges, days_to_extract, open_days
from atmr_pipeline.jobs.definitions import DAILY_TABLES, daily_retraining, nightly_feedback, weekly_full_training
from atmr_pipeline.jobs.partitions import SERVICE_DAYS
from atmr_pipeline.resources.workspace import Workspace
from atmr_pipeline.settings import load_settings

RANGE_START_TAG, RANGE_END_TAG = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"
"""Dagster's own tags for a run over a range of partitions; it exports no names for them."""
PRIORITY_TAG = "dagster/priority"
DAYS_TAG = "atmr/days"
"""Says how a tick chose its days, where it could not look at the source."""


def range_tags(first_key: str, last_key: str) -> dict[str, str]:
    """Run tags that make one run cover an inclusive range of service days."""
    return {RANGE_START_TAG: first_key, RANGE_END_TAG: last_key}


def requests_of(name: str, at: datetime, workspace: Workspace) -> Iterator[dg.RunRequest]:
    """Runs that a tick asks for: one for each stretch of older days that changed, then the job itself.

    Where the source cannot be read now, the tick asks for the open days and says so: the run will read the source
    itself, and fail in sight if it still cannot.
    """
    known = SERVICE_DAYS.get_partition_keys(current_time=at)
    wanted, note = set(open_days(workspace, at)), {}
    try:
        wanted |= set(days_to_extract(workspace, known))
    except AtmrError as error:
        note = {DAYS_TAG: f"open days only: {type(error).__name__} when the tick looked at the source"}
    *older, latest = day_ranges(sorted(wanted), known)
    for first, last in older:
        yield dg.RunRequest(
            run_key=f"{name}:{at.isoformat()}:{first}",
            asset_selection=[dg.AssetKey(table) for table in DAILY_TABLES],
            tags={**range_tags(first, last), PRIORITY_TAG: "10"},
        )
    yield dg.RunRequest(run_key=f"{name}:{at.isoformat()}", tags={**range_tags(*latest), **note})


def _schedule(name: str, job: Any, cron: str, description: str) -> dg.ScheduleDefinition:
    def tick(context: dg.ScheduleEvaluationContext) -> Iterator[dg.RunRequest]:
        yield from requests_of(name, context.scheduled_execution_time, Workspace())

    return dg.ScheduleDefinition(
        name=name,
        job=job,
        cron_schedule=cron,
        execution_timezone=LOCAL_TIMEZONE,
        execution_fn=tick,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description=description,
    )


def _schedules() -> list[dg.ScheduleDefinition]:
    settings = load_settings()
    return [
        _schedule("nightly_feedback", nightly_feedback, settings.nightly_cron, "ATMR_NIGHTLY_CRON, Geneva."),
        _schedule("daily_retraining", daily_retraining, settings.daily_cron, "ATMR_DAILY_CRON, Geneva."),
        _schedule("weekly_full_training", weekly_full_training, settings.weekly_cron, "ATMR_WEEKLY_CRON, Geneva."),
    ]


SCHEDULES = _schedules()
