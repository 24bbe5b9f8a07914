"""The gateway on SQLite and PostgreSQL: same rows, same errors, no write."""

import hashlib
import logging
import sqlite3
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest
import sqlalchemy as sa
from operations_source import BOOKINGS, PRIVATE, change_source, utc, write_source

from atmr_pipeline.domain.errors import SchemaDriftError, SourceError
from atmr_pipeline.domain.identity import patient_key
from atmr_pipeline.sources.operations import Extract, OperationsDatabase

KEY = b"a test key"
FIRST, LAST = date(2025, 3, 29), date(2025, 10, 27)


def gateway(url: str, chunk_rows: int = 3) -> OperationsDatabase:
    return OperationsDatabase(url, hash_key=KEY, chunk_rows=chunk_rows)


def read_all(database: OperationsDatabase) -> dict[str, Extract]:
    return {
        "bookings": database.read_bookings(FIRST, LAST),
        "assignments": database.read_assignments(FIRST, LAST),
        "dispatch_runs": database.read_dispatch_runs(FIRST, LAST),
        "driver_shifts": database.read_driver_shifts(FIRST, LAST),
        "drivers": database.read_drivers(),
    }


def booking(frame: pd.DataFrame, identifier: int) -> pd.Series:
    return frame.set_index("booking_id").loc[identifier]


@pytest.mark.integration
def test_sqlite_and_postgresql_give_identical_tables(tmp_path: Path, postgresql_server: str) -> None:
    sqlite_url = f"sqlite:///{tmp_path / 'operations.db'}"
    write_source(sqlite_url)
    write_source(postgresql_server)
    on_sqlite, on_postgresql = read_all(gateway(sqlite_url)), read_all(gateway(postgresql_server))
    for name, extract in on_sqlite.items():
        pd.testing.assert_frame_equal(extract.frame, on_postgresql[name].frame)
        assert extract.set_aside == on_postgresql[name].set_aside
    for method in (OperationsDatabase.span, OperationsDatabase.high_watermark):
        assert method(gateway(sqlite_url)) == method(gateway(postgresql_server))


@pytest.mark.parametrize("chunk_rows", [1, 2, 1000])
def test_chunk_size_changes_nothing(source_url: str, chunk_rows: int) -> None:
    expected, got = read_all(gateway(source_url)), read_all(gateway(source_url, chunk_rows))
    for name in expected:
        pd.testing.assert_frame_equal(expected[name].frame, got[name].frame)
        assert expected[name].set_aside == got[name].set_aside


def test_bookings_of_a_range_of_local_days(source_url: str) -> None:
    database = gateway(source_url)
    assert database.read_bookings(date(2025, 10, 26), date(2025, 10, 26)).frame["booking_id"].tolist() == [5, 6, 8, 9]
    extract = database.read_bookings(FIRST, LAST)
    assert len(extract.frame) + sum(extract.set_aside.values()) == len(BOOKINGS)
    assert extract.set_aside == {"scheduled_time_missing": 1}
    none = database.read_bookings(date(2024, 1, 1), date(2024, 1, 2))
    assert none.frame.empty
    assert list(none.frame.columns) == list(extract.frame.columns)


def test_clock_change_days(source_url: str) -> None:
    frame = gateway(source_url).read_bookings(FIRST, LAST).frame
    skipped = booking(frame, 3)
    assert pd.isna(skipped["scheduled_at"])
    assert skipped["scheduled_status"] == "nonexistent"
    assert skipped["service_day"] == pd.Timestamp(2025, 3, 30)
    assert booking(frame, 4)["scheduled_at"] == utc(2025, 3, 30, 1)
    repeated = booking(frame, 5)
    assert repeated["scheduled_at"] == utc(2025, 10, 26, 0, 30)
    assert repeated["scheduled_status"] == "ambiguous_earlier"
    assert booking(frame, 6)["scheduled_at"] == utc(2025, 10, 26, 2)


def test_booking_values(source_url: str) -> None:
    frame = gateway(source_url).read_bookings(FIRST, LAST).frame
    first, back = booking(frame, 1), booking(frame, 2)
    assert (first["leg"], back["leg"], back["parent_booking_id"]) == ("outbound", "return", 1)
    assert first["is_medical"]
    assert not booking(frame, 3)["is_medical"], "blank text names no facility"
    assert first["distance_km"] == 4.5
    assert first["duration_min"] == 15.0
    assert pd.isna(booking(frame, 5)["distance_km"])
    assert booking(frame, 9)["updated_at"] == booking(frame, 9)["created_at"], "never updated: changed when created"


def test_wheelchair_keeps_not_said_apart_from_no(source_url: str) -> None:
    frame = gateway(source_url).read_bookings(FIRST, LAST).frame
    assert booking(frame, 2)["is_wheelchair"]
    assert not booking(frame, 6)["is_wheelchair"]
    assert pd.isna(booking(frame, 1)["is_wheelchair"])
    assert pd.isna(booking(frame, 4)["is_wheelchair"]), "one no and one not said is not a no"


def test_patients_are_keyed_hashes(source_url: str) -> None:
    frame = gateway(source_url).read_bookings(FIRST, LAST).frame
    assert booking(frame, 1)["patient_key"] == patient_key("Patient Fictif 1", KEY)
    assert booking(frame, 1)["patient_key"] == booking(frame, 2)["patient_key"], "one person written two ways"
    assert pd.isna(booking(frame, 3)["patient_key"])
    other = OperationsDatabase(source_url, hash_key=b"another").read_bookings(FIRST, LAST).frame
    assert booking(other, 1)["patient_key"] != booking(frame, 1)["patient_key"]


def test_assignments_take_the_day_of_their_booking(source_url: str) -> None:
    extract = gateway(source_url).read_assignments(FIRST, LAST)
    assert extract.set_aside == {"booking_missing": 1, "scheduled_time_missing": 1}
    rows = extract.frame.set_index("assignment_id")
    assert rows["service_day"].tolist() == [
        pd.Timestamp(2025, 3, 29), pd.Timestamp(2025, 3, 29), pd.Timestamp(2025, 10, 26),
    ]  # fmt: skip
    assert rows.loc[1, "actual_dropoff_at"] == utc(2025, 3, 29, 8, 25, 30, 250_000)
    assert pd.isna(rows.loc[3, "driver_id"])


def test_shifts_are_placed_in_their_own_time_zone(source_url: str) -> None:
    extract = gateway(source_url).read_driver_shifts(FIRST, LAST)
    rows = extract.frame.set_index("shift_id")
    assert rows.loc[1, "start_at"] == utc(2025, 3, 29, 6)
    assert rows.loc[4, "start_at"] == utc(2025, 3, 29, 7)
    assert rows.loc[2, "end_at"] - rows.loc[2, "start_at"] == timedelta(hours=7), "the spring night is an hour short"
    assert rows.loc[3, "end_at"] - rows.loc[3, "start_at"] == timedelta(hours=4), "the autumn night is an hour long"
    assert extract.set_aside == {
        "start_missing": 1, "end_missing": 1, "timezone_missing": 1, "timezone_unknown": 1, "start_nonexistent": 1,
        "ends_before_start": 1,
    }  # fmt: skip


def test_initials_need_both_names(source_url: str) -> None:
    frame = gateway(source_url).read_drivers().frame.set_index("driver_id")
    assert frame.loc[1, "initials"] == "EE"
    assert frame.loc[[2, 3], "initials"].isna().all()
    assert frame.loc[1, "weekly_hours"] == 42.0


def test_changed_days(source_url: str) -> None:
    database = gateway(source_url)
    october = date(2025, 10, 26)
    assert database.changed_days(None, late_window=timedelta(0)) == [
        date(2025, 3, 29), date(2025, 3, 30), october, date(2025, 10, 27),
    ]  # fmt: skip
    watermark = database.high_watermark()
    assert watermark == utc(2025, 11, 21)
    assert database.changed_days(watermark, late_window=timedelta(0)) == []
    assert database.changed_days(watermark, late_window=timedelta(seconds=1)) == [october]
    change_source(source_url, "UPDATE assignment SET updated_at = '2025-11-22 10:00:00+00:00' WHERE id = 1")
    assert database.changed_days(watermark, late_window=timedelta(0)) == [date(2025, 3, 29)]
    with pytest.raises(ValueError, match="time zone"):
        database.changed_days(datetime(2025, 1, 1), late_window=timedelta(0))


def test_since_is_compared_as_an_instant(source_url: str) -> None:
    zurich_noon = datetime.fromisoformat("2025-11-21T00:59:59+01:00")
    assert gateway(source_url).changed_days(zurich_noon, late_window=timedelta(0)) == [date(2025, 10, 26)]


def test_empty_database(source_url: str) -> None:
    for table in ("assignment", "dispatch_run", "booking"):
        change_source(source_url, f"DELETE FROM {table}")
    database = gateway(source_url)
    database.check_schema()
    assert database.span() is None
    assert database.high_watermark() is None
    assert database.read_bookings(FIRST, LAST).frame.empty


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO booking (id) VALUES (999)",
        "UPDATE booking SET status = 'CANCELED'",
        "DROP TABLE booking",
        "CREATE TABLE stowaway (id INTEGER)",
    ],
)
def test_no_write_passes(source_url: str, statement: str) -> None:
    database = gateway(source_url)
    with pytest.raises(SourceError), database.connection() as connection:
        connection.execute(sa.text(statement))
    assert len(database.read_bookings(FIRST, LAST).frame) == 9


def test_a_session_that_can_write_is_refused(source_url: str) -> None:
    database = gateway(source_url)

    @sa.event.listens_for(database._engine, "connect")
    def undo(connection: object, _record: object) -> None:
        if database._engine.dialect.name == "sqlite":
            connection.execute("PRAGMA query_only = OFF")  # type: ignore[attr-defined]
        else:
            connection.execute("SET default_transaction_read_only = off")  # type: ignore[attr-defined]
            connection.commit()  # type: ignore[attr-defined]

    with pytest.raises(SourceError, match="not read-only"):
        database.read_drivers()


def test_schema_is_accepted_as_it_is(source_url: str) -> None:
    gateway(source_url).check_schema()


def test_missing_columns_and_tables_are_all_named(source_url: str) -> None:
    change_source(source_url, "ALTER TABLE booking DROP COLUMN is_urgent")
    change_source(source_url, "ALTER TABLE driver DROP COLUMN weekly_hours")
    change_source(source_url, "DROP TABLE driver_shift")
    with pytest.raises(SchemaDriftError) as error:
        gateway(source_url).check_schema()
    for part in ("booking.is_urgent", "driver.weekly_hours", "table driver_shift"):
        assert part in str(error.value)
    with pytest.raises(SourceError):
        gateway(source_url).read_bookings(FIRST, LAST)


def test_new_enum_values_and_nulls_are_counted_by_column(source_url: str) -> None:
    change_source(source_url, "UPDATE booking SET status = 'Patient Fictif' WHERE id < 4")
    change_source(source_url, "UPDATE assignment SET status = NULL WHERE id = 1")
    change_source(source_url, "UPDATE booking SET is_urgent = NULL WHERE id < 3")
    with pytest.raises(SchemaDriftError) as error:
        gateway(source_url).check_schema()
    message = str(error.value)
    assert "booking.status (3 rows)" in message
    assert "assignment.status (1 rows)" in message
    assert "NULL in booking.is_urgent (2 rows)" in message
    assert "Fictif" not in message, "a value of the source is not shown"


def test_instants_that_are_not_instants(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'operations.db'}"
    write_source(url)
    change_source(url, "UPDATE booking SET created_at = 'note fictive' WHERE id = 1")
    with pytest.raises(SchemaDriftError, match=r"^booking.created_at holds values that are not timestamps$"):
        gateway(url).read_bookings(FIRST, LAST)


@pytest.mark.integration
def test_time_zones_must_be_where_they_belong(postgresql_server: str) -> None:
    write_source(postgresql_server)
    change_source(postgresql_server, "ALTER TABLE booking ALTER COLUMN created_at TYPE timestamp")
    with pytest.raises(SchemaDriftError, match=r"booking.created_at has no time zone"):
        gateway(postgresql_server).read_bookings(FIRST, LAST)
    write_source(postgresql_server)
    change_source(postgresql_server, "ALTER TABLE booking ALTER COLUMN scheduled_time TYPE timestamptz")
    with pytest.raises(SchemaDriftError, match=r"booking.scheduled_time carries a time zone"):
        gateway(postgresql_server).read_bookings(FIRST, LAST)


@pytest.mark.integration
def test_session_time_zone_of_the_server_does_not_matter(postgresql_server: str) -> None:
    write_source(postgresql_server)
    expected = gateway(postgresql_server).read_assignments(FIRST, LAST).frame
    change_source(postgresql_server, "ALTER ROLE postgres SET TimeZone = 'Asia/Kathmandu'")
    change_source(postgresql_server, "ALTER ROLE postgres SET DateStyle = 'German'")
    try:
        database = gateway(postgresql_server)
        pd.testing.assert_frame_equal(database.read_assignments(FIRST, LAST).frame, expected)
        assert len(database.changed_days(None, late_window=timedelta(0))) == 4
    finally:
        change_source(postgresql_server, "ALTER ROLE postgres RESET ALL")


def test_missing_file_is_one_line_and_nothing_is_created(tmp_path: Path) -> None:
    missing = tmp_path / "nothing" / "here.db"
    with pytest.raises(SourceError, match=r"here\.db does not exist") as error:
        gateway(f"sqlite:///{missing}")
    assert "\n" not in str(error.value)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(SourceError):
        gateway("sqlite://")


def test_reading_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "odd name #1?.db"
    write_source(f"sqlite:///{tmp_path / 'operations.db'}")
    (tmp_path / "operations.db").rename(path)
    before = hashlib.sha256(path.read_bytes()).hexdigest()
    database = gateway(sa.URL.create("sqlite", database=str(path)).render_as_string())
    assert len(database.read_bookings(FIRST, LAST).frame) == 9
    assert hashlib.sha256(path.read_bytes()).hexdigest() == before
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def test_file_that_is_no_database(tmp_path: Path) -> None:
    path = tmp_path / "operations.db"
    path.write_text("Patient Fictif " * 100)
    with pytest.raises(SourceError, match="not a SQLite database") as error:
        gateway(f"sqlite:///{path}").check_schema()
    assert "Fictif" not in str(error.value)


def test_locked_file(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'operations.db'}"
    write_source(url)
    writer = sqlite3.connect(tmp_path / "operations.db")
    writer.execute("BEGIN EXCLUSIVE")
    try:
        with pytest.raises(SourceError, match="locked by another process"):
            OperationsDatabase(url, hash_key=KEY, connect_timeout_s=0.1).read_drivers()
    finally:
        writer.close()


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("not a url", "cannot be parsed"),
        ("postgresql://someone:hunter2@localhost:port/db", "cannot be parsed"),
        ("mysql://someone:hunter2@localhost/db", "neither SQLite nor PostgreSQL"),
    ],
)
def test_unusable_urls(url: str, says: str) -> None:
    with pytest.raises(SourceError, match=says) as error:
        gateway(url)
    assert "hunter2" not in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("query", ["", "?password=hunter3"])
def test_unreachable_server_is_named_without_its_password(query: str) -> None:
    database = gateway(f"postgresql://someone:hunter2@127.0.0.1:1/dispatch{query}")
    with pytest.raises(SourceError) as error:
        database.check_schema()
    message = str(error.value)
    assert "127.0.0.1:1/dispatch" in message
    assert "hunter" not in message + repr(database)
    assert "\n" not in message


def test_nonsense_arguments(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'operations.db'}"
    write_source(url)
    with pytest.raises(ValueError, match="empty"):
        OperationsDatabase(url, hash_key=b"")
    with pytest.raises(ValueError, match="chunk_rows"):
        gateway(url, 0)
    with pytest.raises(ValueError, match="before first_day"):
        gateway(url).read_bookings(LAST, FIRST)


def test_nothing_private_leaves(source_url: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    database = gateway(source_url)
    extracts = read_all(database)
    database.check_schema()
    database.changed_days(utc(2025, 1, 1).astimezone(UTC), late_window=timedelta(0))
    outputs = [extract.frame.to_csv() + str(extract.set_aside) for extract in extracts.values()]
    # psycopg and SQLAlchemy quote values in errors: here a cast that fails on the name itself.
    with pytest.raises(SourceError) as error, database.connection() as connection:
        connection.execute(sa.text("SELECT CAST(customer_name AS INTEGER) + missing_column FROM booking"))
    outputs += [caplog.text, str(error.value), repr(error.value.__cause__), repr(database), repr(database._reshaper)]
    for text in outputs:
        assert not [private for private in PRIVATE if private in text]
        assert KEY.decode() not in text


@pytest.mark.integration
def test_error_of_the_server_that_quotes_a_value_is_not_passed_on(postgresql_server: str) -> None:
    write_source(postgresql_server)
    with pytest.raises(SourceError) as error, gateway(postgresql_server).connection() as connection:
        connection.execute(sa.text("SELECT CAST(customer_name AS INTEGER) FROM booking"))
    assert "SQLSTATE 22P02" in str(error.value)
    assert "Fictif" not in str(error.value)
