"""Shrinking the learned advantage: what changes, what does not, and which share is chosen."""

import pytest
import torch

from atmr_pipeline.dispatch.simulator import CostWeights
from atmr_pipeline.dispatch.synthetic import synthetic_days
from atmr_pipeline.models.policy.bank import DayBank
from atmr_pipeline.models.policy.environment import initial_state
from atmr_pipeline.models.policy.features import decide
from atmr_pipeline.models.policy.network import QNetwork
from atmr_pipeline.models.policy.trust import Trust, most_trusted, shrunk


@pytest.fixture
def network() -> QNetwork:
    torch.manual_seed(0)
    network = QNetwork().eval().requires_grad_(False)
    for parameter in network.parameters():
        parameter.add_(0.1 * torch.randn_like(parameter))
    return network


@pytest.mark.parametrize(("advantage", "value"), [(0.0, 0.0), (0.25, 1.0), (1.0, 0.5), (1.0, 1.0)])
def test_actions_and_state_shrink_towards_the_prior_each_by_its_share(network, advantage, value):
    bank = DayBank.from_problems(synthetic_days(8, seed=1), CostWeights())
    decision = decide(bank, initial_state(bank, torch.arange(8)))
    legal = decision.choice.legal
    count = legal.sum(1, keepdim=True)

    def parts(of: QNetwork) -> tuple[torch.Tensor, torch.Tensor]:
        learned = (of(decision) - decision.prior).masked_fill(~legal, 0.0)
        mean = learned.sum(1, keepdim=True) / count
        return mean, (learned - mean)[legal]

    (whole, between), (whole_less, between_less) = parts(network), parts(shrunk(network, Trust(advantage, value)))
    torch.testing.assert_close(whole_less, value * whole, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(between_less, advantage * between, rtol=1e-3, atol=1e-4)


def _cost_of(network: QNetwork, wanted: float, layer: str):
    def costs(candidate: QNetwork) -> torch.Tensor:
        share = float(getattr(candidate, layer).bias[0]) / float(getattr(network, layer).bias[0])
        return torch.tensor([10.0, 1000.0]) * (1.0 + abs(share - wanted))

    return costs


def test_the_cheapest_shares_are_chosen(network):
    before = {name: value.clone() for name, value in network.state_dict().items()}
    chosen, trust = most_trusted(
        network, _cost_of(network, 0.75, "serve_head"), _cost_of(network, 0.25, "value_and_drop")
    )
    assert trust == Trust(advantage=0.75, value=0.25)
    assert torch.equal(chosen.serve_head.bias, 0.75 * network.serve_head.bias)
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())


def test_of_equals_the_least_is_believed(network):
    assert most_trusted(network, lambda _: torch.ones(3), lambda _: torch.ones(3))[1] == Trust(0.0, 0.0)


def test_every_day_counts_alike(network):
    # Believing costs the dear day 1 % and saves the cheap one 10 %: the sum says no, the days say yes.
    def costs(candidate: QNetwork) -> torch.Tensor:
        share = float(candidate.serve_head.bias) / float(network.serve_head.bias)
        return torch.tensor([10.0 * (1.0 - 0.1 * share), 1000.0 * (1.0 + 0.01 * share)])

    assert most_trusted(network, costs, lambda _: torch.ones(2))[1].advantage == 1.0
