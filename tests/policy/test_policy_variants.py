from dataclasses import replace

import pytest
import torch

from atmr_pipeline.dispatch.problem import DayProblem
from atmr_pipeline.dispatch.simulator import CostWeights
from atmr_pipeline.models.dqn.distributions import distribution_of
from atmr_pipeline.models.dqn.noisy import draw_noise, noisy_layers
from atmr_pipeline.models.policy.bank import DayBank
from atmr_pipeline.models.policy.environment import initial_state
from atmr_pipeline.models.policy.feature_contract import Decision
from atmr_pipeline.models.policy.features import decide
from atmr_pipeline.models.policy.learner import PolicySettings, train
from atmr_pipeline.models.policy.network import QNetwork
from atmr_pipeline.models.policy.variants import VariantNetwork, variant


@pytest.fixture(scope="module")
def decision(days: list[DayProblem]) -> Decision:
    bank = DayBank.from_problems(days, CostWeights())
    return decide(bank, initial_state(bank, torch.arange(bank.n_days)))


def with_random_weights(network: VariantNetwork) -> VariantNetwork:
    generator = torch.Generator().manual_seed(0)
    for parameter in network.parameters():
        parameter.data = 0.1 * torch.randn(parameter.shape, generator=generator)
    return network


def test_the_variant_with_nothing_changed_is_the_network(decision: Decision) -> None:
    network, plain = with_random_weights(VariantNetwork(PolicySettings())), QNetwork()
    plain.load_state_dict(network.state_dict())
    torch.testing.assert_close(network(decision), plain(decision))


@pytest.mark.parametrize("distribution", ["none", "c51", "qr"])
@pytest.mark.parametrize("noisy", [True, False])
def test_before_learning_every_variant_says_the_prior(decision: Decision, distribution: str, noisy: bool) -> None:
    settings = PolicySettings(distribution=distribution, noisy=noisy, v_min=-3.0, v_max=3.0)
    network = VariantNetwork(settings)
    values = distribution_of(settings).values(network(decision))
    torch.testing.assert_close(values, decision.prior, atol=1e-5, rtol=0.0)
    assert bool(noisy_layers(network)) == noisy
    if noisy:
        draw_noise(noisy_layers(network), torch.Generator().manual_seed(0))
        noise = distribution_of(settings).values(network(decision)) - decision.prior
        assert 0.0 < float(noise.detach().abs().mean()) < 1.0


def test_dueling_and_prior_can_be_left_out(decision: Decision) -> None:
    legal = decision.choice.legal
    whole = with_random_weights(VariantNetwork(PolicySettings()))
    bare = with_random_weights(VariantNetwork(PolicySettings(), dueling=False, prior=False))
    alone = with_random_weights(VariantNetwork(PolicySettings(), prior=False))
    torch.testing.assert_close(whole(decision), alone(decision) + decision.prior)
    # Dueling moves all actions of a day by the same number.
    moved = alone(decision) - bare(decision)
    torch.testing.assert_close(moved, moved[:, :1].expand_as(moved))
    mean = (alone(decision) * legal).sum(1) / legal.sum(1)
    assert not torch.allclose(mean, (bare(decision) * legal).sum(1) / legal.sum(1))


@pytest.mark.parametrize(
    ("changed", "parts"),
    [
        ({"distribution": "c51", "v_min": -5.0, "v_max": 5.0}, {}),
        ({"distribution": "qr", "noisy": True}, {}),
        ({}, {"dueling": False, "prior": False}),
    ],
)
def test_variants_train(days: list[DayProblem], tiny_settings: PolicySettings, changed: dict, parts: dict) -> None:
    result = train(days, replace(tiny_settings, **changed), network=variant(**parts))
    assert isinstance(result.network, VariantNetwork)
    assert all(bool(torch.isfinite(parameter).all()) for parameter in result.network.parameters())
