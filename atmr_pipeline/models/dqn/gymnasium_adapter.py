"""Any Gymnasium environment with discrete actions, several copies at once, with or without masks."""

from collections.abc import Callable, Mapping
from typing import Any

import gymnasium
import numpy as np
import numpy.typing as npt
import torch
from gymnasium.spaces.utils import flatdim, flatten
from torch import Tensor

from atmr_pipeline.models.dqn.environment import Observation, Outcome, State

MAX_SEED = 2**31 - 1


class GymnasiumEnvironment:
    """Copies of a Gymnasium environment as one batch.

    Observations are flattened to single-precision vectors. Legal actions come from ``info["action_mask"]``, else from
    ``action_masks()`` of the environment, else every action is legal. An episode that is cut off by a time limit is not
    over: its last state keeps its value.

    Every episode begins with ``reset(seed=...)``, so that it is a function of its seed and its actions: that is what
    :meth:`memory` holds, and :meth:`remember` plays the running episodes again up to where they were.

    Parameters
    ----------
    make : str or callable
        A registered id, or a function that makes one environment.

    Raises
    ------
    ValueError
        If the actions are not discrete, or the observations cannot be flattened to a fixed width.
    """

    def __init__(self, make: str | Callable[[], gymnasium.Env[Any, Any]]) -> None:
        self._make = (lambda: gymnasium.make(make)) if isinstance(make, str) else make
        probe = self._make()
        actions = probe.action_space
        if not isinstance(actions, gymnasium.spaces.Discrete):
            raise ValueError(f"the learner needs discrete actions, the environment has {type(actions).__name__}")
        if not probe.observation_space.is_np_flattenable:
            raise ValueError("the environment's observations have no fixed width: wrap it in one that flattens them")
        self.n_actions, self._first_action = int(actions.n), int(actions.start)
        self.n_inputs = flatdim(probe.observation_space)
        self._space = probe.observation_space
        self._copies: list[gymnasium.Env[Any, Any]] = [probe]
        self._seeds: list[int] = []
        self._actions: list[list[int]] = []

    def reset(self, count: int, generator: torch.Generator) -> State:
        """Begin ``count`` episodes in as many copies."""
        while len(self._copies) < count:
            self._copies.append(self._make())
        while len(self._copies) > count:
            self._copies.pop().close()
        self._seeds, self._actions = [0] * count, [[] for _ in range(count)]
        empty = {
            "observation": torch.zeros(count, self.n_inputs),
            "legal": torch.zeros(count, self.n_actions, dtype=torch.bool),
        }
        return self.restart(empty, torch.ones(count, dtype=torch.bool), generator)

    def restart(self, state: State, ended: Tensor, generator: torch.Generator) -> State:
        """Begin a new episode in the copies where ``ended`` is True."""
        if not bool(ended.any()):
            return state
        fresh = {name: value.clone() for name, value in state.items()}
        for row in ended.nonzero()[:, 0].tolist():
            seed = int(torch.randint(MAX_SEED, (1,), generator=generator))
            self._begin(row, seed, fresh)
        return fresh

    def _begin(self, row: int, seed: int, state: dict[str, Tensor]) -> None:
        observation, info = self._copies[row].reset(seed=seed)
        self._seeds[row], self._actions[row] = seed, []
        self._write(state, row, observation, info)

    def observe(self, state: State) -> Observation:
        """The flattened observations, and what was legal."""
        return Observation(state["observation"], state["legal"])

    def step(self, state: State, action: Tensor, seen: Observation) -> Outcome:
        """Advance every copy by its action."""
        after = {name: value.clone() for name, value in state.items()}
        reward = torch.zeros(len(action))
        over, truncated = (torch.zeros(len(action), dtype=torch.bool) for _ in range(2))
        for row, chosen in enumerate(action.tolist()):
            observation, earned, over[row], truncated[row], info = self._copies[row].step(chosen + self._first_action)
            reward[row] = float(earned)
            self._actions[row].append(chosen)
            self._write(after, row, observation, info)
        return Outcome(after, reward, over, truncated & ~over)

    def memory(self) -> dict[str, Tensor]:
        """Seed and actions of every running episode."""
        lengths = torch.tensor([len(actions) for actions in self._actions])
        actions = torch.tensor([action for actions in self._actions for action in actions], dtype=torch.int64)
        return {"seeds": torch.tensor(self._seeds), "lengths": lengths, "actions": actions}

    def remember(self, memory: Mapping[str, Tensor]) -> None:
        """Play the running episodes again."""
        for row, actions in enumerate(memory["actions"].split(memory["lengths"].tolist())):
            self._copies[row].reset(seed=int(memory["seeds"][row]))
            for action in actions.tolist():
                self._copies[row].step(action + self._first_action)
            self._seeds[row], self._actions[row] = int(memory["seeds"][row]), actions.tolist()

    def close(self) -> None:
        """Close every copy."""
        for each in self._copies:
            each.close()

    def _write(self, state: dict[str, Tensor], row: int, observation: Any, info: Mapping[str, Any]) -> None:
        vector = np.asarray(flatten(self._space, observation), dtype=np.float32)
        state["observation"][row] = torch.from_numpy(vector)
        state["legal"][row] = torch.from_numpy(self._legal(row, info))

    def _legal(self, row: int, info: Mapping[str, Any]) -> npt.NDArray[np.bool_]:
        if "action_mask" in info:
            return np.asarray(info["action_mask"], dtype=np.bool_)
        masks = getattr(self._copies[row].unwrapped, "action_masks", None)
        return np.ones(self.n_actions, dtype=np.bool_) if masks is None else np.asarray(masks(), dtype=np.bool_)
