"""A demo company's tables as the pipeline reads them, for benchmarks: through the gateway, with every rule it has."""

from datetime import date
from pathlib import Path

import pandas as pd

from atmr_pipeline.features.sources import FeatureSources
from atmr_pipeline.simulation import WorldConfig, build_demo
from atmr_pipeline.sources.calendar import calendar_days
from atmr_pipeline.sources.operations import OperationsDatabase

HASH_KEY = b"demo-company-has-no-real-patients"
TABLES = ("bookings", "assignments", "dispatch_runs")
END = date(2026, 11, 20)
"""First day that has not been lived: a fixed end makes every run the same run."""


def demo_sources(home: Path, *, months: int, seed: int, end: date = END, **config: float) -> FeatureSources:
    """Build a demo company under ``home`` if there is none, and read all of it."""
    if not (home / "demo" / "manifest.json").exists():
        build_demo(WorldConfig(months=months, seed=seed, end=end, **config), home)
    database = OperationsDatabase(f"sqlite:///{home / 'demo' / 'operations.db'}", hash_key=HASH_KEY)
    first, last = database.span() or (end, end)
    days = list(database.extract_days(first, last))
    tables = {name: pd.concat([getattr(day, name) for day in days], ignore_index=True) for name in TABLES}
    return FeatureSources(
        **tables,
        drivers=database.read_drivers().frame,
        weather=pd.read_parquet(home / "demo" / "weather_forecast.parquet"),
        calendar=calendar_days(first, last),
    )
