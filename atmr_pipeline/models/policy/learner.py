"""From days to a policy: the generic learner (:mod:`atmr_pipeline.models.dqn`) on the dispatcher's days.

What is particular to dispatch is here: which days are trained on, in groups of similar fleets; demonstrations by a
planner; the curve of mean costs of validation days. Same days, settings and seed give the same weights bit for bit on
the same CPU and library versions.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from atmr_pipeline.dispatch.problem import DayProblem
from atmr_pipeline.dispatch.simulator import CostWeights
from atmr_pipeline.domain.errors import NotEnoughDataError
from atmr_pipeline.models.dqn import learner as dqn
from atmr_pipeline.models.dqn import training as dqn_training
from atmr_pipeline.models.dqn.determinism import one_thread, seeded
from atmr_pipeline.models.dqn.distributions import Distribution, distribution_of
from atmr_pipeline.models.dqn.settings import DqnSettings as GenericSettings
from atmr_pipeline.models.policy.augmentation import AugmentationSettings, generated_days
from atmr_pipeline.models.policy.bank import DayBank, days_sha256
from atmr_pipeline.models.policy.demonstrations import DemonstrationLoss, DemonstrationSettings, demonstrate
from atmr_pipeline.models.policy.dispatch_environment import DispatchEnvironment, by_fleet_size
from atmr_pipeline.models.policy.feature_contract import Decision, feature_contract
from atmr_pipeline.models.policy.network import Architecture, QNetwork
from atmr_pipeline.models.policy.network_compiled import scorer
from atmr_pipeline.models.policy.search import beam_search, best_actions, plan_costs
from atmr_pipeline.models.policy.trust import Trust, most_trusted

FULL_BATCH_DRIVERS = 6
"""Groups of larger fleets learn from fewer decisions at once, so that every round costs about the same time."""
MIN_BATCH = 32
TRUST_BEAM_WIDTH = 8


@dataclass(frozen=True)
class PolicySettings(GenericSettings):
    """Every hyper-parameter of a dispatch policy: those of the learner, with other defaults, and those of the days."""

    gradient_steps: int = 1600
    """The budget; about a minute of one core for a year of days."""
    parallel_episodes: int = 128
    """Days that run at once; fewer for large fleets."""
    warmup_steps: int = 20
    batch_size: int = 192
    """Fewer for large fleets."""
    replay_capacity: int = 131_072
    discount: float = 1.0
    """Days are finite, so the future counts fully."""
    target_tau: float = 0.02
    epsilon: tuple[float, float] = (0.2, 0.03)
    epsilon_share: float = 0.6
    weight_decay: float = 1e-4
    gradient_clip: float = 5.0
    random_drop_share: float = 0.05
    """Share of random actions that drop the booking though a driver could come."""
    demonstrations: DemonstrationSettings = field(default_factory=DemonstrationSettings)
    """Who shows how it is done, and how much that counts."""
    generated_days: int = 2048
    """Training days drawn by augmentation, beside the real ones."""
    real_day_share: float = 0.3
    """Share of running days that are real ones."""
    augmentation: AugmentationSettings = field(default_factory=AugmentationSettings)
    """Sizes and fleets of the generated days."""
    architecture: Architecture = field(default_factory=Architecture)
    """Of the network."""
    validation_share: float = 0.1
    """The latest days, kept out of training: they draw the curve and choose how much is believed."""
    trust_days: int = 200
    """Days generated from the validation days for that choice: a few real days would choose by chance."""
    trust_beam_days: int = 120
    """Of them all, the first small ones, on which the trust in the value of states is chosen by a beam."""
    min_days: int = 30
    """Fewer days than this are refused."""
    weights: CostWeights = field(default_factory=CostWeights)
    """The cost that is learned."""


DqnSettings = PolicySettings


@dataclass(frozen=True)
class CurvePoint:
    """One logged moment of a training run."""

    step: int
    loss: float
    """Mean loss since the last point: of the temporal-difference error, plus the demonstrations' share."""
    mean_cost: float
    """Mean cost of a validation day under the averaged weights, no exploration."""
    epsilon: float
    budget: int | None
    """Gradient steps of the whole run; None if it is limited by processor time."""


Progress = Callable[[CurvePoint], None]
"""Called with each point of the curve as it is drawn."""


@dataclass(frozen=True)
class TrainedPolicy:
    """What training leaves: the averaged network, how it got there, and from what."""

    network: QNetwork
    settings: PolicySettings
    curve: tuple[CurvePoint, ...]
    trust: Trust
    """How much of what was learned is believed."""
    data_sha256: str
    n_training_days: int
    n_validation_days: int

    def summary(self) -> str:
        """One line for a person."""
        first, last = self.curve[0], self.curve[-1]
        return (
            f"{last.step:,} gradient steps on {self.n_training_days} days, mean cost of "
            f"{self.n_validation_days} validation days {first.mean_cost:.1f} -> {last.mean_cost:.1f}, "
            f"{self.trust.advantage:.0%} of the learned advantage and {self.trust.value:.0%} of the value believed"
        )


def train(
    problems: Sequence[DayProblem],
    settings: PolicySettings | None = None,
    *,
    on_progress: Progress | None = None,
    checkpoint: Path | None = None,
    checkpoint_every: int = 500,
    cpu_seconds: float | None = None,
    network: Callable[[PolicySettings], QNetwork] | None = None,
) -> TrainedPolicy:
    """Learn a dispatch policy from days in time order, of any mix of sizes.

    Parameters
    ----------
    problems : sequence of DayProblem
        Oldest first. Days without a driver or a booking teach nothing and are passed over.
    settings : PolicySettings, optional
    on_progress : callable, optional
        Called with every :class:`CurvePoint`.
    checkpoint : Path, optional
        Where the run is kept now and then. A run that was killed goes on from there and ends with the same weights, bit
        for bit. The file goes away when the run is done; name it after the data and settings, others are refused.
    checkpoint_every : int
        Gradient steps between two checkpoints.
    cpu_seconds : float, optional
        Stop after this much processor time, demonstrations included, instead of ``settings.gradient_steps``: for
        comparisons at equal cost. Such a run cannot be had again bit for bit.
    network : callable, optional
        Makes another network than ``QNetwork(settings.architecture)``.

    Raises
    ------
    NotEnoughDataError
        If fewer than ``settings.min_days`` days have a driver and a booking.
    ModelIntegrityError
        If the checkpoint belongs to a run with other days or settings, or cannot be read.
    """
    started_s = time.process_time()
    settings = settings or PolicySettings()
    days = [problem for problem in problems if problem.n_drivers and problem.n_bookings]
    if len(days) < settings.min_days:
        raise NotEnoughDataError("days with drivers and bookings", needs=settings.min_days, has=len(days))
    held = max(1, round(settings.validation_share * len(days)))
    training, validation = days[:-held], days[-held:]
    distribution = distribution_of(settings)
    with one_thread():
        groups = training_groups(training, settings)
        with seeded(settings.seed):
            made = QNetwork(settings.architecture) if network is None else network(settings)
        judge = MeanCost(validation, settings.weights, distribution)
        result = dqn_training.train(
            groups,
            made,
            settings,
            evaluate=judge,
            on_progress=None
            if on_progress is None
            else lambda point: on_progress(_point(point, settings, cpu_seconds)),
            checkpoint=checkpoint,
            checkpoint_every=checkpoint_every,
            fingerprint=f"{days_sha256(days)}/{feature_contract()['sha256']}",
            cpu_seconds=None if cpu_seconds is None else max(0.0, cpu_seconds - (time.process_time() - started_s)),
            inference=scorer,
        )
        learned = result.network
        assert isinstance(learned, QNetwork)
        learned, trust = _believed(learned, validation, settings)
    if checkpoint is not None:
        checkpoint.unlink(missing_ok=True)
    curve = tuple(_point(point, settings, cpu_seconds) for point in result.curve)
    return TrainedPolicy(learned, settings, curve, trust, days_sha256(days), len(training), len(validation))


def _believed(network: QNetwork, validation: Sequence[DayProblem], settings: PolicySettings) -> tuple[QNetwork, Trust]:
    rng = np.random.default_rng(settings.seed)
    days = [*validation, *generated_days(validation, settings.trust_days, settings.augmentation, rng)]
    judge = MeanCost(days, settings.weights, distribution_of(settings))
    if type(network) is not QNetwork or settings.distribution != "none":
        # Networks of comparisons have other heads: they are taken as they are.
        return network, Trust(1.0, 1.0)
    small = [day for day in days if day.n_bookings * day.n_drivers <= settings.demonstrations.exact_size]
    few = [DayBank.from_problems([day], settings.weights) for day in (small or days)[: settings.trust_beam_days]]

    def beam_costs(candidate: QNetwork) -> Tensor:
        return torch.stack([plan_costs(bank, beam_search(candidate, bank, TRUST_BEAM_WIDTH))[0] for bank in few])

    return most_trusted(network, judge.costs, beam_costs)


def training_groups(training: Sequence[DayProblem], settings: PolicySettings) -> list[dqn.Group]:
    """Real and generated days, in groups of similar fleets; each takes part in proportion to its days."""
    rng = np.random.default_rng(settings.seed)
    generated = generated_days(training, settings.generated_days, settings.augmentation, rng)
    every = [*training, *generated]
    return [
        _group([every[index] for index in rows], sum(index < len(training) for index in rows), settings)
        for rows in by_fleet_size(every)
    ]


def _group(days: list[DayProblem], n_real: int, settings: PolicySettings) -> dqn.Group:
    bank = DayBank.from_problems(days, settings.weights)
    shown = settings.demonstrations
    return dqn.Group(
        environment=DispatchEnvironment(bank, n_real, settings.real_day_share, settings.random_drop_share),
        episodes=_smaller(settings.parallel_episodes, bank.max_drivers),
        batch_size=_smaller(settings.batch_size, bank.max_drivers),
        share=float(len(days)),
        auxiliary=DemonstrationLoss(bank, demonstrate(bank, days, shown), shown, distribution_of(settings))
        if shown.wanted
        else None,
    )


def _smaller(count: int, drivers: int) -> int:
    return min(count, max(MIN_BATCH, count * FULL_BATCH_DRIVERS // drivers))


class MeanCost:
    """Mean cost of some days under a network, always taking the best action.

    Parameters
    ----------
    problems : sequence of DayProblem
        At least one.
    weights : CostWeights
    distribution : Distribution
        How the network describes returns.
    """

    def __init__(self, problems: Sequence[DayProblem], weights: CostWeights, distribution: Distribution) -> None:
        self.banks = [
            DayBank.from_problems([problems[index] for index in rows], weights) for rows in by_fleet_size(problems)
        ]
        self.distribution = distribution

    def __call__(self, network: nn.Module) -> float:
        """In cost units a day."""
        asked = network if type(network) is QNetwork else Valued(network, self.distribution)
        return float(self.costs(asked).mean())

    def costs(self, network: nn.Module) -> Tensor:
        """Of each day (n,), in an order of their own."""
        return torch.cat([best_actions(network, bank)[1] for bank in self.banks])


class Valued(nn.Module):
    """A network that says more than Q-values, reduced to them."""

    def __init__(self, network: nn.Module, distribution: Distribution) -> None:
        super().__init__()
        self.network, self.distribution = network, distribution

    def forward(self, decision: Decision) -> Tensor:
        return self.distribution.values(self.network(decision))


def _point(point: dqn.CurvePoint, settings: PolicySettings, cpu_seconds: float | None) -> CurvePoint:
    assert point.score is not None
    budget = settings.gradient_steps if cpu_seconds is None else None
    return CurvePoint(point.step, point.loss, point.score, point.epsilon, budget)
