"""Which days are read again: exactly those that differ from the source, however the difference came about."""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from atmr_pipeline.jobs.days import MAX_RANGES, WATERMARK, day_ranges, days_that_differ, days_to_extract, open_days
from atmr_pipeline.jobs.partitions import DAYS_AHEAD, SERVICE_DAYS
from atmr_pipeline.jobs.schedules import DAYS_TAG, RANGE_END_TAG, RANGE_START_TAG, requests_of
from atmr_pipeline.resources.extracted import OPERATIONS_TABLES
from atmr_pipeline.resources.workspace import Workspace
from atmr_pipeline.settings import load_settings
from atmr_pipeline.simulation import WorldConfig, build_demo
from atmr_pipeline.state.watermarks import advance_watermark, get_watermark

GENEVA = ZoneInfo("Europe/Zurich")
END = date(2026, 6, 20)
TICK = datetime(2026, 6, 20, 3, tzinfo=GENEVA)
KNOWN = SERVICE_DAYS.get_partition_keys(current_time=TICK)
FIRST = "2026-05-01"
"""Before the company's first booking."""
OLD = "2026-05-2%"


class Company:
    """A demo company of one month whose every day was extracted; a test may change its database."""

    def __init__(self, root: Path) -> None:
        self.root, self.workspace = root, Workspace()

    def extract(self, first: str, last: str) -> None:
        days = (date.fromisoformat(first), date.fromisoformat(last))
        for extract in self.workspace.operations.extract_days(*days):
            for name in OPERATIONS_TABLES:
                self.workspace.tables.write_day(name, extract.day, getattr(extract, name))

    def source(self, statement: str, *values: object) -> list[tuple]:
        with closing(sqlite3.connect(self.root / "demo" / "operations.db")) as connection, connection:
            return connection.execute(statement, values).fetchall()

    def a_booking(self) -> tuple[int, str]:
        """An old booking with its day, long before the late window."""
        ((booking, day),) = self.source(
            "SELECT id, SUBSTR(scheduled_time, 1, 10) FROM booking WHERE scheduled_time LIKE ? "
            "AND updated_at < '2026-05-28' ORDER BY id LIMIT 1",
            OLD,
        )
        return booking, day

    def differing(self) -> list[str]:
        return [day.isoformat() for day in days_that_differ(self.workspace)]


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("company") / "home"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ATMR_HOME", str(root))
        build_demo(WorldConfig(months=1, bookings_per_day=6, drivers=2, seed=3, end=END), root)
        company = Company(root)
        company.extract(FIRST, KNOWN[-1])
        advance_watermark(company.workspace.state, WATERMARK, company.workspace.operations.high_watermark())
        company.workspace.state.close()
    return root


@pytest.fixture
def company(template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Company]:
    root = tmp_path / "home"
    shutil.copytree(template, root)
    monkeypatch.setenv("ATMR_HOME", str(root))
    company = Company(root)
    yield company
    company.workspace.state.close()


def test_what_was_extracted_whole_does_not_differ(company: Company) -> None:
    assert company.differing() == []


def test_a_deleted_booking_is_seen_on_its_day(company: Company) -> None:
    booking, day = company.a_booking()
    company.source("DELETE FROM assignment WHERE booking_id = ?", booking)
    company.source("DELETE FROM booking WHERE id = ?", booking)
    assert company.differing() == [day]
    assert day in days_to_extract(company.workspace, KNOWN)
    company.extract(day, day)
    assert company.differing() == []
    stored = company.workspace.tables.read_columns("bookings", ["booking_id"])
    assert booking not in set(stored["booking_id"])


def test_a_booking_that_moved_is_seen_on_both_days_though_nothing_says_that_it_changed(company: Company) -> None:
    booking, day = company.a_booking()
    company.source("UPDATE booking SET scheduled_time = '2026-05-31 09:00:00.000000' WHERE id = ?", booking)
    assert company.differing() == [day, "2026-05-31"]


def test_a_booking_that_lost_its_time_is_seen_on_the_day_it_left(company: Company) -> None:
    booking, day = company.a_booking()
    company.source("UPDATE booking SET scheduled_time = NULL WHERE id = ?", booking)
    assert company.differing() == [day]


def test_a_correction_days_later_is_seen_on_its_day_alone_before_any_watermark_moves(company: Company) -> None:
    booking, day = company.a_booking()
    company.source(
        "UPDATE booking SET status = 'CANCELED', updated_at = '2026-06-20 12:00:00.000000' WHERE id = ?", booking
    )
    assert company.differing() == [day]
    company.extract(day, day)
    assert company.differing() == []


def test_a_home_without_any_day_reads_from_the_first_booking_on(company: Company) -> None:
    for name in OPERATIONS_TABLES:
        for file in (company.workspace.tables.root / name).iterdir():
            file.unlink()
    ((first,),) = company.source("SELECT SUBSTR(MIN(scheduled_time), 1, 10) FROM booking")
    wanted = days_to_extract(company.workspace, KNOWN)
    assert wanted == [day for day in KNOWN if day >= first]


def test_a_day_that_one_table_lacks_was_not_extracted(company: Company) -> None:
    lost = company.workspace.tables.root / "dispatch_runs" / "2026-06-01.parquet"
    lost.unlink()
    assert "2026-06-01" in days_to_extract(company.workspace, KNOWN)


def test_a_damaged_day_file_is_read_again(company: Company) -> None:
    damaged = company.workspace.tables.root / "bookings" / "2026-06-02.parquet"
    damaged.write_bytes(damaged.read_bytes()[:100])
    assert company.differing() == ["2026-06-02"]
    company.extract("2026-06-02", "2026-06-02")
    assert company.differing() == []


def test_a_tick_reads_older_days_in_runs_of_their_own_that_go_first(company: Company) -> None:
    booking, day = company.a_booking()
    company.source("DELETE FROM assignment WHERE booking_id = ?", booking)
    *older, main = requests_of("daily_retraining", TICK, company.workspace)
    (request,) = [one for one in older if one.tags[RANGE_START_TAG] == day]
    assert request.tags[RANGE_END_TAG] == day
    assert {key.path[-1] for key in request.asset_selection} >= {"bookings", "assignments", "dispatch_runs"}
    assert int(request.tags["dagster/priority"]) > 0
    assert main.asset_selection is None
    assert main.tags[RANGE_END_TAG] == KNOWN[-1]
    assert len({one.run_key for one in (*older, main)}) == len(older) + 1


def test_a_tick_without_a_source_asks_for_the_open_days_and_says_so(company: Company) -> None:
    (company.root / "demo" / "operations.db").write_bytes(b"no database")
    (main,) = requests_of("nightly_feedback", TICK, company.workspace)
    assert "SourceError" in main.tags[DAYS_TAG]
    assert (main.tags[RANGE_START_TAG], main.tags[RANGE_END_TAG]) == ("2026-06-06", KNOWN[-1])


@pytest.mark.parametrize("day", [date(2027, 3, 28), date(2026, 10, 25), date(2026, 6, 10)])
def test_open_days_are_the_late_window_and_what_is_booked_ahead(day: date, company: Company) -> None:
    days = open_days(company.workspace, datetime(day.year, day.month, day.day, 3, tzinfo=GENEVA))
    assert len(days) == load_settings().late_window_days + DAYS_AHEAD
    assert days[load_settings().late_window_days] == day.isoformat()


def test_before_the_history_begins_there_is_no_day(company: Company) -> None:
    first = date.fromisoformat(SERVICE_DAYS.get_partition_keys()[0])
    with pytest.raises(ValueError, match="ATMR_HISTORY_START"):
        open_days(company.workspace, datetime(first.year - 1, 1, 1, tzinfo=GENEVA))


def test_ranges_have_no_gaps_and_leave_unknown_days_out() -> None:
    days = ["2026-05-05", "2026-05-01", "2026-05-02", "2031-01-01"]
    assert day_ranges(days, KNOWN) == [("2026-05-01", "2026-05-02"), ("2026-05-05", "2026-05-05")]
    assert day_ranges([], KNOWN) == []


def test_too_many_gaps_are_bridged_by_one_range() -> None:
    scattered = KNOWN[::3][: MAX_RANGES + 1]
    assert day_ranges(scattered, KNOWN) == [(scattered[0], scattered[-1])]


def test_the_watermark_stands_where_the_source_stood(company: Company) -> None:
    assert get_watermark(company.workspace.state, WATERMARK) == company.workspace.operations.high_watermark()
