"""What the pipeline relies on at the source: tables, columns and closed sets of values."""

from enum import StrEnum

from atmr_pipeline.domain.vocabulary import AssignmentStatus, BookingStatus, DispatchRunStatus, DriverType

NEEDED_COLUMNS: dict[str, tuple[str, ...]] = {
    "booking": (
        "id", "company_id", "driver_id", "customer_name", "scheduled_time", "status", "is_round_trip", "is_return",
        "parent_booking_id", "is_urgent", "time_confirmed", "medical_facility", "hospital_service",
        "wheelchair_client_has", "wheelchair_need", "duration_seconds", "distance_meters", "pickup_lat", "pickup_lon",
        "dropoff_lat", "dropoff_lon", "created_at", "updated_at",
    ),
    "assignment": (
        "id", "dispatch_run_id", "booking_id", "driver_id", "status", "planned_pickup_at", "planned_dropoff_at",
        "actual_pickup_at", "actual_dropoff_at", "created_at", "updated_at",
    ),
    "dispatch_run": ("id", "company_id", "day", "status", "started_at", "completed_at"),
    "driver": (
        "id", "user_id", "company_id", "is_active", "is_available", "driver_type", "latitude", "longitude",
        "last_position_update", "weekly_hours",
    ),
    "driver_shift": ("id", "company_id", "driver_id", "start_local", "end_local", "timezone", "status"),
    "user": ("id", "first_name", "last_name"),
}  # fmt: skip

KNOWN_VALUES: dict[str, type[StrEnum]] = {
    "booking.status": BookingStatus,
    "assignment.status": AssignmentStatus,
    "dispatch_run.status": DispatchRunStatus,
    "driver.driver_type": DriverType,
}
