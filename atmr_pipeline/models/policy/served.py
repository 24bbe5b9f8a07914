"""Which plan is served for a coming day, and whose work it is.

A day that is known ahead is best planned by search, so the learned policy's plan, the same plan polished and the
planners' plan compete, each judged by the guards. What is served is named after who made it: a plan that the search
found, or that the search had to mend, is never told as the policy's.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from atmr_pipeline.dispatch.guards import GuardThresholds, check_plan
from atmr_pipeline.dispatch.planners import METHODS, Plan, plan
from atmr_pipeline.dispatch.problem import DayProblem
from atmr_pipeline.dispatch.simulator import CostWeights, simulate
from atmr_pipeline.models.policy.evaluate import gap_pct
from atmr_pipeline.models.policy.policy import DispatchPolicy
from atmr_pipeline.models.policy.polish import polish

IntArray = npt.NDArray[np.int64]

POLICY, POLISHED = "policy", "policy_polished"
EXACT, SEARCH = "exact", "local_search"
SERVED_BY = (POLICY, POLISHED, EXACT, SEARCH)
"""Who may make the plan that is served; of equally cheap plans the first of these."""
SAME_COST = 1e-6
"""Costs this near are equal."""


@dataclass(frozen=True)
class ServedPlan:
    """The plan for one day and how it came about.

    Parameters
    ----------
    method : str
        Who made it: one of :data:`SERVED_BY`.
    assignment : ndarray of int (B,)
        Driver of each booking, -1 for nobody.
    cost : float
        Of the plan that is served, by the simulator.
    policy_cost : float
        Of the policy's own plan, before any search touched it.
    optimum : float or None
        The lowest cost there is, where it is proven.
    refused : dict of str to tuple of str
        Each maker whose plan the guards refused, and the guards it breaks.
    """

    method: str
    assignment: IntArray
    cost: float
    policy_cost: float
    optimum: float | None
    refused: dict[str, tuple[str, ...]]

    @property
    def gap_to_optimum_pct(self) -> float | None:
        """How much dearer the served plan is than the optimum; None where that is not proven, or has no per cent."""
        return gap_pct(self.cost, self.optimum)

    @property
    def policy_refused(self) -> bool:
        """Whether the guards refused the policy's own plan."""
        return POLICY in self.refused

    @property
    def all_refused(self) -> bool:
        """Whether the plan that is served breaks a guard too, because every plan does."""
        return self.method in self.refused

    @property
    def refused_because(self) -> str | None:
        """Makers and the guards that their plans break, or None; for instance ``policy: completion``."""
        told = [f"{maker}: {', '.join(guards)}" for maker, guards in self.refused.items()]
        return "; ".join(told) or None


def serve_day(
    policy: DispatchPolicy,
    problem: DayProblem,
    *,
    beam_width: int,
    thresholds: GuardThresholds | None = None,
    exact: Plan | None = None,
) -> ServedPlan:
    """Plan a day that is known ahead.

    The cheapest plan that passes the guards is served. Where none passes, the one that breaks the fewest, the cheapest
    of them, and ``refused`` says so of every maker.

    Parameters
    ----------
    policy : DispatchPolicy
    problem : DayProblem
    beam_width : int
        Of the policy.
    thresholds : GuardThresholds, optional
    exact : Plan, optional
        Of this very day under the policy's weights, where the caller has it already.
    """
    weights = policy.weights
    own = policy.plan(problem, beam_width=beam_width)
    plans = {POLICY: own, POLISHED: polish(problem, own, weights)}
    searched, optimum = _searched(problem, weights, exact)
    plans |= searched
    costs = {maker: simulate(problem, drivers, weights=weights).total for maker, drivers in plans.items()}
    refused = {}
    for maker, drivers in plans.items():
        verdicts = check_plan(problem, drivers, weights=weights, thresholds=thresholds)
        if broken := tuple(verdict.name for verdict in verdicts if not verdict.passed):
            refused[maker] = broken
    fewest = min(len(refused.get(maker, ())) for maker in plans)
    best = min(costs[maker] for maker in plans if len(refused.get(maker, ())) == fewest)
    method = next(
        maker for maker in plans if len(refused.get(maker, ())) == fewest and costs[maker] <= best + SAME_COST
    )
    return ServedPlan(method, plans[method], costs[method], costs[POLICY], optimum, refused)


def _searched(
    problem: DayProblem, weights: CostWeights, exact: Plan | None
) -> tuple[dict[str, IntArray], float | None]:
    """The planners' plans by maker, and the optimum where it is proven."""
    plans: dict[str, IntArray] = {}
    if exact is None and EXACT in METHODS:
        exact = plan(problem, EXACT, weights=weights)
    if exact is not None:
        plans[EXACT] = exact.assignment
        if exact.optimal:
            return plans, exact.outcome.total
    return plans | {SEARCH: plan(problem, SEARCH, weights=weights).assignment}, None
