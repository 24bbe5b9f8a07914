"""Service days: the daily partitions, on the Geneva calendar, known a week ahead."""

import json
from datetime import date

import dagster as dg

from atmr_pipeline.domain.vocabulary import LOCAL_TIMEZONE
from atmr_pipeline.settings import Settings, load_settings

DAYS_AHEAD = 7
"""Bookings are taken days ahead, so the partitions reach one week past the last full day."""


def history_start(settings: Settings) -> date:
    """First service day: the setting, else the demo company's first day, else the start of last year."""
    if settings.history_start is not None:
        return settings.history_start
    manifest = settings.root / "demo" / "manifest.json"
    if settings.is_demo and manifest.exists():
        return date.fromisoformat(json.loads(manifest.read_text(encoding="utf-8"))["first_day"])
    return date(date.today().year - 1, 1, 1)


SERVICE_DAYS = dg.DailyPartitionsDefinition(
    start_date=history_start(load_settings()).isoformat(), timezone=LOCAL_TIMEZONE, end_offset=DAYS_AHEAD
)
