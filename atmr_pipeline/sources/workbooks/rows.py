"""What one row of a workbook is: legs, a row for quarantine, or nothing to import."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, time

from atmr_pipeline.domain.identity import normalise
from atmr_pipeline.domain.vocabulary import Leg
from atmr_pipeline.sources.workbooks.cells import Cell, is_empty
from atmr_pipeline.sources.workbooks.headers import Column, Header
from atmr_pipeline.sources.workbooks.initials import read_initials
from atmr_pipeline.sources.workbooks.times import Moment, read_moment

ROUND_TRIP = {"ar", "allerretour", "roundtrip", "alleretretour", "retourtrip", "outboundreturn"}
OUTBOUND = {"", "a", "aller", "allersimple", "simple", "oneway", "outbound", "single"}
RETURN = {"r", "retour", "retoursimple", "return", "inbound"}
TOTAL = re.compile(r"(?:sous )?tota(?:l|ux)\b|nombre (?:de|total)|somme\b|subtotal\b|sum\b|grand total\b")


@dataclass(frozen=True)
class DraftLeg:
    """A leg as its row gives it; ``at`` is None where the time is not known."""

    leg: Leg
    at: time | None
    pickup: str
    dropoff: str
    initials: str | None
    set_aside_reason: str | None = None


@dataclass(frozen=True)
class CourseRow:
    """A row under a header: its day and legs, or the reason it cannot be used, or neither (a total, a note).

    Parameters
    ----------
    raw : dict
        The row's cells by meaning, for the review workbook. Private: it names a patient.
    """

    raw: dict[Column, Cell]
    day: date | None = None
    legs: tuple[DraftLeg, ...] = ()
    is_round_trip: bool = False
    problem: str | None = None
    patient: str = field(default="", repr=False)

    @property
    def is_ignored(self) -> bool:
        """Whether the row is a total or a note: nothing to import, nothing to correct."""
        return not self.legs and self.problem is None


def read_row(cells: Sequence[Cell], header: Header) -> CourseRow:
    """Read one row under a header."""
    raw = {column: _value(cells, indices, column) for column, indices in header.items()}
    if _is_total(cells, raw) or _is_note(cells, raw):
        return CourseRow(raw)
    moment = read_moment(raw.get(Column.WHEN), raw.get(Column.TIME), raw.get(Column.RETURN_TIME))
    if moment.problem:
        return CourseRow(raw, problem=moment.problem)
    pickup, dropoff = address_text(raw.get(Column.PICKUP)), address_text(raw.get(Column.DROPOFF))
    if not normalise(pickup) or not normalise(dropoff):
        return CourseRow(raw, problem="empty_address")
    kind = normalise(str(raw.get(Column.COURSE) or "")).replace(" ", "")
    if kind not in ROUND_TRIP | OUTBOUND | RETURN:
        return CourseRow(raw, problem="unknown_course")
    legs, problem = split_course(kind, moment, pickup, dropoff, read_initials(raw.get(Column.INITIALS)))
    return CourseRow(
        raw,
        day=moment.day,
        legs=legs,
        is_round_trip=kind in ROUND_TRIP,
        problem=problem,
        patient=str(raw.get(Column.PATIENT) or ""),
    )


def split_course(
    kind: str, moment: Moment, pickup: str, dropoff: str, initials: tuple[str | None, str | None]
) -> tuple[tuple[DraftLeg, ...], str | None]:
    """Legs of a course, or the reason there are none.

    A round trip gives an outbound leg at the first time and a return leg, the other way, at the second. A return
    without a time, or not after its outbound leg, exists and is set aside: when it ran is not known.
    """
    if kind not in ROUND_TRIP:
        if moment.first and moment.second:
            return (), "times_contradict_course"
        at = moment.first or moment.second
        if at is None:
            return (), "missing_time"
        leg = Leg.RETURN if kind in RETURN else Leg.OUTBOUND
        return (DraftLeg(leg, at, pickup, dropoff, initials[1] if leg == Leg.RETURN else initials[0]),), None
    if moment.first is None:
        return (), "missing_time"
    reason = None
    if moment.second is None:
        reason = "return_time_missing"
    elif moment.second <= moment.first:
        reason = "return_before_outbound"
    return (
        DraftLeg(Leg.OUTBOUND, moment.first, pickup, dropoff, initials[0]),
        DraftLeg(Leg.RETURN, moment.second, dropoff, pickup, initials[1], reason),
    ), None


def address_text(cell: Cell) -> str:
    """An address as written; line breaks and runs of spaces stay, for they separate its parts."""
    if is_empty(cell):
        return ""
    return str(cell).replace("_x000D_", "").strip()


def _value(cells: Sequence[Cell], indices: list[int], column: Column) -> Cell:
    kept = indices if column == Column.PATIENT else indices[:1]
    values = [cells[index] for index in kept if index < len(cells) and not is_empty(cells[index])]
    if not values:
        return None
    return values[0] if len(values) == 1 else " ".join(str(value) for value in values)


def _is_total(cells: Sequence[Cell], raw: dict[Column, Cell]) -> bool:
    """A row of totals; a course whose address begins like one has its date, and is not."""
    labels = [isinstance(cell, str) and bool(TOTAL.match(normalise(cell))) for cell in cells if not is_empty(cell)]
    if not any(labels):
        return False
    if is_empty(raw.get(Column.PICKUP)) or is_empty(raw.get(Column.DROPOFF)):
        return True
    return labels[0] and read_moment(raw.get(Column.WHEN)).day is None


def _is_note(cells: Sequence[Cell], raw: dict[Column, Cell]) -> bool:
    """A row that speaks of no course: one cell that does not begin like a date, or nothing in a course's columns."""
    filled = [cell for cell in cells if not is_empty(cell)]
    if len(filled) == 1:
        when = raw.get(Column.WHEN)
        begins_like_date = isinstance(when, str) and when.strip()[:1].isdigit()
        return not begins_like_date and read_moment(when).day is None
    return all(is_empty(cell) for column, cell in raw.items() if column != Column.PATIENT)
