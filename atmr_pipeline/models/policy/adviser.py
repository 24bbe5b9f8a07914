"""Which bookings a policy would rather give to another driver, looking along the day of a plan that exists."""

from functools import cache
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from atmr_pipeline.dispatch.problem import DayProblem
from atmr_pipeline.dispatch.simulator import UNASSIGNED, CostWeights
from atmr_pipeline.models.dqn.determinism import one_thread
from atmr_pipeline.models.policy.bank import DayBank
from atmr_pipeline.models.policy.environment import DayState, advance, initial_state, states_together
from atmr_pipeline.models.policy.features import Decision, decide
from atmr_pipeline.models.policy.network import QNetwork, legal_only
from atmr_pipeline.models.policy.network_compiled import scorer
from atmr_pipeline.models.policy.policy import DispatchPolicy
from atmr_pipeline.models.policy.polish import plan_polished

IntArray = npt.NDArray[np.int64]
Advice = tuple[int, int]
"""A booking (index in the problem) and the driver who should have it."""

MAX_ADVICE = 64
"""Advice by Q-values that is worth pricing; the rest of the ranking seldom pays."""


class Adviser(Protocol):
    """Proposes changes to a plan. Whatever it says is checked and priced before anything is done."""

    def advise(self, problem: DayProblem, assignment: IntArray) -> list[Advice]:
        """Changes that might pay, best first; ``assignment`` (B,) is a feasible plan, -1 for nobody."""


class PolicyAdviser:
    """Advice of a learned policy: its polished plan where it differs, then the Q ranking along the given plan.

    Parameters
    ----------
    policy : DispatchPolicy
    beam_width : int
        Of the policy's own plan.
    """

    def __init__(self, policy: DispatchPolicy, *, beam_width: int = 4) -> None:
        self.policy, self.beam_width = policy, beam_width
        _compile()

    def advise(self, problem: DayProblem, assignment: IntArray) -> list[Advice]:
        """See :class:`Adviser`.

        Raises
        ------
        ValueError
            If a Q-value of a legal action is not a number.
        """
        return _advice(self.policy, problem, assignment, self.beam_width)


def _advice(policy: DispatchPolicy, problem: DayProblem, assignment: IntArray, beam_width: int) -> list[Advice]:
    own = plan_polished(policy, problem, beam_width)
    differs = np.flatnonzero((own != assignment) & (own != UNASSIGNED))
    return [(int(booking), int(own[booking])) for booking in differs] + _ranked(policy, problem, assignment)


def _ranked(policy: DispatchPolicy, problem: DayProblem, assignment: IntArray) -> list[Advice]:
    """Drivers whom the policy values above the planned one, by how much."""
    with one_thread(), torch.no_grad():
        decision, taken = decisions_along(problem, assignment, policy.weights)
        q = legal_only(scorer(policy.network)(decision), decision.choice.legal)
    if not bool(torch.isfinite(q[decision.choice.legal]).all()):
        raise ValueError("a Q-value is not a number")
    gain = (q - q.gather(1, taken[:, None]))[:, :-1].numpy()
    order = problem.service_order
    best = np.argsort(-gain, axis=None, kind="stable")[:MAX_ADVICE]
    rows = ((int(place // gain.shape[1]), int(place % gain.shape[1])) for place in best)
    return [(int(order[rank]), driver) for rank, driver in rows if 0.0 < gain[rank, driver] < np.inf]


def decisions_along(problem: DayProblem, assignment: IntArray, weights: CostWeights) -> tuple[Decision, Tensor]:
    """What a policy sees at every booking of a day that follows a plan, in service order.

    Parameters
    ----------
    problem : DayProblem
        With at least one booking.
    assignment : ndarray of int (B,)
        A feasible plan. A driver who would come too late does not go, as in the simulator.
    weights : CostWeights

    Returns
    -------
    (Decision, Tensor)
        Of B decisions in double precision, and the actions that the plan takes (B,), D for a drop.
    """
    bank = DayBank.from_problems([problem], weights, dtype=torch.float64)
    state = initial_state(bank, torch.zeros(1, dtype=torch.int64))
    states: list[DayState] = []
    actions: list[Tensor] = []
    for driver in assignment[problem.service_order].tolist():
        decision = decide(bank, state)
        goes = driver != UNASSIGNED and bool(decision.choice.legal[0, driver])
        states.append(state)
        actions.append(torch.tensor([driver if goes else bank.max_drivers]))
        state, _ = advance(bank, state, actions[-1], decision.choice)
    return decide(bank, states_together(states)), torch.cat(actions)


@cache
def _compile() -> None:
    # The first call of compiled code loads or builds it: that must not count against a time limit.
    one = np.zeros((1, 1))
    day = DayProblem(
        driver_ids=("1", "2"),
        booking_ids=("1",),
        shift_start_min=np.zeros(2),
        shift_end_min=np.full(2, 60.0),
        is_emergency=np.zeros(2, dtype=bool),
        scheduled_min=one[0],
        is_outbound=one[0] > 0,
        is_urgent=one[0] > 0,
        start_min=np.zeros((2, 1)),
        start_km=np.zeros((2, 1)),
        deadhead_min=one,
        deadhead_km=one,
        ride_min=one[0],
        ride_km=one[0],
        pickup_service_min=one[0],
        dropoff_service_min=one[0],
    )
    _advice(DispatchPolicy(QNetwork(), CostWeights()), day, np.zeros(1, dtype=np.int64), 2)
