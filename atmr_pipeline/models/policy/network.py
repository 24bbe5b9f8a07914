"""The Q-network: the same weights for 2 drivers or 50, and for any number of bookings."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from atmr_pipeline.models.policy.feature_contract import DRIVER_FEATURES, STATE_FEATURES, Decision


@dataclass(frozen=True)
class Architecture:
    """Sizes that make two networks' weights interchangeable.

    Parameters
    ----------
    hidden : int
        Width of every layer; 64 gives about 45,000 parameters.
    layers : int
        Residual layers.
    attention_heads : int
        0 mixes drivers by pooling alone; more lets every driver attend to every other (Vaswani et al., 2017) as well.
    """

    hidden: int = 64
    layers: int = 2
    attention_heads: int = 0

    def __post_init__(self) -> None:
        if self.hidden < 4 or self.layers < 1:
            raise ValueError(f"hidden must be >= 4 and layers >= 1, got {self.hidden} and {self.layers}")
        if self.attention_heads < 0 or (self.attention_heads and self.hidden % self.attention_heads):
            raise ValueError("attention_heads must be 0 or divide hidden")


class _Residual(nn.Module):
    """A driver's row plus a function of itself and of what the whole fleet looks like."""

    def __init__(self, hidden: int, attention_heads: int) -> None:
        super().__init__()
        self.attention_heads = attention_heads
        if attention_heads:
            self.question, self.answer = nn.Linear(hidden, 3 * hidden, bias=False), nn.Linear(hidden, hidden)
        self.own = nn.Linear(hidden, hidden)
        self.fleet = nn.Linear(2 * hidden, hidden, bias=False)
        self.norm = nn.LayerNorm(hidden)

    def forward(self, rows: Tensor, on_duty: Tensor) -> Tensor:
        normed = self.norm(rows)
        mixed = self.own(normed) + self.fleet(pool(normed, on_duty))[:, None]
        if self.attention_heads:
            mixed = mixed + self.attend(normed, on_duty)
        return rows + torch.relu(mixed)

    def attend(self, rows: Tensor, on_duty: Tensor) -> Tensor:
        """Every driver's row as a mixture of those of the drivers that exist."""
        days, drivers, hidden = rows.shape
        parts = self.question(rows).view(days, drivers, 3, self.attention_heads, hidden // self.attention_heads)
        query, key, value = parts.permute(2, 0, 3, 1, 4)
        # A day without a driver attends to padding that nothing reads, instead of dividing zero by zero.
        open_to = (on_duty | ~on_duty.any(1, keepdim=True))[:, None, None]
        mixed = nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=open_to)
        return self.answer(mixed.transpose(1, 2).reshape(days, drivers, hidden))


def pool(rows: Tensor, on_duty: Tensor) -> Tensor:
    """Mean and maximum over the drivers that exist; (N, D, H) -> (N, 2H), zero where there is no driver."""
    there = on_duty[..., None]
    mean = (rows * there).sum(1) / there.sum(1).clamp(min=1)
    highest = torch.where(there, rows, -torch.inf).amax(1)
    return torch.cat([mean, torch.where(there.any(1), highest, 0.0)], 1)


class QNetwork(nn.Module):
    """Q(state, action) = prior + V(state) + A(state, action) - mean of A over the legal actions.

    The prior is the value by rule that comes with the features; the network learns what the rule gets wrong. Dueling
    heads after Wang et al. (2016); shared rows with symmetric pooling after Zaheer et al. (2017, Deep Sets).

    Parameters
    ----------
    architecture : Architecture
    """

    def __init__(self, architecture: Architecture | None = None) -> None:
        super().__init__()
        self.architecture = architecture or Architecture()
        hidden = self.architecture.hidden
        self.driver_in = nn.Linear(len(DRIVER_FEATURES), hidden)
        self.state_in = nn.Linear(len(STATE_FEATURES), hidden, bias=False)
        heads = self.architecture.attention_heads
        self.layers = nn.ModuleList(_Residual(hidden, heads) for _ in range(self.architecture.layers))
        self.serve_norm = nn.LayerNorm(hidden)
        self.serve_head = nn.Linear(hidden, 1)
        self.fleet_head = nn.Sequential(nn.LayerNorm(3 * hidden), nn.Linear(3 * hidden, hidden), nn.ReLU())
        self.value_and_drop = nn.Linear(hidden, 2)
        for head in (self.serve_head, self.value_and_drop):
            nn.init.zeros_(head.weight)
            nn.init.zeros_(head.bias)

    def forward(self, decision: Decision) -> Tensor:
        """Q-values (N, D + 1) in reward units; meaningless where ``decision.choice.legal`` is False."""
        dtype = self.driver_in.weight.dtype
        told = self.state_in(decision.state.to(dtype))
        rows = torch.relu(self.driver_in(decision.driver.to(dtype)) + told[:, None])
        for layer in self.layers:
            rows = layer(rows, decision.on_duty)
        fleet = self.fleet_head(torch.cat([pool(rows, decision.on_duty), told], 1))
        value, drop = self.value_and_drop(fleet).split(1, 1)
        advantage = torch.cat([self.serve_head(self.serve_norm(rows))[..., 0], drop], 1)
        legal = decision.choice.legal
        mean = (advantage * legal).sum(1, keepdim=True) / legal.sum(1, keepdim=True).clamp(min=1)
        return decision.prior.to(dtype) + value + advantage - mean

    @property
    def has_attention(self) -> bool:
        """Whether drivers attend to each other."""
        return self.architecture.attention_heads > 0

    def n_parameters(self) -> int:
        """Number of trained weights."""
        return sum(parameter.numel() for parameter in self.parameters())


def legal_only(q: Tensor, legal: Tensor) -> Tensor:
    """Q-values with minus infinity for every illegal action."""
    return torch.where(legal, q, -torch.inf)
