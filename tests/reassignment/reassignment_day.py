"""A small fictional company: two regular drivers, one of them always late, an emergency driver, and a day ahead."""

from dataclasses import dataclass, field, replace
from datetime import date
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import norm

from atmr_pipeline.domain.tables import (
    ASSIGNMENTS,
    BOOKINGS,
    DRIVER_ABSENCES,
    DRIVER_SHIFTS,
    DRIVERS,
    conform,
    empty,
)
from atmr_pipeline.domain.wallclock import to_utc
from atmr_pipeline.features.sources import FeatureSources
from atmr_pipeline.models.delay.reassignment import DutyTables, GainReliability
from atmr_pipeline.sources.travel import HaversineTravel

DAY = pd.Timestamp("2026-03-10")
NOW = pd.Timestamp("2026-03-09 18:00", tz="UTC")
LATE, PUNCTUAL, EMERGENCY = 1, 2, 3
HABIT_MIN = {LATE: 9.0, PUNCTUAL: 0.0, EMERGENCY: 0.0}
TRAVEL = HaversineTravel()
SURE = GainReliability(1.0, 1.0, 1.0, 0.10, 100, 30, (), 1.0)


class HabitAndChain:
    """A predictor that anyone can follow: the driver's mean delay plus what the plan itself makes late."""

    feature_names_ = ["driver_avg_delay_30d", "projected_lateness_min"]  # noqa: RUF012

    def predict(self, features: pd.DataFrame) -> pd.DataFrame:
        mean = features.astype("float64").fillna(0.0).sum(axis=1)
        return pd.DataFrame(
            {
                "expected_delay_min": mean, "low_min": mean - 5.0, "high_min": mean + 5.0,
                "p_late": 1.0 - norm.cdf((5.0 - mean) / 3.0),
            }
        )  # fmt: skip


def filled(rows: list[dict[str, Any]], schema: Any) -> pd.DataFrame:
    frame = pd.DataFrame(rows)
    for name in schema.columns:
        if name not in frame.columns:
            frame[name] = None
    return conform(frame, schema) if rows else empty(schema)


def utc(local: str) -> pd.Timestamp:
    return to_utc(pd.Series([pd.Timestamp(local)]))["scheduled_at"].iloc[0]


def booking(identifier: int, local: pd.Timestamp, *, km_east: float = 0.0, ride_km: float = 2.0) -> dict[str, Any]:
    """A plain outbound booking on the parallel through the city, so that distances are easy to choose."""
    degrees_a_km = 1.0 / (111.2 * np.cos(np.radians(46.2)))
    placed = to_utc(pd.Series([local])).iloc[0]
    created = placed["scheduled_at"] - pd.Timedelta(days=5)
    return {
        "booking_id": identifier, "company_id": 1, "service_day": local.normalize(), "leg": "outbound",
        "is_round_trip": False, "status": "ASSIGNED", "scheduled_local": local,
        "scheduled_at": placed["scheduled_at"], "scheduled_status": placed["scheduled_status"], "is_urgent": False,
        "is_medical": True, "is_hospital": False, "pickup_lat": 46.2, "pickup_lon": 6.12 + km_east * degrees_a_km,
        "dropoff_lat": 46.2, "dropoff_lon": 6.12 + (km_east + ride_km) * degrees_a_km, "created_at": created,
        "updated_at": created,
    }  # fmt: skip


def assignment(identifier: int, booked: dict[str, Any], driver_id: int | None) -> dict[str, Any]:
    created = booked["scheduled_at"] - pd.Timedelta(hours=20)
    return {
        "assignment_id": identifier, "booking_id": booked["booking_id"], "driver_id": driver_id,
        "service_day": booked["service_day"], "status": "SCHEDULED", "created_at": created, "updated_at": created,
    }  # fmt: skip


@dataclass(frozen=True)
class Scene:
    """Rows of a day ahead: (hour, driver, km east), and what is special about drivers, shifts and absences."""

    courses: list[tuple[float, int | None, float]]
    shifts: dict[int, tuple[float, float]] = field(default_factory=lambda: dict.fromkeys(HABIT_MIN, (6.5, 19.5)))
    absences: dict[int, tuple[float, float]] = field(default_factory=dict)
    drivers: dict[int, dict[str, Any]] = field(default_factory=dict)
    unplaced: tuple[int, ...] = ()
    without_history: tuple[int, ...] = ()

    def tables(self) -> DutyTables:
        booked = [
            booking(number, DAY + pd.Timedelta(hours=hour), km_east=km)
            for number, (hour, _, km) in enumerate(self.courses, start=1)
        ]
        for index in self.unplaced:
            booked[index]["pickup_lat"] = None
        given = [
            assignment(10 * row["booking_id"], row, driver)
            for row, (_, driver, _) in zip(booked, self.courses, strict=True)
        ]
        past, driven = past_tables(tuple(driver for driver in HABIT_MIN if driver not in self.without_history))
        return DutyTables(
            FeatureSources(
                bookings=pd.concat([past, filled(booked, BOOKINGS)], ignore_index=True),
                assignments=pd.concat([driven, filled(given, ASSIGNMENTS)], ignore_index=True),
                drivers=filled([fleet_row(driver) | self.drivers.get(driver, {}) for driver in HABIT_MIN], DRIVERS),
            ),
            filled([shift(driver, *hours) for driver, hours in self.shifts.items()], DRIVER_SHIFTS),
            filled([absence(driver, *hours) for driver, hours in self.absences.items()], DRIVER_ABSENCES),
        )


@cache
def past_tables(drivers: tuple[int, ...]) -> tuple[pd.DataFrame, pd.DataFrame]:
    booked, driven = history(list(drivers))
    return filled(booked, BOOKINGS), filled(driven, ASSIGNMENTS)


def history(drivers: list[int], *, days: int = 20) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Two measured courses a day and driver before the day ahead, each as late as the driver always is."""
    booked, driven = [], []
    for day in range(1, days + 1):
        for driver in drivers:
            for hour in (9, 14):
                identifier = 1000 + len(booked)
                row = booking(identifier, DAY - pd.Timedelta(days=day) + pd.Timedelta(hours=hour + driver / 10))
                pickup = row["scheduled_at"] + pd.Timedelta(minutes=HABIT_MIN[driver])
                dropoff = pickup + pd.Timedelta(minutes=15)
                booked.append(row | {"status": "COMPLETED"})
                driven.append(
                    assignment(identifier, row, driver)
                    | {"status": "COMPLETED", "actual_pickup_at": pickup, "actual_dropoff_at": dropoff}
                )
    return booked, driven


def fleet_row(driver: int) -> dict[str, Any]:
    return {
        "driver_id": driver, "company_id": 1, "driver_type": "EMERGENCY" if driver == EMERGENCY else "REGULAR",
        "is_active": True, "is_available": True, "lat": 46.2, "lon": 6.12,
    }  # fmt: skip


def shift(driver: int, start_h: float, end_h: float) -> dict[str, Any]:
    return {
        "shift_id": driver, "company_id": 1, "driver_id": driver, "service_day": DAY, "status": "PLANNED",
        "start_at": utc(str(DAY + pd.Timedelta(hours=start_h))), "end_at": utc(str(DAY + pd.Timedelta(hours=end_h))),
    }  # fmt: skip


def absence(driver: int, start_h: float, end_h: float) -> dict[str, Any]:
    start = DAY + pd.Timedelta(hours=start_h)
    return {
        "driver_id": driver, "service_day": start.normalize(), "start_at": utc(str(start)),
        "end_at": utc(str(DAY + pd.Timedelta(hours=end_h))),
    }  # fmt: skip


def question(**changes: Any) -> dict[str, Any]:
    return {"travel": TRAVEL, "decided_at": NOW, "reliability": SURE} | changes


def day_question(**changes: Any) -> dict[str, Any]:
    return {"company_id": 1, "service_day": date(2026, 3, 10)} | question(**changes)


def shuffled(tables: DutyTables, seed: int) -> DutyTables:
    def mixed(table: pd.DataFrame) -> pd.DataFrame:
        return table.sample(frac=1.0, random_state=seed)

    sources = tables.sources
    return DutyTables(
        replace(
            sources, bookings=mixed(sources.bookings), assignments=mixed(sources.assignments),
            drivers=mixed(sources.drivers),
        ),
        mixed(tables.shifts),
        mixed(tables.absences),
    )  # fmt: skip
