"""Prioritised experience replay over compact states.

Proportional priorities after Schaul et al. (2016). A state is a few numbers a driver, so features are made anew when a
transition is sampled: the buffer stays small and always speaks the current feature contract. Sampling is a cumulative
sum and a binary search; at these sizes that beats a sum tree.
"""

from dataclasses import dataclass, fields

import torch
from torch import Tensor

from atmr_pipeline.models.policy.environment import DayState


@dataclass(frozen=True)
class Batch:
    """Sampled transitions: ``n`` states, what was done, what it cost in reward units, and what came of it."""

    state: DayState
    action: Tensor
    reward: Tensor
    after: DayState
    weight: Tensor
    """(n,) importance weights, largest 1."""
    slot: Tensor
    """(n,) where the transitions lie, for :meth:`PrioritisedReplay.update`."""


class PrioritisedReplay:
    """A ring of transitions; the oldest make room for the newest.

    Parameters
    ----------
    capacity : int
        Transitions kept.
    alpha : float
        How much priorities count: 0 samples uniformly, 1 in proportion to the temporal-difference error.
    floor : float
        Added to every error, so that nothing is forgotten for good.
    """

    def __init__(self, capacity: int, *, alpha: float, floor: float = 0.01) -> None:
        if capacity < 1 or not 0.0 <= alpha <= 1.0 or floor <= 0.0:
            raise ValueError("replay needs capacity >= 1, alpha in 0..1 and a positive floor")
        self.capacity, self.alpha, self.floor = capacity, alpha, floor
        self.size = 0
        self._next = 0
        self._highest = 1.0
        self._mass = torch.zeros(capacity, dtype=torch.float64)
        self._store: dict[str, Tensor] = {}

    def add(self, state: DayState, action: Tensor, reward: Tensor, after: DayState) -> None:
        """Keep n transitions, with the highest priority seen so far: everything is learned from at least once or so."""
        count = len(action)
        slots = (self._next + torch.arange(count)) % self.capacity
        values = {"action": action, "reward": reward}
        for prefix, side in (("before", state), ("after", after)):
            values |= {f"{prefix}.{field.name}": getattr(side, field.name) for field in fields(DayState)}
        for name, value in values.items():
            if name not in self._store:
                self._store[name] = torch.zeros((self.capacity, *value.shape[1:]), dtype=_compact(value.dtype))
            self._store[name][slots] = value.to(self._store[name].dtype)
        self._mass[slots] = self._highest
        self._next = int((self._next + count) % self.capacity)
        self.size = min(self.size + count, self.capacity)

    def sample(self, count: int, *, beta: float, generator: torch.Generator) -> Batch:
        """Draw ``count`` transitions with probability proportional to priority, with replacement.

        Parameters
        ----------
        count : int
        beta : float
            How much the importance weights correct for it: 0 not at all, 1 fully.
        generator : torch.Generator
        """
        mass = self._mass[: self.size]
        cumulative = mass.cumsum(0)
        draw = torch.rand(count, generator=generator, dtype=torch.float64) * cumulative[-1]
        slot = torch.searchsorted(cumulative, draw, right=True).clamp(max=self.size - 1)
        weight = (mass[slot] / cumulative[-1] * self.size) ** -beta
        return Batch(
            state=self._state("before", slot),
            action=self._store["action"][slot].long(),
            reward=self._store["reward"][slot],
            after=self._state("after", slot),
            weight=(weight / weight.max()).float(),
            slot=slot,
        )

    def update(self, slot: Tensor, error: Tensor) -> None:
        """Set priorities from absolute temporal-difference errors (n,)."""
        mass = (error.abs().double() + self.floor) ** self.alpha
        self._mass[slot] = mass
        self._highest = max(self._highest, float(mass.max()))

    def _state(self, prefix: str, slot: Tensor) -> DayState:
        values = {field.name: self._store[f"{prefix}.{field.name}"][slot] for field in fields(DayState)}
        return DayState(**{name: value if name == "free_min" else value.long() for name, value in values.items()})


def _compact(dtype: torch.dtype) -> torch.dtype:
    # Days, positions and loads fit 32 bits; times and rewards are kept as they come.
    return torch.int32 if dtype == torch.int64 else dtype
