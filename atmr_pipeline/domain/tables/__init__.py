"""The schema of every analytical table: one vocabulary from the source to the models.

A table is a pandas frame with exactly these columns. Instants are UTC (``*_at``); wall-clock values say ``*_local``;
units stand in the names. NULL means not known, and is counted by the table's asset check.
"""

import pandera.pandas as pa

from atmr_pipeline.domain.tables.columns import LOCAL, UTC, column_dtype
from atmr_pipeline.domain.tables.conform import conform, empty
from atmr_pipeline.domain.tables.operations import (
    ASSIGNMENTS,
    BOOKINGS,
    COMPANIES,
    DISPATCH_RUNS,
    DRIVER_ABSENCES,
    DRIVER_SHIFTS,
    DRIVERS,
)
from atmr_pipeline.domain.tables.results import DELAY_PREDICTIONS, HISTORICAL_DISPATCHES
from atmr_pipeline.domain.tables.surroundings import CALENDAR_DAYS, WEATHER_FORECAST, WEATHER_OBSERVED
from atmr_pipeline.domain.tables.workbooks import (
    ADDRESS_REVIEW,
    GEOCODED_COURSES,
    QUARANTINED_COURSES,
    WORKBOOK_COURSES,
)

TABLES: dict[str, pa.DataFrameSchema] = {
    str(schema.name): schema
    for schema in (
        BOOKINGS,
        DRIVERS,
        DRIVER_SHIFTS,
        DRIVER_ABSENCES,
        COMPANIES,
        ASSIGNMENTS,
        DISPATCH_RUNS,
        WORKBOOK_COURSES,
        QUARANTINED_COURSES,
        GEOCODED_COURSES,
        ADDRESS_REVIEW,
        HISTORICAL_DISPATCHES,
        WEATHER_FORECAST,
        WEATHER_OBSERVED,
        CALENDAR_DAYS,
        DELAY_PREDICTIONS,
    )
}

__all__ = [
    "ADDRESS_REVIEW",
    "ASSIGNMENTS",
    "BOOKINGS",
    "CALENDAR_DAYS",
    "COMPANIES",
    "DELAY_PREDICTIONS",
    "DISPATCH_RUNS",
    "DRIVERS",
    "DRIVER_ABSENCES",
    "DRIVER_SHIFTS",
    "GEOCODED_COURSES",
    "HISTORICAL_DISPATCHES",
    "LOCAL",
    "QUARANTINED_COURSES",
    "TABLES",
    "UTC",
    "WEATHER_FORECAST",
    "WEATHER_OBSERVED",
    "WORKBOOK_COURSES",
    "column_dtype",
    "conform",
    "empty",
]
