import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from atmr_pipeline.models.dqn.distributions import Categorical, Goal, Mean, Quantiles, distribution_of
from atmr_pipeline.models.dqn.settings import DqnSettings

SURE = -1e9


def logits_of(*probabilities: float) -> torch.Tensor:
    return torch.tensor([max(value, 0.0) for value in probabilities]).log().clamp(min=SURE)


def test_c51_projection_by_hand() -> None:
    # Atoms 0, 1, 2. 0.25 of the mass at 0.4, 0.5 at exactly 1, 0.25 beyond the last atom.
    projected = Categorical(3, 0.0, 2.0).project(torch.tensor([[0.4, 1.0, 3.7]]), torch.tensor([[0.25, 0.5, 0.25]]))
    torch.testing.assert_close(projected, torch.tensor([[0.25 * 0.6, 0.25 * 0.4 + 0.5, 0.25]]))


def test_c51_goal_and_loss_by_hand() -> None:
    c51 = Categorical(3, 0.0, 2.0)
    after = torch.stack([logits_of(1.0, 0.0, 0.0), logits_of(0.0, 0.5, 0.5)])[None]
    goal = c51.goal(after, torch.tensor([1]), torch.tensor([0.5]), torch.tensor([0.5]))
    torch.testing.assert_close(goal.value, torch.tensor([[0.5, 1.0, 1.5]]))
    torch.testing.assert_close(goal.probability, torch.tensor([[0.0, 0.5, 0.5]]))
    # Projected: half on atom 1, half of the rest on each of atoms 1 and 2.
    output = torch.stack([logits_of(0.25, 0.5, 0.25), logits_of(1.0, 0.0, 0.0)])[None]
    loss, error = c51.loss(output, torch.tensor([0]), goal)
    wanted = torch.tensor([0.75, 0.25])
    cross_entropy = -(wanted * torch.tensor([0.5, 0.25]).log()).sum()
    torch.testing.assert_close(loss[0], cross_entropy)
    torch.testing.assert_close(error[0], cross_entropy + (wanted * wanted.log()).sum())
    torch.testing.assert_close(c51.values(output), torch.tensor([[1.0, 0.0]]))


def test_a_c51_offset_moves_the_support() -> None:
    c51 = Categorical(3, -1.0, 1.0)
    output = (logits_of(0.0, 0.5, 0.5).expand(1, 2, 3), torch.tensor([[10.0, -20.0]]))
    torch.testing.assert_close(c51.values(output), torch.tensor([[10.5, -19.5]]))
    goal = c51.goal(output, torch.tensor([0]), torch.tensor([1.0]), torch.tensor([1.0]))
    torch.testing.assert_close(goal.value, torch.tensor([[10.0, 11.0, 12.0]]))
    here = (logits_of(0.0, 0.5, 0.5).expand(1, 2, 3), torch.tensor([[0.0, 11.0]]))
    _, error = c51.loss(here, torch.tensor([1]), goal)
    torch.testing.assert_close(error, torch.zeros(1))


@given(
    values=st.lists(st.floats(-2.0, 2.0, width=32), min_size=1, max_size=7),
    weights=st.lists(st.floats(0.01, 1.0), min_size=7, max_size=7),
)
def test_the_projection_keeps_mass_and_mean(values: list[float], weights: list[float]) -> None:
    c51 = Categorical(11, -2.0, 2.0)
    probability = torch.tensor([weights[: len(values)]])
    probability = probability / probability.sum()
    projected = c51.project(torch.tensor([values]), probability)
    assert float(projected.min()) >= 0.0
    assert float(projected.sum()) == pytest.approx(1.0, abs=1e-5)
    mean = float((projected * c51.support).sum())
    assert mean == pytest.approx(float((torch.tensor([values]) * probability).sum()), abs=1e-4)


def test_quantile_loss_by_hand() -> None:
    # Two quantiles (levels 1/4 and 3/4) at 0 and 1 against a target that is surely 3, then surely 0.
    quantiles = Quantiles(2)
    output = torch.tensor([[[0.0, 1.0]], [[0.0, 1.0]]])
    goal = Goal(torch.tensor([[3.0, 3.0], [0.0, 0.0]]), torch.full((2, 2), 0.5))
    loss, error = quantiles.loss(output, torch.zeros(2, dtype=torch.int64), goal)
    # Errors 3 and 2, both too low: Huber 2.5 and 1.5. Then errors 0 and -1, the second too high: Huber 0.5.
    torch.testing.assert_close(loss, torch.tensor([0.25 * 2.5 + 0.75 * 1.5, 0.25 * 0.5]))
    torch.testing.assert_close(error, torch.tensor([-2.5, 0.5]))


def test_quantile_loss_settles_at_the_quantiles() -> None:
    quantiles, generator = Quantiles(4), torch.Generator().manual_seed(0)
    drawn = 20.0 * torch.rand(1, 4_000, generator=generator)
    output = torch.zeros(1, 1, 4, requires_grad=True)
    optimizer = torch.optim.Adam([output], lr=0.3)
    for _ in range(400):
        loss, _ = quantiles.loss(output, torch.tensor([0]), Goal(drawn, torch.full_like(drawn, 1 / 4_000)))
        optimizer.zero_grad()
        loss.sum().backward()
        optimizer.step()
    torch.testing.assert_close(output.detach()[0, 0], 20.0 * quantiles.midpoints, atol=0.5, rtol=0.0)


def test_quantile_goal_and_values_by_hand() -> None:
    quantiles = Quantiles(2)
    after = (torch.tensor([[[0.0, 2.0], [4.0, 6.0]]]), torch.tensor([[10.0, 20.0]]))
    torch.testing.assert_close(quantiles.values(after), torch.tensor([[11.0, 25.0]]))
    goal = quantiles.goal(after, torch.tensor([1]), torch.tensor([1.0]), torch.tensor([0.5]))
    torch.testing.assert_close(goal.value, torch.tensor([[13.0, 14.0]]))
    torch.testing.assert_close(goal.probability, torch.tensor([[0.5, 0.5]]))


def test_mean_by_hand() -> None:
    goal = Mean().goal(torch.tensor([[1.0, 4.0]]), torch.tensor([1]), torch.tensor([0.5]), torch.tensor([0.9]))
    torch.testing.assert_close(goal.value, torch.tensor([[0.5 + 0.9 * 4.0]]))
    loss, error = Mean().loss(torch.tensor([[0.1, 7.0]]), torch.tensor([0]), goal)
    torch.testing.assert_close(error, torch.tensor([-4.0]))
    torch.testing.assert_close(loss, torch.tensor([3.5]))


@pytest.mark.parametrize("distribution", ["none", "c51", "qr"])
def test_nothing_comes_after_the_end_whatever_the_network_says(distribution: str) -> None:
    settings = DqnSettings(distribution=distribution, atoms=5, quantiles=5)
    after = torch.full((1, 2) if distribution == "none" else (1, 2, 5), torch.inf if distribution == "none" else 3.0)
    described = distribution_of(settings)
    goal = described.goal(after, torch.tensor([0]), torch.tensor([-1.5]), torch.tensor([0.0]))
    assert bool((goal.value == -1.5).all())
    assert float(goal.probability.sum()) == pytest.approx(1.0)
