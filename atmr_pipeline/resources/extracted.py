"""What has been extracted so far, day by day, to compare with what the source holds now."""

from datetime import date

import pandas as pd

from atmr_pipeline.domain.errors import TableContractError
from atmr_pipeline.resources.tables import Tables
from atmr_pipeline.sources.operations import digests_of

OPERATIONS_TABLES = {"bookings": "booking_id", "assignments": "assignment_id", "dispatch_runs": "dispatch_run_id"}
"""Tables extracted day by day, with their keys."""

_CHANGED = {"bookings": ["updated_at"], "assignments": ["updated_at"], "dispatch_runs": ["started_at", "completed_at"]}


DAYS_AT_ONCE = 90
"""A season at a time, so that memory does not grow with the history."""


def stored_digests(tables: Tables) -> pd.DataFrame:
    """Per service day what the tables hold, as the source's ``day_digests`` gives it."""
    columns = {name: [key, "service_day", *_CHANGED[name]] for name, key in OPERATIONS_TABLES.items()}
    days = sorted({day for name in OPERATIONS_TABLES for day in tables.days(name)})
    parts = []
    for start in range(0, len(days), DAYS_AT_ONCE):
        span = {"first_day": days[start], "last_day": days[min(start + DAYS_AT_ONCE, len(days)) - 1]}
        try:
            parts.append(digests_of(**{name: tables.read_columns(name, columns[name], **span) for name in columns}))
        except TableContractError:
            parts += _readable(tables, columns, days[start : start + DAYS_AT_ONCE])
    if not parts:
        return digests_of(**{name: tables.read_columns(name, columns[name]) for name in columns})
    return pd.concat(parts, ignore_index=True)


def _readable(tables: Tables, columns: dict[str, list[str]], days: list[date]) -> list[pd.DataFrame]:
    """Digests day by day, without those with a damaged file: such a day differs from the source, and is read again."""
    return [
        digests_of(**{name: tables.read_columns(name, columns[name], first_day=day, last_day=day) for name in columns})
        for day in days
        if all(tables.is_readable(name, day) for name in columns)
    ]
