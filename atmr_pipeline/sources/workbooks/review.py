"""The workbook a clerk corrects and drops back into the inbox."""

import re
from collections.abc import Iterable
from pathlib import Path

import pandas as pd
from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.styles import Alignment, Font
from openpyxl.worksheet._write_only import WriteOnlyWorksheet

from atmr_pipeline.domain.files import write_atomically
from atmr_pipeline.sources.workbooks.headers import Column
from atmr_pipeline.sources.workbooks.reasons import REASONS

COURSE_HEADERS = {
    Column.PATIENT: "Nom/Prénom - Name",
    Column.WHEN: "Date et Heure prévues - Scheduled date and time",
    Column.COURSE: "Course - Trip",
    Column.PICKUP: "Adresse de départ - Pickup address",
    Column.DROPOFF: "Adresse d'arrivée - Drop-off address",
    Column.INITIALS: "CFT - Driver",
}
ORIGIN_HEADERS = ("Motif", "Reason", "Fichier - File", "Feuille - Sheet", "Ligne - Row")
ADDRESS_HEADERS = ("Adresse - Address", "Courses en attente - Waiting legs", "Motif", "Reason")
ADDRESS_REASONS = {
    "not_found": ("Adresse introuvable dans le répertoire.", "Not found in the address directory."),
    "ambiguous": (
        "Plusieurs lieux correspondent : précisez NPA et localité.",
        "Several places match: give postcode and town.",
    ),
}
CONTROL_CHARACTERS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")
EXCEL_CELL_CHARACTERS = 32_767
WIDTHS = (24, 24, 10, 44, 44, 10, 50, 50, 24, 14, 10)


def write_review_workbook(path: Path, quarantined_rows_raw: pd.DataFrame, unresolved_addresses: pd.DataFrame) -> None:
    """Write the rows and addresses that wait for a person.

    The sheet ``Courses`` has the columns of an ordinary workbook, so that a corrected file can be read again; the
    sheet ``Adresses`` has no course header and is ignored when it is. Every cell is text: nothing that was typed into a
    source workbook becomes a formula here. The file appears complete or not at all, readable by its owner only.

    Parameters
    ----------
    path : Path
        An .xlsx file; one of the same name is replaced.
    quarantined_rows_raw : DataFrame
        ``raw_quarantined`` of a parsed workbook or inbox.
    unresolved_addresses : DataFrame
        ``address_text``, ``legs``, ``reason`` (a code of ADDRESS_REVIEW).
    """
    courses = [
        [
            *(row[column.value] for column in COURSE_HEADERS),
            *REASONS[row["reason"]],
            *(str(row[name]) for name in ("file_name", "sheet", "row")),
        ]
        for row in quarantined_rows_raw.fillna("").to_dict("records")
    ]
    addresses = [
        [str(row["address_text"]), str(row["legs"]), *ADDRESS_REASONS[row["reason"]]]
        for row in unresolved_addresses.to_dict("records")
    ]
    workbook = Workbook(write_only=True)
    _fill(workbook, "Courses", (*COURSE_HEADERS.values(), *ORIGIN_HEADERS), courses)
    _fill(workbook, "Adresses", ADDRESS_HEADERS, addresses)
    write_atomically(path, workbook.save, mode=0o600)


def _fill(workbook: Workbook, title: str, headers: tuple[str, ...], rows: list[list[str]]) -> None:
    sheet = workbook.create_sheet(title)
    for index, width in enumerate(WIDTHS[: len(headers)]):
        sheet.column_dimensions[chr(ord("A") + index)].width = width
    sheet.freeze_panes = "A2"
    _append(sheet, headers, Font(bold=True))
    for row in rows:
        _append(sheet, row)


def _append(sheet: WriteOnlyWorksheet, texts: Iterable[str], font: Font | None = None) -> None:
    cells = []
    for text in texts:
        cell = WriteOnlyCell(sheet, value="")
        # The type is set after the value: openpyxl would take a text that begins with "=" for a formula.
        cell.value = CONTROL_CHARACTERS.sub(" ", text)[:EXCEL_CELL_CHARACTERS]
        cell.data_type = "s"
        cell.number_format = "@"
        cell.quotePrefix = True
        cell.alignment = Alignment(wrap_text=True, vertical="top")
        if font:
            cell.font = font
        cells.append(cell)
    sheet.append(cells)
