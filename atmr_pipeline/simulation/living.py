"""The company lives on: the coming day happens, and the one after it is planned."""

import hashlib
from dataclasses import asdict, replace
from datetime import date, timedelta
from pathlib import Path

import pandas as pd

from atmr_pipeline.domain.errors import SettingsError
from atmr_pipeline.simulation.build import DemoManifest, database_url_of, fingerprint, live_days
from atmr_pipeline.simulation.company_day import plan_day
from atmr_pipeline.simulation.config import Scenario, WorldConfig
from atmr_pipeline.simulation.database import merge_rows
from atmr_pipeline.simulation.population import Population, make_population
from atmr_pipeline.simulation.rows import NextIds, day_rows, merge
from atmr_pipeline.simulation.truth_store import TruthTables
from atmr_pipeline.simulation.weather import forecast
from atmr_pipeline.simulation.working_days import next_working_day


def advance(
    home: Path, days: int = 1, *, database_url: str | None = None, scenarios: tuple[Scenario, ...] = ()
) -> DemoManifest:
    """Let working days pass.

    The coming day gets its same-day bookings, cancellations and actual times; the next working day gets its bookings
    and plan. A day's content depends on the seed and the day alone, so living day by day and building at once give the
    same rows. A call that is cut short can be repeated.

    Parameters
    ----------
    home : Path
        Where the demo company was built.
    days : int
        Working days to live, at least 1.
    database_url : str, optional
        Needed if the company was built into a database with a password.
    scenarios : tuple of Scenario
        Changes that begin from now on; none may begin on a day already lived.

    Returns
    -------
    DemoManifest
        The new state.

    Raises
    ------
    SettingsError
        No demo company under ``home``, ``days`` below 1, or a scenario that begins in the past.
    SourceError
        The database or the truth cannot be read or written.
    """
    home = Path(home)
    manifest = DemoManifest.read(home)
    if manifest is None:
        raise SettingsError(f"no demo company under {home}: build one first")
    if days < 1:
        raise SettingsError(f"days must be at least 1, got {days}")
    for scenario in scenarios:
        if scenario.start < date.fromisoformat(manifest.coming_day):
            raise SettingsError(f"a scenario cannot begin before the coming day {manifest.coming_day}")
    url = database_url or database_url_of(manifest, home)
    config = manifest.world_config()
    config = replace(config, scenario=(*config.scenario, *scenarios))
    population = make_population(config)
    for _ in range(days):
        manifest = _live_one(home, manifest, config, population, url)
    return manifest


def _live_one(
    home: Path, manifest: DemoManifest, config: WorldConfig, population: Population, url: str
) -> DemoManifest:
    """Database first, then the truth and the forecast, the manifest last: until then the day can be lived again."""
    today = date.fromisoformat(manifest.coming_day)
    coming = next_working_day(config.seed, today + timedelta(days=1))
    rows, truth, ids = live_days(config, population, [today], NextIds(**manifest.next_ids))
    plan = day_rows(population, plan_day(config, population, coming), ids, visible_until=pd.Timestamp(coming))
    changed = merge([rows, plan.rows])
    merge_rows(url, changed)
    demo = home / "demo"
    _write_truth(demo, truth)
    weather = _write_forecast(demo, config.seed, today, coming)
    planned_before = _planned_counts(config, population, manifest, today)
    counts = {
        table: count - planned_before.get(table, 0) + len(changed.get(table, []))
        for table, count in manifest.counts.items()
    }
    chained = manifest.fingerprint + fingerprint(changed, truth, weather, [])
    following = replace(
        manifest,
        later_scenarios=[scenario.to_json() for scenario in config.scenario[len(manifest.config["scenario"]) :]],
        last_day=today.isoformat(),
        coming_day=coming.isoformat(),
        end=coming.isoformat(),
        counts=counts,
        next_ids=asdict(ids),
        fingerprint=hashlib.sha256(chained.encode()).hexdigest(),
    )
    following.write(demo)
    return following


def _planned_counts(config: WorldConfig, population: Population, manifest: DemoManifest, day: date) -> dict[str, int]:
    planned = day_rows(
        population, plan_day(config, population, day), NextIds(**manifest.next_ids), visible_until=pd.Timestamp(day)
    )
    return {table: len(rows) for table, rows in planned.rows.items()}


def _write_truth(demo: Path, truth: TruthTables) -> None:
    merged = TruthTables.read(demo / "truth").append(truth)
    aside = demo / ".truth-partial"
    aside.mkdir(exist_ok=True)
    merged.write(aside)
    for path in sorted(aside.iterdir()):
        path.replace(demo / "truth" / path.name)
    aside.rmdir()


def _write_forecast(demo: Path, seed: int, today: date, coming: date) -> pd.DataFrame:
    path, partial = demo / "weather_forecast.parquet", demo / ".weather_forecast.partial"
    days = [today + timedelta(days=offset + 1) for offset in range((coming - today).days)]
    fresh = forecast(seed, days)
    known = pd.read_parquet(path)
    merged = pd.concat([known[~known["valid_at"].isin(fresh["valid_at"])], fresh], ignore_index=True)
    merged.to_parquet(partial, index=False)
    partial.replace(path)
    return fresh
