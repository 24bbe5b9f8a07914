"""Writing the months before the database as Excel workbooks, each with an answer key."""

import io
import json
import re
import zipfile
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import openpyxl
from openpyxl.worksheet.worksheet import Worksheet

from atmr_pipeline.simulation.company_day import CompanyDay
from atmr_pipeline.simulation.config import WorldConfig
from atmr_pipeline.simulation.population import Population
from atmr_pipeline.simulation.streams import Stream, generator
from atmr_pipeline.simulation.workbook_rows import SheetRow, rows_of_day, spoil

HEADERS = (" Nom/Prénom", "Date et Heure prévues ", "Course ", " Adresse de départ", "Adresse d'arrivée  ", "CFT ")
MONTHS = (
    "JANVIER", "FÉVRIER", "MARS", "AVRIL", "MAI", "JUIN", "JUILLET", "AOÛT", "SEPTEMBRE", "OCTOBRE", "NOVEMBRE",
    "DÉCEMBRE",
)  # fmt: skip
FIXED_ZIP_TIME = (2020, 1, 1, 0, 0, 0)


def write_workbooks(
    config: WorldConfig, population: Population, days: Sequence[CompanyDay], inbox: Path, answer_key: Path
) -> list[str]:
    """Write planned days as workbooks, the last month as ``transport.xlsx`` and earlier ones in a file a year.

    Parameters
    ----------
    days : sequence of CompanyDay
        In order; none gives no file.
    inbox, answer_key : Path
        Existing folders for the workbooks and for one JSON file each: the sheets, and for every row its number, kind,
        legs and reason of quarantine.

    Returns
    -------
    list of str
        Names of the workbooks.
    """
    months: dict[tuple[int, int], list[CompanyDay]] = {}
    for lived in days:
        months.setdefault((lived.day.year, lived.day.month), []).append(lived)
    files: dict[str, dict[str, list[SheetRow]]] = {}
    for number, (month, lived_days) in enumerate(months.items(), start=1):
        is_last = number == len(months)
        file_name = "transport.xlsx" if is_last else f"transport_{month[0]}.xlsx"
        sheet = "Feuil1" if is_last else f"{MONTHS[month[1] - 1]} {month[0]}"
        files.setdefault(file_name, {})[sheet] = _sheet_rows(config, population, lived_days)
    for file_name, sheets in files.items():
        _write(inbox / file_name, answer_key / f"{Path(file_name).stem}.json", sheets)
    return sorted(files)


def _sheet_rows(config: WorldConfig, population: Population, days: list[CompanyDay]) -> list[SheetRow]:
    rows: list[SheetRow] = []
    for lived in days:
        rows.extend(rows_of_day(population, lived, generator(config.seed, Stream.WORKBOOK, lived.day)))
    month = date(days[0].day.year, days[0].day.month, 1)
    spoiled = spoil(rows, generator(config.seed, Stream.WORKBOOK, month.replace(year=month.year + 1000)))
    middle = len(spoiled) // 2
    header = SheetRow(HEADERS, "header")
    total = SheetRow(("TOTAL", f"{len(spoiled)} courses", None, None, None, None), "totals")
    return [*spoiled[:middle], header, *spoiled[middle:], total]


def _write(path: Path, answer_path: Path, sheets: dict[str, list[SheetRow]]) -> None:
    workbook = openpyxl.Workbook()
    workbook.remove(workbook.active)
    answers: list[dict[str, Any]] = []
    for name, rows in sheets.items():
        sheet = workbook.create_sheet(name)
        for number, row in zip(_fill(sheet, rows), rows, strict=True):
            answers.append(
                {"sheet": name, "row": number, "kind": row.kind, "legs": row.legs, "quarantine": row.quarantine}
            )
    buffer = io.BytesIO()
    workbook.save(buffer)
    path.write_bytes(_without_clock(buffer.getvalue()))
    answer = {"file": path.name, "rows": answers}
    answer_path.write_text(json.dumps(answer, ensure_ascii=False, indent=1, sort_keys=True), encoding="utf-8")


def _fill(sheet: Worksheet, rows: list[SheetRow]) -> list[int]:
    """Title in row 1, headers in row 2, then the rows with a blank one before the totals; returns their numbers."""
    sheet.merge_cells("A1:F1")
    sheet["A1"] = "Planning des transports"
    for column, text in enumerate(HEADERS, start=1):
        sheet.cell(2, column, text)
    numbers, number = [], 3
    for row in rows:
        number += row.kind == "totals"
        for column, value in enumerate(row.cells, start=1):
            sheet.cell(number, column, value)
        numbers.append(number)
        number += 1
    return numbers


def _without_clock(data: bytes) -> bytes:
    """The same workbook without the time of writing, so that equal worlds give equal files."""
    result = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(result, "w", zipfile.ZIP_DEFLATED) as target:
        for name in sorted(source.namelist(), key=lambda entry: (entry != "[Content_Types].xml", entry)):
            content = source.read(name)
            if name == "docProps/core.xml":
                content = re.sub(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", b"2020-01-01T00:00:00Z", content)
            target.writestr(zipfile.ZipInfo(name, FIXED_ZIP_TIME), content, zipfile.ZIP_DEFLATED)
    return result.getvalue()
