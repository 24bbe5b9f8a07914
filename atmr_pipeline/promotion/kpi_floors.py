"""The floors under a policy's plans: what the company asked for, and what the guards and a plain search reach."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from atmr_pipeline.promotion.verdict import GateVerdict

PLAN_COLUMNS = (
    "bookings",
    "completed",
    "max_delay_min",
    "late",
    "load_gap",
    "invalid_action_rate",
    "guards_refused",
    "decision_ms",
    "completed_local_search",
    "late_local_search",
    "load_gap_local_search",
    "guards_refused_local_search",
)

ROUNDING = 1e-9


@dataclass(frozen=True)
class FloorLimits:
    """Limits of what a policy's plans must reach.

    A key figure is held against the company's goal or against greedy + local search on the same days, whichever is
    lower, less an allowance: on days that nobody can plan well a goal alone would refuse every policy.

    Parameters
    ----------
    min_completion : float
        Share of bookings served, over all days; the guard's own limit.
    max_delay_min : float
        Largest planned pickup delay of any day, minutes.
    max_invalid_action_rate : float
        Mean share of actions that break a rule.
    max_guard_refusals : float
        Share of days whose plan the guards refuse although they let local search's pass: the company's limit of
        fallbacks.
    load_gap_days_goal, load_gap_allowance : float
        Share of days with a load gap of at most 1; a held-out month has so few days that one or two must not decide.
    completion_goal, on_time_goal, rate_allowance : float
        Shares of bookings.
    max_decision_ms : float
        Median over days of a plan's time by booking.
    """

    min_completion: float = 0.85
    max_delay_min: float = 30.0
    max_invalid_action_rate: float = 0.10
    max_guard_refusals: float = 0.10
    load_gap_days_goal: float = 0.95
    load_gap_allowance: float = 0.10
    completion_goal: float = 0.90
    on_time_goal: float = 0.95
    rate_allowance: float = 0.02
    max_decision_ms: float = 50.0


def plan_gates(frame: pd.DataFrame, limits: FloorLimits | None = None) -> list[GateVerdict]:
    """Judge the plans of the held-out days.

    Parameters
    ----------
    frame : DataFrame
        :data:`PLAN_COLUMNS`, one row a day: counts of ``bookings``, ``completed`` and ``late`` (more than 5 min),
        ``max_delay_min``, ``load_gap``, ``invalid_action_rate`` (0..1), ``guards_refused``, ``decision_ms``; and those
        of local search where the name says so.
    limits : FloorLimits, optional
    """
    limits = limits or FloorLimits()
    return [
        _completion(frame, limits),
        _max_delay(frame, limits),
        _invalid_actions(frame["invalid_action_rate"], limits),
        _guards(frame, limits),
        *_floors(frame, limits),
        _latency(frame["decision_ms"], limits),
    ]


def kpi_floor(
    name: str, what: str, shares: tuple[float, float], n: int, *, goal: float, allowance: float
) -> GateVerdict:
    """At least the goal or what local search reaches, whichever is lower, less an allowance.

    Parameters
    ----------
    shares : (float, float)
        Of the challenger and of local search.
    """
    reached, searched = shares
    floor = min(goal, searched) - allowance if not math.isnan(searched) else math.nan
    detail = (
        f"{what} {reached:.1%}, at least {floor:.1%}: the lower of the goal {goal:.0%} and of local search's "
        f"{searched:.1%}, less {100 * allowance:.0f} points"
    )
    return GateVerdict(name, reached >= floor - ROUNDING, reached, floor, n, detail)


def _floors(frame: pd.DataFrame, limits: FloorLimits) -> list[GateVerdict]:
    bookings, days = int(frame["bookings"].sum()), len(frame)

    def shares(share_of: Callable[[str], float]) -> tuple[float, float]:
        return share_of(""), share_of("_local_search")

    even = shares(lambda whose: _share(int((frame[f"load_gap{whose}"] <= 1).sum()), days))
    served = shares(lambda whose: _share(int(frame[f"completed{whose}"].sum()), bookings))
    punctual = shares(
        lambda whose: _share(
            int((frame[f"completed{whose}"] - frame[f"late{whose}"]).sum()), int(frame[f"completed{whose}"].sum())
        )
    )
    room = limits.rate_allowance
    return [
        kpi_floor(
            "load_gap_floor",
            "days with a load gap of at most 1:",
            even,
            days,
            goal=limits.load_gap_days_goal,
            allowance=limits.load_gap_allowance,
        ),
        kpi_floor(
            "completion_floor", "bookings served:", served, bookings, goal=limits.completion_goal, allowance=room
        ),
        kpi_floor(
            "on_time_floor", "pickups at most 5 min late:", punctual, bookings, goal=limits.on_time_goal, allowance=room
        ),
    ]


def _completion(frame: pd.DataFrame, limits: FloorLimits) -> GateVerdict:
    bookings, completed = int(frame["bookings"].sum()), int(frame["completed"].sum())
    share = _share(completed, bookings)
    detail = f"{completed:,} of {bookings:,} bookings served, at least {limits.min_completion:.0%}"
    return GateVerdict("completion", share >= limits.min_completion, share, limits.min_completion, bookings, detail)


def _max_delay(frame: pd.DataFrame, limits: FloorLimits) -> GateVerdict:
    largest = float(frame["max_delay_min"].max()) if len(frame) else math.nan
    over = int((frame["max_delay_min"] > limits.max_delay_min).sum())
    detail = f"largest pickup delay {largest:.1f} min, {over} days above {limits.max_delay_min:.0f} min"
    return GateVerdict("max_delay", largest <= limits.max_delay_min, largest, limits.max_delay_min, len(frame), detail)


def _invalid_actions(rates: pd.Series, limits: FloorLimits) -> GateVerdict:
    rate, limit = float(rates.mean()), limits.max_invalid_action_rate
    detail = f"{rate:.1%} of assignments break a rule, at most {limit:.0%}"
    return GateVerdict("invalid_actions", rate <= limit, rate, limit, len(rates), detail)


def _guards(frame: pd.DataFrame, limits: FloorLimits) -> GateVerdict:
    refused = frame["guards_refused"].astype(bool)
    avoidable = refused & ~frame["guards_refused_local_search"].astype(bool)
    share, limit = _share(int(avoidable.sum()), len(frame)), limits.max_guard_refusals
    detail = (
        f"the guards refuse {int(refused.sum())} of {len(frame)} plans, {int(avoidable.sum())} of them on days on "
        f"which local search's plan passes: {share:.1%}, at most {limit:.0%}"
    )
    return GateVerdict("guard_refusals", share <= limit, share, limit, len(frame), detail)


def _latency(decision_ms: pd.Series, limits: FloorLimits) -> GateVerdict:
    measured, limit = decision_ms.dropna(), limits.max_decision_ms
    # Each day is timed once: the machine's own pauses make the slowest of them, the median is the policy's.
    usual = float(measured.median()) if len(measured) else math.nan
    detail = (
        f"a day's plan takes {usual:.1f} ms a booking (median of days, below {limit:.0f} ms), "
        f"{float(measured.max()) if len(measured) else math.nan:.1f} ms on the slowest day"
    )
    return GateVerdict("latency", usual < limit, usual, limit, len(measured), detail)


def _share(part: int, whole: int) -> float:
    return part / whole if whole else math.nan
