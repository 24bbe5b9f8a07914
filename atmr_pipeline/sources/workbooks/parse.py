"""From workbooks to legs: every non-empty row ends as accepted, quarantined, duplicate or ignored."""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime, time
from pathlib import Path
from typing import Any

import pandas as pd

from atmr_pipeline.domain.identity import address_key, keyed_hash, normalise, patient_key
from atmr_pipeline.domain.tables import QUARANTINED_COURSES, WORKBOOK_COURSES, conform, empty
from atmr_pipeline.domain.vocabulary import Leg, WallClockStatus
from atmr_pipeline.domain.wallclock import to_utc
from atmr_pipeline.sources.workbooks.cells import Cell, is_empty, read_cells
from atmr_pipeline.sources.workbooks.headers import Column, Header, read_header
from atmr_pipeline.sources.workbooks.initials import driver_mapping
from atmr_pipeline.sources.workbooks.limits import WorkbookLimits
from atmr_pipeline.sources.workbooks.reasons import WorkbookError
from atmr_pipeline.sources.workbooks.refused import RefusedRow, quarantine_frame, raw_frame
from atmr_pipeline.sources.workbooks.results import ParsedInbox, ParsedWorkbook, RowCounts
from atmr_pipeline.sources.workbooks.rows import CourseRow, read_row
from atmr_pipeline.sources.workbooks.times import read_moment
from atmr_pipeline.state.workbook_files import WorkbookFile

MINIMUM_COURSE_CELLS = 4
"""A course needs a date, a pickup and a drop-off and has more; titles, totals and notes have fewer cells."""
ADDRESS_COLUMNS = ("address_key", "address_text")


def parse_workbook(
    path: Path,
    *,
    hash_key: bytes,
    driver_ids: Mapping[str, int],
    limits: WorkbookLimits | None = None,
    already_seen: AbstractSet[str] = frozenset(),
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
    limits : WorkbookLimits, optional
        What is refused as too large.
    already_seen : set of str
        ``row_hashes`` of workbooks read before: the same rows are duplicates here.

    Raises
    ------
    WorkbookError
        If the whole file cannot be read or has no header row.
    """
    sheets = read_cells(path, limits or WorkbookLimits())
    reading = _Reading(path.name, hash_key, driver_mapping(driver_ids), already_seen)
    headers = 0
    for sheet in sheets:
        header: Header | None = None
        headless: list[tuple[int, tuple[Cell, ...]]] = []
        for number, cells in sheet.rows:
            found = read_header(cells)
            if found is not None:
                header, headers = found, headers + 1
                reading.count("ignored")
            elif header is None:
                headless.append((number, cells))
            else:
                reading.take(sheet.name, number, read_row(cells, header))
        for number, cells in headless:
            reading.take_headless(sheet.name, number, cells, is_title=header is not None)
    if not headers:
        raise WorkbookError(path.name, "no_header")
    with path.open("rb") as handle:
        return reading.result(hashlib.file_digest(handle, "sha256").hexdigest())


def parse_inbox(
    paths: Sequence[Path],
    *,
    hash_key: bytes,
    driver_ids: Mapping[str, int],
    limits: WorkbookLimits | None = None,
    already_seen: AbstractSet[str] = frozenset(),
) -> ParsedInbox:
    """Read several workbooks, in the order given; one that cannot be read is quarantined whole and the others proceed.

    A row that stands in two workbooks counts once, in the first.

    Raises
    ------
    ValueError
        If two paths have the same file name.
    """
    if len({path.name for path in paths}) < len(paths):
        raise ValueError("two workbooks have the same name: rows are told apart by file name, sheet and row")
    seen = set(already_seen)
    parsed: list[ParsedWorkbook] = []
    files: list[WorkbookFile] = []
    refused: dict[str, str] = {}
    for path in paths:
        try:
            workbook = parse_workbook(path, hash_key=hash_key, driver_ids=driver_ids, limits=limits, already_seen=seen)
        except WorkbookError as error:
            refused[path.name] = error.reason
            continue
        parsed.append(workbook)
        seen |= workbook.row_hashes
        files.append(_account(path.name, workbook))
    whole = quarantine_frame([RefusedRow(name, "", 0, reason) for name, reason in refused.items()])
    addresses = _stack([one.addresses for one in parsed], pd.DataFrame(columns=ADDRESS_COLUMNS, dtype="str"))
    return ParsedInbox(
        courses=_stack([one.courses for one in parsed], empty(WORKBOOK_COURSES)),
        quarantined=_stack([*(one.quarantined for one in parsed), whole], empty(QUARANTINED_COURSES)),
        addresses=addresses.drop_duplicates("address_key", ignore_index=True),
        counts=sum((one.counts for one in parsed), RowCounts()),
        initials=_sum_of([one.initials for one in parsed]),
        unknown_initials=_sum_of([one.unknown_initials for one in parsed]),
        row_hashes=frozenset(seen - already_seen),
        files=files,
        refused=refused,
        raw_quarantined=_stack([one.raw_quarantined for one in parsed], raw_frame([])),
    )


class _Reading:
    """Gathers the rows of one workbook."""

    def __init__(
        self, file_name: str, hash_key: bytes, driver_ids: dict[str, int], already_seen: AbstractSet[str]
    ) -> None:
        self.file_name, self.hash_key, self.driver_ids, self.already_seen = (
            file_name,
            hash_key,
            driver_ids,
            already_seen,
        )
        self.counts: Counter[str] = Counter()
        self.legs: list[dict[str, Any]] = []
        self.refused: list[RefusedRow] = []
        self.addresses: dict[str, str] = {}
        self.keys: dict[str, str] = {}
        self.row_hashes: set[str] = set()

    def count(self, outcome: str) -> None:
        self.counts[outcome] += 1

    def take(self, sheet: str, number: int, row: CourseRow) -> None:
        """Count a row under its one outcome and keep what it gives."""
        if row.is_ignored:
            self.count("ignored")
            return
        if row.problem is not None:
            self.count("quarantined")
            self.refused.append(RefusedRow(self.file_name, sheet, number, row.problem, row.raw))
            return
        content = _content_of(row)
        row_hash = keyed_hash(content, self.hash_key, purpose="workbook-row")
        if row_hash in self.row_hashes or row_hash in self.already_seen:
            self.count("duplicate")
            return
        self.count("accepted")
        self.row_hashes.add(row_hash)
        self._keep_legs(sheet, number, row, content)

    def take_headless(self, sheet: str, number: int, cells: Sequence[Cell], *, is_title: bool) -> None:
        """A row above the header is a title; on a sheet without any header, one that looks like a course is refused."""
        full = sum(not is_empty(cell) for cell in cells) >= MINIMUM_COURSE_CELLS
        if is_title or not full or not any(read_moment(cell).day for cell in cells):
            self.count("ignored")
            return
        self.count("quarantined")
        raw = dict(zip((Column.WHEN, Column.COURSE, Column.PICKUP, Column.DROPOFF), cells, strict=False))
        self.refused.append(RefusedRow(self.file_name, sheet, number, "no_header", raw))

    def _keep_legs(self, sheet: str, number: int, row: CourseRow, content: str) -> None:
        patient = patient_key(row.patient, self.hash_key)
        outbound_key = None
        for leg in row.legs:
            leg_key = keyed_hash(f"{content}\x1f{leg.leg}", self.hash_key, purpose="workbook-leg")
            outbound_key = leg_key if leg.leg == Leg.OUTBOUND else outbound_key
            self.legs.append(
                {
                    "leg_key": leg_key,
                    "parent_leg_key": outbound_key if leg.leg == Leg.RETURN else None,
                    "file_name": self.file_name,
                    "sheet": sheet,
                    "row": number,
                    "service_day": pd.Timestamp(str(row.day)),
                    "leg": leg.leg.value,
                    "is_round_trip": row.is_round_trip,
                    "scheduled_local": _instant(row, leg.at),
                    "patient_key": patient,
                    "driver_initials": leg.initials,
                    "driver_id": self.driver_ids.get(leg.initials) if leg.initials else None,
                    "pickup_address_key": self._address(leg.pickup),
                    "dropoff_address_key": self._address(leg.dropoff),
                    "set_aside_reason": leg.set_aside_reason,
                }
            )

    def _address(self, text: str) -> str:
        if text not in self.keys:
            self.keys[text] = address_key(text, self.hash_key)
            self.addresses.setdefault(self.keys[text], text)
        return self.keys[text]

    def result(self, content_hash: str) -> ParsedWorkbook:
        courses = _course_frame(self.legs)
        initials = courses["driver_initials"]
        known = courses["driver_id"].notna()
        return ParsedWorkbook(
            courses=courses,
            quarantined=quarantine_frame(self.refused),
            addresses=pd.DataFrame(list(self.addresses.items()), columns=list(ADDRESS_COLUMNS), dtype="str"),
            counts=RowCounts(read=self.counts.total(), **self.counts),
            initials=_tally(initials.dropna()),
            unknown_initials=_tally(initials[~known].fillna("")),
            row_hashes=frozenset(self.row_hashes),
            content_hash=content_hash,
            raw_quarantined=raw_frame(self.refused),
        )


def _content_of(row: CourseRow) -> str:
    """What a row says, in one spelling: the same course typed twice, or as text and as a date cell, is one."""
    parts = [str(row.day), str(row.is_round_trip), normalise(row.patient)]
    for leg in row.legs:
        parts += [leg.leg, str(leg.at), normalise(leg.pickup), normalise(leg.dropoff), leg.initials or ""]
    return "\x1f".join(parts)


def _instant(row: CourseRow, at: time | None) -> pd.Timestamp | None:
    return None if at is None or row.day is None else pd.Timestamp(datetime.combine(row.day, at))


def _course_frame(legs: list[dict[str, Any]]) -> pd.DataFrame:
    if not legs:
        return empty(WORKBOOK_COURSES)
    frame = pd.DataFrame(legs)
    frame["scheduled_local"] = pd.to_datetime(frame["scheduled_local"]).astype("datetime64[us]")
    frame = frame.join(to_utc(frame["scheduled_local"]))
    never = (frame["scheduled_status"] == WallClockStatus.NONEXISTENT) & frame["set_aside_reason"].isna()
    frame.loc[never, "set_aside_reason"] = "nonexistent_time"
    return conform(frame, WORKBOOK_COURSES)


def _tally(values: pd.Series) -> dict[str, int]:
    return {str(value): int(count) for value, count in values.value_counts().sort_index().items()}


def _account(file_name: str, workbook: ParsedWorkbook) -> WorkbookFile:
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


def _sum_of(tallies: list[dict[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for tally in tallies:
        total.update(tally)
    return dict(sorted(total.items()))


def _stack(frames: list[pd.DataFrame], nothing: pd.DataFrame) -> pd.DataFrame:
    kept = [frame for frame in frames if not frame.empty]
    return pd.concat(kept, ignore_index=True) if kept else nothing
