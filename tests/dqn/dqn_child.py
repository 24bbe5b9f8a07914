"""A training run in a process of its own, to be killed: prints its progress and, at the end, a hash of its weights.

Arguments: checkpoint file, or "-" for none; gradient step at which to wait for the end, or 0.
"""

import hashlib
import sys
import time
from pathlib import Path

from safetensors.torch import save

from atmr_pipeline.models.dqn.determinism import seeded
from atmr_pipeline.models.dqn.gymnasium_adapter import GymnasiumEnvironment
from atmr_pipeline.models.dqn.learner import CurvePoint, Group
from atmr_pipeline.models.dqn.networks import multilayer
from atmr_pipeline.models.dqn.settings import DqnSettings
from atmr_pipeline.models.dqn.training import train

SETTINGS = DqnSettings(
    gradient_steps=90, parallel_episodes=3, warmup_steps=20, batch_size=16, replay_capacity=200, n_step=3, noisy=True,
    epsilon=(0.5, 0.1), distribution="qr", quantiles=5, log_every=7, seed=4,
)  # fmt: skip


def main(checkpoint: str, wait_at: int) -> None:
    def progress(point: CurvePoint) -> None:
        say(f"step {point.step}")
        if wait_at and point.step >= wait_at:
            time.sleep(600)

    world = GymnasiumEnvironment("CartPole-v1")
    with seeded(SETTINGS.seed):
        network = multilayer(world.n_inputs, world.n_actions, SETTINGS, hidden=(16, 16))
    path = None if checkpoint == "-" else Path(checkpoint)
    trained = train(
        [Group(world)], network, SETTINGS, on_progress=progress, checkpoint=path, checkpoint_every=25,
        fingerprint="the test's run",
    )  # fmt: skip
    say(f"curve {[(point.step, point.loss) for point in trained.curve]}")
    say(f"weights {hashlib.sha256(save(dict(trained.network.state_dict()))).hexdigest()}")


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
