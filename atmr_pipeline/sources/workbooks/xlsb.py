"""A look at the binary sheets of .xlsb ([MS-XLSB] 2.1.4: records with a kind, a length and data)."""

import struct
import zipfile
from collections.abc import Iterator

from atmr_pipeline.sources.workbooks.limits import WorkbookLimits
from atmr_pipeline.sources.workbooks.marks import Merge, Reach, SheetMarks
from atmr_pipeline.sources.workbooks.ooxml import related_parts
from atmr_pipeline.sources.workbooks.reasons import WorkbookError

ROW_HEADER, MERGED_BLOCK, BUNDLED_SHEET = 0, 176, 156
VALUE_CELLS = range(2, 12)
"""BrtCellRk to BrtFmlaError: the kinds of a cell that holds something; 1 is a blank one."""
ERROR_CELLS = frozenset({3, 11})


def xlsb_sheet_parts(archive: zipfile.ZipFile, file_name: str, main: str) -> dict[str, str]:
    """Part of each sheet by the sheet's name, from ``xl/workbook.bin``."""
    parts = related_parts(archive, file_name, "xl/_rels/workbook.bin.rels")
    found: dict[str, str] = {}
    for kind, data in _records(archive.read(main), file_name):
        if kind == BUNDLED_SHEET:
            relation, after = _wide_string(data, 8, file_name)
            name, _ = _wide_string(data, after, file_name)
            if relation in parts:
                found[name] = parts[relation]
    return found


def scan_xlsb_sheet(file_name: str, part: bytes, limits: WorkbookLimits) -> SheetMarks:
    """Look through a binary sheet: how far its values reach, its merged blocks and its errors.

    Raises
    ------
    WorkbookError
        If a value lies beyond the limits, or a record is cut short.
    """
    marks, reach, row = SheetMarks(), Reach(file_name, limits), 0
    for kind, data in _records(part, file_name):
        if kind == ROW_HEADER and len(data) >= 4:
            row = struct.unpack_from("<I", data)[0] + 1
        elif kind in VALUE_CELLS and len(data) >= 4:
            column = struct.unpack_from("<I", data)[0] + 1
            reach.extend(row, column)
            if kind in ERROR_CELLS:
                marks.errors.add((row, column))
        elif kind == MERGED_BLOCK and len(data) >= 16:
            first_row, last_row, first_column, last_column = struct.unpack_from("<4I", data)
            marks.merges.append(Merge(first_row + 1, first_column + 1, last_row + 1, last_column + 1))
    return marks


def _records(part: bytes, file_name: str) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at < len(part):
        kind, at = _variable_int(part, at, 2, file_name)
        size, at = _variable_int(part, at, 4, file_name)
        if at + size > len(part):
            raise WorkbookError(file_name, "unreadable_file")
        yield kind, part[at : at + size]
        at += size


def _variable_int(part: bytes, at: int, longest: int, file_name: str) -> tuple[int, int]:
    """A little-endian base-128 number of a record (its kind or its size), and where it ends."""
    value = 0
    for index in range(longest):
        if at >= len(part):
            raise WorkbookError(file_name, "unreadable_file")
        byte = part[at]
        at += 1
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            break
    return value, at


def _wide_string(data: bytes, at: int, file_name: str) -> tuple[str, int]:
    """An XLWideString: its length in UTF-16 units, then the text; 0xFFFFFFFF is a missing one."""
    if at + 4 > len(data):
        raise WorkbookError(file_name, "unreadable_file")
    length = struct.unpack_from("<I", data, at)[0]
    if length == 0xFFFF_FFFF:
        return "", at + 4
    end = at + 4 + 2 * length
    if end > len(data):
        raise WorkbookError(file_name, "unreadable_file")
    return data[at + 4 : end].decode("utf-16-le", errors="replace"), end
