"""Does giving risky courses to another driver help? The real plan against the changed one, lived in the demo's world.

    python benchmarks/reassignment.py [--json] [--quick] [--seed 7]

Builds the company, trains the delay model on all but the last two months and, for each of their days, asks for changes
as a dispatcher would: the evening before, and again whenever an urgent course has been assigned, with what is known
then. Both plans are then lived with the same random draws (common random numbers). The oracle makes the same search
with the world's own expected delays instead of the model's: what it could gain if nothing but chance were unknown.
"""

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from atmr_pipeline.dispatch.simulator import simulate
from atmr_pipeline.domain.vocabulary import LATE_AFTER_MIN, LOCAL_TIMEZONE, AssignmentStatus, BookingStatus
from atmr_pipeline.domain.wallclock import day_bounds_utc
from atmr_pipeline.features.delay import delay_training_set
from atmr_pipeline.features.sources import FeatureSources
from atmr_pipeline.models.delay import DelayModel
from atmr_pipeline.models.delay.bootstrap import DayBlocks
from atmr_pipeline.models.delay.reassignment import (
    DayScorer,
    DutyTables,
    GainReliability,
    ModelScorer,
    Reassignment,
    ReassignmentParams,
    duty_day,
    gain_reliability,
    improve_day,
)
from atmr_pipeline.models.delay.reassignment.better_driver import courses_ahead
from atmr_pipeline.models.delay.reassignment.day_copies import recent, with_drivers
from atmr_pipeline.simulation import WorldConfig, build_demo
from atmr_pipeline.simulation.execution import DayExecution, DayPlan, draw
from atmr_pipeline.simulation.streams import Stream, generator
from atmr_pipeline.simulation.truth_store import TruthTables
from atmr_pipeline.sources.calendar import calendar_days
from atmr_pipeline.sources.operations import OperationsDatabase
from atmr_pipeline.sources.travel import HaversineTravel, fit_speed_profile, trips_from_tables

END = date(2026, 11, 20)
HELD_OUT_DAYS = 61
EVENING_H = 20
ORACLE_SEED, LIVED_SEED = 101, 202
"""The oracle must not choose by the very draws on which it is judged."""

SETTINGS = {
    "default": ReassignmentParams(),
    "risk_30_pct": ReassignmentParams(risky_expected_delay_min=5.0, risky_p_late=0.30),
    "gain_3_min": ReassignmentParams(min_gain_min=3.0, min_gain_p_late=0.05),
    "risk_30_pct_gain_3_min": ReassignmentParams(
        risky_expected_delay_min=5.0, risky_p_late=0.30, min_gain_min=3.0, min_gain_p_late=0.05
    ),
    "any_load_gap": ReassignmentParams(max_load_gap_increase=None),
}


@dataclass(frozen=True)
class Company:
    """The demo company as the pipeline reads it, and its truth."""

    tables: DutyTables
    plans: dict[date, DayPlan]
    travel: HaversineTravel


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON line last")
    parser.add_argument("--quick", action="store_true", help="nine months, twelve held-out days, the default setting")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--settings", nargs="+", choices=list(SETTINGS), default=list(SETTINGS), help="which of them")
    options = parser.parse_args()
    result = measure(
        seed=options.seed, quick=options.quick, settings=["default"] if options.quick else options.settings
    )
    for key, value in result.items():
        print(f"{key:34} {json.dumps(value)}", file=sys.stderr)
    if options.json:
        print(json.dumps(result))


def measure(*, seed: int, quick: bool, settings: Sequence[str]) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        build_demo(WorldConfig(months=9 if quick else 12, seed=seed, end=END), Path(folder))
        company = read_company(Path(folder))
    held_out_from = END - timedelta(days=HELD_OUT_DAYS)
    model, reliability = train(company, held_out_from)
    days = [day for day in sorted(company.plans) if day >= held_out_from][: 12 if quick else None]
    replays = 100 if quick else 200
    moments = {day: decision_moments(company, day) for day in days}
    result: dict[str, Any] = {
        "seed": seed, "held_out_days": len(days), "replays": replays, "model": model.chosen_name_,
        "gain_reliability": {key: _round(value) for key, value in reliability.to_dict().items()},
    }  # fmt: skip
    scorers: dict[Any, DayScorer] = {}
    for name in settings:
        for who in ("model", "oracle"):
            started = time.perf_counter()
            done = {}
            for day in days:
                done[day] = improve(
                    company, day, moments[day], SETTINGS[name], who, model, reliability, replays, scorers
                )
            figures = judge(company, {day: changes for day, (changes, _) in done.items()}, replays)
            refused = sum((Counter(counts) for _, counts in done.values()), Counter())
            result[f"{name}_{who}"] = {
                **figures, "refused": dict(sorted(refused.items())),
                "s_per_day": _round((time.perf_counter() - started) / len(days)),
            }  # fmt: skip
    result["late_causes_pct"] = late_causes(company, days, replays)
    return result


def read_company(home: Path) -> Company:
    database = OperationsDatabase(f"sqlite:///{home / 'demo' / 'operations.db'}", hash_key=b"a benchmark's key")
    first, last = database.span() or (END, END)
    extracts = list(database.extract_days(first, last))
    bookings = pd.concat([extract.bookings for extract in extracts], ignore_index=True)
    assignments = pd.concat([extract.assignments for extract in extracts], ignore_index=True)
    sources = FeatureSources(
        bookings=bookings, assignments=assignments, drivers=database.read_drivers().frame,
        weather=pd.read_parquet(home / "demo" / "weather_forecast.parquet"), calendar=calendar_days(first, last),
    )  # fmt: skip
    is_past = bookings["service_day"] < pd.Timestamp(END - timedelta(days=HELD_OUT_DAYS))
    trips, _ = trips_from_tables(bookings[is_past], assignments[assignments["service_day"].isin(
        bookings.loc[is_past, "service_day"])])  # fmt: skip
    return Company(
        DutyTables(sources, database.read_driver_shifts(first, last).frame, database.read_driver_absences().frame),
        TruthTables.read(home / "demo" / "truth").plans(),
        HaversineTravel.from_profile(fit_speed_profile(trips).profile),
    )


def train(company: Company, held_out_from: date) -> tuple[DelayModel, GainReliability]:
    """The model on what was known before the held-out days, and how far its differences between drivers come true."""
    known_until = day_bounds_utc(held_out_from)[0]
    training_set, _ = delay_training_set(company.tables.sources)
    past = training_set[training_set["known_at"] < known_until].reset_index(drop=True)
    names = model_features(past)
    model = DelayModel().fit(past[names], past["delay_min"], past["decided_at"])
    return model, gain_reliability(model, past, company.tables.sources)


def model_features(training_set: pd.DataFrame) -> list[str]:
    from atmr_pipeline.features.contract import FEATURES

    return [feature.name for feature in FEATURES if feature.name in training_set.columns]


def decision_moments(company: Company, day: date) -> list[pd.Timestamp]:
    """The evening before, and one second after each urgent course of the day was assigned."""
    evening = pd.Timestamp(day) - pd.Timedelta(days=1) + pd.Timedelta(hours=EVENING_H)
    first = evening.tz_localize(LOCAL_TIMEZONE).tz_convert("UTC")
    assignments = company.tables.sources.assignments
    created = assignments.loc[assignments["service_day"] == pd.Timestamp(day), "created_at"]
    return [first, *(moment + pd.Timedelta(seconds=1) for moment in sorted(set(created[created > first])))]


def as_known_at(tables: DutyTables, moment: pd.Timestamp, changes: Mapping[int, int]) -> DutyTables:
    """The tables as they stood at a moment, had the changes been made; shifts and absences are known ahead."""
    bookings, assignments = tables.sources.bookings, tables.sources.assignments
    bookings = bookings[bookings["created_at"] <= moment].copy()
    later = bookings["updated_at"] > moment
    bookings.loc[later, "status"] = BookingStatus.ASSIGNED.value
    assignments = with_drivers(assignments[assignments["created_at"] <= moment], changes).copy()
    for name in ("actual_pickup_at", "actual_dropoff_at"):
        assignments[name] = assignments[name].mask(assignments[name] > moment)
    begun = assignments["actual_pickup_at"].notna()
    later = assignments["updated_at"] > moment
    assignments.loc[later, "status"] = AssignmentStatus.SCHEDULED.value
    assignments.loc[later & begun, "status"] = AssignmentStatus.ONBOARD.value
    for table in (bookings, assignments):
        table["updated_at"] = table["updated_at"].mask(table["updated_at"] > moment, table["created_at"])
    weather = tables.sources.weather[tables.sources.weather["issued_at"] <= moment]
    sources = replace(tables.sources, bookings=bookings, assignments=assignments, weather=weather)
    return replace(tables, sources=recent(sources, moment))


def improve(
    company: Company, day: date, moments: list[pd.Timestamp], params: ReassignmentParams, who: str,
    model: DelayModel, reliability: GainReliability, replays: int, scorers: dict[Any, DayScorer],
) -> tuple[dict[int, int], dict[str, int]]:  # fmt: skip
    """The day's changes over all its moments, and the refusals of the first one by reason."""
    changes: dict[int, int] = {}
    refused: dict[str, int] = {}
    for moment in moments:
        key = (who, moment, frozenset(changes.items()))
        known = as_known_at(company.tables, moment, changes)
        duty = duty_day(known, int(known.sources.drivers["company_id"].iloc[0]), day, company.travel)
        if key not in scorers:
            ahead = courses_ahead(duty, moment)
            scorers[key] = (
                ModelScorer(model, known.sources, ahead, moment) if who == "model"
                else OracleScorer(company.plans[day], ahead, changes, replays)
            )  # fmt: skip
        left = replace(params, max_changes=params.max_changes - len(changes))
        judged = reliability if who == "model" else None
        found: Reassignment = improve_day(duty, scorers[key], left, decided_at=moment, reliability=judged)
        refused = refused or found.refused_by_reason()
        made = found.suggestions
        changes |= dict(zip(made["assignment_id"].tolist(), made["to_driver_id"].tolist(), strict=True))
    return changes, refused


class OracleScorer:
    """The world's own expected delays of a day under any plan; what was cancelled or nobody showed up for is none."""

    def __init__(self, plan: DayPlan, ahead: pd.DataFrame, made: Mapping[int, int], replays: int) -> None:
        self._plan, self._made, self._ahead = plan, dict(made), ahead
        self._draws = draw(plan, generator(ORACLE_SEED, Stream.REPLAY, plan.day), replays)
        self._known: dict[frozenset[tuple[int, int]], pd.DataFrame] = {}

    def whole_days(self, plans: Sequence[Mapping[int, int]]) -> list[pd.DataFrame]:
        return [self._whole_day(plan) for plan in plans]

    def _whole_day(self, changes: Mapping[int, int]) -> pd.DataFrame:
        key = frozenset(changes.items())
        if key not in self._known:
            plan = changed_plan(self._plan, {**self._made, **changes})
            delay = DayExecution(plan).run(self._draws)[0] - plan.scheduled_min
            expected = pd.DataFrame(
                {
                    "expected_delay_min": delay.mean(axis=0),
                    "lateness_min": np.maximum(delay, 0.0).mean(axis=0),
                    "p_late": (delay > LATE_AFTER_MIN).mean(axis=0),
                    "unknown_history": 0,
                },
                index=plan.assignment_ids,
            )
            expected.loc[plan.assignment_ids[plan.no_show]] = 0.0
            self._known[key] = expected.reindex(self._ahead["assignment_id"].to_numpy()).fillna(0.0)
        return self._known[key]

    def pairs(self, pairs: pd.DataFrame, changes: Mapping[int, int]) -> pd.DataFrame:
        rows = [
            self._whole_day({**changes, int(assignment): int(driver)}).loc[int(assignment)]
            for assignment, driver in pairs[["assignment_id", "driver_id"]].itertuples(index=False)
        ]
        return pd.DataFrame(rows).set_axis(pairs.index)


def changed_plan(plan: DayPlan, changes: Mapping[int, int]) -> DayPlan:
    """The day with other drivers; changes of courses that were never driven have no effect."""
    index = plan.driver_index.copy()
    place = {int(driver): position for position, driver in enumerate(plan.driver_ids)}
    for leg, assignment in enumerate(plan.assignment_ids.tolist()):
        if assignment in changes:
            index[leg] = place[changes[assignment]]
    return replace(plan, driver_index=index)


def judge(company: Company, changes: dict[date, dict[int, int]], replays: int) -> dict[str, Any]:
    """Both plans of every day, lived with the same draws, and the paired difference with a bootstrap over days."""
    rows = [lived(company.plans[day], changes[day], replays) for day in changes]
    table = pd.DataFrame(rows, index=list(changes))
    blocks = DayBlocks.of(pd.Series(table.index.to_numpy()), seed=0)
    counted = {"late_share_pct": ("late", "pickups", 100.0), "lateness_min": ("lateness", "pickups", 1.0),
               "outbound_late_pct": ("outbound_late", "outbound", 100.0)}  # fmt: skip
    result: dict[str, Any] = {"changes": int(table["changes"].sum()), "days_changed": int((table["changes"] > 0).sum())}
    for name, (above, below, scale) in counted.items():
        result[f"{name}_before"] = _round(scale * table[f"{above}_before"].sum() / table[below].sum())
        result[f"{name}_after"] = _round(scale * table[f"{above}_after"].sum() / table[below].sum())
        saved = scale * (table[f"{above}_after"] - table[f"{above}_before"])
        difference = blocks.ratio(saved.to_numpy(), table[below].to_numpy())
        result[f"{name}_difference"] = [_round(value) for value in difference]
    for name in ("deadhead_km", "load_gap"):
        difference = blocks.mean((table[f"{name}_after"] - table[f"{name}_before"]).to_numpy())
        result[f"{name}_a_day_before"] = _round(table[f"{name}_before"].mean())
        result[f"{name}_a_day_difference"] = [_round(value) for value in difference]
    return result


def lived(plan: DayPlan, changes: Mapping[int, int], replays: int) -> dict[str, float]:
    draws = draw(plan, generator(LIVED_SEED, Stream.REPLAY, plan.day), replays)
    picked_up, outbound = ~plan.no_show, ~plan.no_show & plan.is_outbound
    row: dict[str, float] = {
        "pickups": float(picked_up.sum()), "outbound": float(outbound.sum()),
        "changes": float(np.isin(plan.assignment_ids, list(changes)).sum()),
    }  # fmt: skip
    for name, lived_plan in (("before", plan), ("after", changed_plan(plan, changes))):
        execution = DayExecution(lived_plan)
        delay = execution.run(draws)[0] - plan.scheduled_min
        late = (delay > LATE_AFTER_MIN).mean(axis=0)
        outcome = simulate(execution.problem, lived_plan.driver_index, drop_late=False, enforce_shifts=False)
        row |= {
            f"late_{name}": float(late[picked_up].sum()),
            f"outbound_late_{name}": float(late[outbound].sum()),
            f"lateness_{name}": float(np.maximum(delay, 0.0).mean(axis=0)[picked_up].sum()),
            f"deadhead_km_{name}": outcome.deadhead_km,
            f"load_gap_{name}": float(outcome.load_gap),
        }
    return row


def late_causes(company: Company, days: list[date], replays: int) -> dict[str, float]:
    """Late pickups that remain if nobody waits for a patient, and if every driver is as punctual as the best."""
    kept: Counter[str] = Counter()
    for day in days:
        plan = company.plans[day]
        draws = draw(plan, generator(LIVED_SEED, Stream.REPLAY, day), replays)
        counted = ~plan.no_show
        best = replace(plan, punctuality_min=np.full_like(plan.punctuality_min, plan.punctuality_min.min()))
        ready = replace(draws, patient_ready_min=np.full_like(draws.patient_ready_min, -np.inf))
        kept["pickups"] += int(counted.sum())
        cases = {
            "as_planned": (plan, draws), "patients_ready": (plan, ready), "all_drivers_as_the_best": (best, draws),
        }  # fmt: skip
        for name, (lived_plan, chance) in cases.items():
            late = DayExecution(lived_plan).run(chance)[0] - plan.scheduled_min > LATE_AFTER_MIN
            kept[name] += float(late.mean(axis=0)[counted].sum())
    return {name: _round(100.0 * value / kept["pickups"]) for name, value in kept.items() if name != "pickups"}


def _round(value: Any) -> Any:
    return round(value, 3) if isinstance(value, float) else value


if __name__ == "__main__":
    main()
