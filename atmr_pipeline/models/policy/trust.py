"""How much of what was learned is believed.

Near the optimum the prior is hard to beat: the differences between good actions are small, and what is learned from too
little experience adds more noise than it removes. So the learned part is shrunk towards the prior by two factors,
chosen on days that no gradient saw: one for the advantages, by what the best action each time costs; then one for the
state's value, which compares partial plans, by what a beam costs. Zero and zero is the untrained network.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from atmr_pipeline.models.policy.network import QNetwork

SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Candidates; of equally good ones the first, which believes less."""

Costs = Callable[[QNetwork], Tensor]
"""Cost of each of some days under a network, (n,)."""


@dataclass(frozen=True)
class Trust:
    """Shares that are believed, 0 to 1: of the learned advantages, and of the learned value of a state."""

    advantage: float
    value: float


def shrunk(network: QNetwork, trust: Trust) -> QNetwork:
    """The same network with its learned part multiplied: its last layers are linear, so they are scaled."""
    smaller = copy.deepcopy(network)
    with torch.no_grad():
        smaller.serve_head.weight.mul_(trust.advantage)
        smaller.serve_head.bias.mul_(trust.advantage)
        # Rows of the last layer: the state's value, and the advantage of a drop.
        rows = torch.tensor([trust.value, trust.advantage])
        smaller.value_and_drop.weight.mul_(rows[:, None])
        smaller.value_and_drop.bias.mul_(rows)
    return smaller


def most_trusted(network: QNetwork, best_action_costs: Costs, beam_costs: Costs) -> tuple[QNetwork, Trust]:
    """The shrunk network that plans unseen days most cheaply, and how much of it is believed.

    Days count alike: each cost is taken relative to the untrained network's, so that a few dear days do not decide.

    Parameters
    ----------
    network : QNetwork
    best_action_costs, beam_costs : callable
        Costs of days that were not learned from: always taking the best action, and with a beam.
    """
    advantage = _cheapest(network, [Trust(share, 0.0) for share in SHARES], best_action_costs).advantage
    trust = _cheapest(network, [Trust(advantage, share) for share in SHARES], beam_costs)
    return shrunk(network, trust), trust


def _cheapest(network: QNetwork, candidates: list[Trust], costs_of: Costs) -> Trust:
    untrained = costs_of(shrunk(network, Trust(0.0, 0.0))).clamp(min=1.0)
    means = [float((costs_of(shrunk(network, trust)) / untrained).mean()) for trust in candidates]
    return candidates[means.index(min(means))]
