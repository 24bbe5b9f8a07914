"""What the pipeline relies on at the source: tables, columns, their types, closed sets of values, required values."""

from dataclasses import dataclass
from enum import StrEnum

from atmr_pipeline.domain.vocabulary import AssignmentStatus, BookingStatus, DispatchRunStatus, DriverType


class Kind(StrEnum):
    """What a column must hold."""

    INTEGER = "integer"
    NUMBER = "a number"
    BOOLEAN = "boolean"
    TEXT = "text or an enumeration"
    DAY = "date"
    WALL_CLOCK = "timestamp without time zone"
    INSTANT = "timestamp with time zone"


@dataclass(frozen=True)
class Needed:
    """A column that is read.

    Parameters
    ----------
    kind : Kind
        Checked on PostgreSQL; SQLite's columns have no types.
    required : bool
        Whether a NULL is drift.
    values : type of StrEnum, optional
        The closed set of values of a text column; any other value is drift.
    """

    kind: Kind
    required: bool = False
    values: type[StrEnum] | None = None


_KEY = Needed(Kind.INTEGER, required=True)
_LINK = Needed(Kind.INTEGER)
_NUMBER = Needed(Kind.NUMBER)
_FLAG = Needed(Kind.BOOLEAN)
_KNOWN_FLAG = Needed(Kind.BOOLEAN, required=True)
_TEXT = Needed(Kind.TEXT)
_CLOCK = Needed(Kind.WALL_CLOCK)
_INSTANT = Needed(Kind.INSTANT)
_CREATED = Needed(Kind.INSTANT, required=True)


def _one_of(values: type[StrEnum]) -> Needed:
    return Needed(Kind.TEXT, required=True, values=values)


EXPECTED: dict[str, dict[str, Needed]] = {
    "booking": {
        "id": _KEY, "company_id": _KEY, "driver_id": _LINK, "customer_name": _TEXT, "scheduled_time": _CLOCK,
        "status": _one_of(BookingStatus), "is_round_trip": _KNOWN_FLAG, "is_return": _KNOWN_FLAG,
        "parent_booking_id": _LINK, "is_urgent": _KNOWN_FLAG, "time_confirmed": _FLAG, "medical_facility": _TEXT,
        "hospital_service": _TEXT, "wheelchair_client_has": _FLAG, "wheelchair_need": _FLAG,
        "duration_seconds": _NUMBER, "distance_meters": _NUMBER, "pickup_lat": _NUMBER, "pickup_lon": _NUMBER,
        "dropoff_lat": _NUMBER, "dropoff_lon": _NUMBER, "created_at": _CREATED, "updated_at": _INSTANT,
    },
    "assignment": {
        "id": _KEY, "dispatch_run_id": _LINK, "booking_id": _KEY, "driver_id": _LINK,
        "status": _one_of(AssignmentStatus), "planned_pickup_at": _INSTANT, "planned_dropoff_at": _INSTANT,
        "actual_pickup_at": _INSTANT, "actual_dropoff_at": _INSTANT, "created_at": _CREATED, "updated_at": _INSTANT,
    },
    "dispatch_run": {
        "id": _KEY, "company_id": _KEY, "day": Needed(Kind.DAY, required=True), "status": _one_of(DispatchRunStatus),
        "started_at": _INSTANT, "completed_at": _INSTANT,
    },
    "company": {"id": _KEY, "latitude": _NUMBER, "longitude": _NUMBER, "dispatch_enabled": _FLAG},
    "driver": {
        "id": _KEY, "user_id": _LINK, "company_id": _KEY, "is_active": _KNOWN_FLAG, "is_available": _KNOWN_FLAG,
        "driver_type": _one_of(DriverType), "latitude": _NUMBER, "longitude": _NUMBER,
        "last_position_update": _INSTANT, "weekly_hours": _NUMBER,
    },
    "driver_shift": {
        "id": _KEY, "company_id": _KEY, "driver_id": _KEY, "start_local": _CLOCK, "end_local": _CLOCK,
        "timezone": _TEXT, "status": _TEXT,
    },
    "driver_unavailability": {"driver_id": _LINK, "start_local": _CLOCK, "end_local": _CLOCK},
    "user": {"id": _KEY, "first_name": _TEXT, "last_name": _TEXT},
}  # fmt: skip
"""Every table and column that is read; nothing else is."""
