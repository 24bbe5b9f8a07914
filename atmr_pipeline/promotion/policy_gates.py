"""What a dispatch policy must show on held-out days before it may become the champion."""

from dataclasses import dataclass

import pandas as pd

from atmr_pipeline.promotion.bootstrap import PairedComparison, compare_by_day
from atmr_pipeline.promotion.comparisons import checked_frame, minimum, non_inferior, superior
from atmr_pipeline.promotion.verdict import GateVerdict

REQUIRED = (
    "service_day",
    "cost_challenger",
    "cost_greedy",
    "cost_least_loaded",
    "bookings",
    "completed",
    "max_delay_min",
)
OPTIONAL = ("cost_champion", "cost_local_search", "cost_untrained", "invalid_action_rate")


@dataclass(frozen=True)
class PolicyGateLimits:
    """Limits of the policy gates.

    Parameters
    ----------
    min_days : int
        Held-out days below which nothing is concluded.
    champion_margin, champion_point_limit : float
        Relative mean cost against the champion: upper bound and point estimate.
    untrained_margin, untrained_point_limit : float
        The same against the network with zero weights: near the optimum learning can add little, but may not harm.
    min_completion : float
        Share of bookings served, over all days.
    max_delay_min : float
        Largest planned pickup delay of any day, minutes.
    max_invalid_action_rate : float
        Mean share of actions that the rules had to refuse.
    level : float
        One-sided confidence of the bounds.
    """

    min_days: int = 14
    champion_margin: float = 0.05
    champion_point_limit: float = 0.02
    untrained_margin: float = 0.05
    untrained_point_limit: float = 0.02
    min_completion: float = 0.85
    max_delay_min: float = 30.0
    max_invalid_action_rate: float = 0.10
    level: float = 0.95


def policy_gates(
    costs: pd.DataFrame, *, reload_identical: bool = True, limits: PolicyGateLimits | None = None
) -> list[GateVerdict]:
    """Judge a challenger on held-out days, every planner executed by the same simulator on the same draws.

    Local search and being better than untrained are reported and do not block: on a fixed day search beats learning,
    and these comparisons say whether learning earns its place, not whether the challenger is safe to use.

    Parameters
    ----------
    costs : DataFrame
        One row per held-out day and company: ``service_day``; ``cost_challenger``, ``cost_greedy``,
        ``cost_least_loaded`` (non-negative); ``bookings``, ``completed`` (counts) and ``max_delay_min`` of the
        challenger's plan; and where known ``cost_champion``, ``cost_local_search``, ``invalid_action_rate``
        (0..1) and ``cost_untrained`` (the same network with zero weights: without it, prior and search would pass for
        learning).
    reload_identical : bool
        The saved files, loaded again, gave the same plans.
    limits : PolicyGateLimits, optional

    Returns
    -------
    list of GateVerdict

    Raises
    ------
    TableContractError
        If columns are missing or a value is unknown.
    """
    limits = limits or PolicyGateLimits()
    frame = checked_frame(costs, REQUIRED, OPTIONAL, "policy holdout")
    days = frame["service_day"]

    def against(column: str) -> PairedComparison:
        challenger, reference = frame["cost_challenger"].astype("float64"), frame[column].astype("float64")
        return compare_by_day(days, challenger, reference, level=limits.level)

    champion = against("cost_champion") if "cost_champion" in frame.columns else None
    verdicts = [
        minimum("enough_days", "held-out days", limits.min_days, int(days.nunique())),
        superior("better_than_greedy", "mean cost", against("cost_greedy")),
        superior("better_than_least_loaded", "mean cost", against("cost_least_loaded")),
        non_inferior(
            "not_inferior_to_champion",
            "mean cost",
            champion,
            margin=limits.champion_margin,
            point_limit=limits.champion_point_limit,
        ),
        _completion(frame, limits),
        _max_delay(frame, limits),
        GateVerdict(
            "reload_identical",
            reload_identical,
            float(reload_identical),
            1.0,
            len(frame),
            "saved files give the same plans" if reload_identical else "saved files give other plans",
        ),
    ]
    if "invalid_action_rate" in frame.columns:
        verdicts.append(_invalid_actions(frame["invalid_action_rate"], limits))
    if "cost_untrained" in frame.columns:
        learned = against("cost_untrained")
        verdicts.append(
            non_inferior(
                "not_worse_than_untrained",
                "mean cost",
                learned,
                margin=limits.untrained_margin,
                point_limit=limits.untrained_point_limit,
            )
        )
        verdicts.append(superior("better_than_untrained", "mean cost", learned, blocking=False))
    if "cost_local_search" in frame.columns:
        verdicts.append(superior("better_than_local_search", "mean cost", against("cost_local_search"), blocking=False))
    return verdicts


def _completion(frame: pd.DataFrame, limits: PolicyGateLimits) -> GateVerdict:
    bookings, completed = int(frame["bookings"].sum()), int(frame["completed"].sum())
    share = completed / bookings if bookings else float("nan")
    detail = f"{completed:,} of {bookings:,} bookings served, at least {limits.min_completion:.0%}"
    return GateVerdict("completion", share >= limits.min_completion, share, limits.min_completion, bookings, detail)


def _max_delay(frame: pd.DataFrame, limits: PolicyGateLimits) -> GateVerdict:
    largest = float(frame["max_delay_min"].max()) if len(frame) else float("nan")
    over = int((frame["max_delay_min"] > limits.max_delay_min).sum())
    detail = f"largest pickup delay {largest:.1f} min, {over} days above {limits.max_delay_min:.0f} min"
    return GateVerdict("max_delay", largest <= limits.max_delay_min, largest, limits.max_delay_min, len(frame), detail)


def _invalid_actions(rates: pd.Series, limits: PolicyGateLimits) -> GateVerdict:
    rate, limit = float(rates.mean()), limits.max_invalid_action_rate
    detail = f"{rate:.1%} of actions refused by the rules, at most {limit:.0%}"
    return GateVerdict("invalid_actions", rate <= limit, rate, limit, len(rates), detail)
