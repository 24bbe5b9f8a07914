"""Days and plans as JSON: what `atmr dispatch plan` reads and answers.

A day holds ``drivers`` and ``bookings``, then either ``travel`` matrices, used as they are, or coordinates
(``start_lat``, ``start_lon`` of each driver; ``pickup_lat``, ``pickup_lon``, ``dropoff_lat``, ``dropoff_lon`` of each
booking) for a travel provider, which is told the weekday where the day says its ``service_day`` (YYYY-MM-DD). Two
things are results, not errors: without bookings the cost is 0, without drivers every booking is lost. Messages name
fields and places in the file, never a value from it.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt

from atmr_pipeline.dispatch.planners import Plan
from atmr_pipeline.dispatch.problem import DayProblem, FloatArray
from atmr_pipeline.dispatch.travel_arrays import TravelArrays, travel_arrays
from atmr_pipeline.domain.errors import InvalidProblemError
from atmr_pipeline.domain.travel import TravelProvider
from atmr_pipeline.domain.vocabulary import Leg

LARGEST_NUMBER = 1e9
"""No time, distance or coordinate of a day comes near."""
COST_DECIMALS = 6
"""Digits of the answer's costs: enough to compare methods, and rounding noise stays out of sight."""


def read_days(text: str) -> Iterator[Mapping[str, Any]]:
    """The days of a file: one JSON object, or JSON Lines with one a line.

    Raises
    ------
    InvalidProblemError
        Not JSON, or not objects; with the line for JSON Lines. Raised when that day is reached.
    """
    try:
        whole = json.loads(text)
    except RecursionError:
        raise InvalidProblemError("the input is nested too deeply") from None
    except json.JSONDecodeError:
        lines = [(number, line) for number, line in enumerate(text.splitlines(), start=1) if line.strip()]
        if len(lines) < 2:
            raise InvalidProblemError("the input is not JSON: give one day, or one day a line") from None
        for number, line in lines:
            yield _object_of_line(number, line)
    else:
        yield _mapping(whole, "the day")


def _object_of_line(number: int, line: str) -> Mapping[str, Any]:
    try:
        return _mapping(json.loads(line), f"line {number}")
    except json.JSONDecodeError:
        raise InvalidProblemError(f"line {number} is not JSON: give one day, or one day a line") from None


def parse_day(raw: Mapping[str, Any], travel: TravelProvider | None = None) -> DayProblem:
    """A day from its JSON object: the first of what :func:`parse_day_and_travel` returns."""
    return parse_day_and_travel(raw, travel)[0]


def parse_day_and_travel(
    raw: Mapping[str, Any], travel: TravelProvider | None = None
) -> tuple[DayProblem, TravelArrays]:
    """A day from its JSON object, with who answered for its travel times.

    Parameters
    ----------
    raw : mapping
        See the module's text. Optional: ``urgent`` of a booking (false unless said), ``emergency`` of a driver (false
        unless said), ``absences`` of a driver (a list of [from_min, to_min]). ``service`` holds ``pickup_min`` and
        ``dropoff_min``, a number each or one a booking.
    travel : TravelProvider, optional
        Answers for days that come with coordinates.

    Raises
    ------
    InvalidProblemError
        Missing keys, wrong types or shapes, duplicate ids, NaN or negative times; the message says where.
    """
    drivers = _list(_key(raw, "drivers", "the day"), "drivers")
    bookings = _list(_key(raw, "bookings", "the day"), "bookings")
    people = [_mapping(row, f"driver {number}") for number, row in enumerate(drivers, start=1)]
    trips = [_mapping(row, f"booking {number}") for number, row in enumerate(bookings, start=1)]
    scheduled = _column(trips, "booking", "scheduled_min")
    arrays = _travel(raw, people, trips, scheduled, travel)
    pickup_service, dropoff_service = _service(raw, len(trips))
    problem = DayProblem(
        driver_ids=_ids(people, "driver"),
        booking_ids=_ids(trips, "booking"),
        shift_start_min=_column(people, "driver", "shift_start_min"),
        shift_end_min=_column(people, "driver", "shift_end_min"),
        is_emergency=_flags(people, "driver", "emergency"),
        scheduled_min=scheduled,
        is_outbound=_legs(trips),
        is_urgent=_flags(trips, "booking", "urgent"),
        start_min=arrays.start_min,
        start_km=arrays.start_km,
        deadhead_min=arrays.deadhead_min,
        deadhead_km=arrays.deadhead_km,
        ride_min=arrays.ride_min,
        ride_km=arrays.ride_km,
        pickup_service_min=pickup_service,
        dropoff_service_min=dropoff_service,
        absences=_absences(people),
    )
    return problem, arrays


def answer(problem: DayProblem, plan: Plan, arrays: TravelArrays | None = None) -> dict[str, Any]:
    """The plan as a JSON object; ids are strings, and a lost booking has driver null.

    With ``arrays`` it also says who answered for the travel times, and whether and why a second provider had to.
    """
    outcome = plan.outcome
    drivers = [None if index < 0 else problem.driver_ids[index] for index in plan.assignment]
    reply = {
        "method": plan.method,
        "assignments": dict(zip(problem.booking_ids, drivers, strict=True)),
        "cost": {
            "total": round(outcome.total, COST_DECIMALS),
            "deadhead_km": round(outcome.deadhead_km, COST_DECIMALS),
            "lateness_min": round(outcome.total_lateness_min, COST_DECIMALS),
            "late": outcome.n_late,
            "lost": outcome.n_lost,
            "load_gap": outcome.load_gap,
        },
        "optimal": plan.optimal,
        "bound": None if plan.bound is None else round(min(plan.bound, outcome.total), COST_DECIMALS),
        "runtime_ms": round(plan.runtime_ms, 3),
    }
    if arrays is not None:
        names = ("source", "fallback_reason", "fallback_pairs")
        reply["travel"] = {name: getattr(arrays, name) for name in names}
    return reply


def _key(raw: Mapping[str, Any], key: str, where: str) -> Any:
    if key not in raw:
        raise InvalidProblemError(f"{where}: missing key {key}")
    return raw[key]


def _mapping(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise InvalidProblemError(f"{where} is not a JSON object")
    return value


def _list(value: Any, where: str) -> Sequence[Any]:
    if not isinstance(value, list):
        raise InvalidProblemError(f"{where} is not a list")
    return value


def _number(value: Any, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < LARGEST_NUMBER:
        raise InvalidProblemError(f"{where} is not a finite number of a sensible size")
    return float(value)


def _column(rows: Sequence[Mapping[str, Any]], kind: str, key: str) -> FloatArray:
    values = [_number(_key(row, key, f"{kind} {i}"), f"{kind} {i}: {key}") for i, row in enumerate(rows, start=1)]
    return np.array(values, dtype=np.float64)


def _flags(rows: Sequence[Mapping[str, Any]], kind: str, key: str) -> npt.NDArray[np.bool_]:
    values = [row.get(key, False) for row in rows]
    for number, value in enumerate(values, start=1):
        if not isinstance(value, bool):
            raise InvalidProblemError(f"{kind} {number}: {key} is neither true nor false")
    return np.array(values, dtype=bool)


def _legs(trips: Sequence[Mapping[str, Any]]) -> npt.NDArray[np.bool_]:
    legs = [_key(row, "leg", f"booking {number}") for number, row in enumerate(trips, start=1)]
    for number, leg in enumerate(legs, start=1):
        if leg not in (Leg.OUTBOUND.value, Leg.RETURN.value):
            raise InvalidProblemError(f"booking {number}: leg is neither {Leg.OUTBOUND} nor {Leg.RETURN}")
    return np.array([leg == Leg.OUTBOUND.value for leg in legs], dtype=bool)


def _ids(rows: Sequence[Mapping[str, Any]], kind: str) -> tuple[str, ...]:
    ids = [_key(row, "id", f"{kind} {number}") for number, row in enumerate(rows, start=1)]
    for number, identifier in enumerate(ids, start=1):
        if isinstance(identifier, bool) or not isinstance(identifier, int | str) or identifier == "":
            raise InvalidProblemError(f"{kind} {number}: id is neither a whole number nor a text")
    return tuple(map(str, ids))


def _absences(people: Sequence[Mapping[str, Any]]) -> tuple[tuple[int, float, float], ...]:
    rows = []
    for index, person in enumerate(people):
        where = f"driver {index + 1}: absences"
        for absence in _list(person.get("absences", []), where):
            if len(_list(absence, where)) != 2:
                raise InvalidProblemError(f"{where} must be pairs of minutes [from, to]")
            rows.append((index, _number(absence[0], where), _number(absence[1], where)))
    return tuple(rows)


def _service(raw: Mapping[str, Any], bookings: int) -> tuple[FloatArray, FloatArray]:
    if bookings == 0:
        return np.zeros(0), np.zeros(0)
    service = _mapping(_key(raw, "service", "the day"), "service")
    pickup, dropoff = (
        _numbers(_key(service, key, "service"), f"service: {key}") for key in ("pickup_min", "dropoff_min")
    )
    return (
        np.full(bookings, pickup) if pickup.ndim == 0 else pickup,
        np.full(bookings, dropoff) if dropoff.ndim == 0 else dropoff,
    )


def _numbers(value: Any, where: str) -> FloatArray:
    # Read without a dtype: a null or a text then shows in the dtype instead of becoming NaN or a number.
    try:
        array = np.asarray(value)
    except ValueError:
        raise InvalidProblemError(f"{where} has rows of different lengths") from None
    if array.size > 0 and array.dtype.kind not in "iuf":
        raise InvalidProblemError(f"{where} holds something that is not a number")
    return array.astype(np.float64)


def _travel(
    raw: Mapping[str, Any],
    people: Sequence[Mapping[str, Any]],
    trips: Sequence[Mapping[str, Any]],
    scheduled: FloatArray,
    travel: TravelProvider | None,
) -> TravelArrays:
    drivers, bookings = len(people), len(trips)
    if "travel" in raw:
        given = _mapping(raw["travel"], "travel")
        shapes = {
            "start_min": (drivers, bookings), "start_km": (drivers, bookings), "ride_min": (bookings,),
            "ride_km": (bookings,), "deadhead_min": (bookings, bookings), "deadhead_km": (bookings, bookings),
        }  # fmt: skip
        arrays = {name: _matrix(given, name, shape) for name, shape in shapes.items()}
        return TravelArrays(**arrays, source="given", fallback_reason=None, fallback_pairs=0)
    if bookings == 0 or drivers == 0:
        nothing = np.zeros((drivers, bookings)), np.zeros((bookings, bookings)), np.zeros(bookings)
        return TravelArrays(nothing[0], nothing[0], nothing[1], nothing[1], nothing[2], nothing[2], source="none")
    if travel is None:
        raise InvalidProblemError("the day has no travel matrices, and no travel provider is configured")
    starts, pickups = _points(people, "driver", "start"), _points(trips, "booking", "pickup")
    dropoffs = _points(trips, "booking", "dropoff")
    return travel_arrays(travel, starts, pickups, dropoffs, scheduled, weekday=_weekday(raw))


def _weekday(raw: Mapping[str, Any]) -> int | None:
    if "service_day" not in raw:
        return None
    try:
        return date.fromisoformat(raw["service_day"]).weekday()
    except (TypeError, ValueError):
        raise InvalidProblemError("the day: service_day is not a date written YYYY-MM-DD") from None


def _points(rows: Sequence[Mapping[str, Any]], kind: str, end: str) -> FloatArray:
    points = np.stack([_column(rows, kind, f"{end}_lat"), _column(rows, kind, f"{end}_lon")], axis=1)
    if np.any(np.abs(points) > np.array([90.0, 180.0])):
        raise InvalidProblemError(f"a {kind}'s {end} coordinates are outside -90..90 and -180..180 degrees")
    return points


def _matrix(given: Mapping[str, Any], name: str, shape: tuple[int, ...]) -> FloatArray:
    # A matrix with no row or no column can be written in several ways ([], [[], []]); all mean the same.
    if 0 in shape and name not in given:
        return np.zeros(shape)
    array = _numbers(_key(given, name, "travel"), f"travel: {name}")
    return np.zeros(shape) if 0 in shape and array.size == 0 else array
