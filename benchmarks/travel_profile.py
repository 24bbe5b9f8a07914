"""The fitted speed profile against simpler assumptions and against the floor, on held-out trips of the demo company.

    python benchmarks/travel_profile.py [--json] [--quick] [--seed 7]

Builds the company, reads its operations database, fits on the first 80 % of the days and judges on the rest. Two floors
come from the demo's truth, which the fit never sees: ``floor_profile`` knows the expected speed of every weekday and
hour (the best that any such profile can do), ``floor_all`` also the weather and who boards with a wheelchair.
"""

import argparse
import json
import sqlite3
import sys
import tempfile
import time
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from atmr_pipeline.simulation import WorldConfig, build_demo
from atmr_pipeline.simulation.execution import (
    DAY_SIGMA,
    DROPOFF_SERVICE_MIN,
    PICKUP_SERVICE_MIN,
    PLANNED_TRAVEL,
    SERVICE_SIGMA,
    WHEELCHAIR_SERVICE_MIN,
    true_speed_kmh,
)
from atmr_pipeline.simulation.truth_store import TruthTables
from atmr_pipeline.sources.travel import fit_speed_profile, trips_from_tables
from atmr_pipeline.sources.travel.fitting import ASSUMED, CONSTANT, FITTED, ONE_SPEED

END = date(2026, 11, 20)
KEYS = {FITTED: "profile", ONE_SPEED: "one_speed", CONSTANT: "constant_30", ASSUMED: "assumption"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON line last")
    parser.add_argument("--quick", action="store_true", help="four months instead of twelve")
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    result = measure(months=4 if options.quick else 12, seed=options.seed)
    for key, value in result.items():
        print(f"{key:28} {value}", file=sys.stderr)
    if options.json:
        print(json.dumps(result))


def measure(*, months: int, seed: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        build_demo(WorldConfig(months=months, seed=seed, end=END), home)
        bookings, assignments = read_tables(home / "demo" / "operations.db")
        truth = truth_of_trips(home)
    trips, excluded = trips_from_tables(bookings, assignments)
    started = time.perf_counter()
    fit = fit_speed_profile(trips)
    seconds = time.perf_counter() - started
    errors = fit.errors.set_index("method")
    constant = errors.loc[CONSTANT]
    floor_profile, floor_all = floors(assignments, truth, last_trained=fit.judged.last_day)
    return {
        "trained": fit.trained, "held_out": fit.held_out, "held_out_days": fit.held_out_days,
        "excluded": sum(excluded.values()), "fit_s": round(seconds, 3),
        **{f"{name}_mae_min": round(float(errors.loc[method, "mae_min"]), 3) for method, name in KEYS.items()},
        **{f"{name}_bias_min": round(float(errors.loc[method, "bias_min"]), 3) for method, name in KEYS.items()},
        "profile_minus_constant_min": round(float(constant["difference_min"]), 3),
        "profile_minus_constant_low_min": round(float(constant["difference_low_min"]), 3),
        "profile_minus_constant_high_min": round(float(constant["difference_high_min"]), 3),
        "fixed_min": round(fit.judged.fixed_min, 2), "fixed_sd_min": round(fit.judged.fixed_sd_min, 2),
        "detour": round(fit.judged.detour, 4),
        "floor_profile_mae_min": round(floor_profile, 3), "floor_all_mae_min": round(floor_all, 3),
    }  # fmt: skip


def read_tables(path: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Bookings and assignments in the columns and units of the pipeline's tables, straight from the demo's file."""
    connection = sqlite3.connect(path)
    bookings = pd.read_sql(
        "SELECT id AS booking_id, status, scheduled_time AS scheduled_local, distance_meters / 1000.0 AS distance_km,"
        " pickup_lat, pickup_lon, dropoff_lat, dropoff_lon FROM booking", connection,
    )  # fmt: skip
    assignments = pd.read_sql(
        "SELECT id AS assignment_id, booking_id, status, actual_pickup_at, actual_dropoff_at, updated_at"
        " FROM assignment", connection,
    )  # fmt: skip
    connection.close()
    bookings["scheduled_local"] = pd.to_datetime(bookings["scheduled_local"], format="ISO8601")
    bookings["service_day"] = bookings["scheduled_local"].dt.normalize()
    for column in ("actual_pickup_at", "actual_dropoff_at", "updated_at"):
        assignments[column] = pd.to_datetime(assignments[column], utc=True, format="ISO8601")
    return bookings, assignments


def truth_of_trips(home: Path) -> pd.DataFrame:
    """Minutes of each trip from the world itself: the ride at the hour's true speed, and all that can be expected."""
    parts = []
    for day, plan in TruthTables.read(home / "demo" / "truth").plans().items():
        speed = true_speed_kmh(plan)
        km = np.diagonal(PLANNED_TRAVEL.matrix(plan.pickup, plan.dropoff, 0.0).km)
        extra = np.where(plan.is_wheelchair, WHEELCHAIR_SERVICE_MIN, 0.0)
        service = (PICKUP_SERVICE_MIN + DROPOFF_SERVICE_MIN + 1.5 * extra) * np.exp(SERVICE_SIGMA**2 / 2)
        parts.append(
            pd.DataFrame(
                {
                    "assignment_id": plan.assignment_ids,
                    "day": day,
                    "dry_ride_min": 60.0 * km / (speed * plan.weather_factor[plan.hour]),
                    "expected_min": service + 60.0 * km / speed * np.exp(DAY_SIGMA**2 / 2),
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def floors(assignments: pd.DataFrame, truth: pd.DataFrame, *, last_trained: date) -> tuple[float, float]:
    """Mean absolute error of the two floors on trips after the last training day."""
    trips = assignments[assignments["status"] == "COMPLETED"].merge(truth, on="assignment_id")
    minutes = (trips["actual_dropoff_at"] - trips["actual_pickup_at"]).dt.total_seconds() / 60.0
    is_held_out = trips["day"] > last_trained
    beyond_ride = minutes - trips["dry_ride_min"]
    profile_error = beyond_ride[is_held_out] - beyond_ride[~is_held_out].median()
    all_error = (minutes - trips["expected_min"])[is_held_out]
    return float(profile_error.abs().mean()), float(all_error.abs().mean())


if __name__ == "__main__":
    main()
