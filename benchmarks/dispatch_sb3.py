"""A peer: the DQN of Stable-Baselines3 on the same environment, days, reward and processor time.

It knows no action masks, so the environment drops the booking where it chooses an illegal driver, in training and in
evaluation alike. Its network sees the same features, flattened and padded, with the prior among them.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import gymnasium
import numpy as np
from stable_baselines3 import DQN
from stable_baselines3.common.callbacks import BaseCallback

from atmr_pipeline.dispatch.problem import DayProblem
from atmr_pipeline.models.policy.gymnasium_env import DispatchEnv


@dataclass(frozen=True)
class Peer:
    """Costs of the held-out days (n,), and environment steps a second while it learned."""

    costs: np.ndarray
    transitions_per_s: float


class _StopAfter(BaseCallback):
    """Ends the training when the processor time is spent."""

    def __init__(self, cpu_s: float) -> None:
        super().__init__()
        self.until = time.process_time() + cpu_s

    def _on_step(self) -> bool:
        return time.process_time() < self.until


def trained_costs(training: Sequence[DayProblem], days: Sequence[DayProblem], *, cpu_s: float, seed: int) -> Peer:
    """Train on some days and run others greedily."""
    largest = max(day.n_drivers for day in (*training, *days))
    learning = _flat(training, largest)
    model = DQN(
        "MlpPolicy", learning, seed=seed, learning_rate=1e-3, buffer_size=100_000, learning_starts=2_000,
        batch_size=192, gamma=1.0, tau=0.02, target_update_interval=1, train_freq=4, gradient_steps=1,
        exploration_initial_eps=0.1, exploration_final_eps=0.1, policy_kwargs={"net_arch": [128, 128]},
    )  # fmt: skip
    began = time.process_time()
    model.learn(total_timesteps=10_000_000, callback=_StopAfter(cpu_s))
    steps_per_s = model.num_timesteps / (time.process_time() - began)
    held_out, costs = _flat(days, largest), []
    for index in range(len(days)):
        seen, info = held_out.reset(options={"day": index})
        over = False
        while not over:
            action, _ = model.predict(seen, deterministic=True)
            seen, _, over, _, info = held_out.step(int(action))
        costs.append(info["total_cost"])
    return Peer(np.array(costs), steps_per_s)


def _flat(days: Sequence[DayProblem], drivers: int) -> gymnasium.Env:
    return gymnasium.wrappers.FlattenObservation(DispatchEnv(days, illegal="drop", max_drivers=drivers))
