"""Tables of the workbooks: legs, refused rows, coordinates, and what waits for a clerk."""

from atmr_pipeline.domain.tables.columns import LOCAL, UTC, column, schema
from atmr_pipeline.domain.vocabulary import AddressPrecision, Leg, WallClockStatus

WORKBOOK_COURSES = schema(
    "workbook_courses",
    "Legs read from Excel workbooks; an A/R row gives two. Addresses are keys into a private table.",
    ["leg_key"],
    {
        "leg_key": column("str", "content key of the leg, 32 hex digits"),
        "parent_leg_key": column("str", "the outbound leg of a return leg", nullable=True),
        "file_name": column("str", "workbook"),
        "sheet": column("str", "sheet"),
        "row": column("int64", "row as Excel shows it, 1-based"),
        "service_day": column(LOCAL, "local calendar day, midnight"),
        "leg": column("str", "outbound or return", isin=Leg),
        "is_round_trip": column("bool", "from an A/R row"),
        "scheduled_local": column(LOCAL, "scheduled pickup, wall clock; NULL where the row gives none", nullable=True),
        "scheduled_at": column(UTC, "scheduled pickup instant", nullable=True),
        "scheduled_status": column("str", "how scheduled_at was derived", isin=WallClockStatus),
        "patient_key": column("str", "keyed hash of the patient; NULL if blank", nullable=True),
        "driver_initials": column("str", "initials as written, without dots, upper case; NULL if blank", nullable=True),
        "driver_id": column(
            "Int64", "driver; NULL if the initials are blank, unknown or shared by several drivers", nullable=True
        ),
        "pickup_address_key": column("str", "key of the pickup address in the private address table"),
        "dropoff_address_key": column("str", "key of the drop-off address in the private address table"),
        "set_aside_reason": column("str", "why the leg cannot be used yet (code); NULL if usable", nullable=True),
    },
)

QUARANTINED_COURSES = schema(
    "quarantined_courses",
    "Workbook rows that could not become legs, with the reason a clerk can act on.",
    ["file_name", "sheet", "row"],
    {
        "file_name": column("str", "workbook"),
        "sheet": column("str", "sheet; empty when the whole file was refused"),
        "row": column("int64", "row as Excel shows it, 1-based; 0 when the whole file was refused"),
        "reason": column("str", "reason code"),
        "reason_fr": column("str", "reason, French"),
        "reason_en": column("str", "reason, English"),
    },
)

GEOCODED_COURSES = schema(
    "geocoded_courses",
    "Workbook legs with coordinates, their precision and source, and the distance between them.",
    ["leg_key"],
    {
        **{name: WORKBOOK_COURSES.columns[name] for name in WORKBOOK_COURSES.columns},
        "pickup_lat": column("float64", "degrees WGS84; NULL if unresolved", nullable=True),
        "pickup_lon": column("float64", "degrees WGS84; NULL if unresolved", nullable=True),
        "pickup_precision": column("str", "how exactly the pickup was placed", isin=AddressPrecision),
        "pickup_source": column("str", "who placed the pickup; NULL if unresolved", nullable=True),
        "pickup_entry_key": column("str", "directory entry that matched; NULL if unresolved", nullable=True),
        "dropoff_lat": column("float64", "degrees WGS84; NULL if unresolved", nullable=True),
        "dropoff_lon": column("float64", "degrees WGS84; NULL if unresolved", nullable=True),
        "dropoff_precision": column("str", "how exactly the drop-off was placed", isin=AddressPrecision),
        "dropoff_source": column("str", "who placed the drop-off; NULL if unresolved", nullable=True),
        "dropoff_entry_key": column("str", "directory entry that matched; NULL if unresolved", nullable=True),
        "distance_km": column("float64", "pickup to drop-off; NULL if either is unresolved", nullable=True),
        "distance_source": column("str", "travel provider that measured; NULL without a distance", nullable=True),
    },
)

ADDRESS_REVIEW = schema(
    "address_review",
    "Addresses that were written but not placed, for a clerk; the text is in the review workbook only.",
    ["address_key"],
    {
        "address_key": column("str", "key into the private address table"),
        "legs": column("int64", "legs that wait for it"),
        "reason": column(
            "str", "reason code: not_found, ambiguous, mismatch, too_coarse, outside_service_area, service_unavailable"
        ),
    },
)
