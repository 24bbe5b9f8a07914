"""Rows under a header that are no courses: totals, headings and notes."""

import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta

from atmr_pipeline.domain.identity import normalise
from atmr_pipeline.sources.workbooks.cells import Cell, is_empty
from atmr_pipeline.sources.workbooks.clocks import CLOCK, TO_BE_TOLD, plain
from atmr_pipeline.sources.workbooks.dates import MONTH_NAMES, WEEKDAYS, read_date
from atmr_pipeline.sources.workbooks.headers import Column
from atmr_pipeline.sources.workbooks.times import EXCEL_DAYS

MAYBE_TOTAL = re.compile(
    r"[\s*.:(\u2022\u2013\u2014-]*(?:sous|sub|grand|tot|nb|nombre|som|sum|cum|moy|ave|cou)", re.IGNORECASE
)
TOTAL = re.compile(
    r"(?:sous |grand )?tota(?:l|ux)\b|sub ?total\b|(?:nombre|nbre|nb|somme|sum|cumul|moyenne|average|count)\b"
)
_WEEKDAY = "|".join(WEEKDAYS)
BEGINS_LIKE_DATE = re.compile(
    rf"(?:le )?(?:(?:{_WEEKDAY})\b\.? ?)?(?:le )?"
    rf"(?:\d{{1,4}}\s?[./-]\s?\d|\d{{1,2}}(?:er)?\W*(?:{MONTH_NAMES})\b|\d{{5}}|\d{{8}})"
)
LIKE_MOMENT = re.compile(
    rf"\d\s?[./:-]\s?\d|\d\s?h\b|\d\s?h\d|\d{{5}}|\d(?:er)?\W*(?:{MONTH_NAMES})\b|\b(?:{MONTH_NAMES})\W*\d{{1,2}}\b"
)
BESIDE_DATE = (
    Column.TIME,
    Column.RETURN_TIME,
    Column.COURSE,
    Column.PICKUP,
    Column.DROPOFF,
    Column.INITIALS,
    Column.RETURN_INITIALS,
    Column.SECOND_INITIALS,
)


def is_total(cells: Sequence[Cell], raw: Mapping[Column, Cell]) -> bool:
    """A row of totals: it is labelled as one, and has neither both addresses nor a time.

    A course whose patient or address begins like the label has them, and is no total.
    """
    if not any(isinstance(cell, str) and MAYBE_TOTAL.match(cell) for cell in cells):
        return False
    filled = [cell for cell in cells if not is_empty(cell)]
    labelled = [_is_label(cell) for cell in filled]
    if not any(labelled):
        return False
    ends = (raw.get(Column.PICKUP), raw.get(Column.DROPOFF))
    if all(isinstance(end, str) and any(char.isalpha() for char in end) for end in ends):
        return labelled[0] and not _has_moment(raw.get(Column.WHEN))
    return not any(_has_clock(raw.get(column)) for column in (Column.WHEN, Column.TIME, Column.RETURN_TIME))


def is_note(cells: Sequence[Cell], raw: Mapping[Column, Cell]) -> bool:
    """A row that speaks of no course; ``raw`` holds None for an empty cell.

    One cell that does not begin like a date; or nothing in a course's columns but the patient's; or nothing beside
    the date column, and no date or time in it.
    """
    if raw.get(Column.PICKUP) is not None and raw.get(Column.DROPOFF) is not None:
        return False
    when = raw.get(Column.WHEN)
    if sum(not is_empty(cell) for cell in cells) == 1:
        if isinstance(when, str):
            return not BEGINS_LIKE_DATE.match(plain(when))
        return not _has_moment(when)
    return all(raw.get(column) is None for column in BESIDE_DATE) and not _has_moment(when)


def _is_label(cell: Cell) -> bool:
    return isinstance(cell, str) and MAYBE_TOTAL.match(cell) is not None and TOTAL.match(normalise(cell)) is not None


def _has_moment(cell: Cell) -> bool:
    """Whether a cell looks like a date or a time, or says that one is still to be told."""
    if isinstance(cell, str):
        text = plain(cell)
        return LIKE_MOMENT.search(text) is not None or TO_BE_TOLD.search(text) is not None
    if isinstance(cell, int | float) and not isinstance(cell, bool):
        return EXCEL_DAYS[0] <= cell < EXCEL_DAYS[1]
    return isinstance(cell, date | time | timedelta)


def _has_clock(cell: Cell) -> bool:
    if isinstance(cell, str):
        return CLOCK.search(read_date(plain(cell))[1]) is not None
    if isinstance(cell, datetime):
        return cell.time() != time(0)
    return isinstance(cell, time | timedelta)
