"""From rows of companies, drivers, shifts and absences to the pipeline's tables.

Each function takes a whole table's rows and returns its table, and how many rows were set aside for which reason.
"""

from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pandas as pd

from atmr_pipeline.domain.identity import normalise
from atmr_pipeline.domain.tables import COMPANIES, DRIVER_ABSENCES, DRIVER_SHIFTS, DRIVERS, conform
from atmr_pipeline.domain.wallclock import to_utc
from atmr_pipeline.sources.operations.convert import instants, numbers, wall_clock

Table = tuple[pd.DataFrame, dict[str, int]]


def companies(rows: pd.DataFrame) -> Table:
    """COMPANIES."""
    columns = {
        "company_id": numbers(rows["company_id"], "company.id", "Int64"),
        "depot_lat": numbers(rows["depot_lat"], "company.latitude", "float64"),
        "depot_lon": numbers(rows["depot_lon"], "company.longitude", "float64"),
        "dispatch_enabled": numbers(rows["dispatch_enabled"], "company.dispatch_enabled", "boolean"),
    }
    return conform(pd.DataFrame(columns), COMPANIES), {}


def drivers(rows: pd.DataFrame, *, naive_is_utc: bool) -> Table:
    """DRIVERS; initials are NULL where either name is missing."""
    columns = {name: numbers(rows[name], f"driver.{name}", "Int64") for name in ("driver_id", "company_id")}
    columns |= {name: numbers(rows[name], f"driver.{name}", "boolean") for name in ("is_active", "is_available")}
    columns |= {name: numbers(rows[name], f"driver.{name}", "float64") for name in ("weekly_hours", "lat", "lon")}
    letters = [
        [normalise(letter).upper() if isinstance(letter, str) else "" for letter in rows[name]]
        for name in ("first_letter", "last_letter")
    ]
    initials = [first[0] + last[0] if first and last else None for first, last in zip(*letters, strict=True)]
    columns["initials"] = pd.Series(initials, index=rows.index, dtype="str")
    columns["driver_type"] = rows["driver_type"]
    columns["position_at"] = instants(rows["position_at"], "driver.last_position_update", naive_is_utc=naive_is_utc)
    return conform(pd.DataFrame(columns), DRIVERS), {}


def driver_shifts(rows: pd.DataFrame) -> Table:
    """DRIVER_SHIFTS, each shift on the clock of its own time zone.

    A shift whose clock or time zone cannot be placed on the UTC line has no duration, so it is set aside: it is never
    guessed to be in another zone.
    """
    names = ("shift_id", "company_id", "driver_id")
    columns = {name: numbers(rows[name], f"driver_shift.{name}", "Int64") for name in names}
    columns["status"] = rows["status"]
    local = {name: wall_clock(rows[name], f"driver_shift.{name}") for name in ("start_local", "end_local")}
    columns["service_day"] = local["start_local"].dt.normalize()
    zones = rows["timezone"].astype("str")
    known = {zone for zone in zones.dropna().unique() if _is_zone(zone)}
    columns["start_at"] = _instants_by_zone(local["start_local"], zones, known)
    columns["end_at"] = _instants_by_zone(local["end_local"], zones, known)
    reason = _first_reason(
        timezone_missing=zones.isna(),
        timezone_unknown=~zones.isin(known),
        end_missing=local["end_local"].isna(),
        start_nonexistent=columns["start_at"].isna(),
        end_nonexistent=columns["end_at"].isna(),
        ends_before_start=columns["end_at"] <= columns["start_at"],
    )
    return conform(pd.DataFrame(columns)[reason.isna()], DRIVER_SHIFTS), _tally(reason)


def driver_absences(rows: pd.DataFrame) -> Table:
    """DRIVER_ABSENCES; equal ones are one.

    The source says no time zone: its clocks are those of Europe/Zurich.
    """
    local = {name: wall_clock(rows[name], f"driver_unavailability.{name}") for name in ("start_local", "end_local")}
    columns = {
        "driver_id": numbers(rows["driver_id"], "driver_unavailability.driver_id", "Int64"),
        "service_day": local["start_local"].dt.normalize(),
        "start_at": to_utc(local["start_local"])["scheduled_at"],
        "end_at": to_utc(local["end_local"])["scheduled_at"],
    }
    frame = pd.DataFrame(columns)
    reason = _first_reason(
        driver_missing=frame["driver_id"].isna(),
        start_missing=local["start_local"].isna(),
        end_missing=local["end_local"].isna(),
        start_nonexistent=frame["start_at"].isna(),
        end_nonexistent=frame["end_at"].isna(),
        ends_before_start=frame["end_at"] <= frame["start_at"],
        duplicate=frame.duplicated(["driver_id", "start_at", "end_at"]),
    )
    return conform(frame[reason.isna()], DRIVER_ABSENCES), _tally(reason)


def _first_reason(**applies: pd.Series) -> pd.Series:
    reason = pd.Series(pd.NA, index=next(iter(applies.values())).index, dtype="str")
    for code, holds in applies.items():
        reason = reason.mask(reason.isna() & holds, code)
    return reason


def _tally(reason: pd.Series) -> dict[str, int]:
    return {str(code): int(count) for code, count in reason.value_counts().items()}


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
