"""Dates and times as people write them, and as Excel holds them; nothing is guessed."""

import re
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import NamedTuple

from atmr_pipeline.sources.workbooks.cells import Cell, is_empty
from atmr_pipeline.sources.workbooks.clocks import Clocks, plain, read_clocks
from atmr_pipeline.sources.workbooks.dates import read_date

EXCEL_EPOCH = datetime(1899, 12, 30)
EXCEL_DAYS = (20_000, 80_000)
"""Serial numbers that are dates (1954 to 2119); others are not read as one."""
FIRST_REAL_YEAR = 1910
"""Excel shows a bare time as a moment of 1899 or 1904."""
FIRST_YEAR, YEARS_AHEAD = 2000, 2
MINUTES_A_DAY = 24 * 60
DECIMAL_HOURS = (25, 50)
"""9.25 and 9.5 may be 09:25 and 09:50, or a quarter past and half past nine in decimal hours."""
SERIAL = re.compile(r"\d{5}(?:[.,]\d+)?")
FRACTION = re.compile(r"0?[.,]\d{3,}")
FOUR_DIGITS = re.compile(r"\d{4}")
COMMA_NUMBER = re.compile(r"\d{1,2},\d{1,2}")
USUAL = re.compile(r"\s*(\d\d)\.(\d\d)\.(\d{4})\s+(\d\d):(\d\d)(?:\s+(\d\d):(\d\d))?\s*", re.ASCII)
"""The form of nearly every cell, read without the search for the others."""


@dataclass(frozen=True)
class Moment:
    """What the date and time cells of a row say.

    Parameters
    ----------
    day : date or None
    first, second : time or None
        Departure of the outbound and of the return leg.
    problem : str or None
        A reason code of :data:`atmr_pipeline.sources.workbooks.reasons.REASONS`.
    """

    day: date | None = None
    first: time | None = None
    second: time | None = None
    problem: str | None = None


class _Said(NamedTuple):
    """What one cell says."""

    day: date | None = None
    clocks: Clocks = Clocks()
    problem: str | None = None


def read_moment(when: Cell, first: Cell = None, second: Cell = None, *, today: date | None = None) -> Moment:
    """Read the date and up to two times of a row.

    Parameters
    ----------
    when : cell
        Date, alone or followed by one or two times.
    first, second : cell, optional
        Time columns, where the workbook has them: departure (may hold both times) and return.
    today : date, optional
        Dates before 2000 or more than two calendar years after it are refused. The machine's date by default.
    """
    if is_empty(when):
        return Moment(problem="missing_date")
    said = _read_when(when)
    if said.problem or said.day is None:
        return Moment(day=said.day, problem=said.problem or "bad_date")
    if not FIRST_YEAR <= said.day.year <= (today or date.today()).year + YEARS_AHEAD:
        return Moment(day=said.day, problem="date_far_off")
    if is_empty(first) and is_empty(second):
        return Moment(said.day, said.clocks.first, said.clocks.second)
    return _joined(said, _read_clock_cell(first), _read_clock_cell(second))


def _joined(when: _Said, first: _Said, second: _Said) -> Moment:
    """One moment of a date cell and two time cells; the same time told twice is one."""
    problem = first.problem or second.problem
    if problem:
        return Moment(day=when.day, problem=problem)
    if {first.day, second.day} - {None, when.day}:
        return Moment(day=when.day, problem="several_dates")
    back = second.clocks
    outbound = {when.clocks.first, first.clocks.first} - {None}
    inbound = {when.clocks.second, first.clocks.second, back.first, back.second} - {None}
    if len(outbound) > 1 or len(inbound) > 1:
        return Moment(day=when.day, problem="too_many_times")
    return Moment(when.day, next(iter(outbound), None), next(iter(inbound), None))


def _read_when(cell: Cell) -> _Said:
    if isinstance(cell, str):
        return _read_text(cell)
    if isinstance(cell, datetime):
        moment = _to_minute(cell)
        # Midnight is how a date alone is held.
        return _Said(moment.date(), Clocks(None if moment.time() == time(0) else moment.time()))
    if isinstance(cell, bool):
        return _Said(problem="bad_date")
    if isinstance(cell, date):
        return _Said(cell)
    if isinstance(cell, int | float) and EXCEL_DAYS[0] <= cell < EXCEL_DAYS[1]:
        return _read_when(EXCEL_EPOCH + timedelta(minutes=round(cell * MINUTES_A_DAY)))
    return _Said(problem="bad_date")


def _read_text(written: str) -> _Said:
    usual = USUAL.fullmatch(written)
    if usual:
        return _read_usual(usual)
    text = plain(written)
    if SERIAL.fullmatch(text):
        return _read_when(float(text.replace(",", ".")))
    day, rest, problem = read_date(text)
    if problem:
        return _Said(day, problem=problem)
    clocks = read_clocks(rest)
    return _Said(day, clocks, clocks.problem)


def _read_usual(match: re.Match[str]) -> _Said:
    day_of_month, month, year, *clocks = (int(group) if group else None for group in match.groups())
    try:
        day = date(year or 0, month or 0, day_of_month or 0)
    except ValueError:
        return _Said(problem="bad_date")
    try:
        first = time(clocks[0] or 0, clocks[1] or 0)
        second = None if clocks[2] is None else time(clocks[2], clocks[3] or 0)
    except ValueError:
        return _Said(day, problem="bad_time")
    return _Said(day, Clocks(first, second))


def _read_clock_cell(cell: Cell) -> _Said:
    """A cell of a time column: text, a time, date-time or duration, a fraction of a day, or 9.15 as a number."""
    if is_empty(cell):
        return _Said()
    if isinstance(cell, datetime):
        moment = _to_minute(cell)
        return _Said(moment.date() if moment.year >= FIRST_REAL_YEAR else None, Clocks(moment.time()))
    if isinstance(cell, time):
        return _Said(None, Clocks(_to_minute(datetime.combine(EXCEL_EPOCH, cell)).time()))
    if isinstance(cell, timedelta):
        return _of_minutes(round(cell.total_seconds() / 60))
    if isinstance(cell, bool | date):
        return _Said(problem="bad_time")
    if isinstance(cell, int | float):
        return _read_number(float(cell))
    text = plain(str(cell))
    if FRACTION.fullmatch(text) or COMMA_NUMBER.fullmatch(text):
        return _read_number(float(text.replace(",", ".")))
    # Without a four-digit year there is no date: 9.15-10.30 is two times.
    day, rest, problem = read_date(text) if FOUR_DIGITS.search(text) else (None, text, None)
    if problem and problem != "bad_date":
        return _Said(problem=problem)
    clocks = read_clocks(rest)
    return _Said(day, clocks, clocks.problem)


def _read_number(value: float) -> _Said:
    """Below 1 a fraction of a day; above, 9.15 is a quarter past nine as the clerk typed it."""
    if 0 <= value < 1:
        return _of_minutes(round(value * MINUTES_A_DAY))
    hundredths = round((value - int(value)) * 100, 6)
    if not 1 <= value < 24 or hundredths != int(hundredths) or hundredths >= 60 or hundredths in DECIMAL_HOURS:
        return _Said(problem="bad_time")
    return _Said(None, Clocks(time(int(value), int(hundredths))))


def _of_minutes(minutes: int) -> _Said:
    if not 0 <= minutes < MINUTES_A_DAY:
        return _Said(problem="bad_time")
    return _Said(None, Clocks(time(minutes // 60, minutes % 60)))


def _to_minute(moment: datetime) -> datetime:
    """Excel's day fractions miss the minute by less than a second; seconds that were written are dropped."""
    return (moment + timedelta(seconds=1)).replace(second=0, microsecond=0)
