"""What a network says of a return: its mean, a histogram (C51), or its quantiles (QR-DQN).

The three have the same face. ``values`` turns the network's output into Q-values, ``goal`` makes a target from the next
state, ``loss`` compares. A network may return ``(output, offset)``: the histogram is then of the return minus the known
``offset`` (N, A), so that a prior need not fit between the first and the last atom.
"""

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from atmr_pipeline.models.dqn.settings import DqnSettings

Output = Tensor | tuple[Tensor, Tensor]
"""(N, A), or (N, A, K) for K atoms or quantiles; alone or with an offset (N, A)."""


@dataclass(frozen=True)
class Goal:
    """A target distribution: K values (n, K), each with a probability (n, K)."""

    value: Tensor
    probability: Tensor


class Distribution(Protocol):
    """How returns are described."""

    def values(self, output: Output) -> Tensor:
        """Q-values (N, A)."""
        ...

    def goal(self, after: Output, chosen: Tensor, reward: Tensor, bootstrap: Tensor) -> Goal:
        """``reward + bootstrap * (return of the chosen next action)``, all (n,); no gradient flows through it."""
        ...

    def loss(self, output: Output, action: Tensor, goal: Goal) -> tuple[Tensor, Tensor]:
        """Loss of each transition (n,), and the error (n,) that its priority is made of."""
        ...


def distribution_of(settings: DqnSettings) -> Distribution:
    """The one that the settings name."""
    if settings.distribution == "c51":
        return Categorical(settings.atoms, settings.v_min, settings.v_max)
    return Quantiles(settings.quantiles) if settings.distribution == "qr" else Mean()


class Mean:
    """A single value, the expected return; Huber loss, as in Mnih et al. (2015)."""

    def values(self, output: Output) -> Tensor:
        value, offset = _split(output)
        return value if offset is None else value + offset

    def goal(self, after: Output, chosen: Tensor, reward: Tensor, bootstrap: Tensor) -> Goal:
        future = _of(self.values(after), chosen)
        value = (reward + _discounted(future, bootstrap))[:, None]
        return Goal(value, torch.ones_like(value))

    def loss(self, output: Output, action: Tensor, goal: Goal) -> tuple[Tensor, Tensor]:
        own, wanted = _of(self.values(output), action), goal.value[:, 0]
        return torch.nn.functional.smooth_l1_loss(own, wanted, reduction="none"), (own - wanted).detach()


class Categorical:
    """A histogram on fixed, evenly spaced atoms; cross entropy (Bellemare, Dabney and Munos 2017).

    Parameters
    ----------
    atoms : int
    v_min, v_max : float
        First and last atom; what lies outside counts as the nearer of them.
    """

    def __init__(self, atoms: int, v_min: float, v_max: float) -> None:
        self.support = torch.linspace(v_min, v_max, atoms)

    def values(self, output: Output) -> Tensor:
        logits, offset = _split(output)
        mean = (logits.softmax(-1) * self.support).sum(-1)
        return mean if offset is None else mean + offset

    def goal(self, after: Output, chosen: Tensor, reward: Tensor, bootstrap: Tensor) -> Goal:
        logits, offset = _split(after)
        future = self.support.expand(len(chosen), -1)
        if offset is not None:
            future = future + _of(offset, chosen)[:, None]
        value = reward[:, None] + _discounted(future, bootstrap[:, None])
        return Goal(value, _of(logits, chosen).softmax(-1))

    def loss(self, output: Output, action: Tensor, goal: Goal) -> tuple[Tensor, Tensor]:
        logits, offset = _split(output)
        value = goal.value if offset is None else goal.value - _of(offset, action)[:, None]
        wanted = self.project(value, goal.probability)
        loss = -(wanted * _of(logits, action).log_softmax(-1)).sum(-1)
        # The divergence, not the cross entropy: what is known for certain needs no more replays than what is not.
        return loss, (loss + torch.special.entr(wanted).sum(-1).neg()).detach()

    def project(self, value: Tensor, probability: Tensor) -> Tensor:
        """A distribution on any values (n, K'), as one on the atoms (n, K) with the same mean where they reach.

        Each value's probability is shared by the two atoms beside it, the nearer getting more.
        """
        first, last, count = self.support[0], self.support[-1], len(self.support)
        place = (value.clamp(first, last) - first) / (last - first) * (count - 1)
        below = place.floor().long().clamp(0, count - 1)
        share_above = place - below
        projected = torch.zeros(len(value), count, dtype=probability.dtype)
        projected.scatter_add_(1, below, probability * (1.0 - share_above))
        return projected.scatter_add_(1, (below + 1).clamp(max=count - 1), probability * share_above)


class Quantiles:
    """Quantiles of equal probability; quantile Huber loss (Dabney et al. 2018).

    Parameters
    ----------
    count : int
    """

    def __init__(self, count: int) -> None:
        self.midpoints = (torch.arange(count) + 0.5) / count

    def values(self, output: Output) -> Tensor:
        quantiles, offset = _split(output)
        return quantiles.mean(-1) if offset is None else quantiles.mean(-1) + offset

    def goal(self, after: Output, chosen: Tensor, reward: Tensor, bootstrap: Tensor) -> Goal:
        future = _of(_whole(after), chosen)
        value = reward[:, None] + _discounted(future, bootstrap[:, None])
        return Goal(value, torch.full_like(value, 1.0 / value.shape[1]))

    def loss(self, output: Output, action: Tensor, goal: Goal) -> tuple[Tensor, Tensor]:
        own = _of(_whole(output), action)
        error = goal.value[:, None] - own[:, :, None]
        huber = torch.nn.functional.smooth_l1_loss(error, torch.zeros_like(error), reduction="none")
        asymmetry = (self.midpoints[:, None] - (error.detach() < 0).to(own.dtype)).abs()
        loss = (asymmetry * huber * goal.probability[:, None]).sum(-1).sum(-1)
        return loss, (own.mean(-1) - goal.value.mean(-1)).detach()


def _split(output: Output) -> tuple[Tensor, Tensor | None]:
    return output if isinstance(output, tuple) else (output, None)


def _whole(output: Output) -> Tensor:
    quantiles, offset = _split(output)
    return quantiles if offset is None else quantiles + offset[..., None]


def _of(values: Tensor, action: Tensor) -> Tensor:
    """What is said of each row's action: (n, A, ...) -> (n, ...)."""
    return values[torch.arange(len(action)), action]


def _discounted(future: Tensor, bootstrap: Tensor) -> Tensor:
    """``bootstrap * future``, and 0 where nothing comes after, whatever the network says there."""
    return torch.where(bootstrap > 0.0, bootstrap * future, 0.0)
