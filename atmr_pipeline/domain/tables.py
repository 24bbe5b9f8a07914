"""The schema of every analytical table: one vocabulary from the source to the models.

A table is a pandas frame with exactly these columns. Instants are UTC (``*_at``); wall-clock values say ``*_local``;
units stand in the names. NULL means not known, and is counted by the table's asset check.
"""

from collections.abc import Iterable
from typing import Any

import pandas as pd
import pandera.pandas as pa

from atmr_pipeline.domain.errors import TableContractError
from atmr_pipeline.domain.vocabulary import (
    AddressPrecision,
    AssignmentStatus,
    BookingStatus,
    DispatchRunStatus,
    DriverType,
    Leg,
    WallClockStatus,
)

UTC = "datetime64[us, UTC]"
LOCAL = "datetime64[us]"


def _column(dtype: str, description: str, *, nullable: bool = False, isin: Iterable[Any] | None = None) -> pa.Column:
    checks = [] if isin is None else [pa.Check.isin([str(value) for value in isin])]
    checked: str | None = dtype
    if dtype == LOCAL:
        # pandera reads every naive datetime64 as nanoseconds; the files hold microseconds, so the dtype is a check.
        checked, checks = None, [*checks, pa.Check(lambda series: series.dtype == LOCAL, name=f"dtype {LOCAL}")]
    return pa.Column(checked, checks, nullable=nullable, description=description, metadata={"dtype": dtype})


def _schema(name: str, description: str, unique: list[str], columns: dict[str, pa.Column]) -> pa.DataFrameSchema:
    return pa.DataFrameSchema(columns, name=name, description=description, strict=True, ordered=True, unique=unique)


BOOKINGS = _schema(
    "bookings",
    "One leg of transport: a patient (keyed hash), a pickup, a drop-off, a scheduled pickup time.",
    ["booking_id"],
    {
        "booking_id": _column("int64", "key in the operations database"),
        "company_id": _column("int64", "company that transports"),
        "service_day": _column(LOCAL, "local calendar day of the scheduled pickup, midnight; the partition"),
        "patient_key": _column(
            "str", "keyed hash of the patient, 32 hex digits; NULL if the source names nobody", nullable=True
        ),
        "driver_id": _column("Int64", "driver named on the booking; NULL if none", nullable=True),
        "leg": _column("str", "outbound (to the appointment) or return (home)", isin=Leg),
        "is_round_trip": _column("bool", "part of a round trip (aller/retour)"),
        "parent_booking_id": _column("Int64", "the outbound booking of a return leg", nullable=True),
        "status": _column("str", "life of the booking", isin=BookingStatus),
        "scheduled_local": _column(
            LOCAL, "scheduled pickup, Europe/Zurich wall clock as the source holds it", nullable=True
        ),
        "scheduled_at": _column(
            UTC, "scheduled pickup instant; NULL where the wall clock never showed that time", nullable=True
        ),
        "scheduled_status": _column("str", "how scheduled_at was derived", isin=WallClockStatus),
        "time_confirmed": _column("boolean", "the time is confirmed with the patient; NULL if not said", nullable=True),
        "is_urgent": _column("bool", "urgent transport"),
        "is_medical": _column("bool", "a medical facility or hospital service is named"),
        "is_wheelchair": _column("boolean", "a wheelchair is carried or needed; NULL if not said", nullable=True),
        "pickup_lat": _column("float64", "degrees, WGS84", nullable=True),
        "pickup_lon": _column("float64", "degrees, WGS84", nullable=True),
        "dropoff_lat": _column("float64", "degrees, WGS84", nullable=True),
        "dropoff_lon": _column("float64", "degrees, WGS84", nullable=True),
        "distance_km": _column("float64", "pickup to drop-off by road as the source holds it", nullable=True),
        "duration_min": _column("float64", "pickup to drop-off ride time as the source holds it", nullable=True),
        "created_at": _column(UTC, "when the booking became known"),
        "updated_at": _column(UTC, "last change at the source"),
    },
)

DRIVERS = _schema(
    "drivers",
    "The fleet: who can drive, and with which initials the workbooks name them.",
    ["driver_id"],
    {
        "driver_id": _column("int64", "key in the operations database"),
        "company_id": _column("int64", "employer"),
        "initials": _column(
            "str", "initials without dots, upper case, e.g. AB; NULL if the name is missing", nullable=True
        ),
        "driver_type": _column("str", "REGULAR is preferred, EMERGENCY the last resort", isin=DriverType),
        "is_active": _column("bool", "employed now"),
        "is_available": _column("bool", "available now"),
        "weekly_hours": _column("float64", "contract hours a week", nullable=True),
        "lat": _column("float64", "last known position, degrees WGS84", nullable=True),
        "lon": _column("float64", "last known position, degrees WGS84", nullable=True),
        "position_at": _column(UTC, "when the position was known", nullable=True),
    },
)

DRIVER_SHIFTS = _schema(
    "driver_shifts",
    "When each driver is on duty; the load gap counts on-duty drivers, also those with no booking.",
    ["shift_id"],
    {
        "shift_id": _column("int64", "key in the operations database"),
        "company_id": _column("int64", "employer"),
        "driver_id": _column("int64", "driver on duty"),
        "service_day": _column(LOCAL, "local calendar day on which the shift starts, midnight"),
        "start_at": _column(UTC, "start of duty"),
        "end_at": _column(UTC, "end of duty"),
        "status": _column("str", "status as the source holds it", nullable=True),
    },
)

ASSIGNMENTS = _schema(
    "assignments",
    "Which driver served which booking, planned and actual.",
    ["assignment_id"],
    {
        "assignment_id": _column("int64", "key in the operations database"),
        "booking_id": _column("int64", "booking served"),
        "driver_id": _column("Int64", "driver; NULL if none", nullable=True),
        "dispatch_run_id": _column("Int64", "plan of the day", nullable=True),
        "service_day": _column(LOCAL, "service day of the booking, midnight; the partition"),
        "status": _column("str", "life of the assignment", isin=AssignmentStatus),
        "planned_pickup_at": _column(UTC, "planned pickup", nullable=True),
        "planned_dropoff_at": _column(UTC, "planned drop-off", nullable=True),
        "actual_pickup_at": _column(UTC, "actual pickup; NULL until it happened", nullable=True),
        "actual_dropoff_at": _column(UTC, "actual drop-off; NULL until it happened", nullable=True),
        "created_at": _column(UTC, "when the driver was chosen: the decision time"),
        "updated_at": _column(UTC, "last change at the source"),
    },
)

DISPATCH_RUNS = _schema(
    "dispatch_runs",
    "One company's plan for one day.",
    ["dispatch_run_id"],
    {
        "dispatch_run_id": _column("int64", "key in the operations database"),
        "company_id": _column("int64", "company"),
        "service_day": _column(LOCAL, "day planned, midnight; the partition"),
        "status": _column("str", "life of the plan", isin=DispatchRunStatus),
        "started_at": _column(UTC, "planning began", nullable=True),
        "completed_at": _column(UTC, "planning ended", nullable=True),
    },
)

WORKBOOK_COURSES = _schema(
    "workbook_courses",
    "Legs read from Excel workbooks; an A/R row gives two. Addresses are keys into a private table.",
    ["leg_key"],
    {
        "leg_key": _column("str", "content key of the leg, 32 hex digits"),
        "parent_leg_key": _column("str", "the outbound leg of a return leg", nullable=True),
        "file_name": _column("str", "workbook"),
        "sheet": _column("str", "sheet"),
        "row": _column("int64", "row as Excel shows it, 1-based"),
        "service_day": _column(LOCAL, "local calendar day, midnight"),
        "leg": _column("str", "outbound or return", isin=Leg),
        "is_round_trip": _column("bool", "from an A/R row"),
        "scheduled_local": _column(LOCAL, "scheduled pickup, wall clock; NULL where the row gives none", nullable=True),
        "scheduled_at": _column(UTC, "scheduled pickup instant", nullable=True),
        "scheduled_status": _column("str", "how scheduled_at was derived", isin=WallClockStatus),
        "patient_key": _column("str", "keyed hash of the patient; NULL if blank", nullable=True),
        "driver_initials": _column(
            "str", "initials as written, without dots, upper case; NULL if blank", nullable=True
        ),
        "driver_id": _column(
            "Int64", "driver; NULL if the initials are blank, unknown or shared by several drivers", nullable=True
        ),
        "pickup_address_key": _column("str", "key of the pickup address in the private address table"),
        "dropoff_address_key": _column("str", "key of the drop-off address in the private address table"),
        "set_aside_reason": _column("str", "why the leg cannot be used yet (code); NULL if usable", nullable=True),
    },
)

QUARANTINED_COURSES = _schema(
    "quarantined_courses",
    "Workbook rows that could not become legs, with the reason a clerk can act on.",
    ["file_name", "sheet", "row"],
    {
        "file_name": _column("str", "workbook"),
        "sheet": _column("str", "sheet; empty when the whole file was refused"),
        "row": _column("int64", "row as Excel shows it, 1-based; 0 when the whole file was refused"),
        "reason": _column("str", "reason code"),
        "reason_fr": _column("str", "reason, French"),
        "reason_en": _column("str", "reason, English"),
    },
)

GEOCODED_COURSES = _schema(
    "geocoded_courses",
    "Workbook legs with coordinates, their precision and source, and the distance between them.",
    ["leg_key"],
    {
        **{name: WORKBOOK_COURSES.columns[name] for name in WORKBOOK_COURSES.columns},
        "pickup_lat": _column("float64", "degrees WGS84; NULL if unresolved", nullable=True),
        "pickup_lon": _column("float64", "degrees WGS84; NULL if unresolved", nullable=True),
        "pickup_precision": _column("str", "how exactly the pickup was placed", isin=AddressPrecision),
        "pickup_source": _column("str", "who placed the pickup; NULL if unresolved", nullable=True),
        "pickup_entry_key": _column("str", "directory entry that matched; NULL if unresolved", nullable=True),
        "dropoff_lat": _column("float64", "degrees WGS84; NULL if unresolved", nullable=True),
        "dropoff_lon": _column("float64", "degrees WGS84; NULL if unresolved", nullable=True),
        "dropoff_precision": _column("str", "how exactly the drop-off was placed", isin=AddressPrecision),
        "dropoff_source": _column("str", "who placed the drop-off; NULL if unresolved", nullable=True),
        "dropoff_entry_key": _column("str", "directory entry that matched; NULL if unresolved", nullable=True),
        "distance_km": _column("float64", "pickup to drop-off; NULL if either is unresolved", nullable=True),
        "distance_source": _column("str", "travel provider that measured; NULL without a distance", nullable=True),
    },
)

ADDRESS_REVIEW = _schema(
    "address_review",
    "Addresses that were written but not placed, for a clerk; the text is in the review workbook only.",
    ["address_key"],
    {
        "address_key": _column("str", "key into the private address table"),
        "legs": _column("int64", "legs that wait for it"),
        "reason": _column("str", "reason code: not_found or ambiguous"),
    },
)

HISTORICAL_DISPATCHES = _schema(
    "historical_dispatches",
    "One record a company, day and source: loads, load gap, distance, lateness, quality score.",
    ["company_id", "service_day", "source"],
    {
        "company_id": _column("int64", "company"),
        "service_day": _column(LOCAL, "local calendar day, midnight"),
        "source": _column("str", "database or workbook", isin=["database", "workbook"]),
        "bookings": _column("int64", "bookings of the day, cancelled ones excluded"),
        "drivers_on_duty": _column("Int64", "drivers on duty; NULL where the source has no shifts", nullable=True),
        "unknown_driver": _column("int64", "bookings whose driver is not known"),
        "loads_json": _column("str", "bookings per driver id, JSON object, on-duty drivers with 0 included"),
        "load_gap": _column(
            "Int64", "max - min bookings per on-duty driver; NULL if a driver is unknown", nullable=True
        ),
        "distance_km": _column("float64", "loaded km; NULL if any leg's distance is unknown", nullable=True),
        "unknown_distance": _column("int64", "legs whose distance is not known"),
        "late": _column("Int64", "pickups more than 5 min late; NULL where no actual time is known", nullable=True),
        "measured_pickups": _column("int64", "bookings whose actual pickup is known"),
        "quality_score": _column(
            "float64", "100 - 10 load_gap - 0.5 distance_km - 5 late; NULL if a part is", nullable=True
        ),
    },
)

WEATHER_FORECAST = _schema(
    "weather_forecast",
    "Hourly forecasts with the time they were issued, so that features use only what was known.",
    ["issued_at", "valid_at"],
    {
        "issued_at": _column(UTC, "when the forecast was published"),
        "valid_at": _column(UTC, "the hour it speaks of"),
        "rain_mm": _column("float64", "rain in that hour", nullable=True),
        "snow_cm": _column("float64", "fresh snow in that hour", nullable=True),
        "temperature_c": _column("float64", "air temperature", nullable=True),
    },
)

DELAY_PREDICTIONS = _schema(
    "delay_predictions",
    "The champion's prediction for each assignment of a coming day.",
    ["assignment_id"],
    {
        "assignment_id": _column("int64", "assignment scored"),
        "booking_id": _column("int64", "its booking"),
        "driver_id": _column("Int64", "its driver", nullable=True),
        "service_day": _column(LOCAL, "service day, midnight"),
        "model_version": _column("str", "version of the delay model that answered"),
        "decided_at": _column(UTC, "decision time: features use nothing later"),
        "expected_delay_min": _column("float64", "expected pickup delay, minutes; negative is early"),
        "low_min": _column("float64", "lower end of the 90 % interval, minutes"),
        "high_min": _column("float64", "upper end of the 90 % interval, minutes"),
        "p_late": _column("float64", "probability of a pickup more than 5 min late"),
    },
)

TABLES: dict[str, pa.DataFrameSchema] = {
    str(schema.name): schema
    for schema in (
        BOOKINGS,
        DRIVERS,
        DRIVER_SHIFTS,
        ASSIGNMENTS,
        DISPATCH_RUNS,
        WORKBOOK_COURSES,
        QUARANTINED_COURSES,
        GEOCODED_COURSES,
        ADDRESS_REVIEW,
        HISTORICAL_DISPATCHES,
        WEATHER_FORECAST,
        DELAY_PREDICTIONS,
    )
}


def empty(schema: pa.DataFrameSchema) -> pd.DataFrame:
    """An empty table with the schema's columns and dtypes."""
    return pd.DataFrame({name: pd.Series([], dtype=column_dtype(column)) for name, column in schema.columns.items()})


def conform(frame: pd.DataFrame, schema: pa.DataFrameSchema) -> pd.DataFrame:
    """Order the columns, fix the dtypes and validate.

    Parameters
    ----------
    frame : DataFrame
        Must have every column of the schema; others are dropped, so that nothing unplanned flows on.
    schema : DataFrameSchema
        One of this module's schemas.

    Returns
    -------
    DataFrame
        A new frame that matches the schema exactly.

    Raises
    ------
    TableContractError
        Naming the columns, the checks and how many rows fail; never a value.
    """
    missing = [name for name in schema.columns if name not in frame.columns]
    if missing:
        raise TableContractError(f"table {schema.name}: missing columns {', '.join(missing)}")
    result = pd.DataFrame(index=range(len(frame)))
    for name, column in schema.columns.items():
        try:
            result[name] = _cast(frame[name].reset_index(drop=True), column_dtype(column))
        except (TypeError, ValueError, OverflowError):
            raise TableContractError(
                f"table {schema.name}: column {name} cannot be read as {column_dtype(column)}"
            ) from None
    try:
        schema.validate(result, lazy=True)
    except pa.errors.SchemaErrors as error:
        counts = error.failure_cases.groupby(["column", "check"], dropna=False).size()
        parts = [f"{column} fails {check} in {count} rows" for (column, check), count in counts.items()]
        raise TableContractError(f"table {schema.name}: " + "; ".join(parts)) from None
    return result


def _cast(values: pd.Series, dtype: Any) -> pd.Series:
    # pandas casts some values without a word: NULL to True or False, 1.5 to 1, "no" to True, 5 to 1970-01-01, the key 1
    # beside a NULL to "1.0". Each would be a silent default, so each is refused here.
    if dtype in ("bool", "int64"):
        whole = values.astype("boolean" if dtype == "bool" else "Int64")
        if whole.isna().any():
            raise ValueError("NULL in a column that has none")
        return whole.astype(dtype)
    if dtype == "str" or dtype.startswith("datetime64"):
        is_number = pd.api.types.is_float_dtype(values) if dtype == "str" else pd.api.types.is_numeric_dtype(values)
        if is_number and values.notna().any():
            raise TypeError(f"numbers where {dtype} is expected")
    return values.astype(dtype)


def column_dtype(column: pa.Column) -> str:
    """The pandas dtype of a column of this module's schemas."""
    return str((column.metadata or {})["dtype"])
