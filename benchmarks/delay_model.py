"""The delay model against the floor, spline-ridge, scikit-learn's HistGradientBoosting and XGBoost's defaults.

    python benchmarks/delay_model.py [--json] [--quick] [--seeds 101 102 103]

Builds demo companies (a year each), reads them through the pipeline's own gateway and features, holds out the last two
months and trains on what was known before. Figures are over the pickups of all companies together; intervals draw whole
days. The floor replays the held-out days with the company's truth: it knows the final plan, drivers' habits and the
weather. The floor as decided knows the plan only as it was when each driver was chosen. The seeds were not used while
the model was built.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xgboost as xgb
from demo_sources import END, demo_sources
from sklearn.ensemble import HistGradientBoostingRegressor

from atmr_pipeline.features.contract import FEATURE_NAMES
from atmr_pipeline.features.delay import delay_training_set
from atmr_pipeline.models.delay import DelayModel, compare, evaluate, train_delay_model
from atmr_pipeline.models.delay.report import evaluation_report
from atmr_pipeline.monitoring.risk_alerts import choose_threshold
from atmr_pipeline.simulation import expected_delays, expected_delays_as_decided

SEEDS = (101, 102, 103)
HOLDOUT_DAYS = 61
FLOOR_REPLAYS = 200
PAIRS, SINGLE_CALLS, BULK_ROWS = 50, 400, 200_000
FEATURES = list(FEATURE_NAMES)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="one JSON line last")
    parser.add_argument("--quick", action="store_true", help="one company, seven months")
    parser.add_argument("--seeds", type=int, nargs="+", default=list(SEEDS))
    options = parser.parse_args()
    seeds = options.seeds[:1] if options.quick else options.seeds
    companies = [company(seed, months=7 if options.quick else 12) for seed in seeds]
    result = summary(companies)
    for key, value in result.items():
        print(f"{key:24} {value}", file=sys.stderr)
    if options.json:
        print(json.dumps(result))


def company(seed: int, *, months: int) -> dict[str, Any]:
    """One demo company: trained, evaluated, timed. ``held_out`` has one row a pickup with every model's prediction."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        sources = demo_sources(home, months=months, seed=seed)
        started = time.perf_counter()
        training_set, _ = delay_training_set(sources)
        training = train_delay_model(training_set, FEATURES, holdout_days=HOLDOUT_DAYS)
        evaluation_report(training, training_set, holdout_days=HOLDOUT_DAYS)
        fit_s = time.perf_counter() - started
        held_out = with_floors(home, training.holdout)
        speed = speeds(training.model, training_set[FEATURES], home)
    first = pd.Timestamp(training.window["holdout_first_day"])
    before = training_set[(training_set["known_at"].dt.tz_convert("Europe/Zurich").dt.tz_localize(None) < first)]
    held_out = held_out.assign(seed=seed, **peers(before, held_out))
    choice = choose_threshold(training.calibration["p_late"], training.calibration["is_late"])
    alerted = held_out["p_late"] >= choice.threshold if choice.threshold is not None else False
    one = held_out.assign(is_alerted=alerted)
    report_company(seed, training.model.chosen_name_, one, training.calibration, choice.threshold)
    return {"held_out": one, "fit_s": fit_s, **speed}


def with_floors(home: Path, held_out: pd.DataFrame) -> pd.DataFrame:
    first = held_out["service_day"].min().date()
    last = END - timedelta(days=1)
    floor = expected_delays(home, first, last, FLOOR_REPLAYS).set_index("assignment_id")["expected_delay_min"]
    decided = expected_delays_as_decided(
        home, held_out[["assignment_id", "decided_at"]], first, last, FLOOR_REPLAYS // 2
    )
    return held_out.assign(
        floor_min=floor.reindex(held_out["assignment_id"]).to_numpy(),
        floor_as_decided_min=decided.set_index("assignment_id")["expected_delay_min"]
        .reindex(held_out["assignment_id"])
        .to_numpy(),
    )


def peers(before: pd.DataFrame, held_out: pd.DataFrame) -> dict[str, np.ndarray]:
    """Predictions of the peers as they come out of the box, on the same features and rows."""
    # HistGradientBoosting fails on a column without a value.
    known = [name for name in FEATURES if before[name].notna().any()]
    X, y, ahead = before[known].astype(float), before["delay_min"], held_out[known].astype(float)
    hgb = HistGradientBoostingRegressor(random_state=0).fit(X, y)
    default = xgb.XGBRegressor(n_jobs=1, random_state=0).fit(X, y)
    return {"hgb_min": hgb.predict(ahead), "xgb_default_min": default.predict(ahead)}


def speeds(model: DelayModel, features: pd.DataFrame, home: Path) -> dict[str, float]:
    folder = home / "model"
    model.save(folder)
    pairs = features.head(PAIRS)
    bulk = pd.concat([features] * (BULK_ROWS // len(features) + 1), ignore_index=True).head(BULK_ROWS)
    single_ms = timed_ms(lambda: model.predict(pairs), SINGLE_CALLS)
    return {
        "p95_ms_50_pairs": float(np.quantile(single_ms, 0.95)),
        "rows_per_s": BULK_ROWS / (min(timed_ms(lambda: model.predict(bulk), 3)) / 1e3),
        "load_ms": float(np.median(timed_ms(lambda: DelayModel.load(folder), 20))),
    }


def timed_ms(call: Callable[[], object], times: int) -> list[float]:
    call()
    spent = []
    for _ in range(times):
        started = time.perf_counter()
        call()
        spent.append(1e3 * (time.perf_counter() - started))
    return spent


def report_company(
    seed: int, chosen: str, rows: pd.DataFrame, calibration: pd.DataFrame, threshold: float | None
) -> None:
    mae = {name: mae_of(rows, name) for name in ("expected_delay", "floor", "floor_as_decided", "spline_ridge")}
    print(
        f"seed {seed}: {len(rows)} pickups, {chosen}, MAE {mae['expected_delay']:.3f}, floor {mae['floor']:.3f}"
        f" (x {mae['expected_delay'] / mae['floor']:.3f}), floor as decided {mae['floor_as_decided']:.3f}"
        f" (x {mae['expected_delay'] / mae['floor_as_decided']:.3f}), spline-ridge {mae['spline_ridge']:.3f},"
        f" bias {(rows['expected_delay_min'] - rows['delay_min']).mean():+.2f}, alert threshold {threshold}"
        f" from {len(calibration)} rows",
        file=sys.stderr,
    )


def mae_of(rows: pd.DataFrame, name: str) -> float:
    return float((rows[f"{name}_min"] - rows["delay_min"]).abs().mean())


def summary(companies: list[dict[str, Any]]) -> dict[str, Any]:
    rows = pd.concat([one["held_out"] for one in companies], ignore_index=True)
    delay = rows["delay_min"]
    figures = evaluate(delay, rows)
    blocks = rows["service_day"].dt.strftime("%Y-%m-%d") + "/" + rows["seed"].astype("str")
    against = compare(rows["expected_delay_min"] - delay, rows["spline_ridge_min"] - delay, blocks)
    floor, late, alerted = mae_of(rows, "floor"), rows["is_late"], rows["is_alerted"]
    print(f"floor as decided {mae_of(rows, 'floor_as_decided'):.3f}, {len(rows)} pickups", file=sys.stderr)
    return {
        "mae": round(figures["mae_min"], 3),
        "floor_mae": round(floor, 3),
        "mae_over_floor": round(figures["mae_min"] / floor, 4),
        "r2": round(figures["r2"], 3),
        "spline_mae": round(mae_of(rows, "spline_ridge"), 3),
        "vs_spline_upper_pct": round(against.high_pct, 2),
        "hgb_mae": round(mae_of(rows, "hgb"), 3),
        "xgb_default_mae": round(mae_of(rows, "xgb_default"), 3),
        "coverage_pct": round(figures["coverage_pct"], 2),
        "bias_min": round(figures["bias_min"], 3),
        "ece": round(figures["ece"], 4),
        "brier": round(figures["brier"], 4),
        "fit_s": round(max(one["fit_s"] for one in companies), 2),
        "p95_ms_50_pairs": round(max(one["p95_ms_50_pairs"] for one in companies), 2),
        "rows_per_s": round(min(one["rows_per_s"] for one in companies)),
        "load_ms": round(max(one["load_ms"] for one in companies), 1),
        "late_recall": round(float((alerted & late).sum() / late.sum()), 3),
        "alert_precision": round(float((alerted & late).sum() / max(alerted.sum(), 1)), 3),
    }


if __name__ == "__main__":
    main()
