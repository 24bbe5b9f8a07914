"""Sensors: a workbook is imported once, an alarm asks once, a failure is said without what it quoted."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from atmr_pipeline.resources.inbox import IMPORTED, content_key, drivers_fingerprint, inputs_of, workbooks_in
from atmr_pipeline.sensors import new_workbook, run_failure
from atmr_pipeline.sensors import workbooks as workbooks_sensor
from atmr_pipeline.settings import load_settings
from atmr_pipeline.state import StateStore
from atmr_pipeline.state.pipeline_state import set_state

QUOTED = "Patient Fictif 12, Rue Imaginaire 3"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ATMR_HOME", str(tmp_path))
    (tmp_path / "inbox").mkdir()
    return tmp_path


class Ticks:
    """Evaluates a sensor tick after tick, carrying the cursor as the daemon does."""

    def __init__(self, sensor: dg.SensorDefinition) -> None:
        self.sensor, self.cursor = sensor, None

    def next(self) -> list[dg.RunRequest]:
        context = dg.build_sensor_context(cursor=self.cursor, sensor_name=self.sensor.name)
        data = self.sensor.evaluate_tick(context)
        self.cursor = data.cursor
        return list(data.run_requests or [])


def test_a_new_workbook_waits_one_tick_and_asks_for_one_import(home: Path) -> None:
    ticks = Ticks(new_workbook)
    assert ticks.next() == []
    (home / "inbox" / "march.xlsx").write_bytes(b"first content")
    assert ticks.next() == []
    (request,) = ticks.next()
    assert request.run_key.startswith("workbooks:")
    assert ticks.next() == []


def _imported(home: Path) -> None:
    """What an import that ended well leaves behind."""
    store = StateStore(load_settings().state_database_url)
    store.migrate()
    contents = [content_key(path) for path in workbooks_in(home / "inbox")]
    set_state(store, IMPORTED, {"inputs": inputs_of(contents, drivers_fingerprint(home / "drivers.toml"))})
    store.close()


def test_a_workbook_that_a_run_has_imported_already_asks_for_nothing(home: Path) -> None:
    path = home / "inbox" / "march.xlsx"
    path.write_bytes(b"content")
    _imported(home)
    ticks = Ticks(new_workbook)
    assert [ticks.next(), ticks.next(), ticks.next()] == [[], [], []]
    path.write_bytes(b"other content")
    assert [len(ticks.next()), len(ticks.next())] == [0, 1]


def test_a_workbook_that_was_taken_away_or_came_back_asks_for_an_import(home: Path) -> None:
    path = home / "inbox" / "march.xlsx"
    path.write_bytes(b"content")
    _imported(home)
    ticks = Ticks(new_workbook)
    ticks.next()
    path.unlink()
    assert [len(ticks.next()), len(ticks.next())] == [0, 1]
    _imported(home)
    path.write_bytes(b"content")
    assert [len(ticks.next()), len(ticks.next())] == [0, 1]


def test_a_broken_drivers_file_does_not_stop_the_sensor(home: Path) -> None:
    (home / "drivers.toml").write_text("[initials.ZZ\n")
    ticks = Ticks(new_workbook)
    assert [len(ticks.next()), len(ticks.next())] == [0, 1]


def test_a_workbook_that_is_still_being_copied_is_left_alone(home: Path) -> None:
    ticks = Ticks(new_workbook)
    path = home / "inbox" / "march.xlsx"
    for part in (b"a", b"ab", b"abc"):
        path.write_bytes(part)
        assert ticks.next() == []
    assert len(ticks.next()) == 1


def test_the_same_content_under_another_name_asks_for_nothing(home: Path) -> None:
    ticks = Ticks(new_workbook)
    path = home / "inbox" / "march.xlsx"
    path.write_bytes(b"content")
    ticks.next()
    assert len(ticks.next()) == 1
    path.rename(home / "inbox" / "march (copy).xlsx")
    assert [ticks.next(), ticks.next(), ticks.next()] == [[], [], []]


def test_changed_content_asks_again_with_another_key(home: Path) -> None:
    ticks = Ticks(new_workbook)
    path = home / "inbox" / "march.xlsx"
    path.write_bytes(b"content")
    ticks.next()
    (first,) = ticks.next()
    path.write_bytes(b"corrected content")
    assert ticks.next() == []
    (second,) = ticks.next()
    assert first.run_key != second.run_key


def test_two_workbooks_of_one_tick_are_one_import(home: Path) -> None:
    ticks = Ticks(new_workbook)
    for name in ("march.xlsx", "april.csv"):
        (home / "inbox" / name).write_bytes(name.encode())
    ticks.next()
    assert len(ticks.next()) == 1


def test_lock_files_folders_and_other_files_are_no_workbooks(home: Path) -> None:
    inbox = home / "inbox"
    for name in ("~$march.xlsx", ".march.xlsx", "notes.txt"):
        (inbox / name).write_bytes(b"x")
    (inbox / "folder.xlsx").mkdir()
    (inbox / "MARCH.XLSX").write_bytes(b"x")
    assert [path.name for path in workbooks_in(inbox)] == ["MARCH.XLSX"]
    assert workbooks_in(home / "nowhere") == []


def test_a_failed_run_leaves_one_line_without_what_the_error_quoted(home: Path) -> None:
    @dg.op
    def breaks() -> None:
        raise ValueError(QUOTED)

    @dg.job(name="breaking")
    def breaking() -> None:
        breaks()

    with dg.instance_for_test() as instance:
        result = breaking.execute_in_process(instance=instance, raise_on_error=False)
        context = dg.build_run_status_sensor_context(
            sensor_name="run_failure",
            dagster_event=result.get_run_failure_event(),
            dagster_instance=instance,
            dagster_run=result.dagster_run,
        ).for_run_failure()
        run_failure(context)
    text = (home / "alerts.jsonl").read_text(encoding="utf-8")
    (line,) = text.splitlines()
    alert = json.loads(line)
    assert alert["facts"] == {"job": "breaking", "run_id": result.run_id, "failed_steps": ["breaks"]}
    assert "Patient" not in text
    assert "Rue" not in text


def test_an_import_that_failed_is_asked_for_again_later_and_three_times_at_most(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [datetime(2026, 6, 1, 8, tzinfo=UTC)]
    monkeypatch.setattr(workbooks_sensor, "utc_now", lambda: clock[0])
    (home / "inbox" / "march.xlsx").write_bytes(b"content")
    ticks = Ticks(new_workbook)
    asked = []
    for _ in range(12):
        asked += ticks.next()
        clock[0] += timedelta(minutes=16)
    assert len(asked) == workbooks_sensor.MAX_ATTEMPTS
    assert len({request.run_key for request in asked}) == len(asked)


def test_a_decision_in_the_drivers_file_asks_for_an_import_and_a_count_does_not(home: Path) -> None:
    drivers = home / "drivers.toml"
    drivers.write_text("[initials.ZZ]\nseen = 3\n")
    ticks = Ticks(new_workbook)
    assert [ticks.next(), ticks.next()] == [[], []]
    drivers.write_text("[initials.ZZ]\nseen = 4\n")
    assert [ticks.next(), ticks.next()] == [[], []]
    drivers.write_text("[initials.ZZ]\nseen = 5\noccasional = true\n")
    assert [len(ticks.next()), len(ticks.next()), len(ticks.next())] == [0, 1, 0]
