"""What a good rule does, as examples for the learner.

Deep Q-learning from demonstrations (Hester et al. 2018): beside its own experience the learner sees decisions of the
local-search planner, and a large-margin loss keeps the demonstrated action above the others. It shortens the way to a
sensible policy; the temporal-difference loss alone decides what a value is.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from atmr_pipeline.dispatch.planners import plan
from atmr_pipeline.dispatch.problem import DayProblem
from atmr_pipeline.dispatch.simulator import UNASSIGNED
from atmr_pipeline.models.policy.bank import DayBank
from atmr_pipeline.models.policy.environment import DayState, advance, initial_state, is_over, options, states_together

DEMONSTRATOR = "local_search"


@dataclass(frozen=True)
class Demonstrations:
    """Decisions of a planner: states, and the action taken in each (n,)."""

    state: DayState
    action: Tensor


def demonstrate(bank: DayBank, problems: Sequence[DayProblem]) -> Demonstrations:
    """Plan every day of a bank with the demonstrator and replay its decisions.

    Parameters
    ----------
    bank : DayBank
    problems : sequence of DayProblem
        The days that the bank was made of, in its order.
    """
    actions = torch.full((bank.n_days, bank.max_bookings), bank.max_drivers)
    for row, problem in enumerate(problems):
        drivers = plan(problem, DEMONSTRATOR, weights=bank.weights).assignment[problem.service_order]
        actions[row, : len(drivers)] = torch.as_tensor(np.where(drivers == UNASSIGNED, bank.max_drivers, drivers))
    state = initial_state(bank, torch.arange(bank.n_days))
    states, taken = [], []
    for step in range(bank.max_bookings):
        choice = options(bank, state)
        # Single precision may put an arrival on the other side of a limit: such a booking is dropped, and not shown.
        legal = choice.legal.gather(1, actions[:, step : step + 1])[:, 0]
        shown = legal & ~is_over(bank, state)
        states.append(state.take(shown))
        taken.append(actions[shown, step])
        state, _ = advance(bank, state, torch.where(legal, actions[:, step], bank.max_drivers), choice)
    return Demonstrations(states_together(states), torch.cat(taken))


def margin_loss(q: Tensor, demonstrated: Tensor, margin: float) -> Tensor:
    """How far the demonstrated action falls short of beating every other by a margin, mean over n decisions.

    Parameters
    ----------
    q : Tensor (n, A)
        Minus infinity where illegal.
    demonstrated : Tensor of int64 (n,)
    margin : float
        In reward units.
    """
    own = q.gather(1, demonstrated[:, None])
    others = q.scatter(1, demonstrated[:, None], -torch.inf).amax(1)
    return (others + margin - own[:, 0]).clamp(min=0.0).mean()
