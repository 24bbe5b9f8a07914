"""From rows of bookings, assignments and plans to the pipeline's tables."""

from dataclasses import dataclass, field

import pandas as pd

from atmr_pipeline.domain.identity import patient_key
from atmr_pipeline.domain.tables import ASSIGNMENTS, BOOKINGS, DISPATCH_RUNS, conform
from atmr_pipeline.domain.vocabulary import Leg
from atmr_pipeline.domain.wallclock import to_utc
from atmr_pipeline.sources.operations.convert import instants, numbers, wall_clock

_BOOKING_KEYS = ("booking_id", "company_id", "driver_id", "parent_booking_id")
_BOOKING_FLAGS = ("is_round_trip", "is_return", "is_urgent", "is_medical", "is_hospital", "time_confirmed")
_BOOKING_POINTS = ("pickup_lat", "pickup_lon", "dropoff_lat", "dropoff_lon")
_ASSIGNMENT_KEYS = ("assignment_id", "booking_id", "driver_id", "dispatch_run_id")
_ASSIGNMENT_INSTANTS = (
    "planned_pickup_at", "planned_dropoff_at", "actual_pickup_at", "actual_dropoff_at", "created_at", "updated_at",
)  # fmt: skip


@dataclass(frozen=True)
class Reshaper:
    """Turns chunks of source rows into tables, each chunk validated once.

    Parameters
    ----------
    hash_key : bytes
        Secret of the patients' keyed hash.
    naive_is_utc : bool
        Whether the database stores instants as naive UTC (SQLite).
    """

    hash_key: bytes = field(repr=False)
    naive_is_utc: bool

    def bookings(self, rows: pd.DataFrame) -> pd.DataFrame:
        """One chunk of BOOKINGS; the name column is hashed here and goes no further."""
        keys = {name: patient_key(name, self.hash_key) for name in rows["customer_name"].dropna().unique()}
        columns = {"patient_key": rows["customer_name"].map(keys).astype("str"), "status": rows["status"]}
        columns |= {name: numbers(rows[name], f"booking.{name}", "Int64") for name in _BOOKING_KEYS}
        columns |= {name: numbers(rows[name], f"booking.{name}", "boolean") for name in _BOOKING_FLAGS}
        columns |= {name: numbers(rows[name], f"booking.{name}", "float64") for name in _BOOKING_POINTS}
        # "|" on nullable booleans is Kleene's: an unknown need beside a "no" stays unknown.
        carried = numbers(rows["wheelchair_client_has"], "booking.wheelchair_client_has", "boolean")
        columns["is_wheelchair"] = carried | numbers(rows["wheelchair_need"], "booking.wheelchair_need", "boolean")
        columns["leg"] = columns["is_return"].map({True: Leg.RETURN.value, False: Leg.OUTBOUND.value})
        columns["distance_km"] = numbers(rows["distance_meters"], "booking.distance_meters", "float64") / 1000.0
        columns["duration_min"] = numbers(rows["duration_seconds"], "booking.duration_seconds", "float64") / 60.0
        columns["scheduled_local"] = wall_clock(rows["scheduled_time"], "booking.scheduled_time")
        columns["service_day"] = columns["scheduled_local"].dt.normalize()
        placed = to_utc(columns["scheduled_local"])
        columns |= {name: placed[name] for name in ("scheduled_at", "scheduled_status")}
        columns |= self._instants(rows, "booking", ("created_at", "updated_at"))
        return conform(pd.DataFrame(columns), BOOKINGS)

    def assignments(self, rows: pd.DataFrame) -> pd.DataFrame:
        """One chunk of ASSIGNMENTS; the service day is the booking's."""
        columns = {name: numbers(rows[name], f"assignment.{name}", "Int64") for name in _ASSIGNMENT_KEYS}
        columns["status"] = rows["status"]
        columns["service_day"] = wall_clock(rows["scheduled_time"], "booking.scheduled_time").dt.normalize()
        columns |= self._instants(rows, "assignment", _ASSIGNMENT_INSTANTS)
        return conform(pd.DataFrame(columns), ASSIGNMENTS)

    def dispatch_runs(self, rows: pd.DataFrame) -> pd.DataFrame:
        """One chunk of DISPATCH_RUNS."""
        names = ("dispatch_run_id", "company_id")
        columns = {name: numbers(rows[name], f"dispatch_run.{name}", "Int64") for name in names}
        columns["status"] = rows["status"]
        columns["service_day"] = wall_clock(rows["day"], "dispatch_run.day")
        columns |= self._instants(rows, "dispatch_run", ("started_at", "completed_at"))
        return conform(pd.DataFrame(columns), DISPATCH_RUNS)

    def _instants(self, rows: pd.DataFrame, table: str, names: tuple[str, ...]) -> dict[str, pd.Series]:
        return {name: instants(rows[name], f"{table}.{name}", naive_is_utc=self.naive_is_utc) for name in names}
