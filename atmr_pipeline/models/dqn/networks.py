"""Networks for environments whose observation is a plain vector; others bring their own ``nn.Module``."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from atmr_pipeline.models.dqn.noisy import NoisyLinear
from atmr_pipeline.models.dqn.settings import DqnSettings

Layer = Callable[[int, int], nn.Module]


class DuelingHead(nn.Module):
    """Q = V + A - mean of A over the actions (Wang et al. 2016), for single values, atoms or quantiles.

    Parameters
    ----------
    inputs, actions : int
    outputs : int, optional
        Numbers said of each action; None for a single value.
    layer : callable
        Makes a linear layer from its two sizes.
    """

    def __init__(self, inputs: int, actions: int, outputs: int | None = None, layer: Layer = nn.Linear) -> None:
        super().__init__()
        self.shape = (actions,) if outputs is None else (actions, outputs)
        self.value = layer(inputs, outputs or 1)
        self.advantage = layer(inputs, actions * (outputs or 1))

    def forward(self, hidden: Tensor) -> Tensor:
        """(N, inputs) -> (N, A) or (N, A, K)"""
        advantage = self.advantage(hidden).view(-1, *self.shape)
        value = self.value(hidden)
        value = value if len(self.shape) == 1 else value[:, None]
        return value + advantage - advantage.mean(1, keepdim=True)


class PlainHead(nn.Module):
    """Q straight from the hidden layer.

    Parameters
    ----------
    inputs, actions, outputs, layer
        As in :class:`DuelingHead`.
    """

    def __init__(self, inputs: int, actions: int, outputs: int | None = None, layer: Layer = nn.Linear) -> None:
        super().__init__()
        self.shape = (actions,) if outputs is None else (actions, outputs)
        self.linear = layer(inputs, actions * (outputs or 1))

    def forward(self, hidden: Tensor) -> Tensor:
        """(N, inputs) -> (N, A) or (N, A, K)"""
        return self.linear(hidden).view(-1, *self.shape)


def multilayer(
    inputs: int, actions: int, settings: DqnSettings, *, hidden: Sequence[int] = (128, 128), dueling: bool = True
) -> nn.Module:
    """A network of fully connected layers that fits the settings: noisy or not, and with their outputs.

    Parameters
    ----------
    inputs, actions : int
        Width of an observation, number of actions.
    settings : DqnSettings
        ``noisy`` makes every layer after the first noisy; ``distribution`` sets the outputs.
    hidden : sequence of int
        Widths of the hidden layers, at least one.
    dueling : bool

    Returns
    -------
    nn.Module
        (N, inputs) -> (N, A) or (N, A, K).
    """
    layer: Layer = NoisyLinear if settings.noisy else nn.Linear
    layers: list[nn.Module] = []
    for index, width in enumerate(hidden):
        layers += [layer(inputs, width) if index else nn.Linear(inputs, width), nn.ReLU()]
        inputs = width
    head = DuelingHead if dueling else PlainHead
    return nn.Sequential(*layers, head(inputs, actions, settings.outputs, layer))


def masked(values: Tensor, legal: Tensor) -> Tensor:
    """Q-values with minus infinity for every illegal action."""
    return torch.where(legal, values, -torch.inf)


class Follower:
    """A network whose weights move towards those of another.

    Parameters
    ----------
    own, leader : nn.Module
        Of the same shape.
    """

    def __init__(self, own: nn.Module, leader: nn.Module) -> None:
        self._weights: list[tuple[Tensor, Tensor]] = list(zip(own.parameters(), leader.parameters(), strict=True))
        self._buffers = list(zip(own.buffers(), leader.buffers(), strict=True))

    @torch.no_grad()
    def move(self, share: float) -> None:
        """Go a share of the way to the leader's weights, 1 being all of it; buffers are copied."""
        for mine, theirs in self._weights:
            mine.lerp_(theirs, share)
        for mine, theirs in self._buffers:
            mine.copy_(theirs)
