"""The folder of drift reports: what is written, what is kept, what is listed."""

import json
from datetime import date, timedelta
from pathlib import Path

from atmr_pipeline.monitoring.daily_reports import is_html_day, prune, write_daily, write_index

MONDAY = date(2026, 3, 2)
QUIET = {"verdict": "no drift seen", "severity": "none", "alarms": []}
ALARMED = {
    "verdict": "retraining requested: <b>pickups later</b>",
    "severity": "critical",
    "alarms": [{"kind": "residual_drift", "company_id": None}, {"kind": "label_drift", "company_id": 4}],
}


def test_large_reports_are_for_alarms_and_mondays():
    days = [MONDAY + timedelta(days=offset) for offset in range(7)]
    assert [is_html_day(day, alarmed=False) for day in days] == [True] + [False] * 6
    assert all(is_html_day(day, alarmed=True) for day in days)


def test_retention_takes_only_day_files_past_their_time(tmp_path: Path):
    for age in (0, 10, 11, 30, 31):
        day = MONDAY - timedelta(days=age)
        write_daily(tmp_path, day, QUIET)
        (tmp_path / f"{day}.html").write_text("large")
    others = ["index.html", "notes.html", "2026-13-45.html", "2025-01-01.html.bak"]
    for name in others:
        (tmp_path / name).write_text("of somebody else")
    assert prune(tmp_path, MONDAY, html_days=10, json_days=30) == 3 + 1
    kept = {path.name for path in tmp_path.iterdir()}
    assert set(others) < kept
    assert {name for name in kept if name.endswith(".json")} == {
        f"{MONDAY - timedelta(days=age)}.json" for age in (0, 10, 11, 30)
    }
    assert f"{MONDAY - timedelta(days=11)}.html" not in kept
    assert prune(tmp_path / "absent", MONDAY, html_days=10, json_days=30) == 0


def test_the_index_lists_days_newest_first_with_what_there_is(tmp_path: Path):
    write_daily(tmp_path, MONDAY, QUIET)
    write_daily(tmp_path, MONDAY + timedelta(days=1), ALARMED)
    (tmp_path / "2026-03-03.html").write_text("large")
    text = write_index(tmp_path).read_text(encoding="utf-8")
    assert text.index("2026-03-03") < text.index("2026-03-02")
    assert 'href="2026-03-03.html"' in text
    assert 'href="2026-03-02.html"' not in text
    assert 'href="2026-03-02.json"' in text
    assert "residual_drift, all companies; label_drift, company 4" in text
    assert "<b>" not in text, "what a file says is shown, not run"
    assert write_index(tmp_path).read_text(encoding="utf-8") == text


def test_a_broken_day_is_listed_and_stops_nothing(tmp_path: Path):
    (tmp_path / "2026-03-01.json").write_text("{")
    (tmp_path / "2026-02-28.json").write_text('{"verdict": 3}')
    write_daily(tmp_path, MONDAY, QUIET)
    text = write_index(tmp_path).read_text(encoding="utf-8")
    assert text.count("cannot be read") == 2
    assert "no drift seen" in text


def test_an_empty_folder_has_an_index(tmp_path: Path):
    assert "no day has been looked at yet" in write_index(tmp_path / "drift").read_text(encoding="utf-8")


def test_the_daily_file_is_small(tmp_path: Path):
    path = write_daily(tmp_path, MONDAY, ALARMED)
    assert path.stat().st_size < 2_000
    assert json.loads(path.read_text(encoding="utf-8"))["day"] == "2026-03-02"
