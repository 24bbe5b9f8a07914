from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium import spaces

from atmr_pipeline.models.dqn.determinism import seeded
from atmr_pipeline.models.dqn.evaluation import greedy_returns
from atmr_pipeline.models.dqn.gymnasium_adapter import GymnasiumEnvironment
from atmr_pipeline.models.dqn.learner import Group
from atmr_pipeline.models.dqn.networks import multilayer
from atmr_pipeline.models.dqn.settings import DqnSettings
from atmr_pipeline.models.dqn.training import train

CARTPOLE = DqnSettings()


class Doors(gymnasium.Env[dict[str, Any], int]):
    """Behind one of five doors is a prize; the open ones are told, by a mask in ``info`` or by a method."""

    def __init__(self, *, told: str, first: int = 0, rounds: int = 3) -> None:
        self.observation_space = spaces.Dict(
            {"prize": spaces.Discrete(5), "open": spaces.MultiBinary(5), "age": spaces.Box(0.0, 9.0, (1,), np.float64)}
        )
        self.action_space = spaces.Discrete(5, start=first)
        self.told, self.first, self.rounds = told, first, rounds
        if told == "method":
            self.action_masks = lambda: self.open.astype(bool)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[dict[str, Any], Any]:
        super().reset(seed=seed)
        self.age = 0
        return self._view()

    def step(self, action: int) -> tuple[dict[str, Any], float, bool, bool, Any]:
        door = action - self.first
        assert self.open[door], "a closed door was chosen"
        reward = float(door == self.prize)
        self.age += 1
        view, info = self._view()
        return view, reward, self.age >= self.rounds and self.rounds < 5, self.age >= self.rounds, info

    def _view(self) -> tuple[dict[str, Any], Any]:
        self.open = self.np_random.integers(0, 2, 5).astype(np.int8)
        self.prize = int(self.np_random.integers(5))
        self.open[self.prize] = 1
        view = {"prize": self.prize, "open": self.open.copy(), "age": np.array([self.age], dtype=np.float64)}
        return view, {"action_mask": self.open.copy()} if self.told == "info" else {}


def played(world: GymnasiumEnvironment, count: int, steps: int, seed: int = 0) -> list[dict[str, torch.Tensor]]:
    generator = torch.Generator().manual_seed(seed)
    state, seen = world.reset(count, generator), []
    for _ in range(steps):
        legal = world.observe(state).legal
        action = torch.multinomial(legal.float(), 1, generator=generator)[:, 0]
        outcome = world.step(state, action, world.observe(state))
        seen.append({**outcome.after, "reward": outcome.reward, "over": outcome.over, "cut": outcome.truncated})
        state = world.restart(outcome.after, outcome.over | outcome.truncated, generator)
    return seen


def same(mine: list[dict[str, torch.Tensor]], theirs: list[dict[str, torch.Tensor]]) -> bool:
    return all(torch.equal(a[name], b[name]) for a, b in zip(mine, theirs, strict=True) for name in a)


def test_copies_play_as_single_environments_do() -> None:
    world = GymnasiumEnvironment("CartPole-v1")
    state = world.reset(3, torch.Generator().manual_seed(5))
    seeds = world.memory()["seeds"].tolist()
    assert len(set(seeds)) == 3
    actions = torch.tensor([0, 1, 1])
    outcome = world.step(state, actions, world.observe(state))
    for row, seed in enumerate(seeds):
        alone = gymnasium.make("CartPole-v1")
        first, _ = alone.reset(seed=seed)
        second, reward, over, truncated, _ = alone.step(int(actions[row]))
        np.testing.assert_array_equal(state["observation"][row], first)
        np.testing.assert_array_equal(outcome.after["observation"][row], second)
        assert (float(outcome.reward[row]), bool(outcome.over[row])) == (reward, over)
        assert bool(outcome.truncated[row]) == truncated
    assert bool(world.observe(state).legal.all())


def test_a_time_limit_is_not_the_end_of_the_world() -> None:
    world = GymnasiumEnvironment(lambda: gymnasium.make("CartPole-v1", max_episode_steps=4))
    cut = played(world, 2, 4)[-1]
    assert cut["cut"].tolist() == [True, True]
    assert cut["over"].tolist() == [False, False]
    both = played(GymnasiumEnvironment(lambda: Doors(told="info")), 2, 3)[-1]
    assert both["over"].tolist() == [True, True]
    assert both["cut"].tolist() == [False, False]


def test_only_ended_episodes_begin_anew() -> None:
    world, generator = GymnasiumEnvironment("CartPole-v1"), torch.Generator().manual_seed(0)
    state = world.reset(3, generator)
    after = world.restart(state, torch.tensor([False, True, False]), generator)
    changed = (after["observation"] != state["observation"]).any(1)
    assert changed.tolist() == [False, True, False]
    assert world.restart(after, torch.zeros(3, dtype=torch.bool), generator) is after


@pytest.mark.parametrize("told", ["info", "method"])
@pytest.mark.parametrize("first", [0, 10])
def test_masks_are_kept_and_what_is_masked_is_learned_around(told: str, first: int) -> None:
    world = GymnasiumEnvironment(lambda: Doors(told=told, first=first))
    assert (world.n_inputs, world.n_actions) == (11, 5)
    settings = DqnSettings(
        gradient_steps=250, parallel_episodes=16, warmup_steps=10, batch_size=64, learning_rate=1e-2, discount=0.0,
        epsilon=(1.0, 0.1),
    )  # fmt: skip
    with seeded(0):
        network = multilayer(world.n_inputs, world.n_actions, settings, hidden=(32,))
    trained = train([Group(world)], network, settings)
    judged = GymnasiumEnvironment(lambda: Doors(told=told, first=first))
    assert float(greedy_returns(trained.network, judged, settings, episodes=30, seed=1).mean()) > 2.7


def test_what_the_world_remembers_is_where_it_was() -> None:
    old, new = (GymnasiumEnvironment(lambda: Doors(told="info", rounds=50)) for _ in range(2))
    generator = torch.Generator().manual_seed(3)
    state = old.reset(3, generator)
    for _ in range(5):
        action = old.observe(state).legal.float().multinomial(1, generator=generator)[:, 0]
        outcome = old.step(state, action, old.observe(state))
        state = old.restart(outcome.after, torch.tensor([False, True, False]), generator)
    new.reset(3, torch.Generator().manual_seed(8))
    new.remember(old.memory())
    action = old.observe(state).legal.float().argmax(1)
    mine, theirs = (world.step(state, action, world.observe(state)).after for world in (new, old))
    assert torch.equal(mine["observation"], theirs["observation"])
    assert torch.equal(mine["legal"], theirs["legal"])


def test_the_same_generator_plays_the_same_game() -> None:
    one, two = (GymnasiumEnvironment(lambda: Doors(told="info")) for _ in range(2))
    assert same(played(one, 3, 8), played(two, 3, 8))
    assert not same(played(one, 3, 8), played(two, 3, 8, seed=1))


def test_what_has_no_discrete_actions_or_fixed_width_is_refused() -> None:
    with pytest.raises(ValueError, match="discrete actions, the environment has Box"):
        GymnasiumEnvironment("Pendulum-v1")

    class Endless(Doors):
        def __init__(self) -> None:
            super().__init__(told="info")
            self.observation_space = spaces.Sequence(spaces.Discrete(3))  # type: ignore[assignment]

    with pytest.raises(ValueError, match="no fixed width"):
        GymnasiumEnvironment(Endless)
