"""Every non-empty row of every sheet, with its row number as Excel shows it."""

import csv
import io
from collections.abc import Iterable, Sequence
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import NamedTuple

from python_calamine import CalamineError, CalamineWorkbook, PasswordError, SheetTypeEnum

from atmr_pipeline.sources.workbooks.containers import OLE_SIGNATURE, ZIP_SIGNATURE, check_container
from atmr_pipeline.sources.workbooks.limits import WorkbookLimits
from atmr_pipeline.sources.workbooks.reasons import WorkbookError

Cell = str | int | float | bool | date | datetime | time | timedelta | None
Row = tuple[int, tuple[Cell, ...]]
CSV_DELIMITERS = ";,\t|"
CSV_SAMPLE_ROWS = 50
CSV_CELL_CHARACTERS = 1_000_000


class Sheet(NamedTuple):
    """A sheet's non-empty rows: ``(row number from 1, cells)``; hidden rows and sheets included."""

    name: str
    rows: list[Row]


def read_cells(path: Path, limits: WorkbookLimits) -> list[Sheet]:
    """Read a workbook (.xlsx, .xlsm, .xls, .xlsb, .ods, .csv).

    Formulas give the value that was saved with them; links to other files are never followed. A merged cell has
    its value in the top-left cell only.

    Raises
    ------
    WorkbookError
        One line that says why the file cannot be read.
    """
    check_container(path, limits)
    if path.suffix.lower() == ".csv":
        return [Sheet(path.stem, _read_csv(path, limits))]
    try:
        return _read_workbook(path, limits)
    except PasswordError:
        raise WorkbookError(path.name, "password_protected") from None
    except (CalamineError, OSError, ValueError, OverflowError) as error:
        reason = "password_protected" if "password" in str(error).lower() else "unreadable_file"
        raise WorkbookError(path.name, reason) from None
    except BaseException as error:
        # A panic of the compiled reader derives from BaseException and has no importable class.
        if type(error).__name__ != "PanicException":
            raise
        raise WorkbookError(path.name, "unreadable_file") from None


def is_empty(value: Cell) -> bool:
    """Whether a cell shows nothing: no value, or blanks only (no-break spaces included)."""
    return value is None or (isinstance(value, str) and not value.strip())


def _read_workbook(path: Path, limits: WorkbookLimits) -> list[Sheet]:
    with CalamineWorkbook.from_path(path) as workbook:
        names = [sheet.name for sheet in workbook.sheets_metadata if sheet.typ == SheetTypeEnum.WorkSheet]
        if len(names) > limits.max_sheets:
            raise WorkbookError(path.name, "too_large", f"more than {limits.max_sheets} sheets")
        sheets = []
        for name in names:
            sheet = workbook.get_sheet_by_name(name)
            # iter_rows counts from row 1 of the sheet; a sheet without any value has no start.
            rows = [] if sheet.start is None else _kept(sheet.iter_rows())
            if len(rows) > limits.max_rows:
                raise WorkbookError(path.name, "too_large", f"more than {limits.max_rows:,} rows in a sheet")
            sheets.append(Sheet(name, rows))
        return sheets


def _kept(rows: Iterable[Sequence[Cell]]) -> list[Row]:
    numbered = ((number, tuple(cells)) for number, cells in enumerate(rows, start=1))
    return [(number, cells) for number, cells in numbered if not all(is_empty(cell) for cell in cells)]


def _read_csv(path: Path, limits: WorkbookLimits) -> list[Row]:
    data = path.read_bytes()
    if data.startswith((ZIP_SIGNATURE, OLE_SIGNATURE)):
        raise WorkbookError(path.name, "wrong_format", "it is a workbook, not text")
    text = _decoded(path, data)
    rows: list[Row] = []
    before = csv.field_size_limit(CSV_CELL_CHARACTERS)
    try:
        for number, cells in enumerate(csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text)), start=1):
            if not all(is_empty(cell) for cell in cells):
                rows.append((number, tuple(cells)))
            if len(rows) > limits.max_rows:
                raise WorkbookError(path.name, "too_large", f"more than {limits.max_rows:,} rows")
    except csv.Error:
        raise WorkbookError(path.name, "unreadable_file") from None
    finally:
        csv.field_size_limit(before)
    return rows


def _decoded(path: Path, data: bytes) -> str:
    """Text of a CSV file: UTF-8 (with or without mark), UTF-16 with its mark, else what Excel writes on Windows."""
    try:
        if data.startswith((b"\xff\xfe", b"\xfe\xff")):
            return data.decode("utf-16")
        if b"\x00" in data:
            raise WorkbookError(path.name, "wrong_format", "it is not text")
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", errors="replace")


def _delimiter(text: str) -> str:
    """The delimiter that cuts the first rows into the most cells of equal number."""

    def score(delimiter: str) -> tuple[int, int]:
        widths = []
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
        for cells, _ in zip(reader, range(CSV_SAMPLE_ROWS), strict=False):
            if len(cells) > 1:
                widths.append(len(cells))
        common = max(set(widths), key=widths.count) if widths else 0
        return widths.count(common) * (common - 1) if common else 0, -CSV_DELIMITERS.index(delimiter)

    return max(CSV_DELIMITERS, key=score)
