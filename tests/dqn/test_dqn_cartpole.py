"""The learner solves a task that everybody knows."""

import pytest

from atmr_pipeline.models.dqn.determinism import seeded
from atmr_pipeline.models.dqn.evaluation import greedy_returns
from atmr_pipeline.models.dqn.gymnasium_adapter import GymnasiumEnvironment
from atmr_pipeline.models.dqn.learner import Group
from atmr_pipeline.models.dqn.networks import multilayer
from atmr_pipeline.models.dqn.settings import DqnSettings
from atmr_pipeline.models.dqn.training import train

CARTPOLE = DqnSettings(
    gradient_steps=16_000, parallel_episodes=4, gradients_per_round=2, warmup_steps=250, batch_size=64, n_step=3,
    distribution="c51", v_min=0.0, v_max=100.0, discount=0.99, target_tau=0.01, ema_decay=0.995, epsilon=(1.0, 0.04),
    epsilon_share=0.3, learning_rate_end=0.02, log_every=2_000,
)  # fmt: skip
"""Double, dueling, prioritised, 3-step, distributional; returns of a pole that stands lie just under 1 / (1 - 0.99)."""


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_cartpole_is_solved() -> None:
    world, judged = GymnasiumEnvironment("CartPole-v1"), GymnasiumEnvironment("CartPole-v1")
    with seeded(CARTPOLE.seed):
        network = multilayer(world.n_inputs, world.n_actions, CARTPOLE)
    trained = train([Group(world)], network, CARTPOLE)
    assert trained.environment_steps <= 60_000
    returns = greedy_returns(trained.network, judged, CARTPOLE, episodes=100, seed=99)
    assert float(returns.mean()) >= 475.0
