"""Dispatch days as an environment of the learner, one for each range of fleet sizes.

A day of 3 drivers is never padded to 50: days are put into groups of similar fleets, each with its own bank, episodes
and replay, and the same network learns from all of them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from atmr_pipeline.dispatch.problem import DayProblem
from atmr_pipeline.models.dqn.environment import Observation, Outcome, State, where
from atmr_pipeline.models.policy.bank import DayBank
from atmr_pipeline.models.policy.environment import REWARD_SCALE, DayState, advance, initial_state, is_over
from atmr_pipeline.models.policy.features import decide

FLEET_LIMITS = (6, 12, 25, 50)
"""Largest fleet of each group; still larger fleets make the last group."""


def by_fleet_size(problems: Sequence[DayProblem]) -> list[list[int]]:
    """Indices of the days of each group that has any, small fleets first, in the given order within a group."""
    groups: dict[int, list[int]] = {}
    for index, problem in enumerate(problems):
        groups.setdefault(sum(problem.n_drivers > limit for limit in FLEET_LIMITS), []).append(index)
    return [groups[which] for which in sorted(groups)]


@dataclass(frozen=True)
class DispatchEnvironment:
    """The days of one bank; the reward is minus the increase of cost over :data:`REWARD_SCALE`.

    Parameters
    ----------
    bank : DayBank
    n_real : int
        The first rows of the bank are real days, the others generated ones; may be 0.
    real_day_share : float
        Share of episodes that are a real day, where there are both.
    random_drop_share : float
        Share of random actions that drop the booking though a driver could come.
    """

    bank: DayBank
    n_real: int
    real_day_share: float
    random_drop_share: float

    def reset(self, count: int, generator: torch.Generator) -> State:
        """Begin ``count`` days, drawn from the bank."""
        return as_mapping(initial_state(self.bank, self._draw(count, generator)))

    def restart(self, state: State, ended: Tensor, generator: torch.Generator) -> State:
        """Begin new days in place of those that are over."""
        return where(ended, self.reset(len(ended), generator), state)

    def observe(self, state: State) -> Observation:
        """The features of the current decision of each day."""
        decision = decide(self.bank, DayState(**state))
        legal = decision.choice.legal
        return Observation(decision, legal, _exploration(legal, self.random_drop_share))

    def step(self, state: State, action: Tensor, seen: Observation) -> Outcome:
        """Give the current booking of each day to a driver, or drop it."""
        after, cost = advance(self.bank, DayState(**state), action, seen.inputs.choice)
        over = is_over(self.bank, after)
        return Outcome(as_mapping(after), -cost / REWARD_SCALE, over, torch.zeros_like(over))

    def memory(self) -> dict[str, Tensor]:
        """Nothing: a state says it all."""
        return {}

    def remember(self, memory: Mapping[str, Tensor]) -> None:
        """Nothing to take up."""

    def _draw(self, count: int, generator: torch.Generator) -> Tensor:
        anyone = torch.randint(self.bank.n_days, (count,), generator=generator)
        if not 0 < self.n_real < self.bank.n_days:
            return anyone
        real = torch.randint(self.n_real, (count,), generator=generator)
        return torch.where(torch.rand(count, generator=generator) < self.real_day_share, real, anyone)


def as_mapping(state: DayState) -> dict[str, Tensor]:
    """The state as the learner keeps it; ``DayState(**mapping)`` is the way back."""
    return {field.name: getattr(state, field.name) for field in fields(state)}


def _exploration(legal: Tensor, drop_share: float) -> Tensor:
    """How likely each action is at random: drivers who can come alike, a drop seldom, or surely if nobody can."""
    serve = legal[:, :-1].to(torch.float32)
    able = serve.sum(1, keepdim=True)
    drop = torch.where(able > 0, drop_share, 1.0) * legal[:, -1:]
    # Where nothing is legal the day is over: the row is never drawn from, but must be a distribution.
    drop = torch.where(legal.any(1, keepdim=True), drop, 1.0)
    return torch.cat([serve * (1.0 - drop_share) / able.clamp(min=1.0), drop], 1)
