"""What a dispatch policy must show on held-out days before it may become the champion."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import pandas as pd

from atmr_pipeline.promotion.bootstrap import PairedComparison, compare_by_day
from atmr_pipeline.promotion.comparisons import NO_ANCHOR, NO_CHAMPION, checked_frame, minimum, non_inferior, superior
from atmr_pipeline.promotion.kpi_floors import PLAN_COLUMNS, FloorLimits, plan_gates
from atmr_pipeline.promotion.verdict import GateVerdict

COSTS = ("cost_challenger", "cost_greedy", "cost_least_loaded", "cost_local_search", "cost_untrained")
REQUIRED = ("service_day", *COSTS, *(name for name in PLAN_COLUMNS if name != "decision_ms"))
OPTIONAL = ("cost_champion", "cost_anchor")
NO_RUNNING_DAY = "the running day is not evaluated: materialise running_day_evaluation to see it"


@dataclass(frozen=True)
class PolicyGateLimits:
    """Limits of the policy gates.

    Parameters
    ----------
    min_days : int
        Held-out days below which nothing is concluded.
    margin, point_limit : float
        Relative mean cost against the champion, the anchor, the network with zero weights (near the optimum learning
        can add little, but may not harm) and the re-solve on the running day: upper bound and point estimate.
    level : float
        One-sided confidence of the bounds.
    floors : FloorLimits
    """

    min_days: int = 14
    margin: float = 0.05
    point_limit: float = 0.02
    level: float = 0.95
    floors: FloorLimits = field(default_factory=FloorLimits)


def policy_gates(
    costs: pd.DataFrame,
    *,
    reload_identical: bool,
    running: pd.DataFrame | None = None,
    missing: Mapping[str, str] | None = None,
    limits: PolicyGateLimits | None = None,
) -> list[GateVerdict]:
    """Judge a challenger on held-out days, every planner executed by the same simulator on the same draws.

    Local search, the running day and being better than untrained are reported and do not block: on a fixed day search
    beats learning, and these comparisons say whether learning earns its place, not whether the challenger is safe.

    Parameters
    ----------
    costs : DataFrame
        One row per held-out day and company: ``service_day``; the non-negative :data:`COSTS` (``cost_untrained``: the
        same network with zero weights; without it, prior and search would pass for learning); the columns of
        :data:`~atmr_pipeline.promotion.kpi_floors.PLAN_COLUMNS`, of which only ``decision_ms`` may be NULL (a day
        without bookings); and where there is one ``cost_champion`` and ``cost_anchor``.
    reload_identical : bool
        The figures belong to the saved files.
    running : DataFrame, optional
        ``service_day, cost_hybrid, cost_resolve``: days lived under chance, by the hybrid policy and by an exact plan
        made anew at every decision.
    missing : mapping of str to str, optional
        Why there is no ``champion``, ``anchor`` or ``running`` day to compare with.
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
    frame = checked_frame(costs, REQUIRED, OPTIONAL, "policy holdout").assign(decision_ms=costs["decision_ms"])
    why = {"champion": NO_CHAMPION, "anchor": NO_ANCHOR, "running": NO_RUNNING_DAY, **(missing or {})}
    return [
        minimum("enough_days", "held-out days", limits.min_days, int(frame["service_day"].nunique())),
        *_against_rules(frame, limits),
        *_against_models(frame, why, limits),
        _against_resolve(running, why["running"], limits),
        *plan_gates(frame, limits.floors),
        GateVerdict(
            "reload_identical",
            reload_identical,
            float(reload_identical),
            1.0,
            len(frame),
            "saved files give the same plans" if reload_identical else "saved files give other plans",
        ),
    ]


def _compared(frame: pd.DataFrame, column: str, limits: PolicyGateLimits) -> PairedComparison:
    challenger, reference = frame["cost_challenger"].astype("float64"), frame[column].astype("float64")
    return compare_by_day(frame["service_day"], challenger, reference, level=limits.level)


def _against_rules(frame: pd.DataFrame, limits: PolicyGateLimits) -> list[GateVerdict]:
    return [
        superior(f"better_than_{other}", "mean cost", _compared(frame, f"cost_{other}", limits), blocking=is_blocking)
        for other, is_blocking in (("greedy", True), ("least_loaded", True), ("local_search", False))
    ]


def _against_models(frame: pd.DataFrame, why: Mapping[str, str], limits: PolicyGateLimits) -> list[GateVerdict]:
    verdicts = [
        non_inferior(
            f"not_inferior_to_{other}",
            "mean cost",
            _compared(frame, f"cost_{other}", limits) if f"cost_{other}" in frame.columns else None,
            margin=limits.margin,
            point_limit=limits.point_limit,
            missing=why[other],
        )
        for other in ("champion", "anchor")
    ]
    learned = _compared(frame, "cost_untrained", limits)
    unharmed = non_inferior(
        "not_worse_than_untrained", "mean cost", learned, margin=limits.margin, point_limit=limits.point_limit
    )
    return [*verdicts, unharmed, superior("better_than_untrained", "mean cost", learned, blocking=False)]


def _against_resolve(running: pd.DataFrame | None, why: str, limits: PolicyGateLimits) -> GateVerdict:
    """Not blocking: what is lived on the running day is a policy of its own, trained on the same days."""
    comparison = None
    if running is not None and len(running):
        frame = checked_frame(running, ("service_day", "cost_hybrid", "cost_resolve"), (), "running day")
        comparison = compare_by_day(
            frame["service_day"], frame["cost_hybrid"], frame["cost_resolve"], level=limits.level
        )
    return non_inferior(
        "not_inferior_to_resolve",
        "mean cost of the running day",
        comparison,
        margin=limits.margin,
        point_limit=limits.point_limit,
        missing=why,
        blocking=False,
    )
