"""The rows of a month's sheet, and beside each what a perfect reader makes of it."""

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd

from atmr_pipeline.domain.vocabulary import Leg
from atmr_pipeline.simulation.company_day import CompanyDay
from atmr_pipeline.simulation.places import Place
from atmr_pipeline.simulation.population import Population
from atmr_pipeline.simulation.workbook_text import write_address, write_course, write_initials, write_when

UNKNOWN_INITIALS = "Z.Z"
"""No driver's first name begins with Z."""

UNKNOWN_ADDRESS = "Chemin de la Licorne-Imaginaire 999, 0000 Nullepart"
BLANK_INITIALS_SHARE = 0.02


@dataclass(frozen=True)
class SheetRow:
    """One row: its six cells, and its answer.

    Parameters
    ----------
    cells : tuple
        Patient, date and times, course, pickup, drop-off, initials.
    kind : str
        ``course``, ``totals``, ``header``, or what is wrong with it.
    legs : list of dict
        The legs that it holds: ``leg, scheduled_local, initials`` (None if blank or unknown), ``pickup, dropoff``
        (address and coordinates; None if the address exists nowhere) and ``set_aside`` (reason code or None).
    quarantine : str or None
        Reason code if the whole row must be set aside.
    """

    cells: tuple[Any, ...]
    kind: str = "course"
    legs: list[dict[str, Any]] = field(default_factory=list)
    quarantine: str | None = None


def rows_of_day(population: Population, lived: CompanyDay, rng: np.random.Generator) -> list[SheetRow]:
    """The courses of a day, as the clerk typed them; cancelled ones are not in the workbook."""
    trips: dict[int, list[dict[Any, Any]]] = {}
    for leg in lived.legs[lived.legs["executed"]].sort_values(["scheduled_min", "trip"]).to_dict("records"):
        trips.setdefault(leg["trip"], []).append(leg)
    return [_row(population, lived, legs, rng) for legs in trips.values()]


def _row(population: Population, lived: CompanyDay, legs: list[dict[Any, Any]], rng: np.random.Generator) -> SheetRow:
    first = legs[0]
    times = [(pd.Timestamp(lived.day) + pd.Timedelta(minutes=leg["scheduled_min"])).to_pydatetime() for leg in legs]
    initials = [population.drivers[lived.duty.driver[leg["slot"]]].initials for leg in legs]
    is_blank = bool(rng.random() < BLANK_INITIALS_SHARE)
    pickup, dropoff = population.places[first["pickup"]], population.places[first["dropoff"]]
    cells = (
        population.patient_name(first["patient"]),
        write_when(times, rng),
        write_course(len(legs) == 2, bool(first["is_return"]), rng),
        write_address(pickup, rng),
        write_address(dropoff, rng),
        None if is_blank else write_initials(initials, rng),
    )
    answers = [
        {
            "leg": str(Leg.RETURN if leg["is_return"] else Leg.OUTBOUND),
            "scheduled_local": moment.isoformat(timespec="minutes"),
            "initials": None if is_blank else name,
            "pickup": _answer(population.places[leg["pickup"]]),
            "dropoff": _answer(population.places[leg["dropoff"]]),
            "set_aside": None,
        }
        for leg, moment, name in zip(legs, times, initials, strict=True)
    ]
    return SheetRow(cells, legs=answers)


def _answer(place: Place) -> dict[str, Any]:
    return {"address": place.address, "lat": place.lat, "lon": place.lon}


def spoil(rows: list[SheetRow], rng: np.random.Generator) -> list[SheetRow]:
    """Make a few rows bad, one of each kind, and repeat one exactly; sheets with few rows get fewer."""
    result = list(rows)
    order = [int(index) for index in rng.permutation(len(rows))]
    round_trips = [index for index in order if len(rows[index].legs) == 2]
    used: set[int] = set()
    for kind, candidates in (
        ("return_time_missing", round_trips),
        ("bad_date", order),
        ("empty_address", order),
        ("unknown_initials", order),
        ("address_unresolved", order),
    ):
        free = [index for index in candidates if index not in used]
        if len(free) > len(rows) // 2:
            used.add(free[0])
            result[free[0]] = _SPOILERS[kind](rows[free[0]])
        elif kind == "return_time_missing" and free:
            used.add(free[0])
            result[free[0]] = _without_return_time(rows[free[0]])
    good = [index for index in order if index not in used]
    if len(good) > 5:
        result.insert(good[0] + 1, replace(rows[good[0]], kind="duplicate"))
    return result


def _with_cell(row: SheetRow, column: int, value: Any) -> tuple[Any, ...]:
    return (*row.cells[:column], value, *row.cells[column + 1 :])


def _without_return_time(row: SheetRow) -> SheetRow:
    outbound, back = row.legs
    when = datetime.fromisoformat(outbound["scheduled_local"]).strftime("%d.%m.%Y  %H:%M")
    waiting = {**back, "scheduled_local": None, "set_aside": "return_time_missing"}
    return SheetRow(_with_cell(row, 1, when), "return_time_missing", [outbound, waiting])


def _with_bad_date(row: SheetRow) -> SheetRow:
    year = row.legs[0]["scheduled_local"][:4]
    return SheetRow(_with_cell(row, 1, f"32.13.{year}  09:15"), "bad_date", [], "bad_date")


def _without_address(row: SheetRow) -> SheetRow:
    return SheetRow(_with_cell(row, 4, None), "empty_address", [], "empty_address")


def _with_unknown_initials(row: SheetRow) -> SheetRow:
    legs = [{**leg, "initials": None} for leg in row.legs]
    return SheetRow(_with_cell(row, 5, UNKNOWN_INITIALS), "unknown_initials", legs)


def _with_unknown_address(row: SheetRow) -> SheetRow:
    # Column 4 is where the first leg goes: the drop-off of that leg, and the pickup of the way back.
    legs = [{**leg, "dropoff" if number == 0 else "pickup": None} for number, leg in enumerate(row.legs)]
    legs = [{**leg, "set_aside": "address_unresolved"} for leg in legs]
    return SheetRow(_with_cell(row, 4, UNKNOWN_ADDRESS), "address_unresolved", legs)


_SPOILERS = {
    "return_time_missing": _without_return_time,
    "bad_date": _with_bad_date,
    "empty_address": _without_address,
    "unknown_initials": _with_unknown_initials,
    "address_unresolved": _with_unknown_address,
}
