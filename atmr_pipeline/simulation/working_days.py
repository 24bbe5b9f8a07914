"""The company's calendar: which days it works, and how busy they are."""

from datetime import date, timedelta
from functools import cache

import holidays

from atmr_pipeline.simulation.config import WorldConfig
from atmr_pipeline.simulation.streams import Stream, generator

WEEKDAY_FACTOR = (0.98, 1.08, 0.97, 1.07, 1.0, 0.64, 0.64)
"""Bookings of a worked day over the mean, Monday to Sunday."""

WEEKEND_WORKED = {5: 0.2, 6: 0.1}
"""Share of Saturdays and Sundays on which the company drives at all."""


@cache
def _geneva_holidays(year: int) -> frozenset[date]:
    return frozenset(holidays.country_holidays("CH", subdiv="GE", years=year))


def is_working_day(seed: int, day: date) -> bool:
    """Whether the company drives on a day: weekdays but Geneva's public holidays, and a few weekend days."""
    if day in _geneva_holidays(day.year):
        return False
    if day.weekday() < 5:
        return True
    return bool(generator(seed, Stream.CALENDAR, day).random() < WEEKEND_WORKED[day.weekday()])


def working_days(seed: int, start: date, end: date) -> list[date]:
    """Working days from ``start`` up to, not including, ``end``."""
    days = (start + timedelta(days=offset) for offset in range((end - start).days))
    return [day for day in days if is_working_day(seed, day)]


def next_working_day(seed: int, day: date) -> date:
    """The first working day on or after a day."""
    while not is_working_day(seed, day):
        day += timedelta(days=1)
    return day


def resolve_end(config: WorldConfig, today: date) -> date:
    """The configured end, or today, or the last working day before today, so that nothing lies in the future."""
    if config.end is not None:
        return config.end
    while not is_working_day(config.seed, today):
        today -= timedelta(days=1)
    return today


def months_before(day: date, months: int) -> date:
    """The same day of the month some months earlier, or that month's last day."""
    index = day.year * 12 + day.month - 1 - months
    year, month = divmod(index, 12)
    for day_of_month in range(day.day, 27, -1):
        try:
            return date(year, month + 1, day_of_month)
        except ValueError:
            continue
    return date(year, month + 1, day.day)
