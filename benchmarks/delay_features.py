"""Seconds and peak memory of the delay features by number of assignments; growth must be linear.

    python benchmarks/delay_features.py [--json] [--rows 100000 1000000 10000000] [--quick]

Each size runs in a process of its own, on the features' tables of an invented company of many drivers, written as
Parquet and handed over without a copy in pandas. Features are made part by part and written to Parquet, since ten
million rows of 37 features are more than the memory that is allowed.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from atmr_pipeline.domain.tables import DRIVERS, WEATHER_FORECAST, conform, empty
from atmr_pipeline.features.delay import iter_delay_training_set
from atmr_pipeline.features.sources import FeatureSources
from atmr_pipeline.sources.calendar import calendar_days

ROWS = (100_000, 1_000_000, 10_000_000)
COURSES_A_DAY = 8
START = pd.Timestamp("2024-01-01")
DAYS = 730


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="one JSON line last")
    parser.add_argument("--quick", action="store_true", help="20,000 and 100,000 rows")
    parser.add_argument("--rows", type=int, nargs="+", default=list(ROWS))
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(options.one)))
        return
    sizes = [20_000, 100_000] if options.quick else options.rows
    results = [in_a_process(size) for size in sizes]
    for one in results:
        print(one, file=sys.stderr)
    seconds_a_million = [one["seconds"] / one["rows"] * 1e6 for one in results]
    summary = {
        "rows": [one["rows"] for one in results],
        "seconds": [one["seconds"] for one in results],
        "peak_mb": [one["peak_mb"] for one in results],
        "peak_above_input_mb": [one["peak_above_input_mb"] for one in results],
        "seconds_a_million_last_over_first": round(seconds_a_million[-1] / seconds_a_million[0], 3),
    }
    if options.json:
        print(json.dumps(summary))


def in_a_process(rows: int) -> dict[str, float]:
    command = [sys.executable, __file__, "--one", str(rows)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.strip().splitlines()[-1])


def measure(rows: int) -> dict[str, float]:
    sources = invented(rows)
    before_mb = peak_mb()
    with tempfile.TemporaryDirectory() as folder:
        started, written, writer = time.perf_counter(), 0, None
        for part in iter_delay_training_set(sources):
            table = pa.Table.from_pandas(part, preserve_index=False)
            writer = writer or pq.ParquetWriter(Path(folder) / "features.parquet", table.schema)
            writer.write_table(table)
            written += len(part)
        if writer is not None:
            writer.close()
        seconds = time.perf_counter() - started
    return {
        "rows": rows,
        "written": written,
        "seconds": round(seconds, 2),
        "peak_mb": round(peak_mb()),
        "peak_above_input_mb": round(peak_mb() - before_mb),
    }


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def invented(rows: int) -> FeatureSources:
    """Drivers with eight courses a day over two years, in the pipeline's tables."""
    rng = np.random.default_rng(1)
    drivers = max(1, round(rows / (DAYS * COURSES_A_DAY)))
    number = np.arange(rows)
    day, driver, place = number // (drivers * COURSES_A_DAY), number // COURSES_A_DAY % drivers, number % COURSES_A_DAY
    local = START + pd.to_timedelta(day, unit="D") + pd.to_timedelta(7 * 60 + 85 * place, unit="min")
    local = pd.Series(local).astype("datetime64[us]")
    at = (local - pd.Timedelta(hours=1)).dt.tz_localize("UTC")
    decided = (local.dt.normalize() - pd.Timedelta(hours=7)).dt.tz_localize("UTC")
    delay = pd.to_timedelta(rng.normal(4, 6, rows).round(2), unit="min")
    points = np.column_stack([rng.uniform(46.15, 46.30, 5000), rng.uniform(6.0, 6.25, 5000)])
    origin, end = points[rng.integers(0, 5000, rows)], points[rng.integers(0, 5000, rows)]
    pickup = (at + delay).astype("datetime64[us, UTC]")
    false = np.zeros(rows, dtype=bool)
    bookings = pd.DataFrame(
        {
            "booking_id": number + 1, "company_id": 1, "service_day": local.dt.normalize(),
            "patient_key": pd.Series([None] * 1, dtype="str").reindex(range(rows)), "driver_id": pd.NA,
            "leg": pd.Series(np.where(place % 2 == 0, "outbound", "return"), dtype="str"), "is_round_trip": True,
            "parent_booking_id": pd.NA, "status": pd.Series(["COMPLETED"], dtype="str").repeat(rows).to_numpy(),
            "scheduled_local": local, "scheduled_at": at, "scheduled_status": "exact", "time_confirmed": True,
            "is_urgent": false, "is_medical": place % 3 == 0, "is_hospital": place % 5 == 0, "is_wheelchair": False,
            "pickup_lat": origin[:, 0], "pickup_lon": origin[:, 1], "dropoff_lat": end[:, 0], "dropoff_lon": end[:, 1],
            "distance_km": np.nan, "duration_min": np.nan, "created_at": decided, "updated_at": decided,
        }
    )  # fmt: skip
    assignments = pd.DataFrame(
        {
            "assignment_id": number + 1, "booking_id": number + 1, "driver_id": driver + 1, "dispatch_run_id": pd.NA,
            "service_day": local.dt.normalize(), "status": "COMPLETED", "planned_pickup_at": at,
            "planned_dropoff_at": at, "actual_pickup_at": pickup, "actual_dropoff_at": pickup + pd.Timedelta("25min"),
            "created_at": decided, "updated_at": pickup + pd.Timedelta("25min"),
        }
    )  # fmt: skip
    fleet = pd.DataFrame(
        {
            "driver_id": np.arange(drivers) + 1, "company_id": 1, "initials": None, "driver_type": "REGULAR",
            "is_active": True, "is_available": True, "weekly_hours": None, "lat": None, "lon": None,
            "position_at": None,
        }
    )  # fmt: skip
    return FeatureSources(
        bookings=bookings.astype({"status": "str", "scheduled_status": "str"}),
        assignments=assignments.astype({"driver_id": "Int64", "status": "str"}),
        drivers=conform(fleet, DRIVERS),
        weather=empty(WEATHER_FORECAST),
        calendar=calendar_days(START.date(), (START + pd.Timedelta(days=DAYS)).date()),
    )


if __name__ == "__main__":
    main()
