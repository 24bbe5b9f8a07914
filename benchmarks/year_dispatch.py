"""What a year's plans cost with the dispatch side kept up to date, and with profile and policy of the first day.

    python benchmarks/year_dispatch.py HOME --from 2025-11-20 --to 2026-11-19 [--quick] [--seed 7]

Each day is planned with what was known at 20:00 of the evening before, by the rule that serves plans in production
(the cheapest of policy, polished policy, exact and local search that the guards pass). Courses called in later go to
whoever costs least by the same side's reckoning. The plan is then lived in the demo world's truth, all sides with the
same random draws, and costed by the simulator's weights on what happened: lateness is actual pickup minus scheduled.

``with``: on the first service day of each week the speed profile is fitted anew on the trips of the days before; every
eight weeks the policy is trained anew on the days before and promoted through the gates; where the delay model knows
that pickups are some minutes later than before, every approach is reckoned so much longer. ``without``: profile and
policy of the first day, and no such level.
"""

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from year_days import Company, Day, IntArray, Lived, evening_before, live, naive_utc

from atmr_pipeline.assets.dispatch_policy import past_bookings
from atmr_pipeline.assets.dispatch_report import evaluated_with_figures
from atmr_pipeline.dispatch.days import HistoricalDay
from atmr_pipeline.dispatch.problem import DayProblem
from atmr_pipeline.domain.errors import NotEnoughDataError
from atmr_pipeline.models.dqn.determinism import one_thread
from atmr_pipeline.models.policy import DispatchPolicy, PolicySettings, train
from atmr_pipeline.models.policy.served import serve_day
from atmr_pipeline.models.policy.shipped import shipped_policy
from atmr_pipeline.promotion.bootstrap import compare_by_day
from atmr_pipeline.promotion.decide import Decision, decide
from atmr_pipeline.promotion.gates import policy_gates
from atmr_pipeline.simulation.execution import draw
from atmr_pipeline.simulation.streams import Stream, generator
from atmr_pipeline.sources.travel import HaversineTravel

BEAM_WIDTH = 16
RETRAIN_EVERY = timedelta(weeks=8)
HOLDOUT_DAYS = 30
MIN_TRAINING_DAYS = 30
DRAWS, QUICK_DRAWS = 40, 20
QUICK_DAYS = 60
QUICK, TOO_FEW_DAYS = "quick run", "too few days"
NOT_TRAINED = (QUICK, TOO_FEW_DAYS)


@dataclass
class Account:
    """What happened on the way; day and reason counts only."""

    promotions: list[date] = field(default_factory=list)
    refusals: list[tuple[date, str]] = field(default_factory=list)
    not_trained: Counter[str] = field(default_factory=Counter)
    first_policy: str = ""
    first_profile: str = ""
    left_out: Counter[str] = field(default_factory=Counter)
    profiles: Counter[str] = field(default_factory=Counter)

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "policy_promotions": len(self.promotions),
            "policy_refusals": len(self.refusals),
            "policy_promoted_on": [day.isoformat() for day in self.promotions],
            "policy_refused": [{"day": day.isoformat(), "gates": gates} for day, gates in self.refusals],
            "policy_not_trained": dict(self.not_trained),
            "policy_of_first_day": self.first_policy,
            "profile_of_first_day": self.first_profile,
            "profiles_by_week": dict(self.profiles),
            "days_left_out": dict(self.left_out),
        }


def served(policy: DispatchPolicy) -> Callable[[DayProblem], IntArray]:
    """The plan that production serves."""
    return lambda problem: serve_day(policy, problem, beam_width=BEAM_WIDTH).assignment


class Policies:
    """The champion of the first day and the one that is kept up to date.

    Parameters
    ----------
    company : Company
    first_day : date
    seed : int
        Of the trainings.
    trains : bool
        False: both stay the shipped policy.
    account : Account
    """

    def __init__(self, company: Company, first_day: date, *, seed: int, trains: bool, account: Account) -> None:
        self._company, self._seed, self._trains, self._account = company, seed, trains, account
        self.current = self._anchor = shipped_policy()
        self._next = first_day + RETRAIN_EVERY
        refused = self._challenged(first_day, company.travel_known(first_day))
        account.first_policy = "trained" if refused is None else f"shipped: {refused}"
        self.first = self._anchor = self.current

    def update(self, day: date, travel: HaversineTravel) -> None:
        """Train and judge a challenger where one is due."""
        if day < self._next:
            return
        self._next += RETRAIN_EVERY
        refused = self._challenged(day, travel)
        if refused is None:
            self._account.promotions.append(day)
        elif refused in NOT_TRAINED:
            self._account.not_trained[refused] += 1
        else:
            self._account.refusals.append((day, refused))

    def _challenged(self, day: date, travel: HaversineTravel) -> str | None:
        """Why the policy stays, or None where the challenger takes its place."""
        if not self._trains:
            return QUICK
        tables = (self._company.bookings, self._company.assignments)
        past = past_bookings(*(table[table["service_day"] < pd.Timestamp(day)] for table in tables))
        days = [one for _, one in sorted(self._company.days(past, travel).items())]
        if len(days) < MIN_TRAINING_DAYS + HOLDOUT_DAYS:
            return TOO_FEW_DAYS
        challenger = trained([one.problem for one in days[:-HOLDOUT_DAYS]], self._seed)
        decision = judged(challenger, self.current, self._anchor, days[-HOLDOUT_DAYS:])
        if decision.promote:
            self.current = challenger
            return None
        return ", ".join(one.name for one in decision.verdicts if one.blocking and not one.passed)


def trained(days: list[DayProblem], seed: int) -> DispatchPolicy:
    """A small training; what is judged and plans is what was saved and read back."""
    settings = PolicySettings(seed=seed, gradient_steps=300, generated_days=512, min_days=MIN_TRAINING_DAYS)
    with tempfile.TemporaryDirectory() as folder:
        DispatchPolicy.from_training(train(days, settings)).save(Path(folder))
        return DispatchPolicy.load(Path(folder))


def judged(
    challenger: DispatchPolicy, champion: DispatchPolicy, anchor: DispatchPolicy, days: list[HistoricalDay]
) -> Decision:
    """The product's gates on held-out days; the running day is not evaluated here, and its gate does not block."""
    others = {"champion": champion, "anchor": anchor}
    table, plans = evaluated_with_figures(challenger, others, days, BEAM_WIDTH)
    key = ["company_id", "service_day"]
    costs = table.pivot(index=key, columns="method", values="cost").rename(columns={"policy": "challenger"})
    figures = table.set_index([*key, "method"])[["bookings", "completed", "max_delay_min"]]
    told = figures.join(plans.assign(guards_refused=plans["guards_broken"] != "").set_index([*key, "method"]))
    told = told.drop(columns=["day", "guards_broken"])
    searched = told.xs("local_search", level="method")[["completed", "late", "load_gap", "guards_refused"]]
    ours = told.xs("policy", level="method").join(searched.add_suffix("_local_search"))
    return decide(policy_gates(costs.add_prefix("cost_").join(ours).reset_index(), reload_identical=True))


def dispatch_year(
    home: Path,
    first_day: date,
    last_day: date,
    *,
    seed: int,
    quick: bool,
    level_min: Mapping[date, float] | None = None,
) -> pd.DataFrame:
    """Plan and live each service day, with the dispatch side kept up to date and without.

    Parameters
    ----------
    home : Path
        Holds a demo company that has lived all the days; only read.
    first_day, last_day : date
        Both included. The days before ``first_day`` are what both sides know on it.
    seed : int
        Of the draws and of the trainings.
    quick : bool
        At most 60 days, evenly spread, 20 draws instead of 40, and no policy is trained.
    level_min : mapping of date to float, optional
        Minutes by which the delay model knows pickups to be later than before, as known on the morning of each date. A
        day is planned the evening before, so the latest entry before it counts; without one, 0.

    Returns
    -------
    DataFrame
        One row a day: ``service_day``, ``bookings`` (driven), ``called_later``, ``level_min``; lived costs
        ``cost_without``, then each step on top of the one before: ``cost_profile`` (profile fitted anew),
        ``cost_policy`` (policy trained anew) and ``cost_level`` (level on every approach), which is ``cost_with``;
        ``lateness_with_min``, ``lateness_without_min`` (minutes, over the day's pickups); and of the policy's own plan
        before any search, both with the new profile and no level, ``cost_own_with`` (policy trained anew) and
        ``cost_own_without`` (policy of the first day). ``attrs["account"]``: counts of promotions, refusals and
        trainings left out, what profile and policy the first day had, and days left out with their reasons.

    Raises
    ------
    NotEnoughDataError
        No day between the two was driven.
    SourceError
        There is no demo company, or it cannot be read.
    """
    company, account = Company.read(home), Account()
    span = [day for day in sorted(company.truth) if first_day <= day <= last_day]
    if not span:
        raise NotEnoughDataError(f"driven days from {first_day} to {last_day}", needs=1, has=0)
    lived = span[:: -(-len(span) // QUICK_DAYS)] if quick else span
    rows = []
    with one_thread():
        policies = Policies(company, first_day, seed=seed, trains=not quick, account=account)
        year = Year(company, policies, account, first_day, seed=seed, draws=QUICK_DRAWS if quick else DRAWS)
        for week in _weeks(lived):
            rows += year.week(week, level_min or {})
    frame = pd.DataFrame(rows)
    frame.attrs["account"] = account.to_dict()
    return frame


def known_level_min(day: date, level_min: Mapping[date, float]) -> float:
    """The latest level known before a day; 0 where there is none."""
    before = [known for known in level_min if known < day]
    return float(level_min[max(before)]) if before else 0.0


def _weeks(days: Sequence[date]) -> list[list[date]]:
    weeks: dict[tuple[int, int], list[date]] = {}
    for day in days:
        weeks.setdefault(day.isocalendar()[:2], []).append(day)
    return list(weeks.values())


class Year:
    """Both sides of the comparison, week by week."""

    def __init__(
        self, company: Company, policies: Policies, account: Account, first_day: date, *, seed: int, draws: int
    ) -> None:
        self._company, self._policies, self._account = company, policies, account
        self._seed, self._draws = seed, draws
        self._first_travel = company.travel_known(first_day)
        account.first_profile = self._first_travel.basis

    def week(self, days: list[date], level_min: Mapping[date, float]) -> list[dict[str, Any]]:
        """Rows of the days of one week; the profile is fitted on what was known before the first of them."""
        travel = self._company.travel_known(days[0])
        self._account.profiles[travel.basis] += 1
        self._policies.update(days[0], travel)
        coming = {
            name: self._company.coming(days, way) for name, way in (("with", travel), ("without", self._first_travel))
        }
        rows = []
        for day in days:
            why = self._unplannable(day, coming["with"].get(day))
            if why:
                self._account.left_out[why] += 1
                continue
            sides = {name: self._day(day, found[day].problem) for name, found in coming.items()}
            rows.append(self._row(day, sides["with"], sides["without"], known_level_min(day, level_min)))
        return rows

    def _unplannable(self, day: date, found: HistoricalDay | None) -> str | None:
        if found is None:
            return "no driver on duty or no usable booking"
        if not set(self._company.truth[day].booking_ids.tolist()) <= {int(name) for name in found.problem.booking_ids}:
            return "a driven booking could not be planned"
        if not (self._company.created(found.problem) <= naive_utc(evening_before(day))).any():
            return "nothing was booked the evening before"
        return None

    def _day(self, day: date, problem: DayProblem) -> Day:
        created = self._company.created(problem)
        is_known = created <= naive_utc(evening_before(day))
        driven = np.isin([int(name) for name in problem.booking_ids], self._company.truth[day].booking_ids)
        later = [index for index in np.argsort(created, kind="stable") if driven[index] and not is_known[index]]
        return Day(problem, np.flatnonzero(is_known), np.array(later, dtype=np.int64))

    def _row(self, day: date, kept: Day, first: Day, level: float) -> dict[str, Any]:
        truth = self._company.truth[day]
        current, kept_policy = self._policies.current, self._policies.first
        plans = {
            "without": first.planned(served(kept_policy)),
            "profile": kept.planned(served(kept_policy)),
            "policy": kept.planned(served(current)),
            "own_with": kept.planned(partial(current.plan, beam_width=BEAM_WIDTH)),
            "own_without": kept.planned(partial(kept_policy.plan, beam_width=BEAM_WIDTH)),
        }
        plans["level"] = kept.slower(level).planned(served(current)) if level else plans["policy"]
        draws = draw(truth, generator(self._seed, Stream.REPLAY, day), self._draws)
        known: dict[tuple[int, ...], Lived] = {}
        lived = {}
        for name, plan in plans.items():
            drivers = tuple(plan[int(booking)] for booking in truth.booking_ids)
            if drivers not in known:
                known[drivers] = live(truth, plan, draws)
            lived[name] = known[drivers]
        return {
            "service_day": pd.Timestamp(day), "bookings": len(truth.booking_ids), "called_later": len(kept.later),
            "level_min": level, "cost_with": lived["level"].cost, "lateness_with_min": lived["level"].lateness_min,
            "lateness_without_min": lived["without"].lateness_min,
            **{f"cost_{name}": one.cost for name, one in lived.items()},
        }  # fmt: skip


def compared(frame: pd.DataFrame) -> dict[str, dict[str, float]]:
    """Relative differences of lived costs, per cent, with 90 % intervals, paired and resampled by day."""
    pairs = {
        "with_vs_without": ("cost_with", "cost_without"),
        "profile_anew": ("cost_profile", "cost_without"),
        "policy_anew": ("cost_policy", "cost_profile"),
        "level_on_approaches": ("cost_level", "cost_policy"),
        "own_plan_policy_anew": ("cost_own_with", "cost_own_without"),
        "own_plan_vs_served": ("cost_own_with", "cost_policy"),
    }
    found = {}
    for name, (ours, theirs) in pairs.items():
        one = compare_by_day(frame["service_day"], frame[ours], frame[theirs])
        ends = {"pct": one.relative, "low_pct": one.lower, "high_pct": one.upper}
        found[name] = {end: round(100.0 * value, 3) for end, value in ends.items()}
    return found


def main() -> None:
    """Run it alone on a home that exists."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("home", type=Path)
    parser.add_argument("--from", dest="first_day", type=date.fromisoformat, required=True)
    parser.add_argument("--to", dest="last_day", type=date.fromisoformat, required=True)
    parser.add_argument("--level-from", type=date.fromisoformat, help="from then on 5 minutes are known")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    began, first, last = time.process_time(), options.first_day, options.last_day
    known_from = options.level_from or last + timedelta(days=1)
    levels = {known_from + timedelta(days=ahead): 5.0 for ahead in range((last - known_from).days + 1)}
    frame = dispatch_year(options.home, first, last, seed=options.seed, quick=options.quick, level_min=levels)
    result = {
        **compared(frame), **frame.attrs["account"], "days": len(frame),
        **{name: round(float(frame[name].mean()), 3) for name in frame.columns if name.startswith(("cost", "late"))},
        "cpu_s": round(time.process_time() - began, 1),
    }  # fmt: skip
    for key, value in result.items():
        print(f"{key:34} {json.dumps(value)}", file=sys.stderr)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
