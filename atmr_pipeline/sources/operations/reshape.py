"""From rows of the operations schema to the pipeline's tables."""

from dataclasses import dataclass, field
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pandas as pd

from atmr_pipeline.domain.identity import normalise, patient_key
from atmr_pipeline.domain.tables import ASSIGNMENTS, BOOKINGS, DISPATCH_RUNS, DRIVER_SHIFTS, DRIVERS, conform
from atmr_pipeline.domain.vocabulary import Leg
from atmr_pipeline.domain.wallclock import to_utc
from atmr_pipeline.sources.operations.convert import instants, numbers, wall_clock


@dataclass(frozen=True)
class Reshaper:
    """Turns chunks of source rows into tables.

    Parameters
    ----------
    hash_key : bytes
        Secret of the patients' keyed hash.
    naive_is_utc : bool
        Whether the database stores instants as naive UTC (SQLite).
    """

    hash_key: bytes = field(repr=False)
    naive_is_utc: bool

    def _instant(self, rows: pd.DataFrame, name: str, table: str) -> pd.Series:
        return instants(rows[name], f"{table}.{name}", naive_is_utc=self.naive_is_utc)

    def bookings(self, rows: pd.DataFrame) -> pd.DataFrame:
        """One chunk of BOOKINGS; the name column is hashed here and goes no further."""
        keys = {name: patient_key(name, self.hash_key) for name in rows["customer_name"].dropna().unique()}
        result = pd.DataFrame(index=rows.index)
        result["patient_key"] = rows["customer_name"].map(keys).astype("str")
        for name in ("booking_id", "company_id", "driver_id", "parent_booking_id"):
            result[name] = numbers(rows[name], f"booking.{name}", "Int64")
        for name in ("is_round_trip", "is_return", "is_urgent", "is_medical", "time_confirmed"):
            result[name] = numbers(rows[name], f"booking.{name}", "boolean")
        # "|" on nullable booleans is Kleene's: an unknown need beside a "no" stays unknown.
        carried = numbers(rows["wheelchair_client_has"], "booking.wheelchair_client_has", "boolean")
        result["is_wheelchair"] = carried | numbers(rows["wheelchair_need"], "booking.wheelchair_need", "boolean")
        result["leg"] = result["is_return"].map({True: Leg.RETURN.value, False: Leg.OUTBOUND.value})
        result["status"] = rows["status"]
        for name in ("pickup_lat", "pickup_lon", "dropoff_lat", "dropoff_lon"):
            result[name] = numbers(rows[name], f"booking.{name}", "float64")
        result["distance_km"] = numbers(rows["distance_meters"], "booking.distance_meters", "float64") / 1000.0
        result["duration_min"] = numbers(rows["duration_seconds"], "booking.duration_seconds", "float64") / 60.0
        result["scheduled_local"] = wall_clock(rows["scheduled_time"], "booking.scheduled_time")
        result["service_day"] = result["scheduled_local"].dt.normalize()
        result = result.join(to_utc(result["scheduled_local"]))
        for name in ("created_at", "updated_at"):
            result[name] = self._instant(rows, name, "booking")
        return conform(result, BOOKINGS)

    def assignments(self, rows: pd.DataFrame) -> pd.DataFrame:
        """One chunk of ASSIGNMENTS; the service day is the booking's."""
        result = pd.DataFrame({"status": rows["status"]}, index=rows.index)
        for name in ("assignment_id", "booking_id", "driver_id", "dispatch_run_id"):
            result[name] = numbers(rows[name], f"assignment.{name}", "Int64")
        result["service_day"] = wall_clock(rows["scheduled_time"], "booking.scheduled_time").dt.normalize()
        for name in (
            "planned_pickup_at", "planned_dropoff_at", "actual_pickup_at", "actual_dropoff_at", "created_at",
            "updated_at",
        ):  # fmt: skip
            result[name] = self._instant(rows, name, "assignment")
        return conform(result, ASSIGNMENTS)

    def dispatch_runs(self, rows: pd.DataFrame) -> pd.DataFrame:
        """One chunk of DISPATCH_RUNS."""
        result = pd.DataFrame({"status": rows["status"]}, index=rows.index)
        for name in ("dispatch_run_id", "company_id"):
            result[name] = numbers(rows[name], f"dispatch_run.{name}", "Int64")
        result["service_day"] = wall_clock(rows["day"], "dispatch_run.day")
        for name in ("started_at", "completed_at"):
            result[name] = self._instant(rows, name, "dispatch_run")
        return conform(result, DISPATCH_RUNS)

    def drivers(self, rows: pd.DataFrame) -> pd.DataFrame:
        """One chunk of DRIVERS; initials are NULL where either name is missing."""
        result = pd.DataFrame({"driver_type": rows["driver_type"]}, index=rows.index)
        for name in ("driver_id", "company_id"):
            result[name] = numbers(rows[name], f"driver.{name}", "Int64")
        for name in ("is_active", "is_available"):
            result[name] = numbers(rows[name], f"driver.{name}", "boolean")
        for name in ("weekly_hours", "lat", "lon"):
            result[name] = numbers(rows[name], f"driver.{name}", "float64")
        letters = [
            [normalise(letter).upper() if isinstance(letter, str) else "" for letter in rows[name]]
            for name in ("first_letter", "last_letter")
        ]
        result["initials"] = pd.Series(
            [first[0] + last[0] if first and last else None for first, last in zip(*letters, strict=True)],
            index=rows.index,
            dtype="str",
        )
        result["position_at"] = self._instant(rows, "position_at", "driver")
        return conform(result, DRIVERS)


def driver_shifts(rows: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, int]]:
    """One chunk of DRIVER_SHIFTS, and how many shifts were set aside for which reason.

    A shift whose clock or time zone cannot be placed on the UTC line has no duration, so it is set aside: it is never
    guessed to be in another zone.
    """
    result = pd.DataFrame({"status": rows["status"]}, index=rows.index)
    for name in ("shift_id", "company_id", "driver_id"):
        result[name] = numbers(rows[name], f"driver_shift.{name}", "Int64")
    local = {name: wall_clock(rows[name], f"driver_shift.{name}") for name in ("start_local", "end_local")}
    result["service_day"] = local["start_local"].dt.normalize()
    zones = rows["timezone"].astype("str")
    known = {zone for zone in zones.dropna().unique() if _is_zone(zone)}
    result["start_at"] = _instants_by_zone(local["start_local"], zones, known)
    result["end_at"] = _instants_by_zone(local["end_local"], zones, known)
    reason = pd.Series(pd.NA, index=rows.index, dtype="str")
    for code, applies in (
        ("timezone_missing", zones.isna()),
        ("timezone_unknown", ~zones.isin(known)),
        ("end_missing", local["end_local"].isna()),
        ("start_nonexistent", result["start_at"].isna()),
        ("end_nonexistent", result["end_at"].isna()),
        ("ends_before_start", result["end_at"] <= result["start_at"]),
    ):
        reason = reason.mask(reason.isna() & applies, code)
    set_aside = {str(code): int(count) for code, count in reason.value_counts().items()}
    return conform(result[reason.isna()], DRIVER_SHIFTS), set_aside


def _instants_by_zone(local: pd.Series, zones: pd.Series, known: set[str]) -> pd.Series:
    result = pd.Series(pd.NaT, index=local.index, dtype="datetime64[us, UTC]")
    for zone in sorted(known):
        here = zones == zone
        result[here] = to_utc(local[here], zone)["scheduled_at"]
    return result


def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True
