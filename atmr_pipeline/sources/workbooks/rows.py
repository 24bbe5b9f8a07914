"""What one row of a workbook is: legs, a row for quarantine, or nothing to import."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time
from functools import lru_cache
from zoneinfo import ZoneInfo

from atmr_pipeline.domain.identity import normalise
from atmr_pipeline.domain.vocabulary import LOCAL_TIMEZONE, Leg
from atmr_pipeline.sources.workbooks.cells import INVISIBLE, Cell, is_empty, is_error
from atmr_pipeline.sources.workbooks.headers import JOINED, NEEDED, Column, Header
from atmr_pipeline.sources.workbooks.initials import read_initials
from atmr_pipeline.sources.workbooks.notes import is_note, is_total
from atmr_pipeline.sources.workbooks.times import Moment, read_moment

ROUND_TRIP = re.compile(r"(?:a|aller)(?:et)?(?:r|retour)|roundtrip|(?:two|both)ways?|outbound(?:and)?return")
OUTBOUND = re.compile(r"|a|aller|as|(?:aller)?simple|allerseul(?:ement)?|oneway|outbound|single")
RETURN = re.compile(r"r|retour|retoursimple|retourseul(?:ement)?|return|inbound")
ZONE = ZoneInfo(LOCAL_TIMEZONE)
OWN_CELLS = 2
"""Cells that a row must have of its own before a merged cell above it lends its value."""
READABLE = re.compile(r"[^\W_]")
NOTHING_VISIBLE = {ord(char): None for char in INVISIBLE}


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

    raw: dict[Column, Cell] = field(repr=False)
    day: date | None = None
    legs: tuple[DraftLeg, ...] = ()
    is_round_trip: bool = False
    problem: str | None = None
    patient: str = field(default="", repr=False)

    @property
    def is_ignored(self) -> bool:
        """Whether the row is a total or a note: nothing to import, nothing to correct."""
        return not self.legs and self.problem is None

    @property
    def is_set_aside(self) -> bool:
        """Whether a leg of the row waits for a person."""
        return any(leg.set_aside_reason for leg in self.legs)


def read_row(
    cells: Sequence[Cell], header: Header, shown: Collection[int] = (), *, today: date | None = None
) -> CourseRow:
    """Read one row under a header.

    Parameters
    ----------
    shown : collection of int, optional
        Columns, from 0, whose cell shows the value of a merged cell above.
    today : date, optional
        See :func:`read_moment`.
    """
    cells, raw, is_lent = own_cells(cells, header, shown)
    if is_lent:
        return CourseRow(raw, problem="merged_row")
    if is_total(cells, raw) or is_note(cells, raw):
        return CourseRow(raw)
    moment = read_moment(raw.get(Column.WHEN), raw.get(Column.TIME), raw.get(Column.RETURN_TIME), today=today)
    if moment.problem:
        return CourseRow(raw, problem=moment.problem)
    pickup, dropoff = address_text(raw.get(Column.PICKUP)), address_text(raw.get(Column.DROPOFF))
    if not pickup or not dropoff:
        return CourseRow(raw, problem="empty_address")
    kind = _course_kind(raw, moment)
    if kind is None:
        return CourseRow(raw, problem="unknown_course")
    legs, problem = split_course(kind, moment, pickup, dropoff, _drivers(raw))
    patient = address_text(raw.get(Column.PATIENT))
    return CourseRow(raw, moment.day, legs, is_round_trip=kind == "round_trip", problem=problem, patient=patient)


def own_cells(
    cells: Sequence[Cell], header: Header, shown: Collection[int]
) -> tuple[Sequence[Cell], dict[Column, Cell], bool]:
    """The cells that count as the row's, the same by meaning, and whether the row is hardly more than what is lent.

    What merged cells lend to a row that is no course even with it, such as a note beside a merged date, does not count.
    """
    raw = cells_by_meaning(cells, header)
    if not shown:
        return cells, raw, False
    own = [column for column, indices in header.items() if not set(indices) <= set(shown)]
    if sum(raw[column] is not None for column in own) >= OWN_CELLS:
        return cells, raw, False
    if all(raw[column] is not None for column in NEEDED):
        return cells, raw, True
    kept = [None if index in shown else cell for index, cell in enumerate(cells)]
    return kept, cells_by_meaning(kept, header), False


def cells_by_meaning(cells: Sequence[Cell], header: Header) -> dict[Column, Cell]:
    """The cells of a row under their meaning; columns that belong together as one text."""
    raw: dict[Column, Cell] = {}
    width = len(cells)
    for column, indices in header.items():
        if column not in JOINED or len(indices) == 1:
            cell = cells[indices[0]] if indices[0] < width else None
            raw[column] = None if is_empty(cell) else cell
            continue
        values = [cells[index] for index in indices if index < width and not is_empty(cells[index])]
        raw[column] = "  ".join(_as_written(value) for value in values) if len(values) > 1 else next(iter(values), None)
    return raw


def _course_kind(raw: Mapping[Column, Cell], moment: Moment) -> str | None:
    """``round_trip``, ``outbound`` or ``return``; None if the course column is not understood.

    A workbook without that column but with one for the return time says it there.
    """
    if Column.COURSE in raw or Column.RETURN_TIME not in raw:
        course = raw.get(Column.COURSE)
        return _kind_of("" if course is None else str(course))
    if moment.second is None:
        return "outbound"
    return "return" if moment.first is None else "round_trip"


def _drivers(raw: Mapping[Column, Cell]) -> tuple[str | None, str | None]:
    """Initials of both legs, from one column or two.

    A column for the return driver alone says who drives back: blank is unknown. A second driver's column may stay
    blank where the first drives both legs.
    """
    first, second = read_initials(raw.get(Column.INITIALS))
    if Column.RETURN_INITIALS in raw:
        return first, read_initials(raw[Column.RETURN_INITIALS])[1]
    other = raw.get(Column.SECOND_INITIALS)
    return first, second if other is None else read_initials(other)[1]


@lru_cache(maxsize=1024)
def _kind_of(written: str) -> str | None:
    kind = normalise(written).replace(" ", "")
    if ROUND_TRIP.fullmatch(kind):
        return "round_trip"
    if OUTBOUND.fullmatch(kind) and "?" not in written and not is_error(written):
        return "outbound"
    return "return" if RETURN.fullmatch(kind) and "?" not in written else None


def split_course(
    kind: str, moment: Moment, pickup: str, dropoff: str, initials: tuple[str | None, str | None]
) -> tuple[tuple[DraftLeg, ...], str | None]:
    """Legs of a course, or the reason there are none.

    A round trip gives an outbound leg at the first time and a return leg, the other way, at the second. A return
    without a time, or not after its outbound leg, exists and is set aside: when it ran is not known.

    Parameters
    ----------
    kind : str
        ``round_trip``, ``outbound`` or ``return``.
    """
    if kind != "round_trip":
        if moment.first is not None and moment.second is not None:
            return (), "times_contradict_course"
        at = moment.second if moment.first is None else moment.first
        if at is None:
            return (), "missing_time"
        leg, driver = (Leg.RETURN, initials[1]) if kind == "return" else (Leg.OUTBOUND, initials[0])
        return (DraftLeg(leg, at, pickup, dropoff, driver, _never_shown(moment.day, at)),), None
    if moment.first is None:
        return (), "missing_time"
    reason: str | None
    if moment.second is None:
        reason = "return_time_missing"
    elif moment.second <= moment.first:
        reason = "return_before_outbound"
    else:
        reason = _never_shown(moment.day, moment.second)
    return (
        DraftLeg(Leg.OUTBOUND, moment.first, pickup, dropoff, initials[0], _never_shown(moment.day, moment.first)),
        DraftLeg(Leg.RETURN, moment.second, dropoff, pickup, initials[1], reason),
    ), None


def _never_shown(day: date | None, at: time) -> str | None:
    """``nonexistent_time`` in the hour that the clocks skip: the offset grows from one fold to the other."""
    if day is None:
        return None
    local = datetime.combine(day, at, ZONE)
    before, after = local.utcoffset(), local.replace(fold=1).utcoffset()
    return "nonexistent_time" if before is not None and after is not None and before < after else None


def address_text(cell: Cell) -> str:
    """An address as written, empty if nothing in it can be read.

    Line breaks and runs of spaces stay, for they separate its parts.
    """
    if is_empty(cell) or is_error(cell):
        return ""
    text = _as_written(cell)
    if not text.isascii():
        text = text.translate(NOTHING_VISIBLE)
    text = text.replace("_x000D_", "").strip()
    return text if READABLE.search(text) else ""


def _as_written(value: Cell) -> str:
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
