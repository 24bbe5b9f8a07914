"""Past days as dispatch problems: what was booked, who was on duty, and who drove it in fact.

Nothing is guessed. A booking without a time or coordinates, and a driver without a start point, are set aside and
counted by reason. A driver starts at the depot of the company; where the company has none, at the position that the
fleet's table holds now, which for a past day is only a stand-in: the day says how many start where. Minutes after
midnight are read off the wall clock, as the schedule is.
"""

from collections import Counter
from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt
import pandas as pd

from atmr_pipeline.dispatch.absences import Window, absence_windows, away_all_shift
from atmr_pipeline.dispatch.problem import MAX_DAY_MIN, DayProblem, FloatArray
from atmr_pipeline.dispatch.simulator import UNASSIGNED
from atmr_pipeline.dispatch.travel_arrays import TravelArrays, travel_arrays
from atmr_pipeline.domain.travel import TravelProvider
from atmr_pipeline.domain.vocabulary import AssignmentStatus, BookingStatus, DriverType, Leg
from atmr_pipeline.domain.wallclock import to_local

IntArray = npt.NDArray[np.int64]

VOID_ASSIGNMENTS = (AssignmentStatus.CANCELLED.value, AssignmentStatus.REASSIGNED.value)
"""Assignments that say nothing about who drove."""

CANCELLED_SHIFTS = ("CANCELED", "CANCELLED")
"""Shift statuses, upper case, that mean nobody was on duty."""

_COORDINATES = ("pickup_lat", "pickup_lon", "dropoff_lat", "dropoff_lon")


DEPOT, DRIVER_POSITION = "depot", "driver_position"
"""Where a driver's start point comes from."""


@dataclass(frozen=True)
class Places:
    """Where a day happens, degrees WGS84 (lat, lon), in the problem's order: for pictures, never for a table.

    Parameters
    ----------
    starts : ndarray (D, 2)
    pickups, dropoffs : ndarray (B, 2)
    """

    starts: FloatArray
    pickups: FloatArray
    dropoffs: FloatArray


@dataclass(frozen=True)
class HistoricalDay:
    """One company's past day.

    Parameters
    ----------
    service_day : date
    company_id : int
    problem : DayProblem
        Booking and driver ids are those of the operations database, as text.
    actual_assignment : ndarray of int (B,)
        Who drove, -1 where that is not known or the driver is not in the problem.
    travel_source : str
        Who answered for the travel times.
    fallback_reason : str, optional
        Why a second travel provider answered, for instance an outage of the first; None if none did.
    fallback_pairs : int
        Ways that a second travel provider answered.
    start_sources : tuple of str
        Of each driver, :data:`DEPOT` or :data:`DRIVER_POSITION`.
    places : Places, optional
        None where the day was not built from coordinates.
    """

    service_day: date
    company_id: int
    problem: DayProblem
    actual_assignment: IntArray
    travel_source: str
    fallback_reason: str | None = None
    fallback_pairs: int = 0
    start_sources: tuple[str, ...] = ()
    places: Places | None = None


def problems_from_history(
    bookings: pd.DataFrame,
    drivers: pd.DataFrame,
    shifts: pd.DataFrame,
    travel: TravelProvider,
    *,
    assignments: pd.DataFrame | None = None,
    absences: pd.DataFrame | None = None,
    companies: pd.DataFrame | None = None,
    service_minutes: tuple[float, float] = (5.0, 7.0),
) -> tuple[list[HistoricalDay], dict[str, int]]:
    """Build one problem a company and service day, in order of day, then company.

    Parameters
    ----------
    bookings, drivers, shifts, assignments, absences, companies : DataFrame
        Tables ``BOOKINGS``, ``DRIVERS``, ``DRIVER_SHIFTS``, ``ASSIGNMENTS``, ``DRIVER_ABSENCES`` and ``COMPANIES`` of
        :mod:`atmr_pipeline.domain.tables`. Cancelled bookings are left out. Without an assignment, the driver named on
        the booking is the actual one. Without absences nobody is away; without companies there are no depots.
    travel : TravelProvider
        Asked at the weekday and hour of the scheduled pickup that a way leads to.
    service_minutes : (float, float)
        Boarding and alighting, minutes.

    Returns
    -------
    (list of HistoricalDay, dict of str to int)
        The second counts what was set aside. Bookings: ``no_scheduled_time``, ``time_outside_day``,
        ``no_pickup_coordinates``, ``no_dropoff_coordinates``, ``no_route``, ``no_driver_on_duty``. Shifts:
        ``shift_cancelled``, ``shift_unreadable``, ``driver_unknown``, ``driver_without_position``, ``driver_absent``
        (away during all of the shift).
    """
    aside: Counter[str] = Counter()
    usable = _usable_bookings(bookings, aside)
    duty = _usable_shifts(shifts, drivers, aside, absences, companies)
    actual = _actual_drivers(usable, assignments)
    duty_of = dict(list(duty.groupby(["service_day", "company_id"])))
    days = []
    for key, trips in usable.groupby(["service_day", "company_id"], sort=True):
        on_duty = duty_of.get(key)
        if on_duty is None:
            aside["no_driver_on_duty"] += len(trips)
            continue
        away = {} if absences is None else absence_windows(absences, trips["service_day"].iloc[0])
        day = _build_day(trips, on_duty, away, travel, actual, service_minutes, aside)
        if day is not None:
            days.append(day)
    return days, dict(sorted(aside.items()))


def _set_aside(frame: pd.DataFrame, reasons: dict[str, pd.Series], aside: Counter[str]) -> pd.DataFrame:
    # The first reason that applies counts, so that the counts add up to the rows set aside.
    left = pd.Series(True, index=frame.index)
    for reason, applies in reasons.items():
        aside[reason] += int((left & applies).sum())
        left &= ~applies
    for reason in reasons:
        if aside[reason] == 0:
            del aside[reason]
    return frame[left]


def _usable_bookings(bookings: pd.DataFrame, aside: Counter[str]) -> pd.DataFrame:
    kept = bookings[bookings["status"] != BookingStatus.CANCELED.value].copy()
    kept["scheduled_min"] = (kept["scheduled_local"] - kept["service_day"]).dt.total_seconds() / 60.0
    reasons = {
        "no_scheduled_time": kept["scheduled_at"].isna() | kept["scheduled_local"].isna(),
        "time_outside_day": ~kept["scheduled_min"].between(0.0, MAX_DAY_MIN),
        "no_pickup_coordinates": kept["pickup_lat"].isna() | kept["pickup_lon"].isna(),
        "no_dropoff_coordinates": kept["dropoff_lat"].isna() | kept["dropoff_lon"].isna(),
    }
    return _set_aside(kept, reasons, aside)


def _usable_shifts(
    shifts: pd.DataFrame,
    drivers: pd.DataFrame,
    aside: Counter[str],
    absences: pd.DataFrame | None,
    companies: pd.DataFrame | None,
) -> pd.DataFrame:
    fleet = drivers[["driver_id", "driver_type", "lat", "lon"]]
    duty = shifts.merge(fleet, on="driver_id", how="left", validate="many_to_one")
    duty = _started(duty, companies)
    for end in ("start", "end"):
        duty[f"{end}_min"] = (to_local(duty[f"{end}_at"]) - duty["service_day"]).dt.total_seconds() / 60.0
    readable = duty["start_min"].between(0.0, MAX_DAY_MIN) & duty["end_min"].between(0.0, MAX_DAY_MIN)
    reasons = {
        "shift_cancelled": duty["status"].str.upper().isin(CANCELLED_SHIFTS),
        "shift_unreadable": ~(readable & (duty["start_min"] < duty["end_min"])),
        "driver_unknown": duty["driver_type"].isna(),
        "driver_without_position": duty["lat"].isna() | duty["lon"].isna(),
    }
    if absences is not None:
        reasons["driver_absent"] = away_all_shift(duty, absences)
    return _set_aside(duty, reasons, aside)


def _started(duty: pd.DataFrame, companies: pd.DataFrame | None) -> pd.DataFrame:
    """Each shift with its start point, and in ``start_source`` where that comes from."""
    if companies is None:
        return duty.assign(start_source=DRIVER_POSITION)
    depots = companies[["company_id", "depot_lat", "depot_lon"]]
    duty = duty.merge(depots, on="company_id", how="left", validate="many_to_one")
    has_depot = duty["depot_lat"].notna() & duty["depot_lon"].notna()
    return duty.assign(
        lat=duty["lat"].where(~has_depot, duty["depot_lat"]),
        lon=duty["lon"].where(~has_depot, duty["depot_lon"]),
        start_source=has_depot.map({True: DEPOT, False: DRIVER_POSITION}),
    )


def _actual_drivers(bookings: pd.DataFrame, assignments: pd.DataFrame | None) -> dict[int, int]:
    named = bookings.dropna(subset=["driver_id"]).set_index("booking_id")["driver_id"]
    actual = _whole_numbers(named)
    if assignments is not None:
        valid = assignments[~assignments["status"].isin(VOID_ASSIGNMENTS)].dropna(subset=["driver_id"])
        last = valid.sort_values(["updated_at", "assignment_id"]).groupby("booking_id")["driver_id"].last()
        actual.update(_whole_numbers(last))
    return actual


def _whole_numbers(drivers: pd.Series) -> dict[int, int]:
    return dict(zip(drivers.index.astype(int).tolist(), drivers.astype(int).tolist(), strict=True))


def _build_day(
    trips: pd.DataFrame,
    on_duty: pd.DataFrame,
    away: dict[int, list[Window]],
    travel: TravelProvider,
    actual: dict[int, int],
    service_minutes: tuple[float, float],
    aside: Counter[str],
) -> HistoricalDay | None:
    people, absences = _merge_shifts(on_duty)
    absences += tuple((index, *spell) for index, who in enumerate(people["driver_id"]) for spell in away.get(who, ()))
    trips = trips.sort_values(["scheduled_min", "booking_id"])
    reachable, ways = _reachable(trips, people, travel)
    unreachable = len(trips) - len(reachable)
    if unreachable:
        aside["no_route"] += unreachable
    trips = trips.iloc[reachable]
    if trips.empty:
        return None
    problem = DayProblem(
        driver_ids=tuple(people["driver_id"].astype(str)),
        booking_ids=tuple(trips["booking_id"].astype(str)),
        shift_start_min=people["start_min"].to_numpy(float),
        shift_end_min=people["end_min"].to_numpy(float),
        is_emergency=(people["driver_type"] == DriverType.EMERGENCY.value).to_numpy(bool),
        scheduled_min=trips["scheduled_min"].to_numpy(float),
        is_outbound=(trips["leg"] == Leg.OUTBOUND.value).to_numpy(bool),
        is_urgent=trips["is_urgent"].to_numpy(bool),
        start_min=ways.start_min[:, reachable],
        start_km=ways.start_km[:, reachable],
        deadhead_min=ways.deadhead_min[np.ix_(reachable, reachable)],
        deadhead_km=ways.deadhead_km[np.ix_(reachable, reachable)],
        ride_min=ways.ride_min[reachable],
        ride_km=ways.ride_km[reachable],
        pickup_service_min=np.full(len(trips), service_minutes[0]),
        dropoff_service_min=np.full(len(trips), service_minutes[1]),
        absences=absences,
    )
    index_of = {int(driver): index for index, driver in enumerate(people["driver_id"])}
    drove = [index_of.get(actual.get(int(booking), -1), UNASSIGNED) for booking in trips["booking_id"]]
    service_day, company_id = trips["service_day"].iloc[0].date(), int(trips["company_id"].iloc[0])
    return HistoricalDay(
        service_day,
        company_id,
        problem,
        np.array(drove, dtype=np.int64),
        travel_source=ways.source,
        fallback_reason=ways.fallback_reason,
        fallback_pairs=ways.fallback_pairs,
        start_sources=tuple(people["start_source"]),
        places=Places(
            starts=people[["lat", "lon"]].to_numpy(float),
            pickups=trips[["pickup_lat", "pickup_lon"]].to_numpy(float),
            dropoffs=trips[["dropoff_lat", "dropoff_lon"]].to_numpy(float),
        ),
    )


def _merge_shifts(on_duty: pd.DataFrame) -> tuple[pd.DataFrame, tuple[tuple[int, float, float], ...]]:
    # A driver with several shifts a day is on duty from the first start to the last end, absent in between.
    rows, absences = [], []
    for index, (_, mine) in enumerate(on_duty.groupby("driver_id", sort=True)):
        spells = mine.sort_values("start_min")
        until = float(spells["end_min"].iloc[0])
        for start_min, end_min in zip(spells["start_min"].iloc[1:], spells["end_min"].iloc[1:], strict=True):
            if start_min > until:
                absences.append((index, until, float(start_min)))
            until = max(until, float(end_min))
        rows.append(spells.iloc[0].to_dict() | {"end_min": until})
    return pd.DataFrame(rows), tuple(absences)


def _reachable(trips: pd.DataFrame, people: pd.DataFrame, travel: TravelProvider) -> tuple[IntArray, TravelArrays]:
    # Bookings that can be reached from everywhere: those with unknown ways are left out, the worst first.
    points: dict[str, FloatArray] = {
        end: trips[[f"{end}_lat", f"{end}_lon"]].to_numpy(float) for end in ("pickup", "dropoff")
    }
    ways = travel_arrays(
        travel,
        people[["lat", "lon"]].to_numpy(float),
        points["pickup"],
        points["dropoff"],
        trips["scheduled_min"].to_numpy(float),
        weekday=trips["service_day"].iloc[0].weekday(),
    )
    alone = np.isnan(ways.ride_min) | np.isnan(ways.ride_km)
    alone |= np.isnan(ways.start_min).any(axis=0) | np.isnan(ways.start_km).any(axis=0)
    unknown = np.isnan(ways.deadhead_min) | np.isnan(ways.deadhead_km)
    kept = np.flatnonzero(~alone)
    while len(kept):
        among = unknown[np.ix_(kept, kept)]
        worst = among.sum(axis=0) + among.sum(axis=1)
        if worst.max() == 0:
            break
        kept = np.delete(kept, int(worst.argmax()))
    return kept, ways
