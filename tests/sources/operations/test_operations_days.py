"""Days from one snapshot, whole and in order, with no more in memory than a day and a chunk of each table."""

import weakref
from collections import Counter
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st
from operations_source import (
    TABLES,
    as_application,
    assignment,
    assignment_row,
    booking,
    booking_row,
    change_source,
    extract,
    write_days,
    write_pair,
    write_rows,
)

from atmr_pipeline.domain.errors import SchemaDriftError, TableContractError
from atmr_pipeline.domain.tables import DISPATCH_RUNS, conform, empty
from atmr_pipeline.domain.tables import TABLES as SCHEMAS
from atmr_pipeline.sources.operations import OperationsDatabase, database
from atmr_pipeline.sources.operations.days import by_day, merged_days

FIRST, LAST = date(2025, 1, 1), date(2025, 1, 16)
DAYS, PER_DAY, CHUNK_ROWS = 16, 4, 10


def gateway(url: str, chunk_rows: int = CHUNK_ROWS) -> OperationsDatabase:
    return OperationsDatabase(url, hash_key=b"a test key", chunk_rows=chunk_rows)


@pytest.fixture
def days_url(empty_url: str) -> str:
    write_days(empty_url, DAYS, PER_DAY)
    return empty_url


def test_every_day_comes_once_whole_and_in_order(days_url: str) -> None:
    days = list(gateway(days_url).extract_days(FIRST - timedelta(days=3), LAST + timedelta(days=3)))
    assert [each.day for each in days] == [FIRST + timedelta(days=n) for n in range(-3, DAYS + 3)]
    for each in days:
        number = (each.day - FIRST).days
        expected = 0 if number % 7 == 6 or not 0 <= number < DAYS else PER_DAY
        assert [len(getattr(each, name)) for name in TABLES] == [expected, expected, min(expected, 1)]
        assert each.assignments["booking_id"].tolist() == each.bookings["booking_id"].tolist()
        for name in TABLES:
            frame = getattr(each, name)
            assert list(frame.index) == list(range(len(frame)))
            assert frame.dtypes.equals(empty(SCHEMAS[name]).dtypes)
            if number < 2:
                pd.testing.assert_frame_equal(conform(frame, SCHEMAS[name]), frame)


def test_a_range_takes_its_days_and_no_other(days_url: str) -> None:
    whole = extract(gateway(days_url), FIRST, LAST)
    for first, last in ((3, 3), (7, 7), (6, 9), (15, 16)):
        some = extract(gateway(days_url), date(2025, 1, first), date(2025, 1, last))
        for name in TABLES:
            day = whole[name]["service_day"].dt.day
            expected = whole[name][day.between(first, last)].reset_index(drop=True)
            pd.testing.assert_frame_equal(some[name], expected)


def test_a_day_of_many_chunks(empty_url: str) -> None:
    write_days(empty_url, days=2, per_day=30)
    one, other = gateway(empty_url).extract_days(FIRST, date(2025, 1, 2))
    assert (len(one.bookings), len(other.assignments)) == (30, 30)
    assert one.bookings["scheduled_local"].is_monotonic_increasing
    whole = next(iter(gateway(empty_url, 100_000).extract_days(FIRST, FIRST)))
    for name in TABLES:
        pd.testing.assert_frame_equal(getattr(one, name), getattr(whole, name))


def test_days_handed_out_are_the_callers(days_url: str) -> None:
    days = list(gateway(days_url).extract_days(FIRST, LAST))
    empties = [each for each in days if each.bookings.empty]
    empties[0].bookings.loc[0, "status"] = "changed by the caller"
    assert all(each.bookings.empty for each in empties[1:])
    days[0].bookings["status"] = "changed by the caller"
    assert "changed by the caller" not in set(days[1].bookings["status"])


class Alive:
    """How many of the frames seen are still held by anyone."""

    def __init__(self) -> None:
        self._seen: list[weakref.ref[pd.DataFrame]] = []

    def see(self, frame: pd.DataFrame) -> None:
        self._seen.append(weakref.ref(frame))

    def count(self) -> int:
        return sum(each() is not None for each in self._seen)


@pytest.mark.parametrize("per_day", [1, 25])
def test_memory_holds_a_day_and_a_chunk_however_long_the_range(
    empty_url: str, monkeypatch: pytest.MonkeyPatch, per_day: int
) -> None:
    write_days(empty_url, DAYS, per_day)
    stream, fetched, handed_out = database.chunks, Counter[str](), Counter[str]()
    chunks_alive, days_alive = Alive(), Alive()

    def watched(connection: sa.Connection, name: str, *args: Any) -> Iterator[pd.DataFrame]:
        for chunk in stream(connection, name, *args):
            fetched[name] += len(chunk)
            chunks_alive.see(chunk)
            yield chunk

    monkeypatch.setattr(database, "chunks", watched)
    for each in gateway(empty_url).extract_days(FIRST, LAST):
        for name in TABLES:
            frame = getattr(each, name)
            handed_out[name] += len(frame)
            days_alive.see(frame)
            # That a day is empty is known once the next one is read.
            known = CHUNK_ROWS + (per_day if frame.empty else 0)
            assert fetched[name] - handed_out[name] <= known, "no further than the chunk in which the day ends"
        del each, frame
        assert chunks_alive.count() <= len(TABLES)
        assert days_alive.count() == 0, "a day that the caller let go is gone"
    assert handed_out["bookings"] == fetched["bookings"] == 14 * per_day


@pytest.mark.integration
def test_the_server_holds_the_cursors(postgresql_source: str) -> None:
    write_days(postgresql_source, DAYS, PER_DAY)
    days = gateway(postgresql_source).extract_days(FIRST, LAST)
    next(days)
    with as_application(postgresql_source) as connection:
        row = connection.execute(
            sa.text(
                "SELECT state, query FROM pg_stat_activity "
                "WHERE application_name = 'atmr_pipeline' AND datname = current_database()"
            )
        ).one()
    assert row.state == "idle in transaction"
    assert row.query.startswith("FETCH FORWARD")
    assert len(list(days)) == DAYS - 1


@pytest.mark.parametrize("chunk_rows", [CHUNK_ROWS, 1000])
@pytest.mark.parametrize("before", TABLES)
def test_all_tables_come_from_one_snapshot(
    days_url: str, monkeypatch: pytest.MonkeyPatch, before: str, chunk_rows: int
) -> None:
    """The dispatcher writes just before a table is opened, while others are half read or read to their end."""
    expected = extract(gateway(days_url), FIRST, LAST)
    chunks, written = database.chunks, []

    def written_before(connection: sa.Connection, name: str, *args: Any) -> Iterator[pd.DataFrame]:
        if name == before and not written:
            written.append(name)
            write_pair(days_url, 1000, datetime(2025, 1, 12, 9))
            change_source(
                days_url, "DELETE FROM assignment WHERE booking_id = 1", "DELETE FROM booking WHERE id = 1",
                "UPDATE booking SET scheduled_time = '2025-01-15 09:00:00' WHERE id = 2",
            )  # fmt: skip
        yield from chunks(connection, name, *args)

    monkeypatch.setattr(database, "chunks", written_before)
    got = extract(gateway(days_url, chunk_rows), FIRST, LAST)
    assert written == [before]
    assert set(got["bookings"]["booking_id"]) == set(got["assignments"]["booking_id"])
    assert (1000 in set(got["bookings"]["booking_id"])) == (before == "bookings")
    moved = [got[name].set_index("booking_id")["service_day"][2] for name in ("bookings", "assignments")]
    assert moved[0] == moved[1]
    if before != "bookings":
        for name in TABLES:
            pd.testing.assert_frame_equal(got[name], expected[name])


def test_a_writer_between_two_days_is_not_seen(days_url: str) -> None:
    expected = extract(gateway(days_url), FIRST, LAST)
    days = []
    for each in gateway(days_url).extract_days(FIRST, LAST):
        days.append(each)
        if each.day == date(2025, 1, 5):
            write_pair(days_url, 1000, datetime(2025, 1, 12, 9))
            change_source(
                days_url,
                "DELETE FROM assignment WHERE id BETWEEN 24 AND 99",
                "DELETE FROM booking WHERE id BETWEEN 24 AND 99",
            )
    for name in TABLES:
        got = pd.concat([getattr(each, name) for each in days], ignore_index=True)
        pd.testing.assert_frame_equal(got, expected[name])
    after = extract(gateway(days_url), FIRST, LAST)
    assert after["bookings"]["booking_id"].tolist() == [*range(1, 24), 1000]


def test_a_key_that_comes_twice_in_a_day_is_refused(empty_url: str) -> None:
    rows = {booking: [booking_row(1, datetime(2025, 1, 1, 9))], assignment: [assignment_row(1, 1)]}
    write_rows(empty_url, rows)
    change_source(
        empty_url,
        "ALTER TABLE assignment RENAME TO kept",
        "CREATE TABLE assignment AS SELECT * FROM kept UNION ALL SELECT * FROM kept",
        "DROP TABLE kept",
    )
    for chunk_rows in (1, 10):
        with pytest.raises(TableContractError, match="assignment"):
            list(gateway(empty_url, chunk_rows).extract_days(FIRST, FIRST))


def runs(days: list[int]) -> pd.DataFrame:
    """Plans of days after 1 January, in the order given."""
    stamps = pd.Series(np.array(days, dtype="timedelta64[D]") + np.datetime64("2025-01-01", "us"))
    frame = pd.DataFrame({"dispatch_run_id": range(len(days)), "company_id": 1, "service_day": stamps})
    missing = pd.Series(pd.NaT, index=frame.index, dtype="datetime64[us, UTC]")
    return conform(frame.assign(status="COMPLETED", started_at=missing, completed_at=missing), DISPATCH_RUNS)


@settings(max_examples=50, deadline=None)
@given(sizes=st.lists(st.integers(0, 9), max_size=8), chunk_rows=st.integers(1, 12))
def test_days_cut_from_chunks_of_any_size(sizes: list[int], chunk_rows: int) -> None:
    whole = runs([day for day, size in enumerate(sizes) for _ in range(size)])
    chunks = [whole.iloc[start : start + chunk_rows] for start in range(0, len(whole), chunk_rows)]
    last = FIRST + timedelta(days=8)
    days = list(merged_days(FIRST, last, bookings=[], assignments=[], dispatch_runs=chunks))
    assert [len(each.dispatch_runs) for each in days] == [*sizes, *[0] * (9 - len(sizes))]
    pd.testing.assert_frame_equal(pd.concat([each.dispatch_runs for each in days], ignore_index=True), whole)


def test_rows_before_the_range_do_not_vanish() -> None:
    days = merged_days(FIRST + timedelta(days=1), LAST, bookings=[], assignments=[], dispatch_runs=[runs([0, 1, 2])])
    with pytest.raises(SchemaDriftError, match="a day before"):
        next(days)


def test_times_out_of_order_would_tear_days() -> None:
    whole = runs([0, 1, 0])
    for size in (1, 2, 3):
        with pytest.raises(SchemaDriftError, match="do not sort by day"):
            list(by_day([whole.iloc[start : start + size] for start in range(0, 3, size)], DISPATCH_RUNS))
