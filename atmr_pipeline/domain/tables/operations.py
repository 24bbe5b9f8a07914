"""Tables of the operations database: what was booked, by whom it is driven, who can drive."""

from atmr_pipeline.domain.tables.columns import LOCAL, UTC, column, schema
from atmr_pipeline.domain.vocabulary import (
    AssignmentStatus,
    BookingStatus,
    DispatchRunStatus,
    DriverType,
    Leg,
    WallClockStatus,
)

BOOKINGS = schema(
    "bookings",
    "One leg of transport: a patient (keyed hash), a pickup, a drop-off, a scheduled pickup time.",
    ["booking_id"],
    {
        "booking_id": column("int64", "key in the operations database"),
        "company_id": column("int64", "company that transports"),
        "service_day": column(LOCAL, "local calendar day of the scheduled pickup, midnight; the partition"),
        "patient_key": column(
            "str", "keyed hash of the patient, 32 hex digits; NULL if the source names nobody", nullable=True
        ),
        "driver_id": column("Int64", "driver named on the booking; NULL if none", nullable=True),
        "leg": column("str", "outbound (to the appointment) or return (home)", isin=Leg),
        "is_round_trip": column("bool", "part of a round trip (aller/retour)"),
        "parent_booking_id": column("Int64", "the outbound booking of a return leg", nullable=True),
        "status": column("str", "life of the booking", isin=BookingStatus),
        "scheduled_local": column(
            LOCAL, "scheduled pickup, Europe/Zurich wall clock as the source holds it", nullable=True
        ),
        "scheduled_at": column(
            UTC, "scheduled pickup instant; NULL where the wall clock never showed that time", nullable=True
        ),
        "scheduled_status": column("str", "how scheduled_at was derived", isin=WallClockStatus),
        "time_confirmed": column("boolean", "the time is confirmed with the patient; NULL if not said", nullable=True),
        "is_urgent": column("bool", "urgent transport"),
        "is_medical": column("bool", "a medical facility or hospital service is named"),
        "is_hospital": column("bool", "a hospital service is named"),
        "is_wheelchair": column("boolean", "a wheelchair is carried or needed; NULL if not said", nullable=True),
        "pickup_lat": column("float64", "degrees, WGS84", nullable=True),
        "pickup_lon": column("float64", "degrees, WGS84", nullable=True),
        "dropoff_lat": column("float64", "degrees, WGS84", nullable=True),
        "dropoff_lon": column("float64", "degrees, WGS84", nullable=True),
        "distance_km": column("float64", "pickup to drop-off by road as the source holds it", nullable=True),
        "duration_min": column("float64", "pickup to drop-off ride time as the source holds it", nullable=True),
        "created_at": column(UTC, "when the booking became known"),
        "updated_at": column(UTC, "last change at the source"),
    },
)

ASSIGNMENTS = schema(
    "assignments",
    "Which driver served which booking, planned and actual.",
    ["assignment_id"],
    {
        "assignment_id": column("int64", "key in the operations database"),
        "booking_id": column("int64", "booking served"),
        "driver_id": column("Int64", "driver; NULL if none", nullable=True),
        "dispatch_run_id": column("Int64", "plan of the day", nullable=True),
        "service_day": column(LOCAL, "service day of the booking, midnight; the partition"),
        "status": column("str", "life of the assignment", isin=AssignmentStatus),
        "planned_pickup_at": column(UTC, "planned pickup", nullable=True),
        "planned_dropoff_at": column(UTC, "planned drop-off", nullable=True),
        "actual_pickup_at": column(UTC, "actual pickup; NULL until it happened", nullable=True),
        "actual_dropoff_at": column(UTC, "actual drop-off; NULL until it happened", nullable=True),
        "created_at": column(UTC, "when the driver was chosen: the decision time"),
        "updated_at": column(UTC, "last change at the source"),
    },
)

DISPATCH_RUNS = schema(
    "dispatch_runs",
    "One company's plan for one day.",
    ["dispatch_run_id"],
    {
        "dispatch_run_id": column("int64", "key in the operations database"),
        "company_id": column("int64", "company"),
        "service_day": column(LOCAL, "day planned, midnight; the partition"),
        "status": column("str", "life of the plan", isin=DispatchRunStatus),
        "started_at": column(UTC, "planning began", nullable=True),
        "completed_at": column(UTC, "planning ended", nullable=True),
    },
)

DRIVERS = schema(
    "drivers",
    "The fleet: who can drive, and with which initials the workbooks name them.",
    ["driver_id"],
    {
        "driver_id": column("int64", "key in the operations database"),
        "company_id": column("int64", "employer"),
        "initials": column(
            "str", "initials without dots, upper case, e.g. AB; NULL if the name is missing", nullable=True
        ),
        "driver_type": column("str", "REGULAR is preferred, EMERGENCY the last resort", isin=DriverType),
        "is_active": column("bool", "employed now"),
        "is_available": column("bool", "available now"),
        "weekly_hours": column("float64", "contract hours a week", nullable=True),
        "lat": column("float64", "last known position, degrees WGS84", nullable=True),
        "lon": column("float64", "last known position, degrees WGS84", nullable=True),
        "position_at": column(UTC, "when the position was known", nullable=True),
    },
)

DRIVER_SHIFTS = schema(
    "driver_shifts",
    "When each driver is on duty; the load gap counts on-duty drivers, also those with no booking.",
    ["shift_id"],
    {
        "shift_id": column("int64", "key in the operations database"),
        "company_id": column("int64", "employer"),
        "driver_id": column("int64", "driver on duty"),
        "service_day": column(LOCAL, "local calendar day on which the shift starts, midnight"),
        "start_at": column(UTC, "start of duty"),
        "end_at": column(UTC, "end of duty"),
        "status": column("str", "status as the source holds it", nullable=True),
    },
)

DRIVER_ABSENCES = schema(
    "driver_absences",
    "When each driver is away although on shift; why is personal and is not read.",
    ["driver_id", "start_at", "end_at"],
    {
        "driver_id": column("int64", "driver who is away"),
        "service_day": column(LOCAL, "local calendar day on which the absence starts, midnight"),
        "start_at": column(UTC, "start; the earlier instant where the wall clock showed it twice"),
        "end_at": column(UTC, "end; the earlier instant where the wall clock showed it twice"),
    },
)

COMPANIES = schema(
    "companies",
    "The companies and their depots, where drivers start the day.",
    ["company_id"],
    {
        "company_id": column("int64", "key in the operations database"),
        "depot_lat": column("float64", "degrees WGS84; NULL if the source gives none", nullable=True),
        "depot_lon": column("float64", "degrees WGS84; NULL if the source gives none", nullable=True),
        "dispatch_enabled": column("boolean", "plans are made for it; NULL if not said", nullable=True),
    },
)
