"""Every knob of the learner in one place, each with a line that says what it does."""

import math
from dataclasses import dataclass
from typing import Literal

DistributionName = Literal["none", "c51", "qr"]


@dataclass(frozen=True)
class DqnSettings:
    """Hyper-parameters of a training run; every part of the algorithm can be switched off on its own."""

    seed: int = 0
    """Of exploration and sampling; the caller seeds the network's first weights (``determinism.seeded``)."""
    gradient_steps: int = 10_000
    """The budget. A number of steps, not a time, so that a result can be had again."""
    parallel_episodes: int = 8
    """Episodes that run at once."""
    acts_per_round: int = 1
    """Times that every running episode is advanced by one action before gradients are taken."""
    gradients_per_round: int = 1
    """Gradient steps after that."""
    warmup_steps: int = 100
    """Actions in every running episode before the first gradient step."""
    batch_size: int = 128
    """Transitions in a gradient step."""
    replay_capacity: int = 100_000
    """Transitions remembered, over all groups together."""
    double: bool = True
    """The online network chooses the next action, the target network values it; off: the target network does both."""
    prioritised: bool = True
    """Transitions with large errors are sampled more often; off: all are as likely."""
    priority_alpha: float = 0.6
    """How much the error counts in sampling: 0 not at all, 1 in proportion."""
    priority_beta: tuple[float, float] = (0.4, 1.0)
    """Importance correction at the first and at the last gradient step."""
    n_step: int = 1
    """Rewards that enter a target before the network's estimate of the rest; not corrected for exploration."""
    noisy: bool = False
    """Explore by noise on the weights; the network must be built with ``NoisyLinear`` layers. Set ``epsilon`` to 0."""
    distribution: DistributionName = "none"
    """What the network says of a return: its mean, a histogram on fixed atoms (c51), or its quantiles (qr)."""
    atoms: int = 51
    """Of c51."""
    v_min: float = -10.0
    """Lowest atom of c51, in reward units; a smaller return counts as this."""
    v_max: float = 10.0
    """Highest atom of c51."""
    quantiles: int = 32
    """Of qr."""
    discount: float = 0.99
    """What a reward is worth one step later."""
    target_tau: float = 0.01
    """Share of the online weights that enters the target network at each step; 1 is no target network."""
    ema_decay: float = 0.99
    """Of the average of weights that is evaluated and kept; 0 keeps the last weights."""
    epsilon: tuple[float, float] = (1.0, 0.05)
    """Share of random actions at the start and after ``epsilon_share`` of the budget."""
    epsilon_share: float = 0.5
    """Part of the budget over which epsilon falls."""
    learning_rate: float = 1e-3
    """Of AdamW at the start; falls along a half cosine."""
    learning_rate_end: float = 0.05
    """What is left of it at the end, as a share."""
    weight_decay: float = 0.0
    """Of AdamW."""
    gradient_clip: float = 10.0
    """Highest norm of a gradient."""
    log_every: int = 100
    """Gradient steps between two points of the curve."""

    def __post_init__(self) -> None:
        counts = (
            "gradient_steps", "parallel_episodes", "acts_per_round", "gradients_per_round", "warmup_steps",
            "batch_size", "replay_capacity", "n_step", "quantiles", "log_every",
        )  # fmt: skip
        for name in counts:
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        shares = ("priority_alpha", "discount", "target_tau", "ema_decay", "epsilon_share", "learning_rate_end")
        for name in (*shares, "priority_beta", "epsilon"):
            value = getattr(self, name)
            if not all(0.0 <= each <= 1.0 for each in (value if isinstance(value, tuple) else (value,))):
                raise ValueError(f"{name} must be within 0 and 1, got {value}")
        if self.learning_rate <= 0.0 or self.gradient_clip <= 0.0 or self.weight_decay < 0.0:
            raise ValueError("learning_rate and gradient_clip must be positive, weight_decay not negative")
        if self.distribution not in ("none", "c51", "qr"):
            raise ValueError(f"distribution must be none, c51 or qr, got {self.distribution!r}")
        if self.atoms < 2 or self.v_min >= self.v_max:
            raise ValueError("c51 needs two atoms or more and v_min below v_max")
        if self.warmup_steps < self.n_step:
            raise ValueError("warmup_steps must be at least n_step: there would be nothing to learn from")

    def epsilon_at(self, done: float) -> float:
        """Share of random actions when ``done`` (0 to 1) of the budget is spent."""
        return between(self.epsilon, 1.0 if self.epsilon_share == 0.0 else min(1.0, done / self.epsilon_share))

    def beta_at(self, done: float) -> float:
        """Importance correction when ``done`` of the budget is spent."""
        return between(self.priority_beta, done)

    def learning_rate_at(self, done: float) -> float:
        """Learning rate when ``done`` of the budget is spent."""
        falling = 0.5 * (1.0 + math.cos(math.pi * min(1.0, done)))
        return self.learning_rate * (self.learning_rate_end + (1.0 - self.learning_rate_end) * falling)

    @property
    def outputs(self) -> int | None:
        """Numbers that the network says of each action: atoms or quantiles; None for a single value."""
        return {"none": None, "c51": self.atoms, "qr": self.quantiles}[self.distribution]

    @property
    def environment_steps(self) -> int:
        """Actions that a run of one group takes in its environment, all parallel episodes together."""
        rounds = -(-self.gradient_steps // self.gradients_per_round)
        return self.parallel_episodes * (self.warmup_steps + rounds * self.acts_per_round)


def between(ends: tuple[float, float], share: float) -> float:
    """The number that lies ``share`` of the way from the first end to the second."""
    return ends[0] * (1.0 - share) + ends[1] * share
