"""Every non-empty row of every sheet, with its row number as Excel shows it."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from pathlib import Path

from python_calamine import CalamineError, CalamineSheet, CalamineWorkbook, PasswordError, SheetTypeEnum

from atmr_pipeline.sources.workbooks.containers import Container, check_container
from atmr_pipeline.sources.workbooks.csv_file import read_csv
from atmr_pipeline.sources.workbooks.limits import MAX_CELL_CHARACTERS, WorkbookLimits
from atmr_pipeline.sources.workbooks.marks import ERROR_TEXT, Merge, SheetMarks, spread
from atmr_pipeline.sources.workbooks.reasons import WorkbookError

Cell = str | int | float | bool | date | datetime | time | timedelta | None
Row = tuple[int, tuple[Cell, ...]]
INVISIBLE = "\u200b\u200c\u200d\u2060\ufeff\u00ad"
"""Characters of no width that text copied from elsewhere brings along; ``str.strip`` leaves them."""
ERROR = re.compile(r"#[A-Z\u00c0-\u00dc0-9/_]+[!?]?", re.IGNORECASE)


@dataclass(frozen=True)
class Sheet:
    """A sheet's non-empty rows: ``(row number from 1, cells)``; hidden rows, columns and sheets included.

    Parameters
    ----------
    name : str
    rows : list of Row
        In the order of the sheet.
    merges : list of Merge
        Merged blocks. In ``rows`` their value stands in the first cell only.
    """

    name: str
    rows: list[Row]
    merges: list[Merge] = field(default_factory=list)

    def shown_from_above(self) -> dict[int, dict[int, int]]:
        """``{row: {column: row of the value}}`` for cells that show a merged cell's value; counted from 1."""
        return spread(self.merges, self.rows) if self.merges else {}


def read_cells(path: Path, limits: WorkbookLimits) -> list[Sheet]:
    """Read a workbook (.xlsx, .xlsm, .xls, .xlsb, .ods, .csv).

    Formulas give the value that was saved with them, or :data:`ERROR_TEXT` where they failed (an .xls does not tell
    an error from an empty cell); links to other files are never followed.

    Raises
    ------
    WorkbookError
        One line that says why the file cannot be read.
    """
    container = check_container(path, limits)
    if path.suffix.lower() == ".csv":
        return [Sheet(path.stem, _kept(path.name, read_csv(path, limits), limits))]
    try:
        return _read_workbook(path, container, limits)
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
    """Whether a cell shows nothing: no value, or blanks only (no-break and zero-width ones included)."""
    if value is None:
        return True
    if not isinstance(value, str):
        return False
    text = value.strip()
    return not text or not text.strip(INVISIBLE)


def is_error(value: Cell) -> bool:
    """Whether a cell holds a spreadsheet's error, such as ``#N/A`` or ``#REF!``."""
    return isinstance(value, str) and value.startswith("#") and ERROR.fullmatch(value.strip()) is not None


def _read_workbook(path: Path, container: Container, limits: WorkbookLimits) -> list[Sheet]:
    source = container.source
    opened = CalamineWorkbook.from_path(source) if isinstance(source, Path) else CalamineWorkbook.from_filelike(source)
    with opened as workbook:
        names = [sheet.name for sheet in workbook.sheets_metadata if sheet.typ == SheetTypeEnum.WorkSheet]
        if len(names) > limits.max_sheets:
            raise WorkbookError(path.name, "too_large", f"more than {limits.max_sheets} sheets")
        return [_read_sheet(path.name, workbook, name, container, limits) for name in names]


def _read_sheet(
    file_name: str, workbook: CalamineWorkbook, name: str, container: Container, limits: WorkbookLimits
) -> Sheet:
    sheet = workbook.get_sheet_by_name(name)
    marks = container.marks.get(name) or SheetMarks(merges=_merges_of(sheet))
    rows = _kept(file_name, _with_errors(_rows_of(sheet), marks.errors), limits)
    return Sheet(name, rows, marks.merges)


def _rows_of(sheet: CalamineSheet) -> Iterator[tuple[int, Sequence[Cell]]]:
    """Rows by number; the reader gives them from the sheet's first row, but from the first column with a value."""
    if sheet.start is None:
        return
    before = [None] * sheet.start[1]
    for number, cells in enumerate(sheet.iter_rows(), start=1):
        yield number, [*before, *cells] if before else cells


def _merges_of(sheet: CalamineSheet) -> list[Merge]:
    ranges = sheet.merged_cell_ranges or []
    return [Merge(top + 1, left + 1, bottom + 1, right + 1) for (top, left), (bottom, right) in ranges]


def _with_errors(
    rows: Iterable[tuple[int, Sequence[Cell]]], errors: set[tuple[int, int]]
) -> Iterable[tuple[int, Sequence[Cell]]]:
    """The rows with :data:`ERROR_TEXT` where the reader gives nothing for an error."""
    if not errors:
        return rows
    by_row: dict[int, list[int]] = {}
    for row, column in errors:
        by_row.setdefault(row, []).append(column)

    def marked(number: int, cells: Sequence[Cell]) -> Sequence[Cell]:
        columns = by_row.get(number)
        if not columns:
            return cells
        filled = list(cells) + [None] * (max(columns) - len(cells))
        for column in columns:
            filled[column - 1] = ERROR_TEXT
        return filled

    return ((number, marked(number, cells)) for number, cells in rows)


def _kept(file_name: str, rows: Iterable[tuple[int, Sequence[Cell]]], limits: WorkbookLimits) -> list[Row]:
    kept: list[Row] = []
    for number, cells in rows:
        if all(is_empty(cell) for cell in cells):
            continue
        if len(kept) == limits.max_rows:
            raise WorkbookError(file_name, "too_large", f"more than {limits.max_rows:,} rows in a sheet")
        if any(isinstance(cell, str) and len(cell) > MAX_CELL_CHARACTERS for cell in cells):
            raise WorkbookError(file_name, "too_large", f"a cell holds more than {MAX_CELL_CHARACTERS:,} characters")
        kept.append((number, tuple(cells)))
    return kept
