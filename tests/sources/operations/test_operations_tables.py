"""What the tables hold: same rows from SQLite and PostgreSQL, nothing guessed, nothing private."""

from datetime import date, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest
from operations_source import BOOKINGS, TABLES, change_source, extract, utc, write_source

from atmr_pipeline.domain.errors import SchemaDriftError, SourceError
from atmr_pipeline.domain.identity import patient_key
from atmr_pipeline.domain.wallclock import ALL_DAYS
from atmr_pipeline.sources.operations import Extract, OperationsDatabase

KEY = b"a test key"
FIRST, LAST = date(2025, 3, 29), date(2025, 10, 27)


def gateway(url: str, chunk_rows: int = 100) -> OperationsDatabase:
    return OperationsDatabase(url, hash_key=KEY, chunk_rows=chunk_rows)


def whole_tables(database: OperationsDatabase) -> dict[str, Extract]:
    return {
        "driver_shifts": database.read_driver_shifts(FIRST, LAST),
        "driver_absences": database.read_driver_absences(),
        "drivers": database.read_drivers(),
        "companies": database.read_companies(),
    }


def bookings(url: str) -> pd.DataFrame:
    return extract(gateway(url), FIRST, LAST)["bookings"].set_index("booking_id")


@pytest.mark.integration
def test_sqlite_and_postgresql_give_identical_tables(tmp_path: Path, postgresql_source: str) -> None:
    sqlite_url = f"sqlite:///{tmp_path / 'operations.db'}"
    write_source(sqlite_url)
    write_source(postgresql_source)
    one, other = gateway(sqlite_url), gateway(postgresql_source)
    days, other_days = extract(one, FIRST, LAST), extract(other, FIRST, LAST)
    for name in TABLES:
        pd.testing.assert_frame_equal(days[name], other_days[name])
    for name, table in whole_tables(one).items():
        pd.testing.assert_frame_equal(table.frame, whole_tables(other)[name].frame)
        assert table.set_aside == whole_tables(other)[name].set_aside
    pd.testing.assert_frame_equal(one.day_digests(), other.day_digests())
    assert one.set_aside() == other.set_aside()
    assert one.span() == other.span() == (FIRST, LAST)
    assert one.high_watermark() == other.high_watermark()


@pytest.mark.parametrize("chunk_rows", [1, 2, 1000])
def test_chunk_size_changes_nothing(source_url: str, chunk_rows: int) -> None:
    march = date(2025, 3, 30)
    expected = extract(gateway(source_url), FIRST, march)
    got = extract(gateway(source_url, chunk_rows), FIRST, march)
    for name in TABLES:
        pd.testing.assert_frame_equal(expected[name], got[name])
    for name, table in whole_tables(gateway(source_url)).items():
        other = whole_tables(gateway(source_url, chunk_rows))[name]
        pd.testing.assert_frame_equal(table.frame, other.frame)
        assert table.set_aside == other.set_aside


def test_every_booking_is_in_a_day_or_counted(source_url: str) -> None:
    database = gateway(source_url)
    october = extract(database, date(2025, 10, 26), date(2025, 10, 26))["bookings"]
    assert october["booking_id"].tolist() == [8, 5, 6, 9], "in the order of the scheduled pickup"
    assert database.set_aside() == {
        "bookings": {"scheduled_time_missing": 1},
        "assignments": {"booking_missing": 1, "scheduled_time_missing": 1},
        "dispatch_runs": {},
    }
    assert len(bookings(source_url)) + 1 == len(BOOKINGS)


def test_clock_change_days(source_url: str) -> None:
    """02:30 never was on 30 March 2025, a day of 23 hours, and was twice on 26 October, a day of 25."""
    days = {
        day: next(iter(gateway(source_url).extract_days(day, day))).bookings.set_index("booking_id")
        for day in (date(2025, 3, 30), date(2025, 10, 26))
    }
    spring, autumn = days.values()
    assert list(spring.index) == [3, 4]
    assert pd.isna(spring.loc[3, "scheduled_at"])
    assert spring.loc[3, "scheduled_local"] == pd.Timestamp(2025, 3, 30, 2, 30)
    assert spring["scheduled_status"].tolist() == ["nonexistent", "exact"]
    assert spring.loc[4, "scheduled_at"] == utc(2025, 3, 30, 1)
    assert autumn["scheduled_at"].to_dict() == {
        8: utc(2025, 10, 25, 22), 5: utc(2025, 10, 26, 0, 30), 6: utc(2025, 10, 26, 2),
        9: utc(2025, 10, 26, 22, 59, 59),
    }  # fmt: skip
    assert autumn["scheduled_status"].to_dict() == {8: "exact", 5: "ambiguous_earlier", 6: "exact", 9: "exact"}


def test_booking_values(source_url: str) -> None:
    frame = bookings(source_url)
    first, back = frame.loc[1], frame.loc[2]
    assert (first["leg"], back["leg"], back["parent_booking_id"]) == ("outbound", "return", 1)
    assert first["is_medical"]
    assert not frame.loc[3, "is_medical"], "blank text names no facility"
    assert first["distance_km"] == 4.5
    assert first["duration_min"] == 15.0
    assert pd.isna(frame.loc[5, "distance_km"])
    assert frame.loc[9, "updated_at"] == frame.loc[9, "created_at"], "never updated: changed when created"
    assert frame.loc[8, "status"] == "CANCELED", "a cancelled booking is a booking"


def test_wheelchair_keeps_not_said_apart_from_no(source_url: str) -> None:
    frame = bookings(source_url)
    assert frame.loc[2, "is_wheelchair"]
    assert not frame.loc[6, "is_wheelchair"]
    assert pd.isna(frame.loc[1, "is_wheelchair"])
    assert pd.isna(frame.loc[4, "is_wheelchair"]), "one no and one not said is not a no"


def test_patients_are_keyed_hashes(source_url: str) -> None:
    frame = bookings(source_url)
    assert frame.loc[1, "patient_key"] == patient_key("Patient Fictif 1", KEY)
    assert frame.loc[1, "patient_key"] == frame.loc[2, "patient_key"], "one person written two ways"
    assert pd.isna(frame.loc[3, "patient_key"])
    other = OperationsDatabase(source_url, hash_key=b"another").extract_days(FIRST, FIRST)
    assert next(other).bookings["patient_key"].iloc[0] != frame.loc[1, "patient_key"]


def test_assignments_take_the_day_of_their_booking(source_url: str) -> None:
    rows = extract(gateway(source_url), FIRST, LAST)["assignments"].set_index("assignment_id")
    assert rows["service_day"].to_dict() == {
        1: pd.Timestamp(2025, 3, 29), 2: pd.Timestamp(2025, 3, 29), 3: pd.Timestamp(2025, 10, 26),
    }  # fmt: skip
    assert rows.loc[1, "actual_dropoff_at"] == utc(2025, 3, 29, 8, 25, 30, 250_000)
    assert pd.isna(rows.loc[3, "driver_id"])


def test_shifts_are_placed_in_their_own_time_zone(source_url: str) -> None:
    table = gateway(source_url).read_driver_shifts(FIRST, LAST)
    rows = table.frame.set_index("shift_id")
    assert rows.loc[1, "start_at"] == utc(2025, 3, 29, 6)
    assert rows.loc[4, "start_at"] == utc(2025, 3, 29, 7)
    assert rows.loc[2, "end_at"] - rows.loc[2, "start_at"] == timedelta(hours=7), "the spring night is an hour short"
    assert rows.loc[3, "end_at"] - rows.loc[3, "start_at"] == timedelta(hours=4), "the autumn night is an hour long"
    assert table.set_aside == {
        "start_missing": 1, "end_missing": 1, "timezone_missing": 1, "timezone_unknown": 1, "start_nonexistent": 1,
        "ends_before_start": 1,
    }  # fmt: skip


def test_absences_are_wall_clocks_of_geneva(source_url: str) -> None:
    table = gateway(source_url).read_driver_absences()
    rows = [tuple(row) for row in table.frame.itertuples(index=False)]
    assert rows == [
        (1, pd.Timestamp(2025, 3, 29), utc(2025, 3, 29, 11), utc(2025, 3, 30, 10)),
        (1, pd.Timestamp(2025, 10, 26), utc(2025, 10, 26, 0, 30), utc(2025, 10, 26, 5)),
        (2, pd.Timestamp(2025, 3, 29), utc(2025, 3, 29, 11), utc(2025, 3, 30, 10)),
    ]
    assert table.set_aside == {
        "duplicate": 1, "start_missing": 1, "end_missing": 1, "start_nonexistent": 1, "end_nonexistent": 1,
        "ends_before_start": 1, "driver_missing": 1,
    }  # fmt: skip


def test_companies_and_their_depots(source_url: str) -> None:
    frame = gateway(source_url).read_companies().frame.set_index("company_id")
    assert frame.loc[1].tolist() == [46.2, 6.14, True]
    assert frame.loc[2].isna().all(), "not said stays not said"


def test_initials_need_both_names(source_url: str) -> None:
    frame = gateway(source_url).read_drivers().frame.set_index("driver_id")
    assert frame.loc[1, "initials"] == "EE"
    assert frame.loc[[2, 3], "initials"].isna().all()
    assert frame.loc[1, "weekly_hours"] == 42.0


def test_empty_tables(source_url: str) -> None:
    every = ("assignment", "dispatch_run", "booking", "driver_shift", "driver_unavailability", "company", "driver")
    change_source(source_url, *(f"DELETE FROM {table}" for table in every))
    database = gateway(source_url)
    assert database.inspect_schema() == []
    assert database.span() is None
    assert database.high_watermark() is None
    assert database.day_digests().empty
    assert database.changed_days(None, late_window=timedelta(0)) == []
    assert not any(database.set_aside().values())
    full, none = extract(gateway(source_url), FIRST, FIRST), whole_tables(database)
    assert all(frame.empty for frame in full.values())
    assert all(table.frame.empty and not table.set_aside for table in none.values())


def test_times_that_no_calendar_holds_are_counted(empty_url: str) -> None:
    """PostgreSQL knows infinity and years after 9999; SQLite holds any text."""
    write_source(empty_url)
    odd = ("10000-01-01", "infinity", "1969-12-31")
    for key, value in zip((1, 2, 5), odd, strict=True):
        change_source(empty_url, f"UPDATE booking SET scheduled_time = '{value}' WHERE id = {key}")
    database = gateway(empty_url)
    counts = database.set_aside()
    assert counts["bookings"] == {"scheduled_time_missing": 1, "scheduled_time_out_of_range": 3}
    assert sum(counts["bookings"].values()) + len(extract(database, FIRST, LAST)["bookings"]) == len(BOOKINGS)
    assert counts["assignments"]["scheduled_time_out_of_range"] == 3
    assert database.span() == (date(2025, 3, 30), LAST)
    assert database.changed_days(None, late_window=timedelta(0)) == [
        FIRST, date(2025, 3, 30), date(2025, 10, 26), LAST,
    ], "the plan's day remains"  # fmt: skip
    assert int(database.day_digests()["bookings"].sum()) == len(BOOKINGS) - 4


def test_instants_that_are_not_instants(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'operations.db'}"
    write_source(url)
    change_source(url, "UPDATE booking SET created_at = 'note fictive' WHERE id = 1")
    with pytest.raises(SchemaDriftError, match=r"^booking.created_at holds values that are not timestamps$"):
        extract(gateway(url), FIRST, FIRST)


@pytest.mark.integration
def test_an_instant_that_no_calendar_holds_is_said_in_one_line(postgresql_source: str) -> None:
    write_source(postgresql_source)
    change_source(postgresql_source, "UPDATE assignment SET planned_pickup_at = 'infinity' WHERE id = 1")
    with pytest.raises(SourceError, match=r"a timestamp that is infinite or after the year 9999$"):
        extract(gateway(postgresql_source), FIRST, FIRST)


@pytest.mark.integration
def test_time_zones_must_be_where_they_belong(postgresql_source: str) -> None:
    write_source(postgresql_source)
    change_source(postgresql_source, "ALTER TABLE booking ALTER COLUMN created_at TYPE timestamp")
    with pytest.raises(SchemaDriftError, match=r"booking.created_at has no time zone"):
        extract(gateway(postgresql_source), FIRST, FIRST)
    write_source(postgresql_source)
    change_source(postgresql_source, "ALTER TABLE booking ALTER COLUMN scheduled_time TYPE timestamptz")
    with pytest.raises(SchemaDriftError, match=r"booking.scheduled_time carries a time zone"):
        extract(gateway(postgresql_source), FIRST, FIRST)


@pytest.mark.integration
def test_session_time_zone_of_the_server_does_not_matter(postgresql_source: str) -> None:
    write_source(postgresql_source)
    expected = extract(gateway(postgresql_source), FIRST, FIRST)["assignments"]
    change_source(
        postgresql_source,
        "ALTER ROLE postgres SET TimeZone = 'Asia/Kathmandu'",
        "ALTER ROLE postgres SET DateStyle = 'German'",
    )
    try:
        database = gateway(postgresql_source)
        pd.testing.assert_frame_equal(extract(database, FIRST, FIRST)["assignments"], expected)
        assert len(database.changed_days(None, late_window=timedelta(0))) == 4
        assert len(database.day_digests()) == 4
    finally:
        change_source(postgresql_source, "ALTER ROLE postgres RESET ALL")


def test_nonsense_arguments(source_url: str) -> None:
    with pytest.raises(ValueError, match="hashing key is empty"):
        OperationsDatabase(source_url, hash_key=b"")
    with pytest.raises(ValueError, match="chunk_rows"):
        gateway(source_url, 0)
    with pytest.raises(ValueError, match="retry_attempts"):
        OperationsDatabase(source_url, hash_key=KEY, retry_attempts=0)
    with pytest.raises(ValueError, match="retry_wait_s"):
        OperationsDatabase(source_url, hash_key=KEY, retry_wait_s=9, retry_max_wait_s=8)
    database = gateway(source_url)
    with pytest.raises(ValueError, match="before first_day"):
        database.extract_days(LAST, FIRST)
    with pytest.raises(ValueError, match="must lie between"):
        database.extract_days(FIRST, ALL_DAYS[1] + timedelta(days=1))
    with pytest.raises(ValueError, match="time zone"):
        database.changed_days(datetime(2025, 1, 1), late_window=timedelta(0))
