"""Refused rows: the public account of them, and the private one with their cells for the clerk."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta

import pandas as pd

from atmr_pipeline.domain.tables import QUARANTINED_COURSES, conform, empty
from atmr_pipeline.sources.workbooks.cells import Cell
from atmr_pipeline.sources.workbooks.headers import Column
from atmr_pipeline.sources.workbooks.reasons import REASONS

CELL_COLUMNS = (Column.PATIENT, Column.WHEN, Column.COURSE, Column.PICKUP, Column.DROPOFF, Column.INITIALS)
RAW_COLUMNS = ("file_name", "sheet", "row", "reason", *(column.value for column in CELL_COLUMNS))


@dataclass(frozen=True)
class RefusedRow:
    """A row that could not become legs, with its cells by meaning; row 0 is a whole file."""

    file_name: str
    sheet: str
    row: int
    reason: str
    cells: dict[Column, Cell] = field(default_factory=dict, repr=False)


def quarantine_frame(rows: Sequence[RefusedRow]) -> pd.DataFrame:
    """``QUARANTINED_COURSES`` of refused rows."""
    if not rows:
        return empty(QUARANTINED_COURSES)
    records = [
        (row.file_name, row.sheet, row.row, row.reason, REASONS[row.reason].french, REASONS[row.reason].english)
        for row in rows
    ]
    return conform(pd.DataFrame(records, columns=list(QUARANTINED_COURSES.columns)), QUARANTINED_COURSES)


def raw_frame(rows: Sequence[RefusedRow]) -> pd.DataFrame:
    """Refused rows with their cells as text, columns :data:`RAW_COLUMNS`. Private: they name patients and addresses."""
    records = [(row.file_name, row.sheet, row.row, row.reason, *_texts(row.cells)) for row in rows]
    dtypes = {name: "int64" if name == "row" else "str" for name in RAW_COLUMNS}
    return pd.DataFrame(records, columns=list(RAW_COLUMNS)).astype(dtypes)


def _texts(cells: dict[Column, Cell]) -> list[str]:
    moments = [as_text(cells.get(column)) for column in (Column.WHEN, Column.TIME, Column.RETURN_TIME)]
    when = "  ".join(text for text in moments if text)
    return [when if column == Column.WHEN else as_text(cells.get(column)) for column in CELL_COLUMNS]


def as_text(value: Cell) -> str:
    """A cell as a Swiss clerk would type it."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return f"{value:%d.%m.%Y  %H:%M}"
    if isinstance(value, date):
        return f"{value:%d.%m.%Y}"
    if isinstance(value, time):
        return f"{value:%H:%M}"
    if isinstance(value, timedelta):
        minutes = round(value.total_seconds() / 60)
        return f"{minutes // 60:02d}:{minutes % 60:02d}"
    return str(value)
