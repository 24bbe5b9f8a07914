"""Local search from a learned plan: the policy says where to look, the search removes what is plainly dear."""

import numpy as np
import numpy.typing as npt

from atmr_pipeline.dispatch.kernel import pack
from atmr_pipeline.dispatch.planners.local_search import improve
from atmr_pipeline.dispatch.problem import DayProblem
from atmr_pipeline.dispatch.simulator import CostWeights, simulate
from atmr_pipeline.models.policy.policy import DispatchPolicy

IntArray = npt.NDArray[np.int64]

BEAM_WIDTH = 16
"""Partial plans that the policy keeps unless the caller says otherwise."""


def polish(problem: DayProblem, assignment: npt.ArrayLike, weights: CostWeights | None = None) -> IntArray:
    """Relocate, swap and exchange tails until nothing helps; never a dearer plan.

    Parameters
    ----------
    problem : DayProblem
    assignment : array of int (B,)
        A feasible plan, -1 for nobody.
    weights : CostWeights, optional

    Returns
    -------
    ndarray of int (B,)
        Driver of each booking that is served, -1 where it is lost.

    Raises
    ------
    InvalidProblemError
        ``assignment`` is no plan of this day.
    InfeasiblePlanError
        It breaks a shift end or an absence.
    """
    weights = weights or CostWeights()
    before = simulate(problem, assignment, weights=weights)
    order = problem.service_order
    drivers = np.empty_like(before.driver)
    drivers[order], _ = improve(pack(problem, weights), before.driver[order])
    after = simulate(problem, drivers, weights=weights)
    return after.driver if after.total < before.total else before.driver


def plan_polished(policy: DispatchPolicy, problem: DayProblem, beam_width: int = BEAM_WIDTH) -> IntArray:
    """The policy's plan with a beam, polished; driver of each booking (B,), -1 for nobody."""
    return polish(problem, policy.plan(problem, beam_width=beam_width), policy.weights)
