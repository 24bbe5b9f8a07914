"""The workbook a clerk corrects and drops back into the inbox."""

from collections.abc import Hashable, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.styles import Alignment, Font
from openpyxl.worksheet._write_only import WriteOnlyWorksheet

from atmr_pipeline.domain.files import write_atomically
from atmr_pipeline.sources.workbooks.reasons import REASONS
from atmr_pipeline.sources.workbooks.refused import clean, fingerprint
from atmr_pipeline.sources.workbooks.review_columns import ADDRESS_HEADERS, COURSE_HEADERS, ORIGIN_HEADERS

ADDRESS_REASONS = {
    "not_found": ("Adresse introuvable dans le répertoire.", "Not found in the address directory."),
    "ambiguous": (
        "Plusieurs lieux correspondent : précisez NPA et localité.",
        "Several places match: give postcode and town.",
    ),
    "mismatch": (
        "Le lieu trouvé n'a pas le même NPA ou la même localité : vérifiez l'adresse.",
        "The place found has another postcode or town: check the address.",
    ),
    "too_coarse": (
        "Seule la localité a été trouvée : vérifiez la rue et le numéro.",
        "Only the town was found: check street and number.",
    ),
    "outside_service_area": (
        "L'adresse est hors de la région desservie : vérifiez NPA et localité.",
        "The address lies outside the area served: check postcode and town.",
    ),
    "service_unavailable": (
        "Le service d'adresses n'a pas répondu : rien à corriger, la question sera reposée.",
        "The address service did not answer: nothing to correct, it will be asked again.",
    ),
}
COURSE_WIDTHS = (24, 24, 10, 44, 44, 10, 50, 50, 24, 14, 10)
ADDRESS_WIDTHS = (60, 60, 14, 50, 50)


def write_review_workbook(
    path: Path, rows: pd.DataFrame, unresolved_addresses: pd.DataFrame, *, written_at: datetime | None = None
) -> None:
    """Write the rows and addresses that wait for a person.

    The sheet ``Courses`` has the columns of an ordinary workbook, and those that name each row's origin: corrected
    and put into the inbox, a row takes the place of its original. On the sheet ``Adresses`` a clerk writes the
    corrected address beside the one that was not found. Every cell is text: nothing that was typed into a source
    workbook becomes a formula here. The file appears complete or not at all, readable by its owner only.

    Parameters
    ----------
    path : Path
        An .xlsx file; one of the same name is replaced.
    rows : DataFrame
        ``raw_quarantined`` and ``raw_set_aside`` of a parsed inbox, one below the other.
    unresolved_addresses : DataFrame
        ``address_text``, ``legs``, ``reason`` (a code of ADDRESS_REVIEW); ``written_text``, where it is given, is the
        address before an earlier correction, and is what is listed.
    written_at : datetime, optional
        Aware; now by default. Of two corrections of one row, that in the later review holds.
    """
    moment = (written_at or datetime.now(UTC)).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    workbook = Workbook(write_only=True)
    courses = [_course(row, moment) for row in rows.fillna("").to_dict("records")]
    _fill(workbook, "Courses", (*COURSE_HEADERS.values(), *ORIGIN_HEADERS), courses, COURSE_WIDTHS)
    written = "written_text" if "written_text" in unresolved_addresses else "address_text"
    addresses = [
        [str(row[written]), "", str(row["legs"]), *ADDRESS_REASONS[row["reason"]], moment]
        for row in unresolved_addresses.to_dict("records")
    ]
    _fill(workbook, "Adresses", ADDRESS_HEADERS, addresses, ADDRESS_WIDTHS)
    write_atomically(path, workbook.save, mode=0o600)


def _course(row: Mapping[Hashable, object], moment: str) -> list[str]:
    texts = [clean(str(row[column.value])) for column in COURSE_HEADERS]
    listed = fingerprint(texts)
    origin = [str(row[name]) for name in ("file_name", "sheet", "row")]
    check = f"{moment} {listed} {row.get('origin_check') or listed}"
    return [*texts, *REASONS[str(row["reason"])], *origin, check]


def _fill(
    workbook: Workbook, title: str, headers: tuple[str, ...], rows: list[list[str]], widths: tuple[int, ...]
) -> None:
    sheet = workbook.create_sheet(title)
    for index, width in enumerate(widths):
        sheet.column_dimensions[chr(ord("A") + index)].width = width
    # The check column stands last and means nothing to a clerk.
    sheet.column_dimensions[chr(ord("A") + len(widths))].hidden = True
    sheet.freeze_panes = "A2"
    _append(sheet, headers, Font(bold=True))
    for row in rows:
        _append(sheet, row)


def _append(sheet: WriteOnlyWorksheet, texts: Iterable[str], font: Font | None = None) -> None:
    cells = []
    for text in texts:
        cell = WriteOnlyCell(sheet, value="")
        # The type is set after the value: openpyxl would take a text that begins with "=" for a formula.
        cell.value = clean(text)
        cell.data_type = "s"
        cell.number_format = "@"
        cell.quotePrefix = True
        cell.alignment = Alignment(wrap_text=True, vertical="top")
        if font:
            cell.font = font
        cells.append(cell)
    sheet.append(cells)
