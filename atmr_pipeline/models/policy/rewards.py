"""What a day is worth: the cost of the simulator, or the company's own idea of a good day, by name.

A profile scores a finished day (:meth:`RewardProfile.day`) and each decision on the way there
(:meth:`RewardProfile.step`). Steps telescope: whatever is decided, their sum is the day's score.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Protocol

import numpy as np
import numpy.typing as npt

from atmr_pipeline.dispatch.problem import DayProblem
from atmr_pipeline.dispatch.simulator import DayOutcome
from atmr_pipeline.domain.errors import InvalidProblemError
from atmr_pipeline.models.policy.environment import REWARD_SCALE

IntArray = npt.NDArray[np.int64]

ON_TIME_SLACK_MIN = 1e-6
"""Rounding of arrival times: later than this is late."""


@dataclass(frozen=True)
class StepOutcome:
    """What one decision led to.

    Parameters
    ----------
    cost : float
        Increase of the day's cost.
    lateness_min : float or None
        max(0, arrival - scheduled); None where the booking is lost.
    is_outbound, is_urgent : bool
    deadhead_km : float
        Km to the pickup, 0 where the booking is lost.
    loads_before, loads_after : ndarray of int (D,)
        Bookings served by each driver on duty.
    """

    cost: float
    lateness_min: float | None
    is_outbound: bool
    is_urgent: bool
    deadhead_km: float
    loads_before: IntArray
    loads_after: IntArray


class RewardProfile(Protocol):
    """Scores days and decisions; higher is better."""

    @property
    def name(self) -> str:
        """How the profile is asked for."""

    def step(self, outcome: StepOutcome) -> float:
        """Reward of one decision."""

    def day(self, problem: DayProblem, outcome: DayOutcome) -> float:
        """Score of a finished day: the sum of its steps."""


@dataclass(frozen=True)
class CostReward:
    """Minus the cost of the day over ``scale``: what the policy is trained on."""

    scale: float = REWARD_SCALE
    """Cost units in one unit of reward."""

    @property
    def name(self) -> str:
        """``cost``."""
        return "cost"

    def step(self, outcome: StepOutcome) -> float:
        """Minus the increase of cost."""
        return -outcome.cost / self.scale

    def day(self, problem: DayProblem, outcome: DayOutcome) -> float:
        """Minus the total cost."""
        return -outcome.total / self.scale


@dataclass(frozen=True)
class CompanyReward:
    """The company's idea of a good day: punctual, near, and evenly shared.

    A served booking earns ``punctual`` in full while its driver is on time: an outbound leg not a minute late, a return
    leg at most ``return_full_min``. Past that an outbound leg earns nothing; a return leg falls in a straight line to
    nothing at ``return_nothing_min``. Each way to a pickup costs ``distance`` times ln(1 + km / ``distance_scale_km``):
    the first kilometres count most. At the end the mean absolute deviation of the loads from their mean, over drivers
    on duty, costs ``equity`` a booking; each step pays the change.

    Raises
    ------
    InvalidProblemError
        A weight is negative or not a number, a scale is not positive, or the return limits do not rise.
    """

    punctual: float = 1.0
    """Earned by a booking that is served on time."""
    urgent_factor: float = 2.0
    """An urgent booking earns and loses this many times as much."""
    return_full_min: float = 15.0
    """A return leg may be this late for the full amount."""
    return_nothing_min: float = 30.0
    """A return leg this late, or later, earns nothing."""
    lost: float = 5.0
    """Lost with a booking that nobody serves."""
    distance: float = 0.2
    """Of the logarithm of each empty way."""
    distance_scale_km: float = 1.0
    """Ways much shorter than this are nearly free."""
    equity: float = 0.5
    """Of each booking of mean absolute deviation of the loads."""

    def __post_init__(self) -> None:
        for field in fields(self):
            if not getattr(self, field.name) >= 0:
                raise InvalidProblemError(f"reward weight {field.name} must be a number >= 0")
        if self.distance_scale_km == 0 or not self.return_full_min < self.return_nothing_min:
            raise InvalidProblemError("distance_scale_km must be > 0 and return_full_min below return_nothing_min")

    @property
    def name(self) -> str:
        """``company``."""
        return "company"

    def punctuality(self, lateness_min: float, is_outbound: bool) -> float:
        """Share of the full amount, 0 to 1, for a booking served ``lateness_min`` late."""
        if is_outbound:
            return float(lateness_min <= ON_TIME_SLACK_MIN)
        falling = (self.return_nothing_min - lateness_min) / (self.return_nothing_min - self.return_full_min)
        return min(1.0, max(0.0, falling))

    def booking(self, lateness_min: float | None, is_outbound: bool, is_urgent: bool, deadhead_km: float) -> float:
        """What one booking earns, or loses; ``lateness_min`` None is a lost one."""
        factor = self.urgent_factor if is_urgent else 1.0
        if lateness_min is None:
            return -factor * self.lost
        earned = factor * self.punctual * self.punctuality(lateness_min, is_outbound)
        return earned - self.distance * float(np.log1p(deadhead_km / self.distance_scale_km))

    def unevenness(self, loads: IntArray) -> float:
        """Mean absolute deviation of the loads (D,), times its weight; 0 with nobody on duty."""
        return self.equity * float(np.abs(loads - loads.mean()).mean()) if loads.size else 0.0

    def step(self, outcome: StepOutcome) -> float:
        """The booking's own part and the change of unevenness."""
        own = self.booking(outcome.lateness_min, outcome.is_outbound, outcome.is_urgent, outcome.deadhead_km)
        return own + self.unevenness(outcome.loads_before) - self.unevenness(outcome.loads_after)

    def day(self, problem: DayProblem, outcome: DayOutcome) -> float:
        """Every booking's part, minus the unevenness of the day."""
        km = deadhead_km_by_booking(problem, outcome)
        total = -self.unevenness(outcome.loads)
        for booking in range(problem.n_bookings):
            lateness = float(outcome.lateness_min[booking]) if outcome.served[booking] else None
            outbound, urgent = bool(problem.is_outbound[booking]), bool(problem.is_urgent[booking])
            total += self.booking(lateness, outbound, urgent, float(km[booking]))
        return total


def deadhead_km_by_booking(problem: DayProblem, outcome: DayOutcome) -> npt.NDArray[np.float64]:
    """Km driven to each pickup (B,), 0 where the booking is lost; they add up to ``outcome.deadhead_km``."""
    km = np.zeros(problem.n_bookings)
    last: dict[int, int] = {}
    for booking in problem.service_order.tolist():
        driver = int(outcome.driver[booking])
        if driver < 0:
            continue
        came_from = last.get(driver)
        km[booking] = (
            problem.start_km[driver, booking] if came_from is None else problem.deadhead_km[came_from, booking]
        )
        last[driver] = booking
    return km


REWARD_PROFILES: dict[str, Callable[[], RewardProfile]] = {"cost": CostReward, "company": CompanyReward}
"""Profiles by name, with their default weights."""


def reward_profile(profile: str | RewardProfile) -> RewardProfile:
    """A profile by name, or the one given.

    Raises
    ------
    ValueError
        If no profile has this name.
    """
    if not isinstance(profile, str):
        return profile
    if profile not in REWARD_PROFILES:
        raise ValueError(f"unknown reward profile {profile!r}: choose one of {', '.join(REWARD_PROFILES)}")
    return REWARD_PROFILES[profile]()
