from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
import torch
from dqn_worlds import Corridor
from torch import Tensor, nn

from atmr_pipeline.models.dqn.determinism import seeded
from atmr_pipeline.models.dqn.environment import Observation, Outcome, State, where
from atmr_pipeline.models.dqn.evaluation import greedy_returns
from atmr_pipeline.models.dqn.learner import CurvePoint, Group, Learner, Trained
from atmr_pipeline.models.dqn.networks import multilayer
from atmr_pipeline.models.dqn.replay import Sample
from atmr_pipeline.models.dqn.settings import DqnSettings
from atmr_pipeline.models.dqn.training import train

SMALL = DqnSettings(
    gradient_steps=250, parallel_episodes=8, warmup_steps=20, batch_size=32, replay_capacity=2_000, discount=1.0,
    target_tau=0.05, ema_decay=0.95, epsilon=(0.5, 0.1), learning_rate=5e-3, log_every=100, v_min=-8.0, v_max=0.0,
    atoms=33, quantiles=8,
)  # fmt: skip


def network_for(settings: DqnSettings, cells: int = 5) -> nn.Module:
    with seeded(settings.seed):
        return multilayer(cells, Corridor.n_actions, settings, hidden=(24,))


def run(settings: DqnSettings, **others: Any) -> Trained:
    return train([Group(Corridor())], network_for(settings), settings, **others)


def weights(trained: Trained) -> Tensor:
    return torch.cat([parameter.flatten() for parameter in trained.network.parameters()])


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"double": False},
        {"prioritised": False},
        {"n_step": 3},
        {"noisy": True, "epsilon": (0.0, 0.0)},
        {"distribution": "c51"},
        {"distribution": "qr"},
        {"ema_decay": 0.0},
        {"target_tau": 1.0},
        {"n_step": 2, "noisy": True, "distribution": "c51", "prioritised": False},
        {"acts_per_round": 2, "gradients_per_round": 3},
    ],
    ids=str,
)
def test_every_part_can_be_switched_and_still_learns_the_way_out(changed: dict[str, Any]) -> None:
    settings = replace(SMALL, **changed)
    world = Corridor()
    trained = train([Group(world)], network_for(settings), settings)
    returns = greedy_returns(trained.network, Corridor(limit=50), settings, episodes=20, seed=1)
    # From cell 0 to 3, drawn at random, the way out is 4 to 1 steps.
    assert float(returns.min()) >= -4.0
    assert trained.gradient_steps == settings.gradient_steps
    assert trained.environment_steps == settings.environment_steps == sum(len(action) for action in world.taken)


def test_values_are_right_where_they_are_known() -> None:
    settings = replace(SMALL, gradient_steps=600)
    trained = run(settings)
    q = trained.network(torch.eye(5)[:4])
    torch.testing.assert_close(q[:, 1].detach(), torch.tensor([-4.0, -3.0, -2.0, -1.0]), atol=0.35, rtol=0.0)


def test_the_same_seed_gives_the_same_weights_bit_for_bit() -> None:
    settings = replace(SMALL, gradient_steps=40, n_step=2, noisy=True, distribution="qr")
    first, again, other = run(settings), run(settings), run(replace(settings, seed=1))
    assert torch.equal(weights(first), weights(again))
    assert first.curve == again.curve
    assert not torch.equal(weights(first), weights(other))


def test_torch_is_left_as_it_was() -> None:
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    run(replace(SMALL, gradient_steps=2))
    assert torch.equal(torch.rand(2), expected)


class Fixed(nn.Module):
    """Q-values from a table, so that targets can be worked out by hand."""

    def __init__(self, table: list[list[float]]) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.tensor(table))

    def forward(self, inputs: Tensor) -> Tensor:
        return inputs @ self.table


@pytest.mark.parametrize(("double", "future"), [(True, 10.0), (False, 30.0)])
def test_double_and_plain_targets_by_hand(double: bool, future: float) -> None:
    settings = DqnSettings(double=double, warmup_steps=1, parallel_episodes=1)
    learner = Learner([Group(Corridor(cells=3))], Fixed([[0.0] * 3] * 3), settings)
    # In cell 1 the online network prefers going back, the target network going on; the third action is illegal.
    learner.online.load_state_dict({"table": torch.tensor([[0.0, 0.0, 0.0], [5.0, 4.0, 99.0], [0.0, 0.0, 0.0]])})
    learner.target.load_state_dict({"table": torch.tensor([[0.0, 0.0, 0.0], [10.0, 30.0, 99.0], [0.0, 0.0, 0.0]])})
    values = {"after.cell": torch.tensor([1, 1, 1]), "after.age": torch.zeros(3, dtype=torch.int64),
              "reward": torch.tensor([-1.0, -1.0, -1.0]), "bootstrap": torch.tensor([1.0, 0.5, 0.0])}  # fmt: skip
    goal = learner.goal(Corridor(cells=3), Sample(values, torch.ones(3), torch.arange(3)))
    torch.testing.assert_close(goal.value[:, 0], torch.tensor([-1.0 + future, -1.0 + 0.5 * future, -1.0]))


def test_random_actions_follow_the_environment() -> None:
    learner = Learner([Group(Corridor())], network_for(SMALL), SMALL)
    legal = torch.tensor([[True, True, False]]).expand(9_000, -1)
    alike = torch.bincount(learner.random_action(Observation(None, legal)), minlength=3) / 9_000
    torch.testing.assert_close(alike, torch.tensor([0.5, 0.5, 0.0]), atol=0.03, rtol=0.0)
    seldom = torch.tensor([[0.1, 0.9, 0.0]]).expand(9_000, -1)
    drawn = torch.bincount(learner.random_action(Observation(None, legal, seldom)), minlength=3) / 9_000
    torch.testing.assert_close(drawn, torch.tensor([0.1, 0.9, 0.0]), atol=0.03, rtol=0.0)


def test_without_priorities_sampling_is_uniform_and_unweighted() -> None:
    learner = Learner([Group(Corridor())], network_for(SMALL), replace(SMALL, prioritised=False))
    learner.warm_up()
    learner.round()
    replay = learner.running[0].replay
    sample = replay.sample(500, beta=0.0, generator=torch.Generator().manual_seed(0))
    assert bool((sample.weight == 1.0).all())
    assert len(replay.memory()[0]["mass"].unique()) == 1


def test_the_curve_is_what_progress_saw() -> None:
    seen: list[CurvePoint] = []
    settings = replace(SMALL, gradient_steps=7, log_every=3)
    trained = run(settings, evaluate=lambda network: 1.5, on_progress=seen.append)
    assert tuple(seen) == trained.curve
    assert [point.step for point in seen] == [1, 3, 6, 7]
    assert {point.score for point in seen} == {1.5}
    assert seen[-1].environment_steps == settings.environment_steps
    assert run(settings).curve[-1].score is None


def test_an_auxiliary_loss_teaches_what_no_reward_does() -> None:
    settings = replace(SMALL, gradient_steps=150)

    def third_action_is_worth_7(network: nn.Module, generator: torch.Generator) -> Tensor:
        cell = torch.randint(4, (16,), generator=generator)
        return ((network(torch.eye(5)[cell])[:, 2] - 7.0) ** 2).mean()

    taught = train([Group(Corridor(), auxiliary=third_action_is_worth_7)], network_for(settings), settings)
    torch.testing.assert_close(taught.network(torch.eye(5)[:4])[:, 2], torch.full((4,), 7.0), atol=0.7, rtol=0.0)


class Fleet:
    """Decide which of ``size`` rows has the larger number; groups of different widths share one network."""

    def __init__(self, size: int) -> None:
        self.size = size

    def reset(self, count: int, generator: torch.Generator) -> State:
        return {"number": torch.rand(count, self.size, generator=generator)}

    def restart(self, state: State, ended: Tensor, generator: torch.Generator) -> State:
        return where(ended, self.reset(len(ended), generator), state)

    def observe(self, state: State) -> Observation:
        return Observation(state["number"], torch.ones(len(state["number"]), self.size, dtype=torch.bool))

    def step(self, state: State, action: Tensor, seen: Observation) -> Outcome:
        reward = state["number"].gather(1, action[:, None])[:, 0]
        done = torch.ones(len(action), dtype=torch.bool)
        return Outcome(state, reward, done, ~done)

    def memory(self) -> dict[str, Tensor]:
        return {}

    def remember(self, memory: Mapping[str, Tensor]) -> None:
        pass


class Rowwise(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(1, 16), nn.ReLU(), nn.Linear(16, 1))

    def forward(self, rows: Tensor) -> Tensor:
        return self.layers(rows[..., None])[..., 0]


def test_groups_of_different_shapes_teach_one_network() -> None:
    with seeded(0):
        network = Rowwise()
    groups = [Group(Fleet(2)), Group(Fleet(7), episodes=4, batch_size=8, share=0.5)]
    learner = Learner(groups, network, SMALL)
    assert [running.state["number"].shape for running in learner.running] == [(8, 2), (4, 7)]
    assert [running.batch_size for running in learner.running] == [32, 8]
    trained = train(groups, network, SMALL)
    best = greedy_returns(trained.network, Fleet(40), SMALL, episodes=50, seed=2)
    assert float(best.mean()) > 0.95


def test_a_limit_of_processor_time_ends_a_run_and_moves_its_schedules() -> None:
    trained = run(replace(SMALL, gradient_steps=1, log_every=10), cpu_seconds=0.3)
    assert trained.gradient_steps > 1
    assert trained.curve[-1].step == trained.gradient_steps
    assert trained.curve[-1].epsilon < trained.curve[0].epsilon
    assert run(SMALL, cpu_seconds=0.0).gradient_steps == 1


def test_what_cannot_be_trained_is_refused() -> None:
    with pytest.raises(ValueError, match="a group"):
        train([], network_for(SMALL), SMALL)
    with pytest.raises(ValueError, match="positive share"):
        train([Group(Corridor(), share=0.0)], network_for(SMALL), SMALL)
    for settings, other in ((SMALL, replace(SMALL, noisy=True)), (replace(SMALL, noisy=True), SMALL)):
        with pytest.raises(ValueError, match="noisy"):
            train([Group(Corridor())], network_for(other), settings)


def test_a_faster_inference_is_asked_wherever_no_gradient_is_needed() -> None:
    asked: list[bool] = []

    def quick(network: nn.Module) -> Any:
        def ask(inputs: Tensor) -> Tensor:
            asked.append(torch.is_grad_enabled())
            return network(inputs)

        return ask

    settings = replace(SMALL, gradient_steps=3)
    assert torch.equal(weights(run(settings, inference=quick)), weights(run(settings)))
    assert asked == [False] * (settings.warmup_steps + 3 * 3)
