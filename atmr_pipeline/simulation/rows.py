"""A lived or planned day as rows of the operations database."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from atmr_pipeline.domain.geo import haversine_km
from atmr_pipeline.domain.vocabulary import (
    LOCAL_TIMEZONE,
    AssignmentStatus,
    BookingStatus,
    DispatchRunStatus,
    DriverType,
)
from atmr_pipeline.simulation.company_day import CompanyDay
from atmr_pipeline.simulation.config import WorldConfig
from atmr_pipeline.simulation.execution import DROPOFF_SERVICE_MIN, NO_SHOW_WAIT_MIN, PICKUP_SERVICE_MIN, PLANNED_TRAVEL
from atmr_pipeline.simulation.population import Population

Rows = dict[str, list[dict[str, Any]]]

COMPANY_ID = 1
DEMO_COMPANY_PREFIX = "Transports Fictifs"
"""How a demo database is told from a real one before anything is replaced."""

USER_ID_OFFSET = 100
HOSPITAL_SERVICES = ("Consultation", "Dialyse", "Oncologie", "Radiologie", "Orthopédie", "Ophtalmologie")
FARE_CHF, FARE_CHF_PER_KM = 45.0, 3.5
DEPOT = (46.1985, 6.1320)


@dataclass(frozen=True)
class NextIds:
    """The ids that the next rows take; the coming day's ids are taken again when it has been lived."""

    booking: int = 1
    assignment: int = 1
    dispatch_run: int = 1
    driver_shift: int = 1
    driver_unavailability: int = 1

    def after(self, rows: Rows) -> "NextIds":
        """The ids after these rows."""
        ahead = {table: rows[table][-1]["id"] + 1 for table in asdict(self) if rows.get(table)}
        return NextIds(**{**asdict(self), **ahead})


@dataclass(frozen=True)
class DayRows:
    """The rows of one day, and the ids of each of its legs (-1 where it has none)."""

    rows: Rows
    booking_ids: npt.NDArray[np.int64]
    assignment_ids: npt.NDArray[np.int64]


def company_rows(config: WorldConfig, population: Population, position_day: date) -> Rows:
    """Company, users and drivers; positions are known as of the evening before ``position_day``."""
    seen = _utc(pd.Series([pd.Timestamp(position_day) - pd.Timedelta(hours=4)]))[0]
    name = f"{DEMO_COMPANY_PREFIX} {config.seed} Sàrl"
    company = {
        "id": COMPANY_ID, "name": name, "latitude": DEPOT[0], "longitude": DEPOT[1],
        "dispatch_enabled": True, "dispatch_mode": "manual", "autonomous_config": {},
    }  # fmt: skip
    users, drivers = [], []
    for driver in population.drivers:
        user_id = USER_ID_OFFSET + driver.driver_id
        users.append({"id": user_id, "first_name": driver.first_name, "last_name": driver.last_name})
        drivers.append(
            {
                "id": driver.driver_id,
                "user_id": user_id,
                "company_id": COMPANY_ID,
                "is_active": True,
                "is_available": True,
                "driver_type": str(DriverType.EMERGENCY if driver.is_emergency else DriverType.REGULAR),
                "latitude": driver.home.lat,
                "longitude": driver.home.lon,
                "last_position_update": seen,
                "contract_type": "ON_CALL" if driver.is_emergency else "PERMANENT",
                "weekly_hours": 0 if driver.is_emergency else (25 if driver.is_part_time else 42),
            }
        )
    return {"company": [company], "user": users, "driver": drivers}


def day_rows(
    population: Population, lived: CompanyDay, ids: NextIds, *, visible_until: pd.Timestamp | None = None
) -> DayRows:
    """One day's rows.

    Parameters
    ----------
    lived : CompanyDay
        Planned or lived.
    ids : NextIds
        First ids to take.
    visible_until : Timestamp, optional
        Wall clock: what became known later is left out. None: the day is over and everything is known.
    """
    legs = lived.legs
    if visible_until is not None:
        legs = legs[legs["created_local"] < visible_until].copy()
        legs.loc[legs["cancelled_local"] >= visible_until, "cancelled_local"] = pd.NaT
    is_over = visible_until is None
    booking_ids = ids.booking + np.arange(len(legs), dtype=np.int64)
    has_assignment = legs["slot"].to_numpy() >= 0
    assignment_ids = np.where(has_assignment, ids.assignment + np.cumsum(has_assignment) - 1, -1)
    times = _times(lived.day, legs, is_over)
    facts = _facts(population, lived, legs)
    rows: Rows = {
        "driver_shift": _shifts(population, lived, ids, is_over),
        "driver_unavailability": _absences(population, lived, ids),
        "booking": _bookings(population, legs, booking_ids, times, facts, is_over),
        "dispatch_run": [
            {
                "id": ids.dispatch_run,
                "company_id": COMPANY_ID,
                "day": lived.day,
                "status": str(DispatchRunStatus.COMPLETED),
                "started_at": _utc(pd.Series([lived.planning_started]))[0],
                "completed_at": _utc(pd.Series([lived.planning_completed]))[0],
                "config": {"method": "manual"},
                "metrics": {},
            }
        ],
    }
    rows["assignment"] = _assignments(legs, booking_ids, assignment_ids, ids.dispatch_run, times, facts, is_over)
    return DayRows(rows, booking_ids, assignment_ids)


def _utc(local: pd.Series) -> list[Any]:
    """Aware UTC datetimes of wall-clock times, None where unknown; nobody drives in the hour that spring skips."""
    placed = pd.to_datetime(local).dt.tz_localize(
        LOCAL_TIMEZONE, ambiguous=np.ones(len(local), dtype=bool), nonexistent="shift_forward"
    )
    return [None if pd.isna(value) else value.to_pydatetime() for value in placed.dt.tz_convert("UTC").dt.floor("us")]


def _times(day: date, legs: pd.DataFrame, is_over: bool) -> dict[str, Any]:
    midnight = pd.Timestamp(day)

    def at(minutes: pd.Series) -> pd.Series:
        return midnight + pd.to_timedelta((minutes * 60.0).round(), unit="s")

    scheduled = at(legs["scheduled_min"])
    served = is_over & legs["executed"] & ~legs["no_show"]
    nothing = pd.Series(pd.NaT, index=legs.index, dtype="datetime64[us]")
    actual = at(legs["start_min"]).where(served, nothing)
    dropped = at(legs["end_min"]).where(served, nothing)
    gave_up = at(legs["start_min"] + NO_SHOW_WAIT_MIN).where(is_over & legs["executed"] & legs["no_show"], nothing)
    changed = dropped.fillna(gave_up).fillna(legs["cancelled_local"]).fillna(legs["decided_local"])
    local = {
        "scheduled_at": scheduled,
        "actual_pickup_at": actual,
        "actual_dropoff_at": dropped,
        "boarded_at": actual + pd.Timedelta(minutes=PICKUP_SERVICE_MIN),
        "created_at": legs["created_local"],
        "decided_at": legs["decided_local"],
        "updated_at": changed.fillna(legs["created_local"]),
    }
    # One conversion for all columns: it costs milliseconds each time.
    instants = _utc(pd.concat([series.astype("datetime64[us]") for series in local.values()], ignore_index=True))
    count = len(legs)
    return {
        "scheduled_local": [value.to_pydatetime() for value in scheduled],
        "delay_seconds": [None if pd.isna(value) else int(value.total_seconds()) for value in actual - scheduled],
        **{name: instants[number * count : (number + 1) * count] for number, name in enumerate(local)},
    }


def _facts(population: Population, lived: CompanyDay, legs: pd.DataFrame) -> dict[str, Any]:
    """Planned ride, drivers and statuses of each leg."""
    origin, destination = population.points[legs["pickup"].to_numpy()], population.points[legs["dropoff"].to_numpy()]
    km = PLANNED_TRAVEL.detour * haversine_km(origin[:, 0], origin[:, 1], destination[:, 0], destination[:, 1])
    hour = (legs["scheduled_min"].to_numpy() // 60).astype(int) % 24
    slots = legs["slot"].to_numpy()
    driver_ids = [population.drivers[lived.duty.driver[slot]].driver_id if slot >= 0 else None for slot in slots]
    return {"km": km, "ride_min": 60.0 * km / PLANNED_TRAVEL.speed_kmh[hour], "driver_id": driver_ids}


def _booking_status(is_return: bool, cancelled: bool, no_show: bool, is_over: bool) -> str:
    if cancelled or (no_show and is_over):
        return str(BookingStatus.CANCELED)
    if not is_over:
        return str(BookingStatus.ASSIGNED)
    return str(BookingStatus.RETURN_COMPLETED if is_return else BookingStatus.COMPLETED)


def _assignment_status(cancelled: bool, no_show: bool, is_over: bool) -> str:
    if cancelled:
        return str(AssignmentStatus.CANCELLED)
    if not is_over:
        return str(AssignmentStatus.SCHEDULED)
    return str(AssignmentStatus.NO_SHOW if no_show else AssignmentStatus.COMPLETED)


def _bookings(
    population: Population,
    legs: pd.DataFrame,
    booking_ids: npt.NDArray[np.int64],
    times: dict[str, Any],
    facts: dict[str, Any],
    is_over: bool,
) -> list[dict[str, Any]]:
    rows = []
    for number, leg in enumerate(legs.to_dict("records")):
        pickup, dropoff = population.places[leg["pickup"]], population.places[leg["dropoff"]]
        facility = pickup if leg["is_return"] else dropoff
        service = HOSPITAL_SERVICES[leg["patient"] % len(HOSPITAL_SERVICES)] if facility.kind == "hospital" else None
        wheelchair = {1: True, 0: False, -1: None}[int(population.wheelchair[leg["patient"]])]
        km, ride_min = float(facts["km"][number]), float(facts["ride_min"][number])
        rows.append(
            {
                "id": int(booking_ids[number]),
                "company_id": COMPANY_ID,
                "client_id": int(leg["patient"]) + 1,
                "driver_id": facts["driver_id"][number],
                "customer_name": population.patient_name(leg["patient"]),
                "pickup_location": pickup.address,
                "dropoff_location": dropoff.address,
                "booking_type": "MEDICAL" if facility.is_medical else "STANDARD",
                "scheduled_time": times["scheduled_local"][number],
                "status": _booking_status(
                    leg["is_return"], not pd.isna(leg["cancelled_local"]), leg["no_show"], is_over
                ),
                "is_round_trip": bool(leg["is_round_trip"]),
                "is_return": bool(leg["is_return"]),
                "parent_booking_id": int(booking_ids[leg["parent"]]) if leg["parent"] >= 0 else None,
                "is_urgent": bool(leg["is_urgent"]),
                "time_confirmed": None
                if leg["patient"] % 20 == 0
                else not (leg["is_return"] and leg["patient"] % 7 == 0),
                "medical_facility": facility.name if facility.is_medical else None,
                "hospital_service": service,
                "wheelchair_client_has": wheelchair,
                "wheelchair_need": None if wheelchair is None else False,
                "notes_medical": f"Note fictive {leg['patient'] + 1:04d}" if leg["patient"] % 9 == 0 else None,
                "duration_seconds": round(60.0 * ride_min),
                "distance_meters": round(1000.0 * km),
                "pickup_lat": pickup.lat,
                "pickup_lon": pickup.lon,
                "dropoff_lat": dropoff.lat,
                "dropoff_lon": dropoff.lon,
                "amount": round(FARE_CHF + FARE_CHF_PER_KM * km, 2),
                "boarded_at": times["boarded_at"][number],
                "completed_at": times["actual_dropoff_at"][number],
                "created_at": times["created_at"][number],
                "updated_at": times["updated_at"][number],
            }
        )
    return rows


def _assignments(
    legs: pd.DataFrame,
    booking_ids: npt.NDArray[np.int64],
    assignment_ids: npt.NDArray[np.int64],
    run_id: int,
    times: dict[str, Any],
    facts: dict[str, Any],
    is_over: bool,
) -> list[dict[str, Any]]:
    rows = []
    for number, leg in enumerate(legs.to_dict("records")):
        if assignment_ids[number] < 0:
            continue
        planned = times["scheduled_at"][number]
        ride_min = PICKUP_SERVICE_MIN + float(facts["ride_min"][number]) + DROPOFF_SERVICE_MIN
        rows.append(
            {
                "id": int(assignment_ids[number]),
                "dispatch_run_id": run_id,
                "booking_id": int(booking_ids[number]),
                "driver_id": facts["driver_id"][number],
                "status": _assignment_status(not pd.isna(leg["cancelled_local"]), leg["no_show"], is_over),
                "planned_pickup_at": planned,
                "planned_dropoff_at": planned + pd.Timedelta(seconds=round(60.0 * ride_min)).to_pytimedelta(),
                "actual_pickup_at": times["actual_pickup_at"][number],
                "actual_dropoff_at": times["actual_dropoff_at"][number],
                "eta_pickup_at": None,
                "eta_dropoff_at": None,
                "delay_seconds": times["delay_seconds"][number],
                "decision_explanation": {"method": "manual"},
                "created_at": times["decided_at"][number],
                "updated_at": times["updated_at"][number],
            }
        )
    return rows


def _shifts(population: Population, lived: CompanyDay, ids: NextIds, is_over: bool) -> list[dict[str, Any]]:
    duty, midnight = lived.duty, pd.Timestamp(lived.day)
    return [
        {
            "id": ids.driver_shift + slot,
            "company_id": COMPANY_ID,
            "driver_id": population.drivers[driver].driver_id,
            "start_local": (midnight + pd.Timedelta(minutes=duty.shift_start_min[slot])).to_pydatetime(),
            "end_local": (midnight + pd.Timedelta(minutes=duty.shift_end_min[slot])).to_pydatetime(),
            "timezone": LOCAL_TIMEZONE,
            "type": "ON_CALL" if population.drivers[driver].is_emergency else "REGULAR",
            "status": "COMPLETED" if is_over else "PLANNED",
        }
        for slot, driver in enumerate(duty.driver)
    ]


def _absences(population: Population, lived: CompanyDay, ids: NextIds) -> list[dict[str, Any]]:
    midnight = pd.Timestamp(lived.day)
    return [
        {
            "id": ids.driver_unavailability + number,
            "driver_id": population.drivers[driver].driver_id,
            "start_local": midnight.to_pydatetime(),
            "end_local": (midnight + pd.Timedelta(days=1)).to_pydatetime(),
            "reason": "day off",
        }
        for number, driver in enumerate(lived.duty.absent)
    ]


def merge(parts: Iterable[Rows]) -> Rows:
    """The rows of several days, table by table."""
    merged: Rows = {}
    for part in parts:
        for table, rows in part.items():
            merged.setdefault(table, []).extend(rows)
    return merged
