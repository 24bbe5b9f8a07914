"""Sheets of .xlsx, .xlsm and .xlsb archives: which part holds which, and a look at the XML ones."""

import re
import zipfile
from collections.abc import Iterable, Iterator

from atmr_pipeline.sources.workbooks.limits import MEBIBYTE, WorkbookLimits
from atmr_pipeline.sources.workbooks.marks import Merge, Reach, SheetMarks
from atmr_pipeline.sources.workbooks.reasons import WorkbookError
from atmr_pipeline.sources.workbooks.xml_parts import Attributes, local_name, walk

CELL_REFERENCE = re.compile(r"\$?([A-Z]{1,3})\$?(\d{1,7})")
RELATIONSHIP_ID = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
STRICT_RELATIONSHIP_ID = "http://purl.oclc.org/ooxml/officeDocument/relationships"


def pieces_of(archive: zipfile.ZipFile, part: str) -> Iterator[bytes]:
    """A part, unpacked a mebibyte at a time."""
    with archive.open(part) as stream:
        while piece := stream.read(MEBIBYTE):
            yield piece


def related_parts(archive: zipfile.ZipFile, file_name: str, relations: str) -> dict[str, str]:
    """Parts of the archive by relationship id."""
    by_lower = {name.lower(): name for name in archive.namelist()}
    targets: dict[str, str] = {}

    def start(name: str, attributes: Attributes) -> None:
        if local_name(name) != "Relationship" or attributes.get("TargetMode") == "External":
            return
        target = attributes.get("Target", "").lstrip("/").lower()
        part = by_lower.get(target if target.startswith("xl/") else f"xl/{target}")
        if part is not None:
            targets[attributes.get("Id", "")] = part

    if relations.lower() in by_lower:
        walk(file_name, pieces_of(archive, by_lower[relations.lower()]), start)
    return targets


def xlsx_sheet_parts(archive: zipfile.ZipFile, file_name: str, main: str) -> dict[str, str]:
    """Part of each sheet by the sheet's name, from ``xl/workbook.xml``."""
    ids: dict[str, str] = {}

    def start(name: str, attributes: Attributes) -> None:
        if name.endswith(" sheet"):
            found = attributes.get(f"{RELATIONSHIP_ID} id") or attributes.get(f"{STRICT_RELATIONSHIP_ID} id")
            if found:
                ids[attributes.get("name", "")] = found

    walk(file_name, pieces_of(archive, main), start, namespaces=True)
    parts = related_parts(archive, file_name, "xl/_rels/workbook.xml.rels")
    return {sheet: parts[found] for sheet, found in ids.items() if found in parts}


def scan_xlsx_sheet(file_name: str, pieces: Iterable[bytes], limits: WorkbookLimits) -> SheetMarks:
    """Look through a sheet's XML: how far its values reach, its merged blocks and its errors.

    Raises
    ------
    WorkbookError
        If a value lies beyond the limits, or a cell's position cannot be read.
    """
    marks, reach = SheetMarks(), Reach(file_name, limits)
    row = column = 0
    columns: dict[str, int] = {}

    def place(reference: str) -> tuple[int, int]:
        match = CELL_REFERENCE.fullmatch(reference)
        if match is None:
            raise WorkbookError(file_name, "unreadable_file", "a cell has no readable position")
        letters = match[1]
        if letters not in columns:
            columns[letters] = column_number(letters)
        return int(match[2]), columns[letters]

    def start(name: str, attributes: Attributes) -> None:
        nonlocal row, column
        element = name if ":" not in name else local_name(name)
        if element == "c":
            reference = attributes.get("r")
            row, column = place(reference) if reference is not None else (row, column + 1)
            if attributes.get("t") == "e":
                marks.errors.add((row, column))
        elif element in {"v", "is", "f"}:
            reach.extend(row, column)
        elif element == "row":
            written = attributes.get("r")
            row, column = (int(written) if written is not None else row + 1), 0
        elif element == "mergeCell":
            first, _, last = attributes.get("ref", "").partition(":")
            marks.merges.append(Merge(*place(first), *place(last or first)))

    walk(file_name, pieces, start)
    return marks


def column_number(letters: str) -> int:
    """1 for ``"A"``, 27 for ``"AA"``."""
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - 64
    return number
