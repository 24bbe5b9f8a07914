import math

import pytest
import torch
from torch import nn

from atmr_pipeline.models.dqn.determinism import one_thread, seeded
from atmr_pipeline.models.dqn.networks import DuelingHead, Follower, masked, multilayer
from atmr_pipeline.models.dqn.noisy import NoisyLinear, draw_noise, noisy_layers
from atmr_pipeline.models.dqn.settings import DqnSettings


def test_noise_changes_in_training_and_is_gone_in_evaluation() -> None:
    layer, generator, inputs = NoisyLinear(6, 3), torch.Generator().manual_seed(0), torch.ones(2, 6)
    layer.draw(generator)
    first = layer(inputs)
    torch.testing.assert_close(layer(inputs), first)
    layer.draw(generator)
    assert not torch.allclose(layer(inputs), first)
    layer.eval()
    quiet = layer(inputs)
    layer.draw(generator)
    assert torch.equal(layer(inputs), quiet)
    assert torch.equal(quiet, nn.functional.linear(inputs, layer.weight, layer.bias))


def test_noise_has_the_variance_of_the_factorised_form() -> None:
    with seeded(0):
        layer = NoisyLinear(4, 2, spread=0.5)
    generator, inputs = torch.Generator().manual_seed(1), torch.tensor([1.0, 0.0, 2.0, 0.0])
    outputs = []
    for _ in range(8_000):
        layer.draw(generator)
        outputs.append(layer(inputs).detach())
    drawn = torch.stack(outputs)
    mean = nn.functional.linear(inputs, layer.weight, layer.bias).detach()
    torch.testing.assert_close(drawn.mean(0), mean, atol=0.02, rtol=0.0)
    # Each weight's noise has variance spread^2 / inputs x 2 / pi, the bias spread^2 / inputs x sqrt(2 / pi).
    variance = 0.25 / 4 * (5.0 * 2 / math.pi + math.sqrt(2 / math.pi))
    torch.testing.assert_close(drawn.var(0), torch.full((2,), variance), atol=0.015, rtol=0.0)


def test_gradients_reach_means_and_spreads() -> None:
    layer = NoisyLinear(3, 2)
    layer.draw(torch.Generator().manual_seed(2))
    layer(torch.ones(1, 3)).sum().backward()
    assert all(parameter.grad is not None and bool(parameter.grad.any()) for parameter in layer.parameters())


def test_without_noisy_layers_nothing_is_drawn() -> None:
    generator = torch.Generator().manual_seed(0)
    before = generator.get_state()
    draw_noise(noisy_layers(nn.Linear(2, 2)), generator)
    assert torch.equal(generator.get_state(), before)


def test_dueling_is_value_plus_centred_advantage() -> None:
    head, hidden = DuelingHead(3, 4), torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
    q = head(hidden)
    torch.testing.assert_close(q.mean(1), head.value(hidden)[:, 0])
    advantage = head.advantage(hidden)
    torch.testing.assert_close(q - q.mean(1, keepdim=True), advantage - advantage.mean(1, keepdim=True))
    assert DuelingHead(3, 4, 7)(hidden).shape == (5, 4, 7)


@pytest.mark.parametrize(
    ("settings", "shape"),
    [
        (DqnSettings(), (5, 2)),
        (DqnSettings(distribution="c51", atoms=11), (5, 2, 11)),
        (DqnSettings(distribution="qr", quantiles=9, noisy=True), (5, 2, 9)),
    ],
)
@pytest.mark.parametrize("dueling", [True, False])
def test_multilayer_networks_fit_the_settings(settings: DqnSettings, shape: tuple[int, ...], dueling: bool) -> None:
    network = multilayer(4, 2, settings, hidden=(8, 8), dueling=dueling)
    assert network(torch.zeros(5, 4)).shape == shape
    assert bool(noisy_layers(network)) == settings.noisy


def test_a_follower_goes_a_share_of_the_way() -> None:
    own, leader = nn.Linear(2, 1), nn.Linear(2, 1)
    start, goal = own.weight.detach().clone(), leader.weight.detach()
    follower = Follower(own, leader)
    follower.move(0.25)
    torch.testing.assert_close(own.weight.detach(), 0.75 * start + 0.25 * goal)
    follower.move(0.25)
    torch.testing.assert_close(own.weight.detach(), 0.5625 * start + 0.4375 * goal)
    follower.move(1.0)
    assert torch.equal(own.weight, leader.weight)
    assert torch.equal(own.bias, leader.bias)


def test_an_exponential_average_forgets_by_its_decay() -> None:
    own, leader, decay = nn.Linear(1, 1), nn.Linear(1, 1), 0.9
    start, follower, seen = float(own.weight.detach()), Follower(own, leader), []
    for value in (1.0, 2.0, 5.0):
        nn.init.constant_(leader.weight, value)
        seen.append(value)
        follower.move(1.0 - decay)
    expected = decay**3 * start + (1 - decay) * sum(decay ** (2 - age) * value for age, value in enumerate(seen))
    assert float(own.weight.detach()) == pytest.approx(expected, abs=1e-6)


def test_masked_values_are_never_the_best() -> None:
    assert masked(torch.tensor([[3.0, 1.0]]), torch.tensor([[False, True]])).argmax(1).tolist() == [1]


def test_determinism_helpers_leave_torch_as_it_was() -> None:
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    before = torch.get_num_threads()
    with one_thread(), seeded(0):
        assert torch.get_num_threads() == 1
        torch.rand(10)
    assert torch.get_num_threads() == before
    assert torch.equal(torch.rand(1), expected)
