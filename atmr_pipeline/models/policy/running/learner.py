"""Training the residual: policy iteration on lived days.

Each round, days are lived with the policy so far, and every candidate of every decision is followed to the end of the
day under the same chance. That is the action value of the policy so far, sampled without bootstrapping; the network
is fitted to what the search got wrong about it. The differences between the candidates of one decision are what
counts, and common random numbers make them much less noisy than one-step targets. What remains is mostly chance, so
only as much of the residual is kept as is sure to help on held-out days: none of it, if need be.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from atmr_pipeline.dispatch.problem import DayProblem
from atmr_pipeline.dispatch.running.features import COST_SCALE
from atmr_pipeline.dispatch.running.methods import ROUNDS
from atmr_pipeline.dispatch.running.noise import Noise
from atmr_pipeline.dispatch.running.residual import ResidualWeights, no_residual
from atmr_pipeline.dispatch.weights import CostWeights
from atmr_pipeline.domain.errors import NotEnoughDataError
from atmr_pipeline.models.dqn.determinism import one_thread
from atmr_pipeline.models.policy.running.lessons import Lessons, collect
from atmr_pipeline.models.policy.running.network import ResidualNetwork

SHARES = (0.5, 1.0)
"""Of the residual that may be kept."""


@dataclass(frozen=True)
class RunningSettings:
    """Settings of a training run.

    Parameters
    ----------
    seed : int
        Of everything that is drawn. The same seed gives the same network on one machine.
    iterations : int
        Rounds of living days and fitting; each fit uses the days of all rounds so far.
    lives_per_day : int
        How often every training day is lived in a round, with fresh noise.
    hidden : int
    steps, batch_size : int
        Of each fit.
    learning_rate, weight_decay : float
    explore_share : float
        Of decisions after which a day goes on with any candidate.
    clip : float
        Largest error of the search that is learned from, in units of 20 cost units.
    noise, weights : Noise, CostWeights
        The uncertainty and the cost that are trained for.
    cpu_seconds : float, optional
        Stop living days after so much time of the process. For benchmarks: the result depends on the machine.
    """

    seed: int = 0
    iterations: int = 1
    lives_per_day: int = 4
    hidden: int = 32
    steps: int = 3000
    batch_size: int = 256
    learning_rate: float = 1e-3
    weight_decay: float = 0.1
    explore_share: float = 0.15
    clip: float = 8.0
    noise: Noise = field(default_factory=Noise)
    weights: CostWeights = field(default_factory=CostWeights)
    cpu_seconds: float | None = None


@dataclass(frozen=True)
class TrainedResidual:
    """A finished training run.

    Parameters
    ----------
    network : ResidualNetwork
    settings : RunningSettings
    n_training_days, n_decisions : int
    explained : tuple of float
        After each round, the share of the search's error that the network explains on held-out days; the rest is
        mostly chance.
    kept_share : float
        Of the last round's residual; 0 where it did not help on held-out days, and the policy is the search alone.
    held_out_gain : float
        Cost units that following the residual in one decision, and the search after, saved on held-out days; mean.
    """

    network: ResidualNetwork
    settings: RunningSettings
    n_training_days: int
    n_decisions: int
    explained: tuple[float, ...]
    kept_share: float
    held_out_gain: float


def train(
    problems: Sequence[DayProblem],
    settings: RunningSettings | None = None,
    *,
    on_progress: Callable[[int, int], None] | None = None,
) -> TrainedResidual:
    """Train a residual network.

    Parameters
    ----------
    problems : sequence of DayProblem
        Training days, at least two; every tenth is held out to judge what was learned.
    settings : RunningSettings, optional
    on_progress : callable, optional
        Called with the number of days lived so far and of those to live.

    Returns
    -------
    TrainedResidual

    Raises
    ------
    NotEnoughDataError
        Fewer than two days, no decision with two candidates, or no time to live a day that is held out.
    """
    settings = settings or RunningSettings()
    if len(problems) < 2:
        raise NotEnoughDataError("training days", needs=2, has=len(problems))
    rng = np.random.default_rng(settings.seed)
    held_out = np.arange(len(problems)) % 10 == 1
    parts: list[Lessons] = []
    validation: list[Lessons] = []
    explained: list[float] = []
    kept_share, gain = 0.0, 0.0
    network = ResidualNetwork(settings.hidden)
    if settings.cpu_seconds:
        # Compiling, on a machine that has not done it yet, is not training.
        _live(problems[0], settings, np.random.default_rng(0), no_residual())
    began, todo, done = time.process_time(), settings.iterations * settings.lives_per_day * len(problems), 0
    for iteration in range(settings.iterations):
        net = network.exported() if iteration else no_residual()
        for index in np.tile(rng.permutation(len(problems)), settings.lives_per_day):
            share_of_time = (iteration + 1) / settings.iterations
            if settings.cpu_seconds and time.process_time() - began > share_of_time * settings.cpu_seconds:
                break
            lessons = _live(problems[index], settings, rng, net)
            (validation if held_out[index] else parts).append(lessons)
            done += 1
            if on_progress is not None:
                on_progress(done, todo)
        if not parts or not validation:
            raise NotEnoughDataError("lived days, one of them held out", needs=2, has=done)
        with one_thread():
            network = _fit(Lessons.joined(parts), settings, iteration)
            explained.append(_explained(network, Lessons.joined(validation)))
            kept_share, gain = _keep_what_helps(network, Lessons.joined(validation))
    decisions = sum(len(part.rows) for part in parts)
    return TrainedResidual(network, settings, len(problems), decisions, tuple(explained), kept_share, gain)


def _live(problem: DayProblem, settings: RunningSettings, rng: np.random.Generator, net: ResidualWeights) -> Lessons:
    return collect(
        problem, settings.noise, settings.weights, rng, net=net, rounds=ROUNDS, explore_share=settings.explore_share
    )


def _fit(lessons: Lessons, settings: RunningSettings, iteration: int) -> ResidualNetwork:
    if len(lessons.rows) == 0:
        raise NotEnoughDataError("decisions with two candidates", needs=1, has=0)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed * 1000 + iteration)
        network = ResidualNetwork(settings.hidden)
        optimizer = torch.optim.AdamW(
            network.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay
        )
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, settings.steps)
        rows, is_candidate, target = _tensors(lessons, settings.clip)
        for _ in range(settings.steps):
            batch = torch.randint(len(rows), (settings.batch_size,))
            error = _centred(network(rows[batch], is_candidate[batch]), is_candidate[batch]) - target[batch]
            loss = (error.square() * is_candidate[batch]).sum(1).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return network


@torch.no_grad()
def _explained(network: ResidualNetwork, lessons: Lessons) -> float:
    rows, is_candidate, target = _tensors(lessons, np.inf)
    error = _centred(network(rows, is_candidate), is_candidate) - target
    return float(1.0 - error.square().sum() / target.square().sum().clamp(min=1e-12))


@torch.no_grad()
def _keep_what_helps(network: ResidualNetwork, lessons: Lessons) -> tuple[float, float]:
    """Scale the network by the share that lowers the lived cost most, by over two standard errors; share and gain."""
    rows, is_candidate, _ = _tensors(lessons, np.inf)
    told = network(rows, is_candidate).numpy()
    every = np.arange(len(told))

    def lived(share: float) -> npt.NDArray[np.float32]:
        chosen = np.where(lessons.is_candidate, lessons.prior + share * told, np.inf).argmin(1)
        return COST_SCALE * lessons.lived[every, chosen]

    best, best_gain = 0.0, 0.0
    for share in SHARES:
        gains = lived(0.0) - lived(share)
        if gains.size > 1 and gains.mean() > max(best_gain, 2.0 * gains.std() / np.sqrt(gains.size)):
            best, best_gain = share, float(gains.mean())
    network.last.weight.mul_(best)
    return best, best_gain


def _tensors(lessons: Lessons, clip: float) -> tuple[Tensor, Tensor, Tensor]:
    target = np.clip(lessons.residual(), -clip, clip)
    return torch.from_numpy(lessons.rows), torch.from_numpy(lessons.is_candidate), torch.from_numpy(target)


def _centred(values: Tensor, is_candidate: Tensor) -> Tensor:
    mean = (values * is_candidate).sum(1, keepdim=True) / is_candidate.sum(1, keepdim=True).clamp(min=1)
    return torch.where(is_candidate, values - mean, 0.0)
