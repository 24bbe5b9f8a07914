"""Builds workbooks of every format, with obviously fictional content."""

import csv
import struct
import zipfile
from collections.abc import Sequence
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


def write_ods(path: Path, rows: Rows, *, repeat: int = 1) -> Path:
    """An .ods file of text cells; ``repeat`` is the repetition written on the last row."""
    text = '<table:table-cell office:value-type="string"><text:p>{}</text:p></table:table-cell>'
    body = "".join(
        f'<table:table-row table:number-rows-repeated="{repeat if row is rows[-1] else 1}">'
        + "".join(text.format(escape(str(cell))) for cell in row)
        + "</table:table-row>"
        for row in rows
    )
    name = "urn:oasis:names:tc:opendocument:xmlns"
    content = (
        f'<?xml version="1.0" encoding="UTF-8"?><office:document-content xmlns:office="{name}:office:1.0" '
        f'xmlns:table="{name}:table:1.0" xmlns:text="{name}:text:1.0"><office:body><office:spreadsheet>'
        f'<table:table table:name="Feuil1">{body}</table:table></office:spreadsheet></office:body>'
        "</office:document-content>"
    )
    manifest = f'<manifest:manifest xmlns:manifest="{name}:manifest:1.0"/>'
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        archive.writestr("META-INF/manifest.xml", manifest)
        archive.writestr("content.xml", content)
    return path


def write_xlsb(path: Path, rows: Rows, *, first_row: int = 0) -> Path:
    """An .xlsb file of text cells ([MS-XLSB]: length-prefixed records); ``first_row`` counts from 0."""
    sheet = _record(129) + _record(148, struct.pack("<4I", first_row, first_row + len(rows) - 1, 0, 5)) + _record(145)
    for number, row in enumerate(rows, start=first_row):
        sheet += _record(0, struct.pack("<IIHHBI", number, 0, 300, 0, 0, 0) + b"\0\0\0\0")
        for column, cell in enumerate(row):
            sheet += _record(6, struct.pack("<II", column, 0) + _wide(str(cell)))
    sheet += _record(146) + _record(130)
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
