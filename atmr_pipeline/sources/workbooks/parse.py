"""From workbooks to legs: one workbook, or an inbox in which workbooks repeat and correct each other."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from atmr_pipeline.domain.tables import QUARANTINED_COURSES, WORKBOOK_COURSES, empty
from atmr_pipeline.sources.workbooks.cells import Sheet, read_cells
from atmr_pipeline.sources.workbooks.corrections import Corrections, find_corrections
from atmr_pipeline.sources.workbooks.initials import driver_mapping, normalise_initials
from atmr_pipeline.sources.workbooks.limits import WorkbookLimits
from atmr_pipeline.sources.workbooks.lines import Line, first_header, header_for_titles
from atmr_pipeline.sources.workbooks.reading import ADDRESS_COLUMNS, Company, Content, Reading
from atmr_pipeline.sources.workbooks.reasons import WorkbookError
from atmr_pipeline.sources.workbooks.refused import Position, RefusedRow, quarantine_frame, raw_frame
from atmr_pipeline.sources.workbooks.results import ParsedInbox, ParsedWorkbook, RowCounts
from atmr_pipeline.sources.workbooks.rows import read_row

if TYPE_CHECKING:
    from atmr_pipeline.state.workbook_files import WorkbookFile


def parse_workbook(
    path: Path,
    *,
    hash_key: bytes,
    driver_ids: Mapping[str, int],
    occasional: AbstractSet[str] = frozenset(),
    limits: WorkbookLimits | None = None,
    already_seen: AbstractSet[str] = frozenset(),
    today: date | None = None,
) -> ParsedWorkbook:
    """Read one workbook.

    Parameters
    ----------
    path : Path
        .xlsx, .xlsm, .xls, .xlsb, .ods or .csv.
    hash_key : bytes
        The company's secret for keyed hashes.
    driver_ids : mapping of str to int
        Driver of each initials. Blank, unknown or shared initials leave the driver NULL.
    occasional : set of str
        Initials of drivers outside the fleet: the leg is kept, its driver NULL, and they are not unknown.
    limits : WorkbookLimits, optional
        What is refused as too large.
    already_seen : set of str
        ``row_hashes`` of workbooks read before: the same rows are duplicates here.
    today : date, optional
        Dates before 2000 or more than two calendar years after it are refused. The machine's date by default.

    Raises
    ------
    WorkbookError
        If the whole file cannot be read or has no header row.
    """
    company = Company(hash_key, driver_mapping(driver_ids), _spelt(occasional), today)
    sheets = _open(path, limits or WorkbookLimits())
    return _read_book(path, sheets, company, find_corrections({path.name: sheets}, hash_key), set(already_seen))


def parse_inbox(
    paths: Sequence[Path],
    *,
    hash_key: bytes,
    driver_ids: Mapping[str, int],
    occasional: AbstractSet[str] = frozenset(),
    limits: WorkbookLimits | None = None,
    already_seen: AbstractSet[str] = frozenset(),
    today: date | None = None,
) -> ParsedInbox:
    """Read several workbooks; one that cannot be read is quarantined whole and the others proceed.

    A row that stands in two workbooks counts once, in the first in the order given. A row of a review workbook takes
    the place of the row that it corrects, whatever the order: see :mod:`.corrections`.

    Parameters
    ----------
    paths : sequence of Path
    hash_key, driver_ids, occasional, limits, already_seen, today
        See :func:`parse_workbook`.

    Raises
    ------
    ValueError
        If two paths have the same file name.
    """
    by_name = {path.name: path for path in paths}
    if len(by_name) < len(paths):
        raise ValueError("two workbooks have the same name: rows are told apart by file name, sheet and row")
    company = Company(hash_key, driver_mapping(driver_ids), _spelt(occasional), today)
    books: dict[str, list[Sheet]] = {}
    refused: dict[str, str] = {}
    for path in paths:
        try:
            books[path.name] = _open(path, limits or WorkbookLimits())
        except WorkbookError as error:
            refused[path.name] = error.reason
    corrections = find_corrections(books, hash_key)
    seen = set(already_seen) | _hashes_of(corrections.superseded, company)
    # A correction is read after the rows that it may repeat, and after earlier corrections.
    order = [name for name in books if name not in corrections.review_files]
    parsed = {
        name: _read_book(by_name[name], books.pop(name), company, corrections, seen)
        for name in (*order, *corrections.review_files)
    }
    return _together(
        [(name, parsed[name]) for name in by_name if name in parsed], refused, frozenset(seen - already_seen)
    )


def _open(path: Path, limits: WorkbookLimits) -> list[Sheet]:
    sheets = read_cells(path, limits)
    if not any(first_header(sheet) for sheet in sheets):
        raise WorkbookError(path.name, "no_header")
    return sheets


def _read_book(
    path: Path, sheets: Sequence[Sheet], company: Company, corrections: Corrections, seen: set[str]
) -> ParsedWorkbook:
    reading = Reading(path.name, company, corrections, seen)
    for sheet, header in zip(sheets, header_for_titles(sheets), strict=True):
        reading.take_sheet(sheet, header)
    with path.open("rb") as handle:
        return reading.result(hashlib.file_digest(handle, "sha256").hexdigest())


def _hashes_of(superseded: Mapping[Position, Line], company: Company) -> set[str]:
    """Hashes of rows that gave way to a correction: their copies elsewhere are no courses of their own."""
    content = Content(company.hash_key)
    rows = (read_row(line.cells, line.header or {}, line.shown, today=company.today) for line in superseded.values())
    return {content.hash_of(content.of(row)) for row in rows if row.legs}


def _together(
    parsed: Sequence[tuple[str, ParsedWorkbook]], refused: dict[str, str], hashes: frozenset[str]
) -> ParsedInbox:
    whole = [RefusedRow(Position(name, "", 0), reason) for name, reason in refused.items()]
    books = [book for _, book in parsed]
    addresses = _stack([book.addresses for book in books], pd.DataFrame(columns=list(ADDRESS_COLUMNS), dtype="str"))
    return ParsedInbox(
        courses=_stack([book.courses for book in books], empty(WORKBOOK_COURSES)),
        quarantined=_stack(
            [*(book.quarantined for book in books), quarantine_frame(whole)], empty(QUARANTINED_COURSES)
        ),
        addresses=addresses.drop_duplicates("address_key", ignore_index=True),
        counts=sum((book.counts for book in books), RowCounts()),
        initials=_sum_of(book.initials for book in books),
        unknown_initials=_sum_of(book.unknown_initials for book in books),
        occasional_initials=_sum_of(book.occasional_initials for book in books),
        row_hashes=hashes,
        files=[_account(name, book) for name, book in parsed],
        refused=refused,
        raw_quarantined=_stack([book.raw_quarantined for book in books], raw_frame([])),
        raw_set_aside=_stack([book.raw_set_aside for book in books], raw_frame([])),
    )


def _account(file_name: str, workbook: ParsedWorkbook) -> "WorkbookFile":
    # Imported here: checking one workbook needs no database, and its libraries take most of a second to load.
    from atmr_pipeline.state.workbook_files import WorkbookFile

    counts = workbook.counts
    return WorkbookFile(
        content_hash=workbook.content_hash,
        file_name=file_name,
        rows_read=counts.read,
        rows_accepted=counts.accepted,
        rows_quarantined=counts.quarantined,
        rows_duplicate=counts.duplicate,
        rows_ignored=counts.ignored,
    )


def _spelt(initials: AbstractSet[str]) -> frozenset[str]:
    return frozenset(normalise_initials(name) for name in initials) - {""}


def _sum_of(tallies: Iterable[dict[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for tally in tallies:
        total.update(tally)
    return dict(sorted(total.items()))


def _stack(frames: list[pd.DataFrame], nothing: pd.DataFrame) -> pd.DataFrame:
    kept = [frame for frame in frames if not frame.empty]
    return pd.concat(kept, ignore_index=True) if kept else nothing
