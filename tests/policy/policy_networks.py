"""Policies for tests that need one, but no training: the value by rule with a small disturbance learned by nobody."""

import torch

from atmr_pipeline.dispatch.simulator import CostWeights
from atmr_pipeline.models.policy.network import Architecture, QNetwork
from atmr_pipeline.models.policy.policy import DispatchPolicy


def disturbed_policy(seed: int = 0, *, scale: float = 0.05, weights: CostWeights | None = None) -> DispatchPolicy:
    """A policy whose heads hold random numbers of the given size."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = QNetwork(Architecture(hidden=16))
        with torch.no_grad():
            for head in (network.serve_head, network.value_and_drop):
                head.weight.normal_(0.0, scale)
                head.bias.normal_(0.0, scale)
    return DispatchPolicy(network, weights or CostWeights())
