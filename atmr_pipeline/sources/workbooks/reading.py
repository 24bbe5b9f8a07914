"""One workbook, line by line: every non-empty row ends as accepted, quarantined, duplicate or ignored."""

from collections import Counter
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any

import pandas as pd

from atmr_pipeline.domain.identity import address_key, keyed_hash, normalise, patient_key
from atmr_pipeline.domain.tables import WORKBOOK_COURSES, conform, empty
from atmr_pipeline.domain.vocabulary import Leg
from atmr_pipeline.domain.wallclock import to_utc
from atmr_pipeline.sources.workbooks.cells import Cell, Sheet, is_empty
from atmr_pipeline.sources.workbooks.corrections import Corrections, Verdict
from atmr_pipeline.sources.workbooks.headers import Column, Header
from atmr_pipeline.sources.workbooks.lines import first_header, lines_of
from atmr_pipeline.sources.workbooks.refused import Origin, Position, RefusedRow, quarantine_frame, raw_frame
from atmr_pipeline.sources.workbooks.results import ParsedWorkbook, RowCounts
from atmr_pipeline.sources.workbooks.rows import CourseRow, cells_by_meaning, read_row
from atmr_pipeline.sources.workbooks.times import read_moment

MINIMUM_COURSE_CELLS = 4
"""A course needs a date, a pickup and a drop-off and has more; titles, totals and notes have fewer cells."""
MINIMUM_TEXTS, TEXT_CHARACTERS = 2, 6
ADDRESS_COLUMNS = ("address_key", "address_text", "written_text")
LEG_COLUMNS = (
    "leg_key",
    "parent_leg_key",
    "file_name",
    "sheet",
    "row",
    "service_day",
    "leg",
    "is_round_trip",
    "scheduled_local",
    "patient_key",
    "driver_initials",
    "driver_id",
    "pickup_address_key",
    "dropoff_address_key",
    "set_aside_reason",
)


@dataclass(frozen=True)
class Company:
    """What a company knows before it reads its workbooks.

    Parameters
    ----------
    hash_key : bytes
        Its secret for keyed hashes.
    driver_ids : dict of str to int
        Driver of each initials, in one spelling.
    occasional : set of str
        Initials of drivers outside the fleet.
    today : date or None
        See :func:`atmr_pipeline.sources.workbooks.times.read_moment`.
    """

    hash_key: bytes
    driver_ids: Mapping[str, int]
    occasional: AbstractSet[str] = frozenset()
    today: date | None = None


class Content:
    """What rows say, in one spelling: the same course typed twice, or as text and as a date cell, is one."""

    def __init__(self, hash_key: bytes) -> None:
        self.hash_key = hash_key
        self._plain: dict[str, str] = {}

    def of(self, row: CourseRow) -> str:
        """What a row says; private."""
        parts = [str(row.day), str(row.is_round_trip), self._normalised(row.patient)]
        for leg in row.legs:
            pickup, dropoff = self._normalised(leg.pickup), self._normalised(leg.dropoff)
            parts += [leg.leg, str(leg.at), pickup, dropoff, leg.initials or ""]
        return "\x1f".join(parts)

    def hash_of(self, content: str) -> str:
        """Its keyed hash."""
        return keyed_hash(content, self.hash_key, purpose="workbook-row")

    def _normalised(self, text: str) -> str:
        known = self._plain.get(text)
        if known is None:
            known = self._plain[text] = normalise(text)
        return known


class Reading:
    """Gathers the rows of one workbook.

    Parameters
    ----------
    seen : set of str
        Hashes of the rows accepted so far, here or in other workbooks; grows.
    """

    def __init__(self, file_name: str, company: Company, corrections: Corrections, seen: set[str]) -> None:
        self.file_name, self.company, self.corrections, self.seen = file_name, company, corrections, seen
        self.content = Content(company.hash_key)
        self.counts: Counter[str] = Counter()
        self.legs: list[tuple[Any, ...]] = []
        self.refused: list[RefusedRow] = []
        self.set_aside: list[RefusedRow] = []
        self.addresses: dict[str, str] = {}
        self.address_keys: dict[str, str] = {}
        self.patient_keys: dict[str, str | None] = {}
        self.row_hashes: set[str] = set()

    def take_sheet(self, sheet: Sheet, header: Header) -> None:
        """Account for every row of a sheet; ``header`` is that for rows above any header of their own."""
        has_header = first_header(sheet) is not None
        for line in lines_of(sheet):
            position = Position(self.file_name, sheet.name, line.number)
            if line.is_header:
                self.counts["ignored"] += 1
            elif line.header is not None:
                row = read_row(line.cells, line.header, line.shown, today=self.company.today)
                self._take(position, row)
            else:
                self._take_headless(position, line.cells, header, has_header)

    def _take(self, position: Position, row: CourseRow) -> None:
        ruling = self.corrections.rulings.get(position)
        if row.is_ignored and not (ruling and ruling.verdict == Verdict.HOLDS):
            self.counts["ignored"] += 1
            return
        if position in self.corrections.superseded or (ruling and ruling.verdict == Verdict.REPEATS):
            self.counts["duplicate"] += 1
            return
        account, origin = (ruling.account, ruling.origin) if ruling else (position, None)
        # What takes a course's place must be one: a correction without anything of a course is not a note.
        problem = "missing_date" if row.is_ignored else row.problem
        if problem is not None:
            self._refuse(account, problem, row.raw, origin)
            return
        content = self.content.of(row)
        row_hash = self.content.hash_of(content)
        if row_hash in self.seen:
            self.counts["duplicate"] += 1
            return
        if ruling and ruling.verdict == Verdict.OUTDATED:
            self._refuse(account, "original_changed", row.raw, origin)
            return
        self.counts["accepted"] += 1
        self.seen.add(row_hash)
        self.row_hashes.add(row_hash)
        self._keep_legs(position, row, content)
        if row.is_set_aside:
            reason = next(leg.set_aside_reason for leg in row.legs if leg.set_aside_reason)
            self.set_aside.append(RefusedRow(position, reason, row.raw, origin))

    def _refuse(self, account: Position, reason: str, raw: Mapping[Column, Cell], origin: Origin | None) -> None:
        self.counts["quarantined"] += 1
        self.refused.append(RefusedRow(account, reason, raw, origin))

    def _take_headless(self, position: Position, cells: Sequence[Cell], header: Header, has_header: bool) -> None:
        """A row above the header is a title, and one without any header a list's; unless it looks like a course."""
        raw = cells_by_meaning(cells, header)
        if position in self.corrections.superseded:
            self.counts["duplicate"] += 1
        elif _is_course(raw) or (not has_header and _may_be_course(cells)):
            self._refuse(position, "no_header", raw, None)
        else:
            self.counts["ignored"] += 1

    def _keep_legs(self, position: Position, row: CourseRow, content: str) -> None:
        if row.patient not in self.patient_keys:
            self.patient_keys[row.patient] = patient_key(row.patient, self.company.hash_key)
        patient, outbound_key = self.patient_keys[row.patient], None
        for leg in row.legs:
            leg_key = keyed_hash(f"{content}\x1f{leg.leg}", self.company.hash_key, purpose="workbook-leg")
            parent_key = outbound_key if leg.leg == Leg.RETURN else None
            outbound_key = leg_key if leg.leg == Leg.OUTBOUND else outbound_key
            self.legs.append(
                (
                    leg_key,
                    parent_key,
                    *position,
                    _moment(row.day, time(0)),
                    leg.leg.value,
                    row.is_round_trip,
                    _moment(row.day, leg.at),
                    patient,
                    leg.initials,
                    self.company.driver_ids.get(leg.initials) if leg.initials else None,
                    self._address(leg.pickup),
                    self._address(leg.dropoff),
                    leg.set_aside_reason,
                )
            )

    def _address(self, text: str) -> str:
        if text not in self.address_keys:
            self.address_keys[text] = address_key(text, self.company.hash_key)
            self.addresses.setdefault(self.address_keys[text], text)
        return self.address_keys[text]

    def result(self, content_hash: str) -> ParsedWorkbook:
        """What the lines taken so far gave."""
        courses = _course_frame(self.legs)
        initials = courses["driver_initials"]
        occasional = courses["driver_id"].isna() & initials.isin(self.company.occasional)
        unknown = courses["driver_id"].isna() & ~occasional
        corrected = self.corrections.addresses
        addresses = [(key, corrected.get(key, text), text) for key, text in self.addresses.items()]
        return ParsedWorkbook(
            courses=courses,
            quarantined=quarantine_frame(self.refused),
            addresses=pd.DataFrame(addresses, columns=list(ADDRESS_COLUMNS), dtype="str"),
            counts=RowCounts(read=self.counts.total(), **self.counts),
            initials=_tally(initials.dropna()),
            unknown_initials=_tally(initials[unknown].fillna("")),
            occasional_initials=_tally(initials[occasional]),
            row_hashes=frozenset(self.row_hashes),
            content_hash=content_hash,
            raw_quarantined=raw_frame(self.refused),
            raw_set_aside=raw_frame(self.set_aside),
        )


def _is_course(raw: Mapping[Column, Cell]) -> bool:
    """Whether cells under a header's meanings hold a date and both addresses."""
    day = read_moment(raw.get(Column.WHEN), raw.get(Column.TIME), raw.get(Column.RETURN_TIME)).day
    return day is not None and not is_empty(raw.get(Column.PICKUP)) and not is_empty(raw.get(Column.DROPOFF))


def _may_be_course(cells: Sequence[Cell]) -> bool:
    """Whether a row, whatever its columns mean, holds a date with a time and enough text for two addresses."""
    filled = [cell for cell in cells if not is_empty(cell)]
    moments = [read_moment(cell) for cell in filled]
    texts = [
        cell
        for cell, moment in zip(filled, moments, strict=True)
        if isinstance(cell, str) and len(cell) >= TEXT_CHARACTERS and moment.day is None
    ]
    has_time = any(moment.first or moment.second for moment in moments) or any(
        read_moment(date(2020, 1, 1), cell).first for cell in filled
    )
    has_day = any(moment.day for moment in moments)
    return len(filled) >= MINIMUM_COURSE_CELLS and len(texts) >= MINIMUM_TEXTS and has_day and has_time


def _moment(day: date | None, at: time | None) -> datetime | None:
    return None if at is None or day is None else datetime.combine(day, at)


def _course_frame(legs: list[tuple[Any, ...]]) -> pd.DataFrame:
    if not legs:
        return empty(WORKBOOK_COURSES)
    frame = pd.DataFrame(legs, columns=list(LEG_COLUMNS))
    for column in ("scheduled_local", "service_day"):
        frame[column] = pd.to_datetime(frame[column]).astype("datetime64[us]")
    return conform(frame.join(to_utc(frame["scheduled_local"])), WORKBOOK_COURSES)


def _tally(values: pd.Series) -> dict[str, int]:
    return {str(value): int(count) for value, count in values.value_counts().sort_index().items()}
