"""A whole training run: begins or goes on, keeps itself on disk, ends with a network and its curve."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

from torch import nn

from atmr_pipeline.models.dqn.checkpoint import load_checkpoint, save_checkpoint
from atmr_pipeline.models.dqn.determinism import one_thread, seeded
from atmr_pipeline.models.dqn.learner import CurvePoint, Group, Inference, Learner, Trained
from atmr_pipeline.models.dqn.noisy import noisy_layers
from atmr_pipeline.models.dqn.run_memory import memory_of, remember
from atmr_pipeline.models.dqn.settings import DqnSettings


def train(
    groups: Sequence[Group],
    network: nn.Module,
    settings: DqnSettings,
    *,
    evaluate: Callable[[nn.Module], float] | None = None,
    on_progress: Callable[[CurvePoint], None] | None = None,
    checkpoint: Path | None = None,
    checkpoint_every: int = 500,
    fingerprint: str = "",
    cpu_seconds: float | None = None,
    inference: Inference | None = None,
) -> Trained:
    """Learn to act in environments.

    Parameters
    ----------
    groups : sequence of Group
    network : nn.Module
        From ``Observation.inputs`` to (N, A), or (N, A, K) for c51 and qr; trained in place.
    settings : DqnSettings
    evaluate : callable, optional
        Scores the averaged network at each point of the curve; it must not draw from torch's own generator.
    on_progress : callable, optional
        Called with each point of the curve.
    checkpoint : Path, optional
        Where the run is kept. If the file is there, the run goes on from it and ends with the same weights, bit for
        bit, as if it had never stopped. It is left behind at the end.
    checkpoint_every : int
        Gradient steps between two checkpoints.
    fingerprint : str
        What else makes this run this run, such as its data; settings and shapes of the network always count.
    cpu_seconds : float, optional
        Stop after this much processor time instead of ``settings.gradient_steps``; schedules then follow the time. For
        comparisons at equal cost: such a run cannot be had again bit for bit.
    inference : callable, optional
        A faster way to ask the network where no gradient is needed.

    Raises
    ------
    ValueError
        If there is no group, or the settings and the network disagree on noise.
    ModelIntegrityError
        If the checkpoint belongs to another run, or cannot be read.
    """
    if not groups or any(group.share <= 0.0 for group in groups):
        raise ValueError("training needs a group of episodes, each with a positive share of the rounds")
    if settings.noisy != bool(noisy_layers(network)):
        raise ValueError("settings.noisy and the network's layers disagree: build it with NoisyLinear, or without")
    with one_thread(), seeded(settings.seed):
        learner = Learner(groups, network, settings, inference=inference, cpu_seconds=cpu_seconds)
        fingerprint = _whole_fingerprint(settings, network, fingerprint)
        if checkpoint is not None and checkpoint.is_file():
            remember(learner, *load_checkpoint(checkpoint, fingerprint=fingerprint))
        else:
            learner.warm_up()
        while not learner.finished:
            before = learner.step
            learner.round(evaluate, on_progress)
            if checkpoint is not None and before // checkpoint_every < learner.step // checkpoint_every:
                save_checkpoint(checkpoint, *memory_of(learner), fingerprint=fingerprint)
        return learner.result()


def _whole_fingerprint(settings: DqnSettings, network: nn.Module, more: str) -> str:
    shapes = [(name, tuple(value.shape)) for name, value in network.state_dict().items()]
    return hashlib.sha256(repr((sorted(asdict(settings).items()), shapes, more)).encode()).hexdigest()
