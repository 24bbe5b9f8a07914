"""The tables of a fictional company with one depot: some past days, and one day that lies ahead."""

import numpy as np
import pandas as pd

from atmr_pipeline.domain.tables import (
    ASSIGNMENTS,
    BOOKINGS,
    COMPANIES,
    DRIVER_ABSENCES,
    DRIVER_SHIFTS,
    DRIVERS,
    conform,
)
from atmr_pipeline.domain.wallclock import to_utc

CREATED = pd.Timestamp("2026-01-01", tz="UTC")
FIRST_DAY = pd.Timestamp("2026-06-01")
DEPOT = (46.2, 6.14)


def company_tables(
    days: int = 4, *, drivers: int = 3, bookings: int = 6, with_depot: bool = True
) -> dict[str, pd.DataFrame]:
    """Tables by name; the last of the days lies ahead. Driver 1 is away at noon of every day, driver 2 on the first."""
    rng = np.random.default_rng(0)
    service_days = [FIRST_DAY + pd.Timedelta(days=number) for number in range(days)]
    booked = pd.DataFrame(
        [
            {"service_day": day, "scheduled_local": day + pd.Timedelta(minutes=int(rng.integers(32, 64)) * 15)}
            for day in service_days
            for _ in range(bookings)
        ]
    )
    count = len(booked)
    places = rng.normal(0.0, 0.03, (count, 4)) + np.array([*DEPOT, *DEPOT])
    ahead = booked["service_day"] == service_days[-1]
    booked = booked.assign(
        booking_id=range(1, count + 1), company_id=1, patient_key=None, driver_id=None, is_round_trip=False,
        parent_booking_id=None, time_confirmed=None, is_medical=True, is_hospital=False, is_wheelchair=None,
        distance_km=None, duration_min=None, created_at=CREATED, updated_at=CREATED, is_urgent=False,
        leg=np.where(np.arange(count) % 2 == 0, "outbound", "return"),
        status=np.where(ahead, "ASSIGNED", "COMPLETED"),
        pickup_lat=places[:, 0], pickup_lon=places[:, 1], dropoff_lat=places[:, 2], dropoff_lon=places[:, 3],
        **to_utc(booked["scheduled_local"].astype("datetime64[us]")),
    )  # fmt: skip
    assigned = pd.DataFrame(
        {
            "assignment_id": booked["booking_id"], "booking_id": booked["booking_id"], "driver_id": 1,
            "dispatch_run_id": None, "service_day": booked["service_day"],
            "status": np.where(ahead, "SCHEDULED", "COMPLETED"), "planned_pickup_at": booked["scheduled_at"],
            "planned_dropoff_at": None, "actual_pickup_at": booked["scheduled_at"].where(~ahead),
            "actual_dropoff_at": None, "created_at": CREATED, "updated_at": CREATED,
        }
    )  # fmt: skip
    # The present plan spares driver 1, who is away at noon, as long as there is another.
    others = max(1, drivers - 1)
    assigned["driver_id"] = drivers - np.arange(count) % others
    fleet = pd.DataFrame(
        {
            "driver_id": range(1, drivers + 1), "company_id": 1, "initials": None,
            "driver_type": ["REGULAR"] * (drivers - 1) + ["EMERGENCY"], "is_active": True, "is_available": True,
            "weekly_hours": 42.0, "lat": 46.3, "lon": 6.2, "position_at": CREATED,
        }
    )  # fmt: skip
    shifts = pd.DataFrame([{"driver_id": d, "service_day": day} for day in service_days for d in fleet["driver_id"]])
    shifts = shifts.assign(
        shift_id=range(1, len(shifts) + 1), company_id=1, status=None,
        start_at=_instant(shifts["service_day"], 6), end_at=_instant(shifts["service_day"], 20),
    )  # fmt: skip
    away = pd.DataFrame({"driver_id": 1, "service_day": service_days, "start": 12, "end": 13})
    away.loc[len(away)] = [2, FIRST_DAY, 5, 21]
    away = away.assign(
        start_at=_instant(away["service_day"], away["start"]), end_at=_instant(away["service_day"], away["end"])
    )
    depot = dict(zip(("depot_lat", "depot_lon"), DEPOT if with_depot else (None, None), strict=True))
    return {
        "bookings": conform(booked, BOOKINGS),
        "assignments": conform(assigned, ASSIGNMENTS),
        "drivers": conform(fleet, DRIVERS),
        "driver_shifts": conform(shifts, DRIVER_SHIFTS),
        "driver_absences": conform(away, DRIVER_ABSENCES),
        "companies": conform(pd.DataFrame([{"company_id": 1, "dispatch_enabled": True, **depot}]), COMPANIES),
    }


def _instant(days: pd.Series, hours: object) -> pd.Series:
    local = pd.to_datetime(days) + pd.to_timedelta(hours, unit="h")
    return to_utc(local.astype("datetime64[us]"))["scheduled_at"]
