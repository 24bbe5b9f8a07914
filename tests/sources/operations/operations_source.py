"""A small operations database, obviously fictional, written alike to SQLite and PostgreSQL."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pandas as pd
import sqlalchemy as sa

from atmr_pipeline.sources.operations import OperationsDatabase

TABLES = ("bookings", "assignments", "dispatch_runs")

metadata = sa.MetaData()
INSTANT = sa.DateTime(timezone=True)
KEY = sa.BigInteger().with_variant(sa.Integer, "sqlite")

user = sa.Table(
    "user", metadata, sa.Column("id", KEY, primary_key=True), sa.Column("first_name", sa.String),
    sa.Column("last_name", sa.String),
)  # fmt: skip
driver = sa.Table(
    "driver", metadata, sa.Column("id", KEY, primary_key=True), sa.Column("user_id", sa.Integer),
    sa.Column("company_id", sa.Integer), sa.Column("is_active", sa.Boolean), sa.Column("is_available", sa.Boolean),
    sa.Column("driver_type", sa.String), sa.Column("latitude", sa.Float), sa.Column("longitude", sa.Float),
    sa.Column("last_position_update", INSTANT), sa.Column("contract_type", sa.String),
    sa.Column("weekly_hours", sa.Numeric(5, 2)),
)  # fmt: skip
company = sa.Table(
    "company", metadata, sa.Column("id", KEY, primary_key=True), sa.Column("name", sa.String),
    sa.Column("latitude", sa.Float), sa.Column("longitude", sa.Float), sa.Column("dispatch_enabled", sa.Boolean),
)  # fmt: skip
driver_unavailability = sa.Table(
    "driver_unavailability", metadata, sa.Column("id", KEY, primary_key=True), sa.Column("driver_id", sa.Integer),
    sa.Column("start_local", sa.DateTime), sa.Column("end_local", sa.DateTime), sa.Column("reason", sa.String),
)  # fmt: skip
driver_shift = sa.Table(
    "driver_shift", metadata, sa.Column("id", KEY, primary_key=True), sa.Column("company_id", sa.Integer),
    sa.Column("driver_id", sa.Integer), sa.Column("start_local", sa.DateTime), sa.Column("end_local", sa.DateTime),
    sa.Column("timezone", sa.String), sa.Column("type", sa.String), sa.Column("status", sa.String),
)  # fmt: skip
booking = sa.Table(
    "booking", metadata, sa.Column("id", KEY, primary_key=True), sa.Column("company_id", sa.Integer),
    sa.Column("client_id", sa.Integer), sa.Column("driver_id", sa.Integer), sa.Column("customer_name", sa.String),
    sa.Column("pickup_location", sa.String), sa.Column("dropoff_location", sa.String),
    sa.Column("scheduled_time", sa.DateTime), sa.Column("status", sa.String), sa.Column("is_round_trip", sa.Boolean),
    sa.Column("is_return", sa.Boolean), sa.Column("parent_booking_id", sa.Integer), sa.Column("is_urgent", sa.Boolean),
    sa.Column("time_confirmed", sa.Boolean), sa.Column("medical_facility", sa.String),
    sa.Column("hospital_service", sa.String), sa.Column("wheelchair_client_has", sa.Boolean),
    sa.Column("wheelchair_need", sa.Boolean), sa.Column("duration_seconds", sa.Integer),
    sa.Column("distance_meters", sa.Integer), sa.Column("pickup_lat", sa.Float), sa.Column("pickup_lon", sa.Float),
    sa.Column("dropoff_lat", sa.Float), sa.Column("dropoff_lon", sa.Float), sa.Column("notes_medical", sa.String),
    sa.Column("created_at", INSTANT), sa.Column("updated_at", INSTANT),
)  # fmt: skip
dispatch_run = sa.Table(
    "dispatch_run", metadata, sa.Column("id", KEY, primary_key=True), sa.Column("company_id", sa.Integer),
    sa.Column("day", sa.Date), sa.Column("status", sa.String), sa.Column("started_at", INSTANT),
    sa.Column("completed_at", INSTANT), sa.Column("config", sa.JSON), sa.Column("metrics", sa.JSON),
)  # fmt: skip
assignment = sa.Table(
    "assignment", metadata, sa.Column("id", KEY, primary_key=True), sa.Column("dispatch_run_id", sa.Integer),
    sa.Column("booking_id", KEY), sa.Column("driver_id", sa.Integer), sa.Column("status", sa.String),
    sa.Column("planned_pickup_at", INSTANT), sa.Column("planned_dropoff_at", INSTANT),
    sa.Column("actual_pickup_at", INSTANT), sa.Column("actual_dropoff_at", INSTANT), sa.Column("created_at", INSTANT),
    sa.Column("updated_at", INSTANT),
)  # fmt: skip

PRIVATE = (
    "Patient Fictif", "PATIENT", "Patiente Inventée", "Rue Imaginaire", "note fictive", "Prénom", "Exemple", "Motif",
)  # fmt: skip
"""Pieces of text of the source that must appear in no output, log or error."""


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type]


def booking_row(identifier: int, scheduled: datetime | None, **changes: object) -> dict[str, object]:
    row: dict[str, object] = {
        "id": identifier, "company_id": 1, "client_id": identifier, "driver_id": None,
        "customer_name": f"Patient Fictif {identifier}", "pickup_location": f"Rue Imaginaire {identifier}",
        "dropoff_location": "Rue Imaginaire 99", "scheduled_time": scheduled, "status": "COMPLETED",
        "is_round_trip": False, "is_return": False, "parent_booking_id": None, "is_urgent": False,
        "time_confirmed": True, "medical_facility": None, "hospital_service": None, "wheelchair_client_has": None,
        "wheelchair_need": None, "duration_seconds": 900, "distance_meters": 4500, "pickup_lat": 46.2,
        "pickup_lon": 6.14, "dropoff_lat": 46.21, "dropoff_lon": 6.1, "notes_medical": "note fictive",
        "created_at": utc(2025, 3, 1, 8), "updated_at": utc(2025, 3, 2, 8),
    }  # fmt: skip
    return row | changes


BOOKINGS = [
    booking_row(1, datetime(2025, 3, 29, 9, 0), driver_id=1, is_round_trip=True, medical_facility="note fictive"),
    booking_row(
        2, datetime(2025, 3, 29, 11, 30), driver_id=2, customer_name="  patient   FICTIF-1 ", is_return=True,
        is_round_trip=True, parent_booking_id=1, status="RETURN_COMPLETED", wheelchair_need=True,
    ),
    booking_row(3, datetime(2025, 3, 30, 2, 30), customer_name=None, medical_facility="  ", hospital_service=""),
    booking_row(4, datetime(2025, 3, 30, 3, 0), is_urgent=True, wheelchair_client_has=False, time_confirmed=None),
    booking_row(5, datetime(2025, 10, 26, 2, 30), distance_meters=None, duration_seconds=None, pickup_lat=None),
    booking_row(6, datetime(2025, 10, 26, 3, 0), wheelchair_client_has=False, wheelchair_need=False),
    booking_row(7, None, customer_name="Patiente Inventée"),
    booking_row(8, datetime(2025, 10, 26, 0, 0), status="CANCELED", updated_at=utc(2025, 11, 20, 12)),
    booking_row(9, datetime(2025, 10, 26, 23, 59, 59), hospital_service="note fictive", updated_at=None),
    booking_row(10, datetime(2025, 10, 27, 0, 0)),
]  # fmt: skip


def assignment_row(identifier: int, booking_id: int, **changes: object) -> dict[str, object]:
    row: dict[str, object] = {
        "id": identifier, "dispatch_run_id": 1, "booking_id": booking_id, "driver_id": 1, "status": "COMPLETED",
        "planned_pickup_at": utc(2025, 3, 29, 8), "planned_dropoff_at": utc(2025, 3, 29, 8, 20),
        "actual_pickup_at": utc(2025, 3, 29, 8, 4), "actual_dropoff_at": utc(2025, 3, 29, 8, 25, 30, 250_000),
        "created_at": utc(2025, 3, 28, 17), "updated_at": utc(2025, 3, 29, 8, 26),
    }  # fmt: skip
    return row | changes


ASSIGNMENTS = [
    assignment_row(1, 1),
    assignment_row(2, 2, driver_id=2, status="NO_SHOW", actual_pickup_at=None, actual_dropoff_at=None),
    assignment_row(3, 5, driver_id=None, status="SCHEDULED", dispatch_run_id=None, updated_at=utc(2025, 11, 21)),
    assignment_row(4, 7),
    assignment_row(5, 404),
]
DISPATCH_RUNS = [
    {"id": 1, "company_id": 1, "day": date(2025, 3, 29), "status": "COMPLETED",
     "started_at": utc(2025, 3, 28, 17), "completed_at": utc(2025, 3, 28, 17, 1)},
    {"id": 2, "company_id": 1, "day": date(2025, 10, 26), "status": "FAILED",
     "started_at": utc(2025, 10, 25, 17), "completed_at": None},
]  # fmt: skip
USERS = [
    {"id": 1, "first_name": " Élodie-Prénom", "last_name": "Exemple"},
    {"id": 2, "first_name": "Prénom", "last_name": None},
]
DRIVERS = [
    {"id": 1, "user_id": 1, "company_id": 1, "is_active": True, "is_available": True, "driver_type": "REGULAR",
     "latitude": 46.2, "longitude": 6.1, "last_position_update": utc(2025, 3, 29, 7), "weekly_hours": 42},
    {"id": 2, "user_id": 2, "company_id": 1, "is_active": True, "is_available": False, "driver_type": "EMERGENCY",
     "latitude": None, "longitude": None, "last_position_update": None, "weekly_hours": None},
    {"id": 3, "user_id": None, "company_id": 1, "is_active": False, "is_available": False, "driver_type": "REGULAR",
     "latitude": None, "longitude": None, "last_position_update": None, "weekly_hours": 20},
]  # fmt: skip


def shift_row(identifier: int, start: datetime | None, end: datetime | None, **changes: object) -> dict[str, object]:
    row: dict[str, object] = {
        "id": identifier, "company_id": 1, "driver_id": 1, "start_local": start, "end_local": end,
        "timezone": "Europe/Zurich", "type": "REGULAR", "status": "PLANNED",
    }  # fmt: skip
    return row | changes


DRIVER_SHIFTS = [
    shift_row(1, datetime(2025, 3, 29, 7), datetime(2025, 3, 29, 16)),
    shift_row(2, datetime(2025, 3, 29, 22), datetime(2025, 3, 30, 6), driver_id=2, status=None),
    shift_row(3, datetime(2025, 10, 26, 1), datetime(2025, 10, 26, 4)),
    shift_row(4, datetime(2025, 3, 29, 7), datetime(2025, 3, 29, 16), timezone="Europe/London"),
    shift_row(5, datetime(2025, 3, 29, 7), datetime(2025, 3, 29, 16), timezone=None),
    shift_row(6, datetime(2025, 3, 29, 7), datetime(2025, 3, 29, 16), timezone="Lake/Geneva"),
    shift_row(7, datetime(2025, 3, 30, 2, 15), datetime(2025, 3, 30, 9)),
    shift_row(8, datetime(2025, 3, 29, 16), datetime(2025, 3, 29, 7)),
    shift_row(9, None, datetime(2025, 3, 29, 7)),
    shift_row(10, datetime(2025, 3, 29, 7), None),
]


def absence_row(identifier: int, start: datetime | None, end: datetime | None, **changes: object) -> dict[str, object]:
    row: dict[str, object] = {
        "id": identifier, "driver_id": 1, "start_local": start, "end_local": end, "reason": "Motif fictif",
    }  # fmt: skip
    return row | changes


ABSENCES = [
    absence_row(1, datetime(2025, 3, 29, 12), datetime(2025, 3, 30, 12)),
    absence_row(2, datetime(2025, 3, 29, 12), datetime(2025, 3, 30, 12), reason=None),
    absence_row(3, datetime(2025, 3, 29, 12), datetime(2025, 3, 30, 12), driver_id=2),
    absence_row(4, datetime(2025, 10, 26, 2, 30), datetime(2025, 10, 26, 6)),
    absence_row(5, None, datetime(2025, 3, 30, 12)),
    absence_row(6, datetime(2025, 3, 29, 12), None),
    absence_row(7, datetime(2025, 3, 30, 2, 30), datetime(2025, 3, 30, 12)),
    absence_row(8, datetime(2025, 3, 29, 12), datetime(2025, 3, 30, 2, 30)),
    absence_row(9, datetime(2025, 3, 29, 12), datetime(2025, 3, 29, 12)),
    absence_row(10, datetime(2025, 3, 29, 12), datetime(2025, 3, 29, 13), driver_id=None),
]
COMPANIES = [
    {"id": 1, "name": "Société Fictive", "latitude": 46.2, "longitude": 6.14, "dispatch_enabled": True},
    {"id": 2, "name": None, "latitude": None, "longitude": None, "dispatch_enabled": None},
]


def write_source(url: str) -> None:
    """Create and fill the small database."""
    write_rows(
        url,
        {
            user: USERS, company: COMPANIES, driver: DRIVERS, driver_shift: DRIVER_SHIFTS,
            driver_unavailability: ABSENCES, booking: BOOKINGS, dispatch_run: DISPATCH_RUNS, assignment: ASSIGNMENTS,
        },
    )  # fmt: skip


def write_rows(url: str, rows: dict[sa.Table, list[dict[str, object]]]) -> None:
    """Create the tables anew and fill them."""
    with as_application(url) as connection:
        metadata.drop_all(connection)
        metadata.create_all(connection)
        for table, values in rows.items():
            connection.execute(table.insert(), values)


def write_days(url: str, days: int, per_day: int, first: date = date(2025, 1, 1)) -> None:
    """A longer source: bookings, an assignment each and a plan a day; every seventh day is empty."""
    bookings, assignments, runs = [], [], []
    for offset in range(days):
        day = first + timedelta(days=offset)
        if offset % 7 == 6:
            continue
        runs.append({"id": offset + 1, "company_id": 1, "day": day, "status": "COMPLETED",
                     "started_at": utc(2024, 12, 1), "completed_at": None})  # fmt: skip
        for number in range(per_day):
            key = len(bookings) + 1
            at = datetime.combine(day, time(6)) + timedelta(minutes=15 * (number * 7 % 48))
            bookings.append(booking_row(key, at))
            assignments.append(assignment_row(key, key, dispatch_run_id=offset + 1))
    write_rows(url, {booking: bookings, dispatch_run: runs, assignment: assignments})


def write_pair(url: str, key: int, at: datetime) -> None:
    """Add a booking and its assignment in one transaction."""
    with as_application(url) as connection:
        connection.execute(booking.insert(), [booking_row(key, at)])
        connection.execute(assignment.insert(), [assignment_row(key, key)])


def change_source(url: str, *statements: str) -> None:
    """Run statements in one transaction as the dispatcher's own application would."""
    with as_application(url) as connection:
        for each in statements:
            connection.execute(sa.text(each))


@contextmanager
def as_application(url: str) -> Iterator[sa.Connection]:
    engine = sa.create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    try:
        with engine.begin() as connection:
            yield connection
    finally:
        engine.dispose()


def extract(database: OperationsDatabase, first: date, last: date, **options: Any) -> dict[str, pd.DataFrame]:
    """All days of a range, checked to be complete and in order, as one frame a table."""
    days = list(database.extract_days(first, last, **options))
    assert [each.day for each in days] == [first + timedelta(days=n) for n in range((last - first).days + 1)]
    for each in days:
        for name in TABLES:
            assert (getattr(each, name)["service_day"] == pd.Timestamp(each.day)).all()
    return {name: pd.concat([getattr(each, name) for each in days], ignore_index=True) for name in TABLES}
