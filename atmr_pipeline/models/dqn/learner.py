"""Deep Q-learning, from top to bottom.

Q-learning with a network, replay and a target network (Mnih et al. 2015); double (van Hasselt et al. 2016),
prioritised (Schaul et al. 2016), n-step, noisy (Fortunato et al. 2018) and distributional (Bellemare et al. 2017,
Dabney et al. 2018) as the settings say; dueling (Wang et al. 2016) is the network's matter. The target follows softly,
and an exponential average of the weights is what gets evaluated and returned.

The learner knows nothing of what it plays. Several groups of episodes may run side by side, each with its own
environment and replay: tensors of one group have the same shapes, those of another may have others, the network is the
same.
"""

import copy
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from atmr_pipeline.models.dqn.distributions import Goal, Output, distribution_of
from atmr_pipeline.models.dqn.environment import Auxiliary, BatchedEnvironment, Observation, State, part
from atmr_pipeline.models.dqn.n_step import NStep
from atmr_pipeline.models.dqn.networks import Follower, masked
from atmr_pipeline.models.dqn.noisy import draw_noise, noisy_layers
from atmr_pipeline.models.dqn.replay import PrioritisedReplay, Sample
from atmr_pipeline.models.dqn.settings import DqnSettings


@dataclass(frozen=True)
class Group:
    """Episodes of one environment, learned from together.

    Parameters
    ----------
    environment : BatchedEnvironment
    episodes : int, optional
        That run at once; None for ``settings.parallel_episodes``.
    batch_size : int, optional
        Transitions in a gradient step; None for ``settings.batch_size``.
    share : float
        How many of the rounds are this group's, relative to the other groups.
    auxiliary : callable, optional
        A further loss of each gradient step.
    """

    environment: BatchedEnvironment
    episodes: int | None = None
    batch_size: int | None = None
    share: float = 1.0
    auxiliary: Auxiliary | None = None


@dataclass(frozen=True)
class CurvePoint:
    """One logged moment of a training run."""

    step: int
    """Gradient steps so far."""
    loss: float
    """Mean loss since the last point, the auxiliary one included."""
    score: float | None
    """What ``evaluate`` said of the averaged network; None where nobody asked."""
    epsilon: float
    environment_steps: int
    """Actions taken so far, all episodes together."""


@dataclass(frozen=True)
class Trained:
    """What a run leaves."""

    network: nn.Module
    """With the averaged weights, in evaluation mode."""
    curve: tuple[CurvePoint, ...]
    gradient_steps: int
    environment_steps: int


Ask = Callable[[Any], Output]
Inference = Callable[[nn.Module], Ask]
"""Makes, from a network as it is now, a faster function with the same answers and no gradient."""


@dataclass
class Running:
    """A group at work: its present states, what waits for n steps, and what it remembers."""

    group: Group
    batch_size: int
    state: State
    n_step: NStep
    replay: PrioritisedReplay


class Learner:
    """One training run: the networks, the memory, and the generator that draws everything.

    :func:`atmr_pipeline.models.dqn.training.train` runs it; the methods are the algorithm, piece by piece.
    """

    def __init__(
        self,
        groups: Sequence[Group],
        network: nn.Module,
        settings: DqnSettings,
        *,
        inference: Inference | None = None,
        cpu_seconds: float | None = None,
    ) -> None:
        self.settings, self.cpu_seconds = settings, cpu_seconds
        self.inference: Inference = inference or (lambda asked: asked)
        self.distribution = distribution_of(settings)
        self.generator = torch.Generator().manual_seed(settings.seed)
        self.online = network.train()
        self.target = copy.deepcopy(network).requires_grad_(False)
        self.averaged = copy.deepcopy(network).requires_grad_(False).eval()
        self.target_follower = Follower(self.target, self.online)
        self.averaged_follower = Follower(self.averaged, self.online)
        self.online_noise, self.target_noise = noisy_layers(self.online), noisy_layers(self.target)
        self.optimizer = torch.optim.AdamW(
            network.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay, fused=True
        )
        self.running = [self._begin(group, len(groups)) for group in groups]
        self.shares = torch.tensor([group.share for group in groups])
        self.step, self.environment_steps = 0, 0
        self.curve: list[CurvePoint] = []
        self.losses: list[float] = []
        self.finished = False
        self.spent_s, self.started_s = 0.0, time.process_time()

    def _begin(self, group: Group, n_groups: int) -> Running:
        settings = self.settings
        episodes = group.episodes or settings.parallel_episodes
        return Running(
            group,
            group.batch_size or settings.batch_size,
            group.environment.reset(episodes, self.generator),
            NStep(settings.n_step, settings.discount),
            PrioritisedReplay(
                max(episodes, settings.replay_capacity // n_groups),
                alpha=settings.priority_alpha if settings.prioritised else 0.0,
            ),
        )

    def warm_up(self) -> None:
        """Fill the memory before the first gradient step."""
        for running in self.running:
            for _ in range(self.settings.warmup_steps):
                self.act(running, self.settings.epsilon_at(0.0))

    def round(
        self,
        evaluate: Callable[[nn.Module], float] | None = None,
        on_progress: Callable[[CurvePoint], None] | None = None,
    ) -> None:
        """Some actions and some gradient steps of one group; groups take turns at random, by their shares."""
        running = self.running[0]
        if len(self.running) > 1:
            running = self.running[int(torch.multinomial(self.shares, 1, generator=self.generator))]
        epsilon = self.settings.epsilon_at(self.share_done())
        for _ in range(self.settings.acts_per_round):
            self.act(running, epsilon)
        for _ in range(self.settings.gradients_per_round):
            self.losses.append(self.gradient_step(running))
            self.finished = self.is_budget_spent()
            if self.step == 1 or self.step % self.settings.log_every == 0 or self.finished:
                self._log(epsilon, evaluate, on_progress)
            if self.finished:
                return

    @torch.no_grad()
    def act(self, running: Running, epsilon: float) -> None:
        """One action in every episode of a group, remembered; episodes that end make room for new ones."""
        environment = running.group.environment
        seen = environment.observe(running.state)
        draw_noise(self.online_noise, self.generator)
        values = self.distribution.values(self.inference(self.online)(seen.inputs))
        greedy = masked(values, seen.legal).argmax(1)
        random = torch.rand(len(greedy), generator=self.generator) < epsilon
        action = torch.where(random, self.random_action(seen), greedy)
        outcome = environment.step(running.state, action, seen)
        for transitions in running.n_step.push(running.state, action, outcome):
            running.replay.add(transitions)
        running.state = environment.restart(outcome.after, outcome.over | outcome.truncated, self.generator)
        self.environment_steps += len(action)

    def random_action(self, seen: Observation) -> Tensor:
        """A legal action (N,), as likely as the environment says."""
        weight = seen.legal.to(torch.float32) if seen.explore is None else seen.explore
        return torch.multinomial(weight, 1, generator=self.generator)[:, 0]

    def gradient_step(self, running: Running) -> float:
        """One step of AdamW on remembered transitions; returns the loss."""
        settings, done = self.settings, self.share_done()
        self.step += 1
        beta = settings.beta_at(done) if settings.prioritised else 0.0
        batch = running.replay.sample(running.batch_size, beta=beta, generator=self.generator)
        goal = self.goal(running.group.environment, batch)
        seen = running.group.environment.observe(part(batch.values, "before"))
        draw_noise(self.online_noise, self.generator)
        losses, error = self.distribution.loss(self.online(seen.inputs), batch.values["action"], goal)
        loss = (batch.weight * losses).mean()
        if running.group.auxiliary is not None:
            loss = loss + running.group.auxiliary(self.online, self.generator)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.online.parameters(), settings.gradient_clip)
        for parameters in self.optimizer.param_groups:
            parameters["lr"] = settings.learning_rate_at(done)
        self.optimizer.step()
        running.replay.update(batch.slot, error)
        self.target_follower.move(settings.target_tau)
        self.averaged_follower.move(1.0 - settings.ema_decay)
        return float(loss.detach())

    @torch.no_grad()
    def goal(self, environment: BatchedEnvironment, batch: Sample) -> Goal:
        """What the online network should say of the batch: rewards, and the target network's view of the rest."""
        seen = environment.observe(part(batch.values, "after"))
        draw_noise(self.target_noise, self.generator)
        after = self.inference(self.target)(seen.inputs)
        chooser = after
        if self.settings.double:
            draw_noise(self.online_noise, self.generator)
            chooser = self.inference(self.online)(seen.inputs)
        chosen = masked(self.distribution.values(chooser), seen.legal).argmax(1)
        return self.distribution.goal(after, chosen, batch.values["reward"], batch.values["bootstrap"])

    def share_done(self) -> float:
        """Part of the budget that is spent, 0 to 1."""
        if self.cpu_seconds is None:
            return min(1.0, self.step / self.settings.gradient_steps)
        return min(1.0, self.cpu_s() / max(self.cpu_seconds, 1e-9))

    def is_budget_spent(self) -> bool:
        """Whether it is time to stop; with a limit on time, never before the first step."""
        if self.cpu_seconds is None:
            return self.step >= self.settings.gradient_steps
        return self.step > 0 and self.cpu_s() >= self.cpu_seconds

    def result(self) -> Trained:
        """What there is at the end."""
        return Trained(self.averaged, tuple(self.curve), self.step, self.environment_steps)

    def cpu_s(self) -> float:
        """Processor time of the whole run, before and after kills."""
        return self.spent_s + time.process_time() - self.started_s

    def _log(
        self,
        epsilon: float,
        evaluate: Callable[[nn.Module], float] | None,
        on_progress: Callable[[CurvePoint], None] | None,
    ) -> None:
        score = None if evaluate is None else float(evaluate(self.averaged))
        point = CurvePoint(self.step, float(np.mean(self.losses)), score, epsilon, self.environment_steps)
        self.losses.clear()
        self.curve.append(point)
        if on_progress is not None:
            on_progress(point)
