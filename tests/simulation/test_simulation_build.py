import json
from dataclasses import replace
from datetime import date

import openpyxl
import pandas as pd
import pytest

from atmr_pipeline.domain.errors import SettingsError, SourceError
from atmr_pipeline.domain.tables import WEATHER_FORECAST, conform
from atmr_pipeline.simulation import build
from atmr_pipeline.simulation.build import DemoManifest, build_demo
from atmr_pipeline.simulation.config import Scenario, WorldConfig

TINY = WorldConfig(months=1, workbook_months=1, seed=3, end=date(2026, 3, 1), bookings_per_day=5)


def at(text):
    return pd.Timestamp(text, tz="UTC")


def test_equal_configurations_give_identical_content(tmp_path, small_home, small_manifest):
    again = build_demo(WorldConfig.from_json(small_manifest.config), tmp_path)
    assert again.fingerprint == small_manifest.fingerprint
    for name in small_manifest.workbooks:
        assert (tmp_path / "inbox" / name).read_bytes() == (small_home / "inbox" / name).read_bytes()
    other = build_demo(replace(WorldConfig.from_json(small_manifest.config), seed=6), tmp_path, replace=True)
    assert other.fingerprint != small_manifest.fingerprint


def test_a_second_build_returns_the_first_and_another_configuration_is_refused(tmp_path, monkeypatch):
    first = build_demo(TINY, tmp_path)
    monkeypatch.setattr(build, "_build_aside", None)
    assert build_demo(TINY, tmp_path) == first
    with pytest.raises(SettingsError, match="replace"):
        build_demo(replace(TINY, seed=4), tmp_path)


def test_a_demo_without_an_end_stands_still_when_the_date_changes(tmp_path, monkeypatch):
    class Today(date):
        today_value = date(2026, 2, 3)

        @classmethod
        def today(cls):
            return cls.today_value

    monkeypatch.setattr(build, "date", Today)
    config = replace(TINY, end=None, workbook_months=0)
    first = build_demo(config, tmp_path)
    assert first.coming_day == "2026-02-03"
    Today.today_value = date(2026, 2, 9)
    assert build_demo(config, tmp_path) == first


@pytest.mark.parametrize("broken", ["write_workbooks", "create_company", "_move_into_place"])
def test_a_build_that_dies_leaves_no_demo_company(tmp_path, monkeypatch, broken):
    def die(*args, **kwargs):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(build, broken, die)
        with pytest.raises(KeyboardInterrupt):
            build_demo(TINY, tmp_path)
    assert DemoManifest.read(tmp_path) is None
    assert not (tmp_path / "demo").exists()
    assert not list(tmp_path.glob(".demo-building-*"))


def test_what_a_killed_build_left_behind_is_removed(tmp_path):
    abandoned = tmp_path / ".demo-building-4194999-x"
    abandoned.mkdir(parents=True)
    assert build_demo(replace(TINY, workbook_months=0), tmp_path).counts["booking"] > 0
    assert not abandoned.exists()


def test_replacing_removes_the_old_workbooks_and_leaves_foreign_ones(tmp_path):
    build_demo(TINY, tmp_path)
    (tmp_path / "inbox" / "mine.xlsx").write_bytes(b"x")
    build_demo(replace(TINY, workbook_months=0), tmp_path, replace=True)
    assert [path.name for path in (tmp_path / "inbox").iterdir()] == ["mine.xlsx"]


def test_a_database_that_is_not_a_demo_company_is_never_replaced(tmp_path):
    import sqlalchemy as sa

    url = f"sqlite:///{tmp_path}/real.db"
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE company (id INTEGER, name TEXT)"))
        connection.execute(sa.text("INSERT INTO company VALUES (1, 'Real SA')"))
    for asked in (False, True):
        with pytest.raises(SourceError, match="not a demo company"):
            build_demo(TINY, tmp_path / "home", database_url=url, replace=asked)
    with engine.connect() as connection:
        assert connection.execute(sa.text("SELECT name FROM company")).scalar() == "Real SA"
    engine.dispose()


def test_a_database_that_cannot_be_reached_is_one_clear_line(tmp_path):
    url = "postgresql://someone:hunter2@127.0.0.1:1/nowhere"
    with pytest.raises(SourceError, match="cannot be written") as caught:
        build_demo(TINY, tmp_path, database_url=url)
    assert "hunter2" not in str(caught.value)
    assert DemoManifest.read(tmp_path) is None


def test_the_manifest_says_what_was_built(small_home, small_manifest, read_table):
    for table, count in small_manifest.counts.items():
        assert len(read_table(table)) == count
    assert small_manifest.first_day >= "2026-03-01"
    assert small_manifest.last_day < small_manifest.end <= small_manifest.coming_day
    assert small_manifest.world_config().end == date(2026, 5, 1)


def test_references_hold(read_table):
    bookings = {row["id"]: row for row in read_table("booking")}
    drivers = {row["id"] for row in read_table("driver")}
    runs = {row["id"] for row in read_table("dispatch_run")}
    assignments = read_table("assignment")
    assert len({row["booking_id"] for row in assignments}) == len(assignments)
    for row in assignments:
        assert row["booking_id"] in bookings
        assert row["driver_id"] in drivers
        assert row["dispatch_run_id"] in runs
        assert bookings[row["booking_id"]]["driver_id"] == row["driver_id"]
    for row in bookings.values():
        if row["parent_booking_id"] is not None:
            parent = bookings[row["parent_booking_id"]]
            assert row["is_return"]
            assert not parent["is_return"]
            assert parent["scheduled_time"] < row["scheduled_time"]
    on_duty = {(row["driver_id"], row["start_local"][:10]) for row in read_table("driver_shift")}
    for row in assignments:
        assert (row["driver_id"], bookings[row["booking_id"]]["scheduled_time"][:10]) in on_duty


def test_nothing_travels_in_time(read_table):
    bookings = {row["id"]: row for row in read_table("booking")}
    for row in bookings.values():
        scheduled = pd.Timestamp(row["scheduled_time"]).tz_localize("Europe/Zurich")
        assert at(row["created_at"]) <= scheduled
        assert at(row["created_at"]) <= at(row["updated_at"])
    for row in read_table("assignment"):
        created = at(row["created_at"])
        assert created >= at(bookings[row["booking_id"]]["created_at"])
        assert at(row["updated_at"]) >= created
        if row["actual_pickup_at"]:
            assert at(row["actual_pickup_at"]) > created
            assert at(row["actual_dropoff_at"]) > at(row["actual_pickup_at"])
            scheduled = pd.Timestamp(bookings[row["booking_id"]]["scheduled_time"]).tz_localize("Europe/Zurich")
            assert row["delay_seconds"] == (at(row["actual_pickup_at"]) - scheduled).total_seconds()


def test_statuses_of_the_past_and_of_the_coming_day(read_table, small_manifest):
    day = small_manifest.coming_day
    coming = read_table("booking", f"scheduled_time >= '{day}'")
    assert coming
    ids = {row["id"] for row in coming}
    assignments = read_table("assignment")
    planned = [row for row in assignments if row["booking_id"] in ids]
    assert planned
    assert {row["status"] for row in planned} <= {"SCHEDULED", "CANCELLED"}
    assert all(row["actual_pickup_at"] is None for row in planned)
    limit = pd.Timestamp(day).tz_localize("Europe/Zurich")
    assert all(at(row["updated_at"]) < limit for row in planned + coming)
    past = [row for row in assignments if row["booking_id"] not in ids]
    assert {row["status"] for row in past} <= {"COMPLETED", "CANCELLED", "NO_SHOW"}
    assert all((row["status"] == "COMPLETED") == (row["actual_pickup_at"] is not None) for row in past)


def test_names_are_obviously_fictional(read_table):
    assert all(row["customer_name"].startswith("Patient Fictif ") for row in read_table("booking"))
    assert all("Fictif" in row["name"] for row in read_table("company"))


def test_the_forecast_is_a_valid_table_known_before_each_evening(small_home, small_manifest):
    table = conform(pd.read_parquet(small_home / "demo" / "weather_forecast.parquet"), WEATHER_FORECAST)
    coming = pd.Timestamp(small_manifest.coming_day).tz_localize("Europe/Zurich")
    first = pd.Timestamp(small_manifest.first_day).tz_localize("Europe/Zurich")
    assert set(pd.date_range(first, coming + pd.Timedelta(hours=23), freq="h", unit="us")) <= set(table["valid_at"])
    assert (table["issued_at"] < coming).all()


def test_the_answer_key_agrees_with_the_workbooks(small_home, small_manifest, read_table):
    kinds = {}
    for name in small_manifest.workbooks:
        workbook = openpyxl.load_workbook(small_home / "inbox" / name)
        key = json.loads((small_home / "demo" / "answer_key" / name.replace(".xlsx", ".json")).read_text())
        assert {row["sheet"] for row in key["rows"]} == set(workbook.sheetnames)
        keyed = {(row["sheet"], row["row"]) for row in key["rows"]}
        for sheet in workbook.worksheets:
            filled = {r[0].row for r in sheet.iter_rows() if any(cell.value for cell in r)}
            assert filled - {1, 2} == {number for name_, number in keyed if name_ == sheet.title}
            assert [str(cell.value).strip() for cell in sheet[2]] == [
                "Nom/Prénom",
                "Date et Heure prévues",
                "Course",
                "Adresse de départ",
                "Adresse d'arrivée",
                "CFT",
            ]
        for row in key["rows"]:
            kinds[row["kind"]] = kinds.get(row["kind"], 0) + 1
            cells = [cell.value for cell in workbook[row["sheet"]][row["row"]]]
            if row["kind"] in ("course", "duplicate"):
                is_round_trip = str(cells[2] or "").strip().upper() == "A/R"
                assert len(row["legs"]) == (2 if is_round_trip else 1)
                assert row["quarantine"] is None
                day = date.fromisoformat(row["legs"][0]["scheduled_local"][:10])
                written = cells[1]
                assert (written.date() == day) if hasattr(written, "date") else f"{day:%d.%m.%Y}" in written
            elif row["kind"] == "empty_address":
                assert cells[4] is None
    assert {"course", "totals", "header", "duplicate", "return_time_missing", "bad_date", "empty_address"} <= set(kinds)
    assert {"unknown_initials", "address_unresolved"} <= set(kinds)
    letters = {(row["first_name"][0] + row["last_name"][0]) for row in read_table("user")}
    assert "ZZ" not in letters


def test_workbooks_end_before_the_database_begins(small_home, small_manifest):
    for path in (small_home / "demo" / "answer_key").iterdir():
        for row in json.loads(path.read_text())["rows"]:
            for leg in row["legs"]:
                assert leg["scheduled_local"] is None or leg["scheduled_local"][:10] < small_manifest.first_day


def test_scenarios_are_part_of_the_configuration(tmp_path):
    works = replace(TINY, workbook_months=0, scenario=(Scenario("roadworks", date(2026, 2, 15)),))
    manifest = build_demo(works, tmp_path)
    assert manifest.config["scenario"] == [{"name": "roadworks", "start": "2026-02-15"}]
    assert manifest.world_config() == works
