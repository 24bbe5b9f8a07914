"""The DQN learner, from top to bottom.

Double (van Hasselt et al. 2016), dueling (Wang et al. 2016) deep Q-learning (Mnih et al. 2015) with prioritised replay
(Schaul et al. 2016), one-step targets, demonstrations (Hester et al. 2018), a softly updated target network and an
exponential average of the weights, which is what gets evaluated and saved. Many days run at once; each learning step
advances all of them by one decision and takes one gradient step. The budget is a number of gradient steps, not a time,
so that a result can be had again: same days, settings and seed give the same weights bit for bit on the same CPU and
library versions.
"""

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from atmr_pipeline.dispatch.problem import DayProblem
from atmr_pipeline.dispatch.simulator import CostWeights
from atmr_pipeline.domain.errors import NotEnoughDataError
from atmr_pipeline.models.policy.augmentation import AugmentationSettings, generated_days
from atmr_pipeline.models.policy.bank import DayBank, days_sha256
from atmr_pipeline.models.policy.demonstrations import Demonstrations, demonstrate, margin_loss
from atmr_pipeline.models.policy.environment import (
    REWARD_SCALE,
    DayState,
    advance,
    initial_state,
    is_over,
)
from atmr_pipeline.models.policy.features import decide
from atmr_pipeline.models.policy.network import Architecture, QNetwork, legal_only
from atmr_pipeline.models.policy.replay import Batch, PrioritisedReplay
from atmr_pipeline.models.policy.search import best_actions, one_thread


@dataclass(frozen=True)
class DqnSettings:
    """Every hyper-parameter of a training run."""

    seed: int = 0
    """Of the weights, the generated days, exploration and sampling."""
    gradient_steps: int = 1600
    """The budget; about a minute of one core for a year of days."""
    batch_size: int = 192
    """Transitions in a gradient step."""
    parallel_days: int = 128
    """Days that run at once; each learning step adds as many transitions."""
    warmup_steps: int = 20
    """Decisions in every running day before the first gradient step."""
    replay_capacity: int = 131_072
    """Transitions remembered."""
    priority_alpha: float = 0.5
    """How much the temporal-difference error counts in sampling."""
    priority_beta: tuple[float, float] = (0.4, 1.0)
    """Importance correction at the first and at the last gradient step."""
    learning_rate: float = 1e-3
    """Of AdamW at the start; falls to a twentieth along a half cosine."""
    weight_decay: float = 1e-4
    """Of AdamW."""
    gradient_clip: float = 5.0
    """Highest norm of a gradient."""
    demonstration_weight: float = 1.0
    """Of the margin loss on decisions of the local search; 0 learns from experience alone."""
    demonstration_batch: int = 128
    """Demonstrated decisions in a gradient step."""
    demonstration_margin: float = 0.2
    """By which a demonstrated action should beat the others, in reward units (0.2 is a cost of 4)."""
    target_tau: float = 0.02
    """Share of the online weights that enters the target network at each step."""
    ema_decay: float = 0.99
    """Of the average of weights that is evaluated and saved."""
    epsilon: tuple[float, float] = (0.2, 0.03)
    """Share of random actions at the start and after ``epsilon_share`` of the budget."""
    epsilon_share: float = 0.6
    """Part of the budget over which epsilon falls."""
    random_drop_share: float = 0.05
    """Share of random actions that drop the booking though a driver could come."""
    discount: float = 1.0
    """Days are finite, so the future counts fully."""
    generated_days: int = 2048
    """Training days drawn by augmentation, beside the real ones."""
    real_day_share: float = 0.3
    """Share of running days that are real ones."""
    augmentation: AugmentationSettings = field(default_factory=AugmentationSettings)
    """Sizes and fleets of the generated days."""
    architecture: Architecture = field(default_factory=Architecture)
    """Of the network."""
    validation_share: float = 0.1
    """The latest days, kept out of training; they draw the curve and choose nothing."""
    min_days: int = 30
    """Fewer days than this are refused."""
    log_every: int = 100
    """Gradient steps between two points of the curves."""
    weights: CostWeights = field(default_factory=CostWeights)
    """The cost that is learned."""


@dataclass(frozen=True)
class CurvePoint:
    """One logged moment of a training run."""

    step: int
    loss: float
    """Mean loss since the last point: Huber of the temporal-difference error, plus the demonstrations' share."""
    mean_cost: float
    """Mean cost of a validation day under the averaged weights, no exploration."""
    epsilon: float
    budget: int
    """Gradient steps of the whole run."""


Progress = Callable[[CurvePoint], None]
"""Called with each point of the curve as it is drawn."""


@dataclass(frozen=True)
class TrainedPolicy:
    """What training leaves: the averaged network, how it got there, and from what."""

    network: QNetwork
    settings: DqnSettings
    curve: tuple[CurvePoint, ...]
    data_sha256: str
    n_training_days: int
    n_validation_days: int

    def summary(self) -> str:
        """One line for a person."""
        first, last = self.curve[0], self.curve[-1]
        return (
            f"{self.settings.gradient_steps:,} gradient steps on {self.n_training_days} days, mean cost of "
            f"{self.n_validation_days} validation days {first.mean_cost:.1f} -> {last.mean_cost:.1f}"
        )


def train(
    problems: Sequence[DayProblem], settings: DqnSettings | None = None, *, on_progress: Progress | None = None
) -> TrainedPolicy:
    """Learn a dispatch policy from days in time order.

    Parameters
    ----------
    problems : sequence of DayProblem
        Oldest first. Days without a driver or a booking teach nothing and are passed over.
    settings : DqnSettings, optional
    on_progress : callable, optional
        Called with every :class:`CurvePoint`.

    Raises
    ------
    NotEnoughDataError
        If fewer than ``settings.min_days`` days have a driver and a booking.
    """
    settings = settings or DqnSettings()
    days = [problem for problem in problems if problem.n_drivers and problem.n_bookings]
    if len(days) < settings.min_days:
        raise NotEnoughDataError("days with drivers and bookings", needs=settings.min_days, has=len(days))
    held = max(1, round(settings.validation_share * len(days)))
    training, validation = days[:-held], days[-held:]
    with one_thread():
        run = _Run(training, validation, settings)
        curve = tuple(run.learn(on_progress))
    return TrainedPolicy(run.averaged, settings, curve, days_sha256(days), len(training), len(validation))


class _Run:
    """One training run: the days, the networks, the memory and the generator that draws everything."""

    def __init__(self, training: list[DayProblem], validation: list[DayProblem], settings: DqnSettings) -> None:
        rng = np.random.default_rng(settings.seed)
        generated = generated_days(training, settings.generated_days, settings.augmentation, rng)
        self.settings = settings
        self.n_real = len(training)
        self.bank = DayBank.from_problems([*training, *generated], settings.weights)
        self.demonstrations = demonstrate(self.bank, [*training, *generated]) if settings.demonstration_weight else None
        self.validation = DayBank.from_problems(validation, settings.weights)
        self.generator = torch.Generator().manual_seed(settings.seed)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(settings.seed)
            self.online = QNetwork(settings.architecture)
        self.target = copy.deepcopy(self.online).requires_grad_(False)
        self.averaged = copy.deepcopy(self.online).requires_grad_(False)
        self.optimizer = torch.optim.AdamW(
            self.online.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay, fused=True
        )
        self.replay = PrioritisedReplay(settings.replay_capacity, alpha=settings.priority_alpha)
        self.state = initial_state(self.bank, self._draw_days(settings.parallel_days))

    def learn(self, on_progress: Progress | None) -> Iterator[CurvePoint]:
        settings = self.settings
        for _ in range(settings.warmup_steps):
            self.act(settings.epsilon[0])
        losses: list[float] = []
        for step in range(1, settings.gradient_steps + 1):
            done = step / settings.gradient_steps
            epsilon = _between(settings.epsilon, min(1.0, done / settings.epsilon_share))
            self.act(epsilon)
            losses.append(self.gradient_step(done))
            if step % settings.log_every == 0 or step in (1, settings.gradient_steps):
                mean_cost = float(best_actions(self.averaged, self.validation)[1].mean())
                point = CurvePoint(step, float(np.mean(losses)), mean_cost, epsilon, settings.gradient_steps)
                losses.clear()
                if on_progress is not None:
                    on_progress(point)
                yield point

    @torch.no_grad()
    def act(self, epsilon: float) -> None:
        """One decision in every running day, remembered; days that end make room for new ones."""
        decision = decide(self.bank, self.state)
        legal = decision.choice.legal
        greedy = legal_only(self.online(decision), legal).argmax(1)
        action = torch.where(self._random(len(greedy)) < epsilon, self._random_legal(legal), greedy)
        after, cost = advance(self.bank, self.state, action, decision.choice)
        self.replay.add(self.state, action, -cost / REWARD_SCALE, after)
        over = is_over(self.bank, after)
        fresh = initial_state(self.bank, self._draw_days(len(over)))
        self.state = _where(over, fresh, after)

    def gradient_step(self, done: float) -> float:
        """One step of AdamW on prioritised transitions; ``done`` is the share of the budget. Returns the loss."""
        settings = self.settings
        beta = _between(settings.priority_beta, done)
        batch = self.replay.sample(settings.batch_size, beta=beta, generator=self.generator)
        goal = self.targets(batch)
        q = self.online(decide(self.bank, batch.state)).gather(1, batch.action[:, None])[:, 0]
        loss = (batch.weight * torch.nn.functional.smooth_l1_loss(q, goal, reduction="none")).mean()
        if self.demonstrations is not None:
            loss = loss + settings.demonstration_weight * self.demonstration_loss(self.demonstrations)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.online.parameters(), settings.gradient_clip)
        for group in self.optimizer.param_groups:
            group["lr"] = settings.learning_rate * (0.05 + 0.95 * 0.5 * (1.0 + np.cos(np.pi * done)))
        self.optimizer.step()
        self.replay.update(batch.slot, (q - goal).detach())
        _follow(self.target, self.online, settings.target_tau)
        _follow(self.averaged, self.online, 1.0 - settings.ema_decay)
        return float(loss.detach())

    def demonstration_loss(self, shown: Demonstrations) -> Tensor:
        """Large-margin loss of the online network on some demonstrated decisions."""
        rows = torch.randint(len(shown.action), (self.settings.demonstration_batch,), generator=self.generator)
        decision = decide(self.bank, shown.state.take(rows))
        q = legal_only(self.online(decision), decision.choice.legal)
        return margin_loss(q, shown.action[rows], self.settings.demonstration_margin)

    @torch.no_grad()
    def targets(self, batch: Batch) -> Tensor:
        """Reward plus the target network's value of the action that the online network would take next."""
        after = decide(self.bank, batch.after)
        chosen = legal_only(self.online(after), after.choice.legal).argmax(1, keepdim=True)
        future = self.target(after).gather(1, chosen)[:, 0]
        over = is_over(self.bank, batch.after)
        return batch.reward + self.settings.discount * torch.where(over, 0.0, future)

    def _draw_days(self, count: int) -> Tensor:
        """Rows of the bank: real days first in it, generated ones after."""
        real = torch.randint(self.n_real, (count,), generator=self.generator)
        other = torch.randint(self.bank.n_days, (count,), generator=self.generator)
        return torch.where(self._random(count) < self.settings.real_day_share, real, other)

    def _random_legal(self, legal: Tensor) -> Tensor:
        """A driver who can come, each as likely; now and then, or where there is none, a drop."""
        weight = legal.to(torch.float32)
        drop = self._random(len(legal)) < self.settings.random_drop_share
        only_drop = drop | ~legal[:, :-1].any(1)
        weight[:, :-1] *= ~only_drop[:, None]
        weight[:, -1] = only_drop.to(torch.float32)
        return torch.multinomial(weight, 1, generator=self.generator)[:, 0]

    def _random(self, count: int) -> Tensor:
        return torch.rand(count, generator=self.generator)


def _between(ends: tuple[float, float], share: float) -> float:
    return ends[0] + (ends[1] - ends[0]) * share


def _follow(follower: QNetwork, leader: QNetwork, share: float) -> None:
    with torch.no_grad():
        for mine, theirs in zip(follower.parameters(), leader.parameters(), strict=True):
            mine.lerp_(theirs, share)


def _where(condition: Tensor, chosen: DayState, other: DayState) -> DayState:
    each = condition[:, None]
    return DayState(
        day=torch.where(condition, chosen.day, other.day),
        step=torch.where(condition, chosen.step, other.step),
        free_min=torch.where(each, chosen.free_min, other.free_min),
        position=torch.where(each, chosen.position, other.position),
        load=torch.where(each, chosen.load, other.load),
    )
