"""Builds workbooks of every format, with obviously fictional content."""

import csv
import struct
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import openpyxl

HEADER = ["Nom/Prénom ", " Date et Heure  prévues", "Course", "Adresse de départ", "Adresse d'arrivée", "CFT"]
PALEXPO, UNI_MAIL = "Palexpo", "Uni Mail, Boulevard du Pont-d'Arve 40, 1205 Genève"
Rows = Sequence[Sequence[Any]]


def course(when: Any = "01.10.2025  09:15  16:00", kind: Any = "A/R", **changed: Any) -> list[Any]:
    """A row of a course; ``patient``, ``pickup``, ``dropoff`` and ``initials`` can be changed."""
    cells = {"patient": "Patient Fictif 12", "pickup": PALEXPO, "dropoff": UNI_MAIL, "initials": "A.B", **changed}
    return [cells["patient"], when, kind, cells["pickup"], cells["dropoff"], cells["initials"]]


def write_xlsx(path: Path, sheets: dict[str, Rows] | Rows) -> Path:
    """An .xlsx file; rows alone go to ``Feuil1``."""
    workbook = openpyxl.Workbook()
    workbook.remove(workbook.active)
    for name, rows in (sheets if isinstance(sheets, dict) else {"Feuil1": sheets}).items():
        sheet = workbook.create_sheet(name)
        for number, row in enumerate(rows, start=1):
            for column, value in enumerate(row, start=1):
                cell = sheet.cell(number, column, value)
                if isinstance(value, str):
                    cell.data_type = "s"
    workbook.save(path)
    return path


def write_csv(path: Path, rows: Rows, *, delimiter: str = ";", encoding: str = "utf-8") -> Path:
    """A .csv file as Excel saves it."""
    with path.open("w", newline="", encoding=encoding) as stream:
        csv.writer(stream, delimiter=delimiter).writerows(
            ["" if cell is None else cell for cell in row] for row in rows
        )
    return path


def write_ods(
    path: Path, rows: Rows | dict[str, Rows], *, repeat: int = 1, cells: dict[str, str] | None = None
) -> Path:
    """An .ods file of text cells; ``repeat`` is the repetition written on the last row.

    ``cells`` gives the XML of single cells by their place, for instance ``{"B3": "<table:table-cell .../>"}``.
    """
    tables = "".join(
        f'<table:table table:name="{escape(name)}">{_ods_rows(some, repeat, cells or {})}</table:table>'
        for name, some in (rows if isinstance(rows, dict) else {"Feuil1": rows}).items()
    )
    name = "urn:oasis:names:tc:opendocument:xmlns"
    content = (
        f'<?xml version="1.0" encoding="UTF-8"?><office:document-content xmlns:office="{name}:office:1.0" '
        f'xmlns:table="{name}:table:1.0" xmlns:text="{name}:text:1.0" xmlns:calcext="{name}:calcext:1.0">'
        f"<office:body><office:spreadsheet>{tables}</office:spreadsheet></office:body></office:document-content>"
    )
    manifest = f'<manifest:manifest xmlns:manifest="{name}:manifest:1.0"/>'
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        archive.writestr("META-INF/manifest.xml", manifest)
        archive.writestr("content.xml", content)
    return path


def _ods_rows(rows: Rows, repeat: int, cells: dict[str, str]) -> str:
    text = '<table:table-cell office:value-type="string"><text:p>{}</text:p></table:table-cell>'
    body = ""
    for number, row in enumerate(rows, start=1):
        body += f'<table:table-row table:number-rows-repeated="{repeat if number == len(rows) else 1}">'
        for column, cell in zip("ABCDEFGHIJ", row, strict=False):
            plain = "<table:table-cell/>" if cell is None else text.format(escape(str(cell)))
            body += cells.get(f"{column}{number}", plain)
        body += "</table:table-row>"
    return body


def write_xlsb(
    path: Path, rows: Rows, *, first_row: int = 0, merges: Sequence[tuple[int, int, int, int]] = (), errors: str = ""
) -> Path:
    """An .xlsb file of text cells ([MS-XLSB]: length-prefixed records); ``first_row`` counts from 0.

    ``merges`` are first row, last row, first column, last column, from 0; ``errors`` a cell such as ``"C3"`` that holds
    ``#N/A``.
    """
    sheet = _record(129) + _record(148, struct.pack("<4I", first_row, first_row + len(rows) - 1, 0, 5)) + _record(145)
    for number, row in enumerate(rows, start=first_row):
        sheet += _record(0, struct.pack("<IIHHBI", number, 0, 300, 0, 0, 0) + b"\0\0\0\0")
        for column, cell in enumerate(row):
            if f"{'ABCDEFGHIJ'[column]}{number + 1}" == errors:
                sheet += _record(3, struct.pack("<IIB", column, 0, 42))
            elif cell is not None:
                sheet += _record(6, struct.pack("<II", column, 0) + _wide(str(cell)))
    sheet += _record(146)
    if merges:
        sheet += _record(177, struct.pack("<I", len(merges)))
        sheet += b"".join(_record(176, struct.pack("<4I", *merge)) for merge in merges) + _record(178)
    sheet += _record(130)
    book = _record(131) + _record(143)
    book += _record(156, struct.pack("<II", 0, 1) + _wide("rId1") + _wide("Feuil1")) + _record(144) + _record(132)
    package = "http://schemas.openxmlformats.org/package/2006/relationships"
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    relations = (
        f'<?xml version="1.0"?><Relationships xmlns="{package}"><Relationship Id="rId1" Type="{office}/worksheet" '
        'Target="worksheets/sheet1.bin"/></Relationships>'
    )
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr("xl/workbook.bin", book)
        archive.writestr("xl/_rels/workbook.bin.rels", relations)
        archive.writestr("xl/worksheets/sheet1.bin", sheet)
    return path


def rewrite_part(path: Path, part: str, change: Callable[[bytes], bytes]) -> Path:
    """The zipped workbook with one part changed, or added."""
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    parts[part] = change(parts.get(part, b""))
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return path


def _record(kind: int, data: bytes = b"") -> bytes:
    head = bytes([kind]) if kind < 128 else bytes([kind & 0x7F | 0x80, kind >> 7])
    size, length = len(data), b""
    while True:
        size, low = size >> 7, size & 0x7F
        length += bytes([low | 0x80 if size else low])
        if not size:
            return head + length + data


def _wide(text: str) -> bytes:
    return struct.pack("<I", len(text)) + text.encode("utf-16-le")
