"""School holidays of the canton of Geneva, from a table of published dates that lies beside this module.

No package knows them (the ``holidays`` package has no school category for Switzerland), and no rule gives them: the
canton publishes them, and changed their rule in 2022 and again later. Only dates that two published lists agree on are
in the table; where they end, days are unknown, not school days. A new school year is two lines of data.
"""

import csv
import itertools
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from importlib.resources import files

from atmr_pipeline.domain.errors import SourceError

YEARS_FILE = "geneva_school_years.csv"
HOLIDAYS_FILE = "geneva_school_holidays.csv"


@dataclass(frozen=True)
class Period:
    """Days from ``first_day`` to ``last_day``, both included.

    Parameters
    ----------
    school_year : str
        As in ``2025-2026``.
    name : str
        French name of the holidays; empty for the school year itself.
    source : str
        Who publishes the dates.
    """

    school_year: str
    name: str
    first_day: date
    last_day: date
    source: str

    def days(self) -> list[date]:
        """Each day."""
        return [self.first_day + timedelta(days=offset) for offset in range((self.last_day - self.first_day).days + 1)]


@dataclass(frozen=True)
class SchoolCalendar:
    """School holidays, and the days for which they are known.

    Parameters
    ----------
    years : tuple of Period
        What is known of each school year: from its first day to the last day that the sources agree on.
    holidays : tuple of Period
        Days without school: holidays with the weekends at both ends, Labour Day, the Ascension bridge. Other single
        public holidays are not repeated here.

    Raises
    ------
    SourceError
        If periods overlap, end before they start, or leave their school year.
    """

    years: tuple[Period, ...]
    holidays: tuple[Period, ...]

    def __post_init__(self) -> None:
        _check_apart(self.years, "school years")
        _check_apart(self.holidays, "school holidays")
        known = {period.school_year: period for period in self.years}
        for period in self.holidays:
            year = known.get(period.school_year)
            if year is None or not year.first_day <= period.first_day <= period.last_day <= year.last_day:
                raise SourceError(f"school holidays of {period.school_year} lie outside that school year")

    def known_days(self) -> set[date]:
        """Days of which it is known whether they are school holidays."""
        return {day for period in self.years for day in period.days()}

    def names(self) -> dict[date, str]:
        """French name of each day of the holidays."""
        return {day: period.name for period in self.holidays for day in period.days()}


@cache
def school_calendar() -> SchoolCalendar:
    """The school holidays that come with this package."""
    return SchoolCalendar(_read(YEARS_FILE), _read(HOLIDAYS_FILE))


def _read(name: str) -> tuple[Period, ...]:
    text = files("atmr_pipeline.sources.calendar").joinpath("data", name).read_text(encoding="utf-8")
    return tuple(
        Period(
            row["school_year"],
            row.get("name", ""),
            date.fromisoformat(row["first_day"]),
            date.fromisoformat(row["last_day"]),
            row["source"],
        )
        for row in csv.DictReader(text.splitlines())
    )


def _check_apart(periods: tuple[Period, ...], what: str) -> None:
    if any(period.last_day < period.first_day for period in periods):
        raise SourceError(f"{what} end before they start")
    ordered = sorted(periods, key=lambda period: period.first_day)
    if any(later.first_day <= earlier.last_day for earlier, later in itertools.pairwise(ordered)):
        raise SourceError(f"{what} overlap")
