"""Why this driver: what a dispatcher can read in five seconds, and what stands behind it.

The alternatives are priced by executing the whole day with the booking given to each of them. What the network saw is
told by gradient x input (Shrikumar et al., 2016): for the difference between the Q-values of the plan's choice and of
the best alternative, each feature's value times the slope there. The value by rule, a term of Q of its own, is told
apart.
"""

import copy
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from atmr_pipeline.dispatch.problem import DayProblem
from atmr_pipeline.dispatch.simulator import UNASSIGNED, CostWeights, DayOutcome, check_assignment, simulate
from atmr_pipeline.domain.errors import InfeasiblePlanError, InvalidProblemError
from atmr_pipeline.models.dqn.determinism import one_thread
from atmr_pipeline.models.policy.adviser import decisions_along
from atmr_pipeline.models.policy.environment import REWARD_SCALE
from atmr_pipeline.models.policy.explain_rules import Moment, moment_of, rules_of
from atmr_pipeline.models.policy.explanation import LATER_BOOKING, Alternative, Explanation, FeatureShare
from atmr_pipeline.models.policy.features import DRIVER_FEATURES, STATE_FEATURES, Decision
from atmr_pipeline.models.policy.network import QNetwork
from atmr_pipeline.models.policy.policy import DispatchPolicy

IntArray = npt.NDArray[np.int64]

TOP_FEATURES = 5
"""Features that an explanation names."""


def explain(
    policy: DispatchPolicy, problem: DayProblem, assignment: npt.ArrayLike, booking_id: str, *, top: int = TOP_FEATURES
) -> Explanation:
    """Explain one booking of a plan, whoever made the plan.

    Parameters
    ----------
    policy : DispatchPolicy
    problem : DayProblem
    assignment : array of int (B,)
        A feasible plan, -1 for nobody.
    booking_id : str
    top : int
        Features that are named at most.

    Raises
    ------
    InvalidProblemError
        ``assignment`` is no plan of this day, or the day has no such booking.
    InfeasiblePlanError
        The plan breaks a shift end or an absence.
    """
    if booking_id not in problem.booking_ids:
        raise InvalidProblemError("the day has no booking of this id")
    booking = problem.booking_ids.index(booking_id)
    drivers = check_assignment(problem, assignment)
    outcome = simulate(problem, drivers, weights=policy.weights)
    moment = moment_of(problem, outcome, booking, policy.weights)
    chosen = int(outcome.driver[booking])
    with one_thread():
        decision = _decision_at(problem, outcome.driver, booking, policy.weights)
        network = copy.deepcopy(policy.network).double()
        with torch.no_grad():
            q = network(decision)[0]
        drop = len(q) - 1
        action = drop if chosen == UNASSIGNED else chosen
        other = _best_other(q, decision.choice.legal[0], action)
        shares = () if other is None else _feature_shares(network, decision, action, other, problem, top)
    by_rule, learned = _parts(q, decision.prior[0], action, other)
    alternatives = tuple(
        _alternative(problem, drivers, booking, driver, outcome, moment, q, policy.weights)
        for driver in [*range(problem.n_drivers), UNASSIGNED]
        if driver != chosen
    )
    served = chosen != UNASSIGNED
    return Explanation(
        booking_id=booking_id,
        driver_id=problem.driver_ids[chosen] if served else None,
        q_value=float(q[action]),
        lateness_min=float(outcome.lateness_min[booking]) if served else None,
        spare_min=max(0.0, float(-moment.lateness_min[chosen])) if served else None,
        deadhead_km=float(moment.km[chosen]) if served else None,
        load_gap=outcome.load_gap,
        alternatives=alternatives,
        compared_with=None if other is None or other == drop else problem.driver_ids[other],
        by_rule_cost=by_rule,
        learned_cost=learned,
        features=shares,
        rules=rules_of(problem, outcome, booking, moment, policy.weights),
    )


def feature_gradients(network: QNetwork, decision: Decision, action: int, other: int) -> tuple[Tensor, Tensor]:
    """Slopes of Q(action) - Q(other) of one decision, in reward units a unit of each feature.

    Parameters
    ----------
    network : QNetwork
        Its precision is the gradients' precision.
    decision : Decision
        Of one day.
    action, other : int
        Driver index, D for a drop.

    Returns
    -------
    (Tensor, Tensor)
        (D, driver features) and (state features,).
    """
    driver = decision.driver.detach().clone().requires_grad_(True)
    state = decision.state.detach().clone().requires_grad_(True)
    q = network(replace(decision, driver=driver, state=state))[0]
    of_driver, of_state = torch.autograd.grad(q[action] - q[other], (driver, state))
    return of_driver[0], of_state[0]


def _decision_at(problem: DayProblem, plan: IntArray, booking: int, weights: CostWeights) -> Decision:
    every, _ = decisions_along(problem, plan, weights)
    rank = int(np.flatnonzero(problem.service_order == booking)[0])
    row = torch.tensor([rank])
    return Decision(
        driver=every.driver[row],
        state=every.state[row],
        on_duty=every.on_duty[row],
        prior=every.prior[row],
        choice=every.choice.take(row),
    )


def _best_other(q: Tensor, legal: Tensor, action: int) -> int | None:
    """The legal action of highest Q beside the given one; a driver before a drop."""
    able = [driver for driver in torch.nonzero(legal[:-1])[:, 0].tolist() if driver != action]
    if able:
        return max(able, key=lambda driver: float(q[driver]))
    return None if action == len(legal) - 1 else len(legal) - 1


def _parts(q: Tensor, prior: Tensor, action: int, other: int | None) -> tuple[float, float]:
    """Q-difference by rule and by learning, in cost units."""
    if other is None:
        return 0.0, 0.0
    by_rule = REWARD_SCALE * float(prior[action] - prior[other])
    return by_rule, REWARD_SCALE * float(q[action] - q[other]) - by_rule


def _feature_shares(
    network: QNetwork, decision: Decision, action: int, other: int, problem: DayProblem, top: int
) -> tuple[FeatureShare, ...]:
    of_driver, of_state = feature_gradients(network, decision, action, other)
    shares = [
        FeatureShare(feature.name, feature.unit, None, float(value), REWARD_SCALE * float(slope * value))
        for feature, value, slope in zip(STATE_FEATURES, decision.state[0], of_state, strict=True)
    ]
    for driver, name in enumerate(problem.driver_ids):
        values = zip(DRIVER_FEATURES, decision.driver[0, driver], of_driver[driver], strict=True)
        shares += [
            FeatureShare(feature.name, feature.unit, name, float(value), REWARD_SCALE * float(slope * value))
            for feature, value, slope in values
        ]
    shares = [share for share in shares if share.cost != 0.0]
    return tuple(sorted(shares, key=lambda share: -abs(share.cost))[:top])


def _alternative(
    problem: DayProblem,
    plan: IntArray,
    booking: int,
    driver: int,
    outcome: DayOutcome,
    moment: Moment,
    q: Tensor,
    weights: CostWeights,
) -> Alternative:
    """The day with this booking given to another driver, or to nobody."""
    nobody = driver == UNASSIGNED
    name = None if nobody else problem.driver_ids[driver]
    why_not = None if nobody else moment.why_not[driver]
    value = None if why_not else float(q[-1 if nobody else driver])
    changed = plan.copy()
    changed[booking] = driver
    try:
        other = simulate(problem, changed, weights=weights)
    except InfeasiblePlanError:
        return Alternative(name, value, why_not or LATER_BOOKING, None, None, None, None)
    return Alternative(
        driver_id=name,
        q_value=value,
        why_not=why_not,
        cost=other.total - outcome.total,
        lateness_min=other.total_lateness_min - outcome.total_lateness_min,
        deadhead_km=other.deadhead_km - outcome.deadhead_km,
        lost=other.n_lost - outcome.n_lost,
    )
