"""What the learner asks of an environment: many episodes at once, as tensors.

A state is a mapping of tensors with the episodes along the first dimension; it is all that the replay buffer keeps, so
it should be compact. What the network reads is made from it by :meth:`BatchedEnvironment.observe` when it is needed.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn

State = Mapping[str, Tensor]
"""Named tensors, each (N, ...): where N episodes stand."""

Auxiliary = Callable[[nn.Module, torch.Generator], Tensor]
"""A further loss of the online network, such as one on demonstrations; it draws from the run's generator."""


@dataclass(frozen=True)
class Observation:
    """What can be seen and done in N states."""

    inputs: Any
    """Whatever the network takes."""
    legal: Tensor
    """(N, A) bool. At least one action of a running episode is legal."""
    explore: Tensor | None = None
    """(N, A) how likely a random action is, up to a factor; None: every legal one as much. Zero where not legal."""


@dataclass(frozen=True)
class Outcome:
    """What came of one action in each of N episodes."""

    after: State
    """The next state; of an episode that ended, its last one."""
    reward: Tensor
    """(N,)"""
    over: Tensor
    """(N,) bool: the episode ended, nothing comes after."""
    truncated: Tensor
    """(N,) bool: it was cut off, though more would have come: the value of ``after`` counts."""


class BatchedEnvironment(Protocol):
    """An environment of N parallel episodes with A discrete actions, some of which may be illegal now and then."""

    def reset(self, count: int, generator: torch.Generator) -> State:
        """Begin ``count`` episodes."""
        ...

    def restart(self, state: State, ended: Tensor, generator: torch.Generator) -> State:
        """Begin a new episode in the rows where ``ended`` (N,) is True; the others go on."""
        ...

    def observe(self, state: State) -> Observation:
        """What the network sees in these states; any states that once were, not only the present ones."""
        ...

    def step(self, state: State, action: Tensor, seen: Observation) -> Outcome:
        """Carry out the actions (N,) in the present states; ``seen`` is what :meth:`observe` said of them."""
        ...

    def memory(self) -> dict[str, Tensor]:
        """What the environment holds beside its states, so that a run can go on after a kill; empty if nothing."""
        ...

    def remember(self, memory: Mapping[str, Tensor]) -> None:
        """Take up what :meth:`memory` gave."""
        ...


def take(state: State, rows: Tensor) -> dict[str, Tensor]:
    """The states at some rows: (n,) indices or an (N,) mask."""
    return {name: value[rows] for name, value in state.items()}


def where(condition: Tensor, chosen: State, other: State) -> dict[str, Tensor]:
    """Row by row, ``chosen`` where the condition (N,) holds and ``other`` elsewhere."""
    return {
        name: torch.where(condition.view(-1, *[1] * (value.dim() - 1)), chosen[name], value)
        for name, value in other.items()
    }


def part(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors whose names begin with ``prefix.``, by the rest of their names."""
    return {name[len(prefix) + 1 :]: value for name, value in tensors.items() if name.startswith(f"{prefix}.")}
