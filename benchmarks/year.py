"""A year with the loop on: the world changes twice, models are retrained every day, judged, promoted or refused.

    python benchmarks/year.py [--json] [--quick] [--seed 41] [--picture docs/images/year.png]

One demo company with half a year of history lives another year. Every night the residuals of what was served are
watched; every morning a challenger is trained on what is known by then, told of the changes of level that alarms have
found, judged by the gates on its held-out days against the champion and the anchor, and promoted or refused; then it
predicts the day. Beside it stands the first champion, which is never trained again. Roadworks begin in the fourth month
and patients come from farther away in the eighth. Four mornings a broken release trains on labels that were shuffled;
one morning the champion's files are damaged and the operator rolls back. Cost is that of plans lived in the world's
truth, see year_dispatch.py.

A false alarm is an event that asks for retraining while nothing had changed within the 84 days before.
"""

import argparse
import json
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from demo_sources import END, demo_sources
from matplotlib.figure import Figure
from year_dispatch import dispatch_year

from atmr_pipeline.domain.errors import NotEnoughDataError
from atmr_pipeline.drawing import png
from atmr_pipeline.features.contract import FEATURE_NAMES, SLOW_FEATURES
from atmr_pipeline.features.delay import delay_training_set
from atmr_pipeline.models.delay import DelayModel, DelayParams
from atmr_pipeline.models.delay.splitting import holdout_days_for
from atmr_pipeline.models.delay.training import DelayTraining, train_delay_model
from atmr_pipeline.monitoring.assessment import assess_drift
from atmr_pipeline.monitoring.cusum import ResidualReference, residual_reference
from atmr_pipeline.monitoring.drift import feature_kinds
from atmr_pipeline.monitoring.residuals import residual_stream
from atmr_pipeline.monitoring.thresholds import DriftSettings
from atmr_pipeline.promotion.decide import decide
from atmr_pipeline.promotion.gates import delay_gates, holdout_errors
from atmr_pipeline.promotion.registry import ModelRegistry
from atmr_pipeline.promotion.slices import slice_labels
from atmr_pipeline.resources.drift_answers import level_changes
from atmr_pipeline.simulation import Scenario, ScenarioName
from atmr_pipeline.state.drift_answers import ANSWERED_KINDS, answer_by_promotion
from atmr_pipeline.state.drift_events import last_seen, list_drift_events, record_alarms, stream_start
from atmr_pipeline.state.store import StateStore

HISTORY_MONTHS, LIVE_MONTHS = 6, 12
ROADWORKS_DAY, LONGER_TRIPS_DAY = 100, 220
BROKEN_DAYS = (40, 130, 200, 300)
DAMAGED_DAY = 160
TRUE_ALARM_DAYS = 84
"""After a change of the world alarms are true for the longest window of a test."""
PARAMS = DelayParams(candidates=("spline_ridge", "xgboost"))
FEATURES = list(FEATURE_NAMES)
NIGHT_UTC = pd.Timedelta(hours=1)
"""After midnight UTC; the night's look knows what was known then."""


@dataclass
class Year:
    """What the loop has done so far."""

    store: StateStore
    registry: ModelRegistry
    rows: pd.DataFrame
    served: list[pd.DataFrame] = field(default_factory=list)
    days: list[dict[str, Any]] = field(default_factory=list)
    counts: dict[str, int] = field(
        default_factory=lambda: {"promotions": 0, "refusals": 0, "rollbacks": 0, "broken_refused": 0, "not_trained": 0}
    )
    level_min: dict[date, float] = field(default_factory=dict)
    references: dict[str, ResidualReference] = field(default_factory=dict)
    """Held-out residuals of each version that was promoted."""

    def model(self, version: str) -> DelayModel:
        """A registered model, its files checked."""
        return DelayModel.load(self.registry.path(version))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="one JSON line last")
    parser.add_argument("--quick", action="store_true", help="five months of life, roadworks only, fewer plans")
    parser.add_argument("--seed", type=int, default=41)
    parser.add_argument("--picture", type=Path, help="where to draw the year")
    options = parser.parse_args()
    live_days = 150 if options.quick else round(LIVE_MONTHS * 30.4)
    first = END - timedelta(days=live_days)
    changes = {ScenarioName.ROADWORKS: first + timedelta(days=ROADWORKS_DAY)}
    if not options.quick:
        changes[ScenarioName.LONGER_TRIPS] = first + timedelta(days=LONGER_TRIPS_DAY)
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        months = HISTORY_MONTHS + (5 if options.quick else LIVE_MONTHS)
        scenario = tuple(Scenario(name, day) for name, day in changes.items())
        rows, _ = delay_training_set(demo_sources(home, months=months, seed=options.seed, scenario=scenario))
        store = StateStore(f"sqlite:///{home / 'state.db'}")
        store.migrate()
        year = Year(store, ModelRegistry(store, home / "models"), rows)
        live(year, first, live_days)
        last = END - timedelta(days=1)
        plans = dispatch_year(home, first, last, seed=options.seed, quick=options.quick, level_min=year.level_min)
        result = summary(year, plans, list(changes.values()))
        if options.picture:
            options.picture.write_bytes(year_picture(year, plans, changes))
        store.close()
    if options.json:
        print(json.dumps(result))


def live(year: Year, first: date, n_days: int) -> None:
    """Live day by day: look, train, judge, serve."""
    frozen: DelayModel | None = None
    started = time.process_time()
    for number in range(n_days):
        day = first + timedelta(days=number)
        known = year.rows[year.rows["known_at"] < pd.Timestamp(day, tz="UTC") + NIGHT_UTC]
        champion = year.registry.alias("delay")
        if champion is not None:
            look(year, champion.version_id, known)
        if number == DAMAGED_DAY and champion is not None:
            damage_and_roll_back(year)
        retrain(year, known, day, is_broken=number in BROKEN_DAYS)
        serving = year.registry.alias("delay")
        if serving is None:
            raise NotEnoughDataError("rows for a first champion", needs=1, has=0)
        model = year.model(serving.version_id)
        frozen = frozen or model
        year.level_min[day] = model.levels_.latest_min
        serve(year, day, serving.version_id, model, frozen)
        if number % 30 == 29:
            print(
                f"day {number + 1}: {year.counts}, {time.process_time() - started:.0f} s of processor time",
                file=sys.stderr,
            )


def look(year: Year, version: str, known: pd.DataFrame) -> None:
    """The night's look at features, label and the residuals of what was served."""
    metrics = year.registry.get(version).metrics
    reference = known[known["service_day"] < pd.Timestamp(metrics["window"]["holdout_first_day"])]
    scored = pd.concat(year.served, ignore_index=True) if year.served else None
    if scored is None:
        return
    actual = known.set_index("assignment_id")["delay_min"]
    scored = scored.assign(actual_delay_min=scored["assignment_id"].map(actual))
    as_of = known["service_day"].max().date()
    watched = [name for name in FEATURES if name not in SLOW_FEATURES]
    settings = DriftSettings()
    found = assess_drift(
        reference,
        known,
        residual_stream(scored, year.references).frame,
        {name: str(kind) for name, kind in feature_kinds(reference, watched).items()},
        as_of=as_of,
        model_version=version,
        last_seen=last_seen(year.store),
        stream_started_on=stream_start(year.store),
        settings=settings,
    )
    record_alarms(year.store, found.alarms, as_of=as_of, quiet_days=settings.quiet_days_to_close)


def retrain(year: Year, known: pd.DataFrame, day: date, *, is_broken: bool) -> None:
    """Train a challenger, judge it against champion and anchor, promote or refuse it."""
    if is_broken:
        shuffled = np.random.default_rng(day.toordinal()).permutation(known["delay_min"].to_numpy())
        before = known["service_day"] < known["service_day"].max() - pd.Timedelta(days=28)
        known_to_it = known.assign(delay_min=known["delay_min"].where(~before, shuffled))
    else:
        known_to_it = known
    training = train_delay_model(
        known_to_it,
        FEATURES,
        params=PARAMS,
        holdout_days=holdout_days_for(known, least_days=28, least_rows=300, most_days=84),
        minimum_rows=300,
        minimum_days=60,
        level_changes=level_changes(year.store),
    )
    champion = year.registry.alias("delay")
    residual_min = training.holdout["delay_min"] - training.holdout["expected_delay_min"]
    reference = residual_reference(training.holdout[["service_day"]].assign(residual_min=residual_min))
    metrics = training.metrics() | {"residual_reference": asdict(reference)}
    with tempfile.TemporaryDirectory() as folder:
        manifest = training.model.save(Path(folder), data_hash=training.data_hash, metrics=metrics)
        version = year.registry.register(
            "delay", Path(folder), manifest, training_fingerprint=training.data_hash + day.isoformat(), metrics=metrics
        )
    if champion is not None and champion.version_id == version:
        return
    decision = decide(judge(year, training, known))
    if not decision.promote:
        year.counts["refusals"] += 1
        year.counts["broken_refused"] += is_broken
        print(f"{day}: refused{' (broken release)' if is_broken else ''}: {decision.reason[:160]}", file=sys.stderr)
        return
    year.registry.promote(
        "delay",
        version,
        expected_seq=champion.seq if champion else 0,
        actor="benchmark",
        reason=decision.reason,
        evidence={},
    )
    year.counts["promotions"] += 1
    year.references[version] = reference
    learned_up_to = date.fromisoformat(metrics["window"]["holdout_last_day"])
    for event in answer_by_promotion(year.store, version, learned_up_to=learned_up_to):
        print(
            f"{day}: alarm {event} is answered by {version}, level {training.model.levels_.to_list()}", file=sys.stderr
        )


def judge(year: Year, training: DelayTraining, known: pd.DataFrame) -> list[Any]:
    """The gates that depend on predictions; latency and the leak audit have benchmarks and tests of their own."""
    rows, actual = training.holdout, training.holdout["delay_min"]
    late = rows["is_late"].astype(float)
    frame = holdout_errors(rows)
    for alias in ("champion", "anchor"):
        state = year.registry.alias("delay", alias)
        if state is not None:
            predicted = year.model(state.version_id).predict_as_known(rows, known)
            frame[f"abs_error_{alias}_min"] = (predicted["expected_delay_min"] - actual).abs()
            if alias == "champion":
                frame["brier_champion"] = (predicted["p_late"] - late) ** 2
    return list(delay_gates(frame, reload_identical=True, labels=slice_labels(rows)))


def damage_and_roll_back(year: Year) -> None:
    """A disk eats the champion's files: the registry serves the previous version, and the operator rolls back."""
    champion = year.registry.alias("delay")
    assert champion is not None
    folder = year.registry.path(champion.version_id)
    next(folder.glob("chosen.*")).write_bytes(b"damaged")
    served = year.registry.champion_path("delay")
    assert served is not None
    assert served.is_fallback
    year.registry.rollback("delay", actor="benchmark", reason="the champion's files are damaged")
    year.counts["rollbacks"] += 1


def serve(year: Year, day: date, version: str, model: DelayModel, frozen: DelayModel) -> None:
    """Predict the day by the champion and by the model of the first day."""
    today = year.rows[year.rows["service_day"] == pd.Timestamp(day)]
    if today.empty:
        return
    expected = model.predict(today[FEATURES])["expected_delay_min"].to_numpy()
    kept = frozen.predict(today[FEATURES])["expected_delay_min"].to_numpy()
    actual = today["delay_min"].to_numpy()
    year.served.append(
        pd.DataFrame(
            {
                "assignment_id": today["assignment_id"].to_numpy(),
                "company_id": 1,
                "service_day": today["service_day"].to_numpy(),
                "model_version": version,
                "predicted_at": pd.Timestamp(day, tz="UTC") + NIGHT_UTC,
                "role": "served",
                "expected_delay_min": expected,
            }
        )
    )
    errors = {"error_with": np.abs(expected - actual).sum(), "error_without": np.abs(kept - actual).sum()}
    year.days.append({"service_day": pd.Timestamp(day), "n": len(today), **errors})


def summary(year: Year, plans: pd.DataFrame, changed: list[date]) -> dict[str, Any]:
    """The figures, and in words on stderr what happened when."""
    days = pd.DataFrame(year.days)
    events = [event for event in list_drift_events(year.store) if event.kind in ANSWERED_KINDS]
    false = [
        event
        for event in events
        if not any(timedelta(0) <= event.detected_on - day <= timedelta(days=TRUE_ALARM_DAYS) for day in changed)
    ]
    for event in events:
        told = f"{event.kind} detected {event.detected_on}, since {event.evidence.get('change_started_on')}"
        print(f"{told}, outcome {event.outcome}{', FALSE' if event in false else ''}", file=sys.stderr)
    for day in changed:
        found = [event.detected_on for event in events if day <= event.detected_on <= day + timedelta(days=84)]
        print(f"change of {day}: first seen {min(found) if found else 'never'}", file=sys.stderr)
    print(f"broken releases refused: {year.counts['broken_refused']} of {len(BROKEN_DAYS)}", file=sys.stderr)
    return {
        "mae_with": round(float(days["error_with"].sum() / days["n"].sum()), 3),
        "mae_without": round(float(days["error_without"].sum() / days["n"].sum()), 3),
        "cost_with": round(float(plans["cost_with"].mean()), 2),
        "cost_without": round(float(plans["cost_without"].mean()), 2),
        "promotions": year.counts["promotions"],
        "refusals": year.counts["refusals"],
        "rollbacks": year.counts["rollbacks"],
        "false_alarms": len(false),
    }


def year_picture(year: Year, plans: pd.DataFrame, changes: dict[ScenarioName, date]) -> bytes:
    """Error and cost over the year, with and without retraining, as a PNG."""
    days = pd.DataFrame(year.days).set_index("service_day")
    trailing = days.rolling("14D").sum()
    costs = plans.set_index("service_day")[["cost_with", "cost_without"]].rolling("28D").mean()
    figure = Figure(figsize=(10.0, 6.4), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True)
    for name, label, colour in (("without", "model of the first day", "0.55"), ("with", "retrained daily", "#2060a0")):
        upper.plot(trailing.index, trailing[f"error_{name}"] / trailing["n"], color=colour, label=label)
        lower.plot(costs.index, costs[f"cost_{name}"], color=colour, label=label)
    upper.set_ylabel("mean absolute error, min\n(14 days)")
    lower.set_ylabel("cost of a day's plan, lived\n(28 days)")
    for axes in (upper, lower):
        for name, day in changes.items():
            axes.axvline(pd.Timestamp(day), color="#c04020", linewidth=1.0, linestyle=":")
            if axes is upper:
                axes.text(
                    pd.Timestamp(day), upper.get_ylim()[1], f" {name.replace('_', ' ')}", va="top", color="#c04020"
                )
        axes.grid(alpha=0.25)
    for event in list_drift_events(year.store):
        if event.kind in ANSWERED_KINDS:
            upper.axvline(pd.Timestamp(event.detected_on), color="#2060a0", linewidth=0.8, alpha=0.6)
    upper.legend(loc="upper left")
    figure.suptitle("A simulated year: red dotted, the world changes; blue, an alarm asks for retraining")
    return png(figure)


if __name__ == "__main__":
    main()
