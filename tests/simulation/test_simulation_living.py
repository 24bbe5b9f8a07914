from dataclasses import replace
from datetime import date

import pandas as pd
import pytest
import sqlalchemy as sa

from atmr_pipeline.domain.errors import SettingsError
from atmr_pipeline.simulation import living
from atmr_pipeline.simulation.build import DemoManifest, build_demo
from atmr_pipeline.simulation.config import Scenario, WorldConfig
from atmr_pipeline.simulation.living import advance
from atmr_pipeline.simulation.truth import World

TINY = WorldConfig(months=1, workbook_months=0, seed=3, end=date(2026, 3, 27), bookings_per_day=6)
TABLES = ("booking", "assignment", "dispatch_run", "driver_shift", "driver_unavailability")


def rows(home):
    engine = sa.create_engine(f"sqlite:///{home}/demo/operations.db")
    with engine.connect() as connection:
        found = {
            name: connection.execute(sa.text(f"SELECT * FROM {name} ORDER BY id")).mappings().all() for name in TABLES
        }
    engine.dispose()
    return {name: [dict(row) for row in table] for name, table in found.items()}


def test_living_day_by_day_equals_building_at_once(tmp_path):
    build_demo(TINY, tmp_path / "lived")
    lived = advance(tmp_path / "lived", days=3)
    first = DemoManifest.read(tmp_path / "lived")
    assert lived == first
    at_once = build_demo(replace(TINY, end=date.fromisoformat(lived.end)), tmp_path / "built")
    mine, theirs = rows(tmp_path / "lived"), rows(tmp_path / "built")
    first_day = theirs["dispatch_run"][0]["day"]
    # The other world's month begins later, so its ids do too: compare what happened, without ids.
    assert _events(mine, first_day) == _events(theirs, first_day)
    assert lived.coming_day == at_once.coming_day
    assert {name: len(table) for name, table in mine.items()} == {name: lived.counts[name] for name in TABLES}
    assert World.load(tmp_path / "lived").days[-1] == World.load(tmp_path / "built").days[-1]
    forecast = pd.read_parquet(tmp_path / "lived" / "demo" / "weather_forecast.parquet")
    assert not forecast.duplicated(["issued_at", "valid_at"]).any()
    assert forecast["valid_at"].max() >= pd.Timestamp(lived.coming_day, tz="UTC")


def _events(tables, first_day):
    bookings = {row["id"]: row for row in tables["booking"]}
    events = []
    for row in tables["assignment"]:
        booking = bookings[row["booking_id"]]
        if booking["scheduled_time"] >= first_day:
            names = ("status", "driver_id", "actual_pickup_at", "actual_dropoff_at", "created_at", "updated_at")
            events.append((*(row[name] for name in names), booking["scheduled_time"], booking["customer_name"]))
    return sorted(events, key=str)


def test_a_day_that_was_cut_short_can_be_lived_again(tmp_path, monkeypatch):
    build_demo(TINY, tmp_path / "cut")
    build_demo(TINY, tmp_path / "whole")

    def die(*args, **kwargs):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(living, "_write_forecast", die)
        with pytest.raises(KeyboardInterrupt):
            advance(tmp_path / "cut")
    assert advance(tmp_path / "cut") == advance(tmp_path / "whole")
    assert rows(tmp_path / "cut") == rows(tmp_path / "whole")


def test_a_scenario_may_begin_later_and_not_in_the_past(tmp_path):
    manifest = build_demo(TINY, tmp_path / "works")
    build_demo(TINY, tmp_path / "usual")
    with pytest.raises(SettingsError, match="coming day"):
        advance(tmp_path / "works", scenarios=(Scenario("roadworks", date(2026, 1, 1)),))
    works = Scenario("roadworks", date.fromisoformat(manifest.coming_day))
    advance(tmp_path / "works", days=2, scenarios=(works,))
    advance(tmp_path / "usual", days=2)
    assert build_demo(TINY, tmp_path / "works").later_scenarios == [works.to_json()]
    delays = []
    for home in ("works", "usual"):
        table = rows(tmp_path / home)["assignment"]
        delays.append({row["id"]: row["delay_seconds"] for row in table if row["delay_seconds"] is not None})
    changed = [delays[0][key] - delays[1][key] for key in delays[1] if delays[0][key] != delays[1][key]]
    assert changed
    assert min(changed) >= 299


def test_wrong_use_is_said(tmp_path):
    with pytest.raises(SettingsError, match="build one first"):
        advance(tmp_path)
    build_demo(TINY, tmp_path)
    with pytest.raises(SettingsError, match="at least 1"):
        advance(tmp_path, days=0)
