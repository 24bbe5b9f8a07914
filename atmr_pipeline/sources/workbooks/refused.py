"""Rows that wait for a person: the public account of them, and the private one with their cells for the clerk."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import NamedTuple

import pandas as pd

from atmr_pipeline.domain.tables import QUARANTINED_COURSES, conform, empty
from atmr_pipeline.sources.workbooks.cells import Cell, is_empty
from atmr_pipeline.sources.workbooks.headers import Column
from atmr_pipeline.sources.workbooks.limits import MAX_CELL_CHARACTERS
from atmr_pipeline.sources.workbooks.reasons import REASONS
from atmr_pipeline.sources.workbooks.times import EXCEL_DAYS, EXCEL_EPOCH, MINUTES_A_DAY, read_moment

CELL_COLUMNS = (Column.PATIENT, Column.WHEN, Column.COURSE, Column.PICKUP, Column.DROPOFF, Column.INITIALS)
RAW_COLUMNS = ("file_name", "sheet", "row", "reason", *(column.value for column in CELL_COLUMNS), "origin_check")
CONTROL_CHARACTERS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")
CHECK_HEX_DIGITS = 16
HOURS_A_DAY = 24


class Position(NamedTuple):
    """Where a row stands: file, sheet, row as Excel shows it."""

    file_name: str
    sheet: str
    row: int


class Origin(NamedTuple):
    """The row that a row of a review workbook corrects, and the fingerprint of what that row said."""

    position: Position
    check: str


@dataclass(frozen=True)
class RefusedRow:
    """A row, or a leg of it, that cannot be used, with its cells by meaning.

    Parameters
    ----------
    position : Position
        Where it is accounted for; row 0 is a whole file.
    reason : str
    cells : dict
        Private.
    origin : Origin, optional
        Set on a row of a review workbook.
    """

    position: Position
    reason: str
    cells: Mapping[Column, Cell] = field(default_factory=dict, repr=False)
    origin: Origin | None = None


def quarantine_frame(rows: Sequence[RefusedRow]) -> pd.DataFrame:
    """``QUARANTINED_COURSES`` of refused rows."""
    if not rows:
        return empty(QUARANTINED_COURSES)
    records = [(*row.position, row.reason, REASONS[row.reason].french, REASONS[row.reason].english) for row in rows]
    return conform(pd.DataFrame(records, columns=list(QUARANTINED_COURSES.columns)), QUARANTINED_COURSES)


def raw_frame(rows: Sequence[RefusedRow]) -> pd.DataFrame:
    """Rows with their cells as text, columns :data:`RAW_COLUMNS`. Private: they name patients and addresses.

    The position is that of the row to correct, which for a row of a review workbook is the original's.
    """
    records = []
    for row in rows:
        texts = row_texts(row.cells)
        position, check = row.origin or Origin(row.position, fingerprint(texts))
        records.append((*position, row.reason, *texts, check))
    dtypes = {name: "int64" if name == "row" else "str" for name in RAW_COLUMNS}
    return pd.DataFrame(records, columns=list(RAW_COLUMNS)).astype(dtypes)


def row_texts(cells: Mapping[Column, Cell]) -> tuple[str, ...]:
    """A row as a clerk would type it into the columns :data:`CELL_COLUMNS`, fit for a cell of a workbook."""
    moments = [_moment_text(cells.get(column)) for column in (Column.WHEN, Column.TIME, Column.RETURN_TIME)]
    course = as_text(cells.get(Column.COURSE))
    if moments[2]:
        # One column is to say what two or three did: that a lone time is the return's, and that there is a return.
        is_alone = read_moment(cells.get(Column.WHEN), cells.get(Column.TIME)).first is None
        moments[1] = "?" if is_alone else moments[1]
        if Column.COURSE not in cells:
            course = "R" if is_alone else "A/R"
    others = cells.get(Column.RETURN_INITIALS), cells.get(Column.SECOND_INITIALS)
    drivers = [as_text(cells.get(Column.INITIALS)), next((as_text(cell) for cell in others if cell is not None), "")]
    if Column.RETURN_INITIALS in cells and drivers[0] and not drivers[1]:
        drivers[1] = "?"
    texts = {
        Column.WHEN: "  ".join(text for text in moments if text),
        Column.COURSE: course,
        Column.INITIALS: "/".join(drivers) if drivers[1] else drivers[0],
    }
    return tuple(clean(texts.get(column, as_text(cells.get(column)))) for column in CELL_COLUMNS)


def _moment_text(value: Cell) -> str:
    """A date or time as text; the numbers that Excel holds them as would say nothing to a clerk."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        if 0 <= value < 1:
            return as_text(timedelta(days=float(value)))
        if value < HOURS_A_DAY:
            return f"{value:.2f}"
        if EXCEL_DAYS[0] <= value < EXCEL_DAYS[1]:
            return as_text(EXCEL_EPOCH + timedelta(minutes=round(value * MINUTES_A_DAY)))
    return as_text(value)


def fingerprint(texts: Sequence[str]) -> str:
    """What a row says, spacing aside, as 16 hex digits: tells whether a clerk, or anyone, has changed it."""
    content = "\x1f".join(" ".join(text.split()) for text in texts)
    return hashlib.sha256(content.encode("utf-8", errors="surrogatepass")).hexdigest()[:CHECK_HEX_DIGITS]


def clean(text: str) -> str:
    """A text that a workbook's cell can hold."""
    return CONTROL_CHARACTERS.sub(" ", text)[:MAX_CELL_CHARACTERS]


def as_text(value: Cell) -> str:
    """A cell as a Swiss clerk would type it."""
    if is_empty(value):
        return ""
    if isinstance(value, datetime):
        return f"{value:%d.%m.%Y}" if value.time() == time(0) else f"{value:%d.%m.%Y  %H:%M}"
    if isinstance(value, date):
        return f"{value:%d.%m.%Y}"
    if isinstance(value, time):
        return f"{value:%H:%M}"
    if isinstance(value, timedelta):
        minutes = round(value.total_seconds() / 60)
        return f"{minutes // 60:02d}:{minutes % 60:02d}"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
