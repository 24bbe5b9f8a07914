"""The calendar of service days."""

from datetime import date, timedelta

import pandas as pd

from atmr_pipeline.domain.tables import CALENDAR_DAYS, conform
from atmr_pipeline.sources.calendar.public import FIRST_YEAR, LAST_YEAR, public_holidays, public_service_leave
from atmr_pipeline.sources.calendar.school import SchoolCalendar, school_calendar

_ONE_DAY = timedelta(days=1)


def calendar_days(first_day: date, last_day: date, school: SchoolCalendar | None = None) -> pd.DataFrame:
    """What kind of day each day is.

    Parameters
    ----------
    first_day, last_day : date
        Local days, both included, within 2000 to 2099.
    school : SchoolCalendar, optional
        School holidays; by default those that come with this package.

    Returns
    -------
    DataFrame
        CALENDAR_DAYS, one row a day, in order. ``is_school_holiday`` is NULL outside the school years known.

    Raises
    ------
    ValueError
        If the range is empty or leaves 2000 to 2099.
    """
    if not date(FIRST_YEAR, 1, 1) <= first_day <= last_day <= date(LAST_YEAR, 12, 31):
        raise ValueError(f"the calendar needs first_day <= last_day, both within {FIRST_YEAR} to {LAST_YEAR}")
    school = school_calendar() if school is None else school
    known, names = school.known_days(), school.names()
    days = [first_day + timedelta(days=offset) for offset in range((last_day - first_day).days + 1)]
    return conform(
        pd.DataFrame(
            {
                "service_day": pd.Series([pd.Timestamp(day) for day in days], dtype="datetime64[us]"),
                "weekday": [day.weekday() for day in days],
                "is_weekend": [day.weekday() >= 5 for day in days],
                "is_public_holiday": [_public_holiday(day) is not None for day in days],
                "public_holiday": [_public_holiday(day) for day in days],
                "public_service_leave": [public_service_leave(day.year).get(day) for day in days],
                "is_bridge_day": [_is_bridge_day(day) for day in days],
                "is_school_holiday": pd.array(
                    [day in names if day in known else None for day in days], dtype="boolean"
                ),
                "school_holiday": [names.get(day) for day in days],
            }
        ),
        CALENDAR_DAYS,
    )


def calendar_counts(calendar: pd.DataFrame) -> dict[str, int]:
    """Days of each kind in a CALENDAR_DAYS table, and of how many it is not known whether schools have holidays."""
    school = calendar["is_school_holiday"]
    return {
        "days": len(calendar),
        "weekend": int(calendar["is_weekend"].sum()),
        "public_holiday": int(calendar["is_public_holiday"].sum()),
        "public_service_leave": int(calendar["public_service_leave"].notna().sum()),
        "bridge_day": int(calendar["is_bridge_day"].sum()),
        "school_holiday": int(school.fillna(False).sum()),
        "school_holiday_unknown": int(school.isna().sum()),
    }


def _public_holiday(day: date) -> str | None:
    return public_holidays(day.year).get(day)


def _is_free(day: date) -> bool:
    return day.weekday() >= 5 or _public_holiday(day) is not None


def _is_bridge_day(day: date) -> bool:
    """A working day between two free days of which one is a public holiday on a working day."""
    before, after = day - _ONE_DAY, day + _ONE_DAY
    holiday_beside = any(other.weekday() < 5 and _public_holiday(other) is not None for other in (before, after))
    return not _is_free(day) and _is_free(before) and _is_free(after) and holiday_beside
