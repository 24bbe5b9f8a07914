"""What a good planner does, as examples for the learner.

Deep Q-learning from demonstrations (Hester et al. 2018): beside its own experience the learner sees decisions of a
planner, and a large-margin loss keeps the demonstrated action above the others. Where the demonstrated plan is proven
optimal, what it costs from each decision on is the true value of that decision, and the network is told so; where it is
not, that cost is a bound that the value must not fall below.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from atmr_pipeline.dispatch.kernel import pack
from atmr_pipeline.dispatch.planners import plan
from atmr_pipeline.dispatch.planners.exact import solve_from
from atmr_pipeline.dispatch.problem import DayProblem
from atmr_pipeline.dispatch.simulator import UNASSIGNED, CostWeights
from atmr_pipeline.models.dqn.distributions import Distribution
from atmr_pipeline.models.dqn.networks import masked
from atmr_pipeline.models.policy.bank import DayBank
from atmr_pipeline.models.policy.environment import (
    REWARD_SCALE,
    DayState,
    advance,
    initial_state,
    is_over,
    states_together,
)
from atmr_pipeline.models.policy.features import decide

Demonstrator = Literal["exact", "local_search"]


@dataclass(frozen=True)
class DemonstrationSettings:
    """Who demonstrates, and how much it counts.

    Parameters
    ----------
    planner : {"exact", "local_search"}
        ``exact`` falls back to local search where a day is too large for it; the limits are numbers of states and of
        bookings, not times, so that a training run can be had again.
    margin_weight : float
        Of the margin loss; 0, with ``value_weight`` 0, learns from experience alone.
    value_weight : float
        Of the loss on the values of demonstrated decisions.
    margin : float
        By which a demonstrated action should beat the others, in reward units (0.2 is a cost of 4).
    batch_size : int
        Demonstrated decisions in a gradient step.
    exact_size : int
        Largest bookings x drivers of a day that the exact planner is asked for.
    exact_states : int
        States it may keep of each booking; where they do not suffice, the cheaper of its plan and local search's is
        shown as not proven.
    """

    planner: Demonstrator = "exact"
    margin_weight: float = 1.0
    value_weight: float = 1.0
    margin: float = 0.2
    batch_size: int = 128
    exact_size: int = 150
    exact_states: int = 500

    @property
    def wanted(self) -> bool:
        """Whether demonstrations count at all."""
        return self.margin_weight > 0.0 or self.value_weight > 0.0


@dataclass(frozen=True)
class Demonstrations:
    """Decisions of a planner."""

    state: DayState
    """Of n decisions."""
    action: Tensor
    """(n,) what was done."""
    value: Tensor
    """(n,) what the rest of the day earned, in reward units."""
    proven: Tensor
    """(n,) bool: no plan earns more from here on."""


def demonstrate(bank: DayBank, problems: Sequence[DayProblem], settings: DemonstrationSettings) -> Demonstrations:
    """Plan every day of a bank with the demonstrator and replay its decisions.

    Parameters
    ----------
    bank : DayBank
    problems : sequence of DayProblem
        The days that the bank was made of, in its order.
    settings : DemonstrationSettings
    """
    actions = torch.full((bank.n_days, bank.max_bookings), bank.max_drivers)
    proven = torch.zeros(bank.n_days, dtype=torch.bool)
    for row, problem in enumerate(problems):
        drivers, proven[row] = _demonstrated_plan(problem, bank.weights, settings)
        actions[row, : len(drivers)] = torch.as_tensor(np.where(drivers == UNASSIGNED, bank.max_drivers, drivers))
    state = initial_state(bank, torch.arange(bank.n_days))
    states, taken, earned = [], [], torch.zeros(bank.n_days, bank.max_bookings)
    for step in range(bank.max_bookings):
        # What the learner will see decides what is legal: in single precision an arrival may fall on the other side
        # of a limit than in the plan. Such a booking is dropped, and not shown.
        choice = decide(bank, state).choice
        legal = choice.legal.gather(1, actions[:, step : step + 1])[:, 0]
        running = ~is_over(bank, state)
        shown = legal & running
        proven &= legal | ~running
        states.append(state.take(shown))
        taken.append(actions[shown, step])
        state, cost = advance(bank, state, torch.where(legal, actions[:, step], bank.max_drivers), choice)
        earned[:, step] = -cost / REWARD_SCALE
    to_go = earned.flip(1).cumsum(1).flip(1)
    every = states_together(states)
    return Demonstrations(every, torch.cat(taken), to_go[every.day, every.step], proven[every.day])


def _demonstrated_plan(
    problem: DayProblem, weights: CostWeights, settings: DemonstrationSettings
) -> tuple[npt.NDArray[np.int64], bool]:
    """Driver of each booking in service order, and whether no plan is cheaper."""
    exact, cost = None, math.inf
    if settings.planner == "exact" and problem.n_bookings * problem.n_drivers <= settings.exact_size:
        day, nobody_yet = pack(problem, weights), np.zeros(problem.n_drivers, dtype=np.int64)
        exact, cost, proven, _ = solve_from(
            day, 0, np.arange(problem.n_drivers), problem.shift_start_min, nobody_yet,
            max_states=settings.exact_states, time_limit_s=math.inf,
        )  # fmt: skip
        if proven:
            return exact, True
    searched = plan(problem, "local_search", weights=weights)
    if exact is not None and cost < searched.outcome.total:
        return exact, False
    return searched.assignment[problem.service_order], False


@dataclass(frozen=True)
class DemonstrationLoss:
    """The demonstrations' part of a gradient step.

    Parameters
    ----------
    bank : DayBank
    shown : Demonstrations
        Of days of the bank.
    settings : DemonstrationSettings
    distribution : Distribution
        How the network describes returns.
    """

    bank: DayBank
    shown: Demonstrations
    settings: DemonstrationSettings
    distribution: Distribution

    def __call__(self, network: nn.Module, generator: torch.Generator) -> Tensor:
        """Weighted loss on some demonstrated decisions."""
        rows = torch.randint(len(self.shown.action), (self.settings.batch_size,), generator=generator)
        decision = decide(self.bank, self.shown.state.take(rows))
        q = self.distribution.values(network(decision))
        action = self.shown.action[rows]
        loss = self.settings.margin_weight * margin_loss(masked(q, decision.choice.legal), action, self.settings.margin)
        own = q.gather(1, action[:, None])[:, 0]
        return loss + self.settings.value_weight * value_loss(own, self.shown.value[rows], self.shown.proven[rows])


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


def value_loss(q: Tensor, value: Tensor, proven: Tensor) -> Tensor:
    """Huber loss against what the demonstration earned; where that is not proven best, only a lower Q counts.

    Parameters
    ----------
    q, value : Tensor (n,)
        Q of the demonstrated action, and what came of it, in reward units.
    proven : Tensor of bool (n,)
    """
    goal = torch.where(proven, value, torch.maximum(value, q.detach()))
    return torch.nn.functional.smooth_l1_loss(q, goal)
