"""Changes are seen by their time or by what a day holds: exactly the days they touch."""

from collections.abc import Iterable
from datetime import date, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st
from operations_source import (
    TABLES,
    assignment_row,
    booking_row,
    change_source,
    extract,
    utc,
    write_days,
    write_pair,
    write_rows,
)
from operations_source import assignment as assignment_table
from operations_source import booking as booking_table

from atmr_pipeline.sources.operations import DIGEST_COLUMNS, OperationsDatabase, changed_by_digest, digests_of
from atmr_pipeline.sources.operations.queries import statement

FIRST, LAST = date(2025, 1, 1), date(2025, 1, 14)
KEYS = ("booking_id", "assignment_id", "dispatch_run_id")
NO_WINDOW = timedelta(0)


def gateway(url: str) -> OperationsDatabase:
    return OperationsDatabase(url, hash_key=b"a test key")


@pytest.fixture
def days_url(empty_url: str) -> str:
    """A fortnight with five bookings a day; ids 1 to 5 on 1 January, 6 to 10 on 2 January."""
    write_days(empty_url, days=14, per_day=5)
    return empty_url


def test_changed_days(source_url: str) -> None:
    database, october = gateway(source_url), date(2025, 10, 26)
    assert database.changed_days(None, late_window=NO_WINDOW) == [
        date(2025, 3, 29), date(2025, 3, 30), october, date(2025, 10, 27),
    ]  # fmt: skip
    watermark = database.high_watermark()
    assert watermark == utc(2025, 11, 21)
    assert database.changed_days(watermark, late_window=NO_WINDOW) == []
    assert database.changed_days(watermark, late_window=timedelta(seconds=1)) == [october]


@pytest.mark.parametrize(
    ("correction", "touched"),
    [
        ("UPDATE booking SET status = 'CANCELED', updated_at = :now WHERE id = 7", [2]),
        ("UPDATE assignment SET actual_pickup_at = :now, updated_at = :now WHERE id = 1", [1]),
        ("UPDATE dispatch_run SET status = 'FAILED', completed_at = :now WHERE id = 3", [3]),
        ("UPDATE booking SET scheduled_time = '2025-01-03 09:00:00', updated_at = :now WHERE id = 1", [3]),
        ("UPDATE booking SET updated_at = :now WHERE id IN (1, 6, 60)", [1, 2, 13]),
        ("UPDATE assignment SET updated_at = NULL, created_at = :now WHERE id = 12", [3]),
        ("UPDATE assignment SET updated_at = '2024-01-01 00:00:00', created_at = :now WHERE id = 12", []),
    ],
)
def test_a_correction_made_days_later_gives_exactly_its_day(days_url: str, correction: str, touched: list[int]) -> None:
    database = gateway(days_url)
    watermark = database.high_watermark()
    assert watermark is not None
    now = (watermark + timedelta(days=40)).strftime("'%Y-%m-%d %H:%M:%S'")
    change_source(days_url, correction.replace(":now", now if "sqlite" in days_url else now + "::timestamptz"))
    assert database.changed_days(watermark, late_window=NO_WINDOW) == [date(2025, 1, day) for day in touched]
    assert database.changed_days(database.high_watermark(), late_window=NO_WINDOW) == []


def test_since_is_compared_as_an_instant(source_url: str) -> None:
    zurich_noon = datetime.fromisoformat("2025-11-21T00:59:59+01:00")
    assert gateway(source_url).changed_days(zurich_noon, late_window=NO_WINDOW) == [date(2025, 10, 26)]


def test_an_index_on_the_time_of_change_answers(days_url: str) -> None:
    indexes = [f"CREATE INDEX by_change_{table} ON {table} (updated_at)" for table in ("booking", "assignment")]
    change_source(days_url, *indexes)
    is_sqlite = days_url.startswith("sqlite")
    with gateway(days_url).connection() as connection:
        if not is_sqlite:
            # The tables are too small for an index to pay: ask whether one can be used, not whether it is.
            connection.execute(sa.text("SET enable_seqscan = off"))
        for query, parameters in (("changed_days", {"since": utc(2025, 6, 1)}), ("high_watermark", {})):
            explained = sa.text(
                ("EXPLAIN QUERY PLAN " if is_sqlite else "EXPLAIN ") + str(statement(query, parameters))
            )
            plan = "\n".join(str(line) for line in connection.execute(explained, parameters))
            assert plan.count("by_change_booking") >= 2, "for updated_at, and for rows never updated"
            assert plan.count("by_change_assignment") >= 2
            for scan in ("Seq Scan on booking", "Seq Scan on assignment", "SCAN b", "SCAN a"):
                assert scan not in plan


@pytest.mark.integration
def test_an_index_on_the_scheduled_time_gives_the_order(postgresql_source: str) -> None:
    write_days(postgresql_source, days=7, per_day=5)
    change_source(
        postgresql_source,
        "CREATE INDEX by_time ON booking (scheduled_time)",
        "CREATE INDEX by_booking ON assignment (booking_id)",
    )
    parameters = {"first_day": FIRST, "after_day": date(2025, 1, 3)}
    with gateway(postgresql_source).connection() as connection:
        for name in ("enable_seqscan", "enable_bitmapscan", "enable_hashjoin", "enable_mergejoin"):
            connection.execute(sa.text(f"SET {name} = off"))
        for query in ("bookings", "assignments"):
            plan = "\n".join(
                str(line) for line in connection.execute(sa.text(f"EXPLAIN {statement(query, parameters)}"), parameters)
            )
            assert "Index Scan using by_time" in plan
            assert "Presorted Key: b.scheduled_time" in plan or "Presorted Key: scheduled_time" in plan, plan


def stored(url: str) -> pd.DataFrame:
    return digests_of(**extract(gateway(url), FIRST, LAST))


def test_what_was_extracted_has_the_digests_of_the_source(days_url: str) -> None:
    source = gateway(days_url).day_digests()
    pd.testing.assert_frame_equal(source, stored(days_url))
    assert list(source.columns) == ["service_day", *DIGEST_COLUMNS]
    assert source["service_day"].dtype == "datetime64[us]"
    assert set(source[DIGEST_COLUMNS].dtypes) == {np.dtype("int64")}
    assert len(source) == 12, "days without a row are absent"
    assert source[["bookings", "assignments", "dispatch_runs"]].drop_duplicates().to_numpy().tolist() == [[5, 5, 1]]
    assert changed_by_digest(source, stored(days_url)) == []


@pytest.mark.parametrize(
    ("change", "days"),
    [
        ("DELETE FROM booking WHERE id = 7", [2]),
        ("DELETE FROM assignment WHERE id = 1", [1]),
        ("DELETE FROM dispatch_run WHERE id = 3", [3]),
        ("UPDATE booking SET scheduled_time = NULL WHERE id = 1", [1]),
        ("UPDATE booking SET scheduled_time = '2025-01-02 09:00:00' WHERE id = 1", [1, 2]),
        ("UPDATE booking SET scheduled_time = '2025-01-07 09:00:00' WHERE id = 1", [1, 7]),
        ("UPDATE booking SET scheduled_time = '2025-03-01 09:00:00' WHERE id = 1", [1, 60]),
        ("UPDATE assignment SET booking_id = 6 WHERE id = 1", [1, 2]),
        ("UPDATE dispatch_run SET day = '2025-01-07' WHERE id = 3", [3, 7]),
        ("DELETE FROM booking", list(range(1, 7)) + list(range(8, 14))),
    ],
)
def test_what_leaves_no_trace_is_seen(days_url: str, change: str, days: list[int]) -> None:
    before, watermark = stored(days_url), gateway(days_url).high_watermark()
    change_source(days_url, change)
    database = gateway(days_url)
    assert database.changed_days(watermark, late_window=NO_WINDOW) == []
    differ = changed_by_digest(database.day_digests(), before)
    assert differ == [date(2025, 1, 1) + timedelta(days=day - 1) for day in days]


def test_a_row_that_appears_with_an_old_time_is_seen(days_url: str) -> None:
    before, watermark = stored(days_url), gateway(days_url).high_watermark()
    write_pair(days_url, 1000, datetime(2025, 1, 9, 9))
    assert gateway(days_url).changed_days(watermark, late_window=NO_WINDOW) == []
    assert changed_by_digest(gateway(days_url).day_digests(), before) == [date(2025, 1, 9)]


def test_two_bookings_that_change_places_with_two_others_are_seen(empty_url: str) -> None:
    one, other = datetime(2025, 1, 1, 9), datetime(2025, 1, 2, 9)
    days = {1: one, 4: one, 2: other, 3: other}
    write_rows(empty_url, {booking_table: [booking_row(key, at) for key, at in days.items()]})
    before = stored(empty_url)
    swapped = {one: other, other: one}
    write_rows(empty_url, {booking_table: [booking_row(key, swapped[at]) for key, at in days.items()]})
    assert changed_by_digest(gateway(empty_url).day_digests(), before) == [one.date(), other.date()]


@pytest.mark.parametrize("largest", [2**31, 2**53, 2**63 - 1])
def test_large_ids_neither_overflow_nor_are_confused(empty_url: str, largest: int) -> None:
    keys = [largest - step for step in range(40)] + [-5]
    rows = {
        booking_table: [booking_row(key, datetime(2025, 1, 1, 9), client_id=1) for key in keys],
        assignment_table: [assignment_row(key, key) for key in keys],
    }
    write_rows(empty_url, rows)
    pd.testing.assert_frame_equal(gateway(empty_url).day_digests(), stored(empty_url))
    change_source(empty_url, f"UPDATE assignment SET id = 7 WHERE id = {largest - 3}")
    assert changed_by_digest(gateway(empty_url).day_digests(), digests_of_keys({0: keys})) == [FIRST]


def digests_of_keys(days: dict[int, Iterable[int]]) -> pd.DataFrame:
    pairs = [(key, pd.Timestamp(2025, 1, 1) + pd.Timedelta(days=day)) for day, keys in days.items() for key in keys]
    frames = [
        pd.DataFrame(pairs, columns=[key, "service_day"])
        .astype({key: "int64", "service_day": "datetime64[us]"})
        .assign(updated_at=pd.Timestamp("2025-01-01T08:00:00Z"))
        for key in KEYS
    ]
    return digests_of(*frames)


@settings(max_examples=40, deadline=None)
@given(
    left=st.dictionaries(st.integers(0, 6), st.sets(st.integers(1, 9)), max_size=5),
    right=st.dictionaries(st.integers(0, 6), st.sets(st.integers(1, 9)), max_size=5),
)
def test_days_differ_exactly_where_their_rows_do(left: dict[int, set[int]], right: dict[int, set[int]]) -> None:
    expected = [FIRST + timedelta(days=day) for day in range(7) if left.get(day, set()) != right.get(day, set())]
    assert changed_by_digest(digests_of_keys(left), digests_of_keys(right)) == expected


def test_nothing_stored_yet(days_url: str) -> None:
    source = gateway(days_url).day_digests()
    nothing = pd.DataFrame({"service_day": pd.Series([], dtype="datetime64[us]")})
    assert len(changed_by_digest(source, nothing)) == len(source)
    assert changed_by_digest(nothing, nothing) == []
    zeros = source.assign(**dict.fromkeys(DIGEST_COLUMNS, 0))
    assert changed_by_digest(nothing, zeros) == [], "a day that holds nothing is as good as none"
    assert len(TABLES) * 3 == len(DIGEST_COLUMNS)
