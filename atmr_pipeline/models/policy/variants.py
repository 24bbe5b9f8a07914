"""The Q-network with one part changed, to find out what each part is worth; nothing here is served.

A variant with nothing changed says exactly what :class:`QNetwork` says.
"""

from collections.abc import Callable

import torch
from torch import nn

from atmr_pipeline.models.dqn.distributions import Output
from atmr_pipeline.models.dqn.noisy import NoisyLinear
from atmr_pipeline.models.policy.feature_contract import Decision
from atmr_pipeline.models.policy.learner import PolicySettings
from atmr_pipeline.models.policy.network import QNetwork, pool

NOISE_SPREAD = 0.1
"""Of noisy heads: what they add is worth about two cost units at first; the prior is not drowned in it."""


class VariantNetwork(QNetwork):
    """Q-values, atoms or quantiles of each action, with or without dueling, noise and prior.

    Parameters
    ----------
    settings : PolicySettings
        Its architecture, ``noisy`` and ``distribution`` count.
    dueling : bool
        Off: a value of each action by itself.
    prior : bool
        Off: the value by rule is not added (it stays among the features).
    """

    def __init__(self, settings: PolicySettings, *, dueling: bool = True, prior: bool = True) -> None:
        super().__init__(settings.architecture)
        self.dueling, self.prior, self.distribution = dueling, prior, settings.distribution
        self.outputs, hidden = settings.outputs or 1, self.architecture.hidden
        self.serve_head = _head(hidden, self.outputs, settings.noisy)
        self.value_and_drop = _head(hidden, 2 * self.outputs, settings.noisy)

    def forward(self, decision: Decision) -> Output:  # type: ignore[override]
        """(N, D + 1), or (N, D + 1, K) for quantiles, or for atoms with the prior (N, D + 1) beside them."""
        told = self.state_in(decision.state)
        rows = torch.relu(self.driver_in(decision.driver) + told[:, None])
        for layer in self.layers:
            rows = layer(rows, decision.on_duty)
        fleet = self.fleet_head(torch.cat([pool(rows, decision.on_duty), told], 1))
        value, drop = self.value_and_drop(fleet).view(-1, 2, 1, self.outputs).unbind(1)
        q = torch.cat([self.serve_head(self.serve_norm(rows)), drop], 1)
        if self.dueling:
            legal = decision.choice.legal[..., None]
            q = q + value - (q * legal).sum(1, keepdim=True) / legal.sum(1, keepdim=True).clamp(min=1)
        prior = decision.prior if self.prior else torch.zeros_like(decision.prior)
        if self.distribution == "c51":
            return q, prior
        return q[..., 0] + prior if self.distribution == "none" else q + prior[..., None]


def _head(hidden: int, outputs: int, noisy: bool) -> nn.Linear:
    """A last layer that says nothing before it has learned."""
    layer = NoisyLinear(hidden, outputs, NOISE_SPREAD) if noisy else nn.Linear(hidden, outputs)
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer  # type: ignore[return-value]


def variant(*, dueling: bool = True, prior: bool = True) -> Callable[[PolicySettings], QNetwork]:
    """What :func:`atmr_pipeline.models.policy.learner.train` asks for a network."""
    return lambda settings: VariantNetwork(settings, dueling=dueling, prior=prior)
