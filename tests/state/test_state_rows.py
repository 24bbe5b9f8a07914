from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from atmr_pipeline.domain.errors import TableContractError
from atmr_pipeline.state.drift_events import (
    DriftEvent,
    close_drift_event,
    insert_drift_event,
    list_drift_events,
)
from atmr_pipeline.state.watermarks import advance_watermark, get_watermark, reset_watermark
from atmr_pipeline.state.workbook_files import (
    WorkbookFile,
    find_workbook_file,
    list_workbook_files,
    record_workbook_file,
)

DAY = date(2026, 3, 2)
NOW = datetime(2026, 3, 2, 3, tzinfo=UTC)


def event(name: str, **changes) -> DriftEvent:
    row = DriftEvent(name, "residual_drift", DAY, "critical", {"h": 18.0, "n": 28}, model_version="v1")
    return replace(row, **changes)


def test_an_event_is_inserted_once_and_its_first_evidence_stays(store):
    assert insert_drift_event(store, event("a", company_id=3, alarm_started_on=DAY - timedelta(days=1)))
    assert not insert_drift_event(store, event("a", evidence={"h": 99.0}))
    (kept,) = list_drift_events(store)
    assert kept.evidence == {"h": 18.0, "n": 28}
    assert (kept.company_id, kept.alarm_started_on) == (3, DAY - timedelta(days=1))
    assert kept.outcome is None


def test_the_cursor_gives_each_event_once_in_order(store, monkeypatch):
    # All within one clock reading: the order must not depend on the clock's resolution.
    monkeypatch.setattr("atmr_pipeline.state.drift_events.utc_now", lambda: NOW)
    for name in "cab":
        insert_drift_event(store, event(name))
    first = list_drift_events(store, limit=2)
    rest = list_drift_events(store, after=first[-1].created_at)
    assert [row.event_id for row in first + rest] == ["c", "a", "b"]
    assert list_drift_events(store, after=rest[-1].created_at) == []


def test_an_event_closes_once(store):
    insert_drift_event(store, event("a"))
    insert_drift_event(store, event("b"))
    assert close_drift_event(store, "a", "retrained", at=NOW)
    assert not close_drift_event(store, "a", "ignored")
    assert not close_drift_event(store, "unknown", "ignored")
    assert [row.event_id for row in list_drift_events(store, only_open=True)] == ["b"]
    closed = list_drift_events(store)[0]
    assert (closed.outcome, closed.outcome_at) == ("retrained", NOW)


def test_a_watermark_only_moves_forward(store):
    assert get_watermark(store, "bookings") is None
    assert advance_watermark(store, "bookings", NOW)
    assert not advance_watermark(store, "bookings", NOW - timedelta(hours=1))
    assert not advance_watermark(store, "bookings", NOW)
    assert get_watermark(store, "bookings") == NOW
    assert get_watermark(store, "assignments") is None
    reset_watermark(store, "bookings")
    assert get_watermark(store, "bookings") is None


def account(**changes) -> WorkbookFile:
    return replace(WorkbookFile("ab" * 32, "transport.xlsx", 211, 200, 5, 4, 2, NOW), **changes)


def test_a_workbook_is_known_by_its_content(store):
    assert record_workbook_file(store, account())
    assert not record_workbook_file(store, account(file_name="copie.xlsx", rows_accepted=201, rows_quarantined=4))
    assert find_workbook_file(store, "ab" * 32).file_name == "copie.xlsx"
    assert find_workbook_file(store, "cd" * 32) is None
    assert [file.rows_accepted for file in list_workbook_files(store)] == [201]


def test_rows_that_do_not_add_up_are_refused():
    with pytest.raises(TableContractError, match="211 rows read but 210"):
        account(rows_accepted=199)
