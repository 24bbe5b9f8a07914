"""Review workbooks that came back: which row each correction stands for, and which correction holds.

Nothing here depends on the order of the files. A correction is recognised by what the sheet says (the columns that
name its origin), never by the file's name.
"""

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

from atmr_pipeline.domain.identity import address_key
from atmr_pipeline.sources.workbooks.cells import Cell, Sheet, is_empty
from atmr_pipeline.sources.workbooks.lines import Line, header_for_titles, lines_of
from atmr_pipeline.sources.workbooks.refused import Origin, Position, as_text, fingerprint, row_texts
from atmr_pipeline.sources.workbooks.review_columns import (
    ADDRESS_HEADER,
    CHECK_HEADER,
    CORRECTED_ADDRESS_HEADER,
    FILE_HEADER,
    ROW_HEADER,
    SHEET_HEADER,
)
from atmr_pipeline.sources.workbooks.rows import address_text, cells_by_meaning, own_cells

Books = Mapping[str, Sequence[Sheet]]
"""Sheets by file name."""
ORIGIN_COLUMNS = (FILE_HEADER, SHEET_HEADER, ROW_HEADER)
ADDRESS_COLUMNS = (ADDRESS_HEADER, CORRECTED_ADDRESS_HEADER)


class Verdict(Enum):
    """What becomes of a row of a review workbook."""

    HOLDS = "it is the correction"
    REPEATS = "it says nothing new, or a later correction holds"
    OUTDATED = "the row that it corrects says something else by now"


class Ruling(NamedTuple):
    """A verdict; where a refused correction is accounted for; and the row it corrects."""

    verdict: Verdict
    account: Position
    origin: Origin


@dataclass(frozen=True)
class Corrections:
    """What the review workbooks among some books say.

    Parameters
    ----------
    rulings : dict
        By the position of each of their course rows.
    superseded : dict
        Lines of other rows that give way to a correction, by position.
    addresses : dict of str to str
        Corrected text by the key of the address as it was written.
    review_files : tuple of str
        Files that hold corrections, the one written first first.
    """

    rulings: Mapping[Position, Ruling] = field(default_factory=dict)
    superseded: Mapping[Position, Line] = field(default_factory=dict)
    addresses: Mapping[str, str] = field(default_factory=dict, repr=False)
    review_files: tuple[str, ...] = ()


class _Correction(NamedTuple):
    here: Position
    origin: Position
    written_at: str
    listed: str
    """Fingerprint of the row as the review listed it; empty if the check column was lost."""
    original: str
    """Fingerprint of the original row when the review was written; empty if lost."""
    now: str

    @property
    def rank(self) -> tuple[str, str]:
        """Later is greater: by the time the review was written, then by file name."""
        return self.written_at, self.here.file_name


def find_corrections(books: Books, hash_key: bytes) -> Corrections:
    """Judge every row of every review workbook among the books."""
    found = [
        correction
        for file_name, sheets in books.items()
        for sheet in sheets
        for correction in _corrections_in(file_name, sheet)
    ]
    addresses = _corrected_addresses(books, hash_key)
    if not found:
        return Corrections(addresses=addresses)
    rows = _Rows(books, {correction.here for correction in found})
    groups: dict[Position, list[_Correction]] = {}
    rulings: dict[Position, Ruling] = {}
    for correction in found:
        target = rows.target_of(correction)
        if target is not None:
            groups.setdefault(target, []).append(correction)
            continue
        verdict = Verdict.REPEATS if correction.now == correction.listed else Verdict.OUTDATED
        own = Origin(correction.here, correction.now)
        rulings[correction.here] = Ruling(verdict, correction.here, own)
    superseded: dict[Position, Line] = {}
    for target, group in groups.items():
        line = rows.lines.get(target)
        holding = _holding(group, rows.checks.get(target))
        if holding and line is not None:
            superseded[target] = line
        rulings |= _rule(group, holding, target, rows.checks.get(target))
    ranks: dict[str, tuple[str, str]] = {}
    for correction in found:
        ranks[correction.here.file_name] = max(correction.rank, ranks.get(correction.here.file_name, ("", "")))
    return Corrections(rulings, superseded, addresses, tuple(sorted(ranks, key=lambda name: ranks[name])))


def _holding(group: Sequence[_Correction], original: str | None) -> list[_Correction]:
    """The corrections of one row that hold: all those of the last review in which the clerk changed the row.

    Several rows of one review with the same origin are one row cut into several. Where the original is not at hand
    (``original`` is None) and nobody changed the row, its last listing stands for it.
    """
    reviews: dict[tuple[str, str], list[_Correction]] = {}
    for correction in group:
        reviews.setdefault(correction.rank, []).append(correction)
    changed = [
        rank
        for rank, rows in reviews.items()
        if len(rows) > 1 or any(row.now != (row.listed or original) for row in rows)
    ]
    if changed:
        return reviews[max(changed)]
    return reviews[max(reviews)] if original is None else []


def _rule(
    group: Sequence[_Correction], holding: Sequence[_Correction], target: Position, original: str | None
) -> dict[Position, Ruling]:
    rulings = {}
    for correction in group:
        origin = Origin(target, original or correction.original)
        verdict = Verdict.HOLDS if correction in holding else Verdict.REPEATS
        # Refused, it is accounted for at the row that it corrects; further parts of that row where they stand.
        account = target if holding and correction == holding[0] else correction.here
        rulings[correction.here] = Ruling(verdict, account, origin)
    return rulings


class _Rows:
    """Every course row of the books, found by position or by what it says."""

    def __init__(self, books: Books, repeated: AbstractSet[Position]) -> None:
        self.files = books.keys()
        self.lines: dict[Position, Line] = {}
        self.checks: dict[Position, str] = {}
        self.by_check: dict[str, Position] = {}
        for file_name, sheets in books.items():
            for sheet, header in zip(sheets, header_for_titles(sheets), strict=True):
                for line in lines_of(sheet):
                    if not line.is_header:
                        raw = own_cells(line.cells, line.header or header, line.shown)[1]
                        position = Position(file_name, sheet.name, line.number)
                        self.lines[position], self.checks[position] = line, fingerprint(row_texts(raw))
        # Rows of a review repeat what their originals say, and are not the originals.
        for position in sorted(self.checks.keys() - repeated, reverse=True):
            self.by_check[self.checks[position]] = position

    def target_of(self, correction: _Correction) -> Position | None:
        """The row that a correction is for, now; its origin if that is not at hand; None if it has changed.

        Rows move when others are inserted, sheets and files are renamed: a row is known by what it said.
        """
        at_origin = self.checks.get(correction.origin)
        if at_origin is not None and correction.original in ("", at_origin):
            return correction.origin
        moved = self.by_check.get(correction.original)
        if moved is not None:
            return moved
        return None if correction.original and correction.origin.file_name in self.files else correction.origin


def _corrections_in(file_name: str, sheet: Sheet) -> Iterator[_Correction]:
    for line, columns in _under(sheet, ORIGIN_COLUMNS):
        if line.header is None:
            continue
        origin_file, origin_sheet, row = (_text(line, columns[name]) for name in ORIGIN_COLUMNS)
        texts = row_texts(cells_by_meaning(line.cells, line.header))
        if not origin_file or not row.isdecimal() or not any(texts):
            continue
        check = _text(line, columns[CHECK_HEADER]).split() if CHECK_HEADER in columns else []
        written_at, listed, original = check if len(check) == 3 else ("", "", "")
        here, origin = Position(file_name, sheet.name, line.number), Position(origin_file, origin_sheet, int(row))
        yield _Correction(here, origin, written_at, listed, original, fingerprint(texts))


def _corrected_addresses(books: Books, hash_key: bytes) -> dict[str, str]:
    """Corrected text by the key of the address as written; the later review wins, and in it the lower row."""
    found = []
    for file_name, sheets in books.items():
        for sheet in sheets:
            for line, columns in _under(sheet, ADDRESS_COLUMNS):
                written, corrected = (address_text(_cell(line, columns[name])) for name in ADDRESS_COLUMNS)
                if written and corrected:
                    check = _text(line, columns[CHECK_HEADER]) if CHECK_HEADER in columns else ""
                    found.append(((check, file_name, line.number), address_key(written, hash_key), corrected))
    return {key: corrected for _, key, corrected in sorted(found)}


def _under(sheet: Sheet, needed: Sequence[str]) -> Iterator[tuple[Line, dict[str, int]]]:
    """Lines below a row that names all the needed columns, with the column of each name."""
    columns: dict[str, int] = {}
    wanted = {name.casefold(): name for name in (*needed, CHECK_HEADER)}
    if not any(isinstance(cell, str) and needed[-1] in cell for _, cells in sheet.rows for cell in cells):
        return
    for line in lines_of(sheet):
        # The list of addresses has no course header; corrected courses have one, which names their origin too.
        if line.is_header or line.header is None:
            names = [cell.strip().casefold() if isinstance(cell, str) else "" for cell in line.cells]
            found = {wanted[name]: index for index, name in enumerate(names) if name in wanted}
            if line.is_header or all(name in found for name in needed):
                columns = found if all(name in found for name in needed) else {}
                continue
        if columns:
            yield line, columns


def _cell(line: Line, index: int) -> Cell:
    return line.cells[index] if index < len(line.cells) else None


def _text(line: Line, index: int) -> str:
    cell = _cell(line, index)
    return "" if is_empty(cell) else as_text(cell).strip()
