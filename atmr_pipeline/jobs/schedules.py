"""The clock of the pipeline, on the wall clock of Geneva.

Each tick asks for the days whose records may still change: from the late-arrival window up to the last day that
bookings are taken for.
"""

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import dagster as dg

from atmr_pipeline.domain.vocabulary import LOCAL_TIMEZONE
from atmr_pipeline.jobs.definitions import daily_retraining, nightly_feedback, weekly_full_training
from atmr_pipeline.jobs.partitions import SERVICE_DAYS
from atmr_pipeline.resources.tables import Tables
from atmr_pipeline.settings import load_settings

RANGE_START_TAG, RANGE_END_TAG = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"
"""Dagster's own tags for a run over a range of partitions; it exports no names for them."""


def range_tags(first_key: str, last_key: str) -> dict[str, str]:
    """Run tags that make one run cover an inclusive range of service days."""
    return {RANGE_START_TAG: first_key, RANGE_END_TAG: last_key}


def open_days(now: datetime) -> tuple[str, str]:
    """First and last service day whose records may still change at ``now``."""
    known = SERVICE_DAYS.get_partition_keys(current_time=now)
    if not known:
        raise ValueError("the service days are empty: ATMR_HISTORY_START lies in the future")
    settings = load_settings()
    local_day = now.astimezone(ZoneInfo(LOCAL_TIMEZONE)).date()
    first = (local_day - timedelta(days=settings.late_window_days)).isoformat()
    # After an outage longer than the window, or on a home that never ran, the oldest day that is missing comes first.
    have = {day.isoformat() for day in Tables(settings.tables_dir).days("bookings")}
    missing = next((day for day in known if day not in have), known[-1])
    return max(min(first, missing), known[0]), known[-1]


def _schedule(name: str, job: Any, cron: str, description: str) -> dg.ScheduleDefinition:
    def tick(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
        at = context.scheduled_execution_time
        return dg.RunRequest(run_key=f"{name}:{at.isoformat()}", tags=range_tags(*open_days(at)))

    return dg.ScheduleDefinition(
        name=name,
        job=job,
        cron_schedule=cron,
        execution_timezone=LOCAL_TIMEZONE,
        execution_fn=tick,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description=description,
    )


SCHEDULES = [
    _schedule("nightly_feedback", nightly_feedback, "0 2 * * *", "Every night at 02:00, Geneva."),
    _schedule("daily_retraining", daily_retraining, "0 3 * * *", "Every day at 03:00, Geneva."),
    _schedule("weekly_full_training", weekly_full_training, "30 3 * * 1", "Mondays at 03:30, Geneva."),
]
