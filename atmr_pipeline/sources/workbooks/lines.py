"""The rows of a sheet, each with the header it stands under."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from atmr_pipeline.sources.workbooks.cells import Cell, Sheet
from atmr_pipeline.sources.workbooks.headers import Header, read_header


class Line(NamedTuple):
    """A non-empty row.

    Parameters
    ----------
    number : int
        As Excel shows it.
    cells : tuple
        With the values of merged cells above filled in.
    header : Header or None
        The header above; None above the first header, and on a sheet without one.
    is_header : bool
        The row is a header itself.
    shown : collection of int
        Columns, from 0, filled in from a merged cell above.
    """

    number: int
    cells: tuple[Cell, ...]
    header: Header | None
    is_header: bool = False
    shown: frozenset[int] = frozenset()


def lines_of(sheet: Sheet) -> Iterator[Line]:
    """The lines of a sheet, one after the other; a header holds until the next one."""
    above = sheet.shown_from_above()
    rows = dict(sheet.rows) if above else {}
    spans: dict[int, dict[int, int]] = {}
    for merge in sheet.merges:
        if merge.last_column > merge.first_column:
            spans.setdefault(merge.first_row, {})[merge.first_column - 1] = merge.last_column - 1
    header: Header | None = None
    for number, own in sheet.rows:
        lent = above.get(number)
        cells = own if lent is None else _filled(own, {column - 1: rows.get(row) for column, row in lent.items()})
        found = read_header(cells, spans.get(number))
        if found is not None:
            header = found
            yield Line(number, cells, found, is_header=True)
        else:
            shown = frozenset() if lent is None else frozenset(column - 1 for column in lent)
            yield Line(number, cells, header, shown=shown)


def first_header(sheet: Sheet) -> Header | None:
    """The first header of a sheet; None if it has none."""
    return next((line.header for line in lines_of(sheet) if line.is_header), None)


def header_for_titles(sheets: Sequence[Sheet]) -> list[Header]:
    """For each sheet of a workbook, the header by which rows above any header are looked at.

    The sheet's own first one; on a sheet without one, the first of the workbook, whose sheets tend to look alike.
    """
    own = [first_header(sheet) for sheet in sheets]
    first = next((header for header in own if header is not None), {})
    return [first if header is None else header for header in own]


def _filled(cells: Sequence[Cell], sources: dict[int, tuple[Cell, ...] | None]) -> tuple[Cell, ...]:
    filled = list(cells) + [None] * (max(sources) + 1 - len(cells))
    for column, source in sources.items():
        if source is not None and column < len(source):
            filled[column] = source[column]
    return tuple(filled)
