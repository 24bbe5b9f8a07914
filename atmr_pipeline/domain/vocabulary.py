"""The one vocabulary: terms of the business and their closed sets of values."""

from enum import StrEnum

LOCAL_TIMEZONE = "Europe/Zurich"
LATE_AFTER_MIN = 5.0
"""A pickup more than this many minutes after its scheduled time is late."""


class Leg(StrEnum):
    """Direction of a booking: to the appointment (aller) or back home (retour)."""

    OUTBOUND = "outbound"
    RETURN = "return"


class DriverType(StrEnum):
    """REGULAR drivers are preferred; EMERGENCY drivers are costly and the last resort."""

    REGULAR = "REGULAR"
    EMERGENCY = "EMERGENCY"


class BookingStatus(StrEnum):
    """Life of a booking in the operations database."""

    PENDING = "PENDING"
    ACCEPTED = "ACCEPTED"
    ASSIGNED = "ASSIGNED"
    EN_ROUTE = "EN_ROUTE"
    IN_PROGRESS = "IN_PROGRESS"
    COMPLETED = "COMPLETED"
    RETURN_COMPLETED = "RETURN_COMPLETED"
    CANCELED = "CANCELED"


class AssignmentStatus(StrEnum):
    """Life of an assignment in the operations database."""

    SCHEDULED = "SCHEDULED"
    EN_ROUTE_PICKUP = "EN_ROUTE_PICKUP"
    ARRIVED_PICKUP = "ARRIVED_PICKUP"
    ONBOARD = "ONBOARD"
    EN_ROUTE_DROPOFF = "EN_ROUTE_DROPOFF"
    ARRIVED_DROPOFF = "ARRIVED_DROPOFF"
    COMPLETED = "COMPLETED"
    CANCELLED = "CANCELLED"
    NO_SHOW = "NO_SHOW"
    REASSIGNED = "REASSIGNED"


class DispatchRunStatus(StrEnum):
    """Life of a day's plan in the operations database."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"


class WallClockStatus(StrEnum):
    """What became of a wall-clock time when it was placed on the UTC line."""

    EXACT = "exact"
    AMBIGUOUS_EARLIER = "ambiguous_earlier"
    """The wall clock showed this time twice (autumn); the earlier instant is used, and the row says so."""
    NONEXISTENT = "nonexistent"
    """The wall clock never showed this time (spring); the instant is NULL and the row is set aside."""
    MISSING = "missing"


class AddressPrecision(StrEnum):
    """How exactly an address was placed."""

    HOUSE = "house"
    PLACE = "place"
    STREET = "street"
    POSTCODE = "postcode"
    UNRESOLVED = "unresolved"
