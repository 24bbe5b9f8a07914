"""Alarms of the drift monitoring: how often they are false, how soon they come, beside Evidently's defaults.

    python benchmarks/drift.py [--json] [--quick]

Two demo companies live a year each (``atmr_pipeline.simulation``); their features are made by the pipeline and their
delays predicted out of sample by gradient-boosted trees, cross-fitted over blocks of weeks. A simulated year draws
whole weeks of one company with replacement: courses of a day, days of a week and the residuals of a day keep going
together, and nothing changes from week to week by construction. 200 such years are affordable, 200 simulations are not.

In each year the reference is the 48 weeks before the champion's held-out block of 28 days; a new champion comes every
28 days for the tests of features and label, and every day for the residuals, whose reference is measured again on the
28 days before. Residuals and performance are looked at every night, features and label in quiet years after Monday and
Thursday only (processor time); alarms are recorded in a real state database, as the assets do. A week counts as a false
alarm when at least one row is added to ``drift_event`` in it: kinds feature_drift, label_drift (confirmed),
residual_drift and performance.

Days to detect are whole days from the first changed day to the look that records the event, that day included (1: the
same night), median over worlds: delay +5 and +2 min by residual_drift, distance +40 % by any drift event. Evidently is
asked on a subsample of the same weeks, once a week about the last 7 days, with its defaults: its alarm is its own
dataset verdict (half of the columns or more drift).

How soon a shift is found depends on the noise: said beside it are the noise of these companies, and the same CUSUM on
independent residuals with the 3 min of noise for which its targets were set.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

os.environ["DO_NOT_TRACK"] = "true"

import numpy as np
import pandas as pd
from drift_worlds import START, WATCHED, Pool, noise

from atmr_pipeline.monitoring.assessment import DriftWatch
from atmr_pipeline.monitoring.cusum import (
    ResidualReference,
    measured_reference,
    residual_cusum,
    with_reference,
)
from atmr_pipeline.monitoring.events import Alarm, drift_alarm
from atmr_pipeline.monitoring.performance import PerformanceSettings, degradation_alarm, performance
from atmr_pipeline.monitoring.thresholds import DriftSettings
from atmr_pipeline.state import StateStore
from atmr_pipeline.state.drift_events import list_drift_events, record_alarms

SEEDS = (301, 302)
YEARS, YEAR_WEEKS, DETECTION_WORLDS, EVIDENTLY_LOOKS = 200, 52, 60, 40
REFERENCE_WEEKS, HOLDOUT_WEEKS = 48, 4
QUIET_WEEKS, CHANGED_WEEKS = 4, 8
TEST_NIGHTS, ALL_NIGHTS = (0, 3), tuple(range(7))
DRIFT, PERFORMANCE = ("feature_drift", "label_drift", "residual_drift"), "performance"
SETTINGS = DriftSettings()
MARGIN = PerformanceSettings().margin


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="one JSON line last")
    parser.add_argument("--quick", action="store_true", help="one company of five months, two years, few worlds")
    options = parser.parse_args()
    result = measure(quick=options.quick)
    # A change that is never found has no number of days, and JSON no infinity.
    shown = {key: value if np.isfinite(value) else None for key, value in result.items()}
    say(f"{time.process_time() / 60.0:.1f} CPU minutes")
    if options.json:
        print(json.dumps(shown))


def measure(*, quick: bool) -> dict[str, float]:
    """All figures of one run."""
    pools = [Pool.build(seed, months=5 if quick else 12) for seed in (SEEDS[:1] if quick else SEEDS)]
    say(f"companies built: {time.process_time():.0f} CPU s; residuals {noise(pools)}")
    false = false_alarms(pools, years=2 if quick else YEARS)
    worlds = 6 if quick else DETECTION_WORLDS
    days = {
        "days_delay_5": detection(pools, worlds, delay_min=5.0),
        "days_delay_2": detection(pools, worlds, delay_min=2.0),
        "days_distance_40": detection(pools, worlds, longer=1.4),
    }
    textbook(20 if quick else 200)
    evidently = evidently_false_alarms(pools, looks=4 if quick else EVIDENTLY_LOOKS)
    return {**false, **days, "evidently_false_alarms_per_week_pct": evidently}


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


class Year:
    """One simulated life: what is looked at each night, and what is recorded."""

    def __init__(
        self,
        frame: pd.DataFrame,
        kinds: dict[str, str],
        reference_weeks: int = REFERENCE_WEEKS,
        nights: tuple[int, ...] = TEST_NIGHTS,
    ) -> None:
        self.frame, self.kinds, self.reference_weeks, self.nights = frame, kinds, reference_weeks, nights
        self.first = (reference_weeks + HOLDOUT_WEEKS) * 7
        self.last = int(frame["day"].max())
        self.stream = self._stream()
        self.cusum = residual_cusum(self.stream, SETTINGS).path.set_index("service_day")["alarm"]
        self.validation, self.absolute = self._validation()

    def _stream(self) -> pd.DataFrame:
        """Residuals of the live days, each day beside the 28 days before it: a champion every night."""
        day = self.frame["day"].to_numpy()
        values = (self.frame["delay_min"] - self.frame["expected"]).to_numpy()
        figures = np.full((len(values), 4), np.nan)
        for today in range(self.first, self.last + 1):
            begin, first, end = np.searchsorted(day, [today - HOLDOUT_WEEKS * 7, today, today + 1])
            if first < end:
                reference = measured_reference(values[begin:first], day[begin:first], SETTINGS)
                shift, score = values[first:end] - reference.mean_min, reference.scores(values[first:end])
                figures[first:end] = np.column_stack(
                    [values[first:end], shift, score, np.full(end - first, reference.n)]
                )
        named = dict(zip(("residual_min", "shift_min", "score", "reference_n"), figures.T, strict=True))
        return self.frame[["service_day", "day"]].assign(**named)[day >= self.first]

    def _validation(self) -> tuple[np.ndarray, np.ndarray]:
        """Rolling held-out MAE of the champion of each day, and sums of absolute errors, both by day."""
        error = (self.frame["delay_min"] - self.frame["expected"]).abs()
        by_day = error.groupby(self.frame["day"]).agg(["sum", "size"]).reindex(range(self.last + 1), fill_value=0.0)
        totals = np.vstack([np.zeros(2), by_day.to_numpy(dtype=float).cumsum(axis=0)])
        width = HOLDOUT_WEEKS * 7
        held_out = totals[width : self.last + 1] - totals[: self.last + 1 - width]
        mae = np.full(self.last + 1, np.nan)
        mae[width:] = held_out[:, 0] / np.maximum(held_out[:, 1], 1.0)
        return mae, totals

    def watches(self, *, with_tests: bool) -> Iterator[tuple[DriftWatch | None, range]]:
        """The champions: the watch of each, and the days on which it is looked with it."""
        step = HOLDOUT_WEEKS * 7
        for begin in range(self.first, self.last + 1, step):
            reference_end = begin - step
            reference_begin = reference_end - self.reference_weeks * 7
            days = range(begin, min(begin + step, self.last + 1))
            if not with_tests:
                yield None, days
                continue
            inside = self.frame["day"].between(reference_begin, days[-1]).to_numpy()
            known = self.frame[inside]
            yield DriftWatch(known[known["day"] < reference_end], known, self.kinds, settings=SETTINGS), days

    def degraded(self, day: int, seen: date | None) -> Any:
        """The performance alarm of a night; the tables are only made where the MAE is above the margin at all."""
        for width in (7, 28):
            begin = max(day + 1 - width, self.first)
            errors, n = self.absolute[day + 1] - self.absolute[begin]
            if n and errors / n > MARGIN * np.nanmean(self.validation[begin : day + 1]):
                break
        else:
            return None
        rows = self.frame[self.frame["day"].between(max(self.first, day - 60), day)]
        named = {"expected_delay_min": rows["expected"], "actual_delay_min": rows["delay_min"]}
        nothing = dict.fromkeys(("low_min", "high_min", "p_late"), np.nan)
        happened = rows[["service_day"]].assign(model_version=rows["day"].astype(str), **named, **nothing)
        figures = {str(number): {"mae_min": self.validation[number]} for number in range(self.first, day + 1)}
        return degradation_alarm(
            performance(happened, figures, as_of=on(day)),
            lambda earlier: performance(happened, figures, as_of=earlier),
            as_of=on(day),
            first_day=happened["service_day"].min().date(),
            seen=seen,
            quiet_days=SETTINGS.quiet_days_to_close,
            model_version="benchmark",
        )

    def live(self, until: frozenset[str] = frozenset(), *, only_residuals: bool = False) -> list[tuple[int, str]]:
        """Look every night and record; day and kind of each new event. Ends at the first of ``until``."""
        with tempfile.TemporaryDirectory() as folder:
            store = StateStore(f"sqlite:///{folder}/state.db")
            store.migrate()
            found: list[tuple[int, str]] = []
            seen: dict[tuple[str, int | None], date] = {}
            for watch, days in self.watches(with_tests=not only_residuals):
                for day in days:
                    found += self._night(store, watch, day, seen)
                    if any(kind in until for _, kind in found):
                        break
                else:
                    continue
                break
            store.close()
        return found

    def _night(
        self, store: StateStore, watch: DriftWatch | None, day: int, seen: dict[tuple[str, int | None], date]
    ) -> list[tuple[int, str]]:
        alarms: list[Any] = []
        of_residuals = bool(self.cusum.get(pd.Timestamp(on(day)), False))
        if watch is None:
            alarms += self._residual_alarm(day) if of_residuals else []
        elif of_residuals or (day % 7 in self.nights and watch.is_alarmed(on(day))):
            alarms += watch.look(on(day), self.stream, last_seen=seen).alarms
        performs = self.degraded(day, seen.get((PERFORMANCE, None)))
        alarms += [performs] if performs else []
        if not (alarms or seen):
            return []
        recorded = record_alarms(
            store, alarms, as_of=on(day), quiet_days=SETTINGS.quiet_days_to_close, kinds=(*DRIFT, PERFORMANCE)
        )
        events = list_drift_events(store)
        for event in events:
            seen[event.kind, event.company_id] = event.seen_until
        return [(day, event.kind) for event in events if event.event_id in recorded.new]

    def _residual_alarm(self, day: int) -> list[Alarm]:
        result = residual_cusum(self.stream[self.stream["day"] <= day], SETTINGS)
        if result.alarm_on is None:
            return []
        return [drift_alarm("residual_drift", company_id=None, started_on=result.alarm_on, severity="critical")]


def on(day: int) -> date:
    return START + timedelta(days=day)


def false_alarms(pools: list[Pool], *, years: int) -> dict[str, float]:
    """Years in which nothing changes: share of weeks with a new event."""
    rng = np.random.default_rng(1)
    weeks, alarmed, kinds = 0, 0, Counter[str]()
    for year in range(years):
        pool = pools[year % len(pools)]
        life = Year(pool.drawn(REFERENCE_WEEKS + HOLDOUT_WEEKS + YEAR_WEEKS, rng), pool.kinds)
        events = life.live()
        weeks += YEAR_WEEKS
        alarmed += len({day // 7 for day, _ in events})
        kinds.update(kind for _, kind in events)
        if (year + 1) % 20 == 0:
            say(f"{year + 1} years, {time.process_time():.0f} CPU s, {alarmed} weeks alarmed of {weeks}: {dict(kinds)}")
    share = 100.0 * alarmed / weeks
    say(f"false alarms: {share:.2f} % of {weeks:,} weeks; events {dict(kinds)}")
    in_order(pools)
    return {"weeks": weeks, "false_alarms_per_week_pct": round(share, 3)}


def in_order(pools: list[Pool]) -> None:
    """The companies' own weeks in their order, seasons and weather included: too few for a rate."""
    for pool in pools:
        frame = pool.in_order()
        weeks = len(pool.weeks)
        reference = min(REFERENCE_WEEKS, weeks // 3)
        events = Year(frame, pool.kinds, reference).live()
        live = weeks - reference - HOLDOUT_WEEKS
        say(f"weeks in the order in which a company lived them: {dict(Counter(k for _, k in events))} in {live} weeks")


def detection(pools: list[Pool], worlds: int, *, delay_min: float = 0.0, longer: float = 1.0) -> float:
    """Median days until a change is recorded that begins on a random working day; worst where it never is."""
    rng = np.random.default_rng(2)
    wanted = frozenset({"residual_drift"}) if delay_min else frozenset(DRIFT)
    days = []
    for number in range(worlds):
        pool = pools[number % len(pools)]
        frame = pool.drawn(REFERENCE_WEEKS + HOLDOUT_WEEKS + QUIET_WEEKS + CHANGED_WEEKS, rng)
        begins = (REFERENCE_WEEKS + HOLDOUT_WEEKS + QUIET_WEEKS) * 7 + int(rng.integers(0, 5))
        changed = frame["day"] >= begins
        frame = frame.assign(
            delay_min=frame["delay_min"] + delay_min * changed,
            distance_km=frame["distance_km"] * np.where(changed, longer, 1.0),
        )
        life = Year(frame, pool.kinds, nights=ALL_NIGHTS)
        days.append(_days_until(life, begins, wanted))
    # A change that was never found lies beyond any found one.
    median = float(np.sort(days)[len(days) // 2])
    change = f"delay +{delay_min:g} min" if delay_min else f"distance x {longer:g}"
    low, high = np.sort(days)[[len(days) // 10, len(days) * 9 // 10]]
    say(f"{change}: median {median:g} days, 10 to 90 %: {low:g} to {high:g}, {worlds} worlds")
    return median


def textbook(worlds: int) -> None:
    """The CUSUM alone on independent residuals of 3 min, 12 a day: the noise its targets were set for."""
    rng = np.random.default_rng(4)
    days = np.repeat(pd.date_range(START, periods=60, unit="us"), 12)
    for shift in (5.0, 2.0):
        found = []
        for _ in range(worlds):
            values = rng.normal(0.0, 3.0, len(days)) + np.where(np.arange(len(days)) >= 240, shift, 0.0)
            stream = with_reference(
                pd.DataFrame({"service_day": days, "residual_min": values}), ResidualReference(0.0, 3.0, 336)
            )
            alarmed = np.flatnonzero(residual_cusum(stream, SETTINGS).path["alarm"].to_numpy()[20:])
            found.append(alarmed[0] + 1 if len(alarmed) else np.inf)
        say(f"at 3 min of noise, 12 independent courses a day: +{shift:g} min found in {np.median(found):g} days")


def _days_until(life: Year, begins: int, wanted: frozenset[str]) -> float:
    for day, kind in life.live(until=wanted, only_residuals=wanted == {"residual_drift"}):
        if kind in wanted and day >= begins:
            return day - begins + 1
    return float("inf")


def evidently_false_alarms(pools: list[Pool], *, looks: int) -> float:
    """Evidently's defaults on quiet weeks: its own dataset verdict, and any column at all."""
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset

    rng = np.random.default_rng(3)
    dataset = column = 0
    for number in range(looks):
        pool = pools[number % len(pools)]
        frame = pool.drawn(REFERENCE_WEEKS + 1, rng)
        numeric = [name for name in WATCHED if pool.kinds[name] == "numeric" and frame[name].notna().any()]
        named = [name for name in WATCHED if pool.kinds[name] != "numeric" and frame[name].notna().any()]
        plain = frame[numeric].astype("float64").join(frame[named].astype(str))
        definition = DataDefinition(numerical_columns=numeric, categorical_columns=named)
        current, reference = (
            Dataset.from_pandas(part.reset_index(drop=True), data_definition=definition)
            for part in (plain[frame["day"] >= REFERENCE_WEEKS * 7], plain[frame["day"] < REFERENCE_WEEKS * 7])
        )
        metrics = Report([DataDriftPreset()]).run(current_data=current, reference_data=reference).dict()["metrics"]
        (count,) = [metric["value"] for metric in metrics if metric["config"]["type"].endswith(":DriftedColumnsCount")]
        dataset += float(count["share"]) >= 0.5
        column += float(count["count"]) > 0
    say(
        f"Evidently's defaults: dataset drift in {100.0 * dataset / looks:.0f} % of {looks} quiet weeks, any column in "
        f"{100.0 * column / looks:.0f} %"
    )
    return round(100.0 * dataset / looks, 1)


if __name__ == "__main__":
    main()
