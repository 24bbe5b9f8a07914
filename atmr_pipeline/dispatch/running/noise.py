"""What chance does to a day: durations, patients who do not come, cancellations, bookings that come in late.

A :class:`Realisation` is drawn once for a day and is the same for every method that is compared on it (common random
numbers): the factor of a way does not depend on who drives it or when.
"""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from atmr_pipeline.dispatch.problem import DayProblem

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

DECISION_LEAD_MIN = 30.0
"""A booking is given to a driver, for good, this long before its scheduled time."""

RECOURSE_MIN = 45.0
"""A search that reckons with chance takes the variance of a service this far ahead at 1/e: it will be planned again
before (tuned on made-up days; 20 to 120 differ little)."""

AS_EXPECTED = np.array([0.0, 0.0, np.inf])
"""Beliefs of a search for which everything takes as long as planned: sigma of ways and of services, and the above."""


@dataclass(frozen=True)
class Noise:
    """How uncertain the days are.

    Parameters
    ----------
    travel_sigma : float
        Of the lognormal factor, mean 1, of every way: to pickups and with the patient.
    service_sigma : float
        Of the lognormal factor, mean 1, of every boarding and alighting.
    no_show_share : float
        Share of bookings whose patient is not there.
    no_show_wait_min : float
        How long a driver waits for a patient who does not come.
    cancelled_share : float
        Share of bookings that are cancelled.
    cancelled_lead_min : (float, float)
        How long before the scheduled time, uniform. Later than the decision it would be a no-show.
    revealed_share : float
        Share of bookings that nobody knows of when the day starts.
    revealed_lead_min : (float, float)
        How long before the scheduled time they come in, uniform.
    decision_lead_min : float
        When a booking is decided, before its scheduled time; ``inf`` decides everything when the day starts.

    Raises
    ------
    ValueError
        A share outside 0 to 1, a negative number, or something that would be known only after the decision.
    """

    travel_sigma: float = 0.3
    service_sigma: float = 0.0
    no_show_share: float = 0.0
    no_show_wait_min: float = 10.0
    cancelled_share: float = 0.0
    cancelled_lead_min: tuple[float, float] = (30.0, 240.0)
    revealed_share: float = 0.15
    revealed_lead_min: tuple[float, float] = (30.0, 60.0)
    decision_lead_min: float = DECISION_LEAD_MIN

    def __post_init__(self) -> None:
        for name in ("no_show_share", "cancelled_share", "revealed_share"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ValueError(f"{name} must be between 0 and 1")
        if not self.decision_lead_min < np.inf and self.revealed_share + self.cancelled_share > 0.0:
            raise ValueError("with decision_lead_min inf nothing may be revealed or cancelled during the day")
        for name in ("travel_sigma", "service_sigma", "no_show_wait_min", "decision_lead_min"):
            if not getattr(self, name) >= 0.0:
                raise ValueError(f"{name} must be a number >= 0")
        for share, lead in (("cancelled_share", "cancelled_lead_min"), ("revealed_share", "revealed_lead_min")):
            earliest, latest = min(getattr(self, lead)), max(getattr(self, lead))
            if (earliest, latest) != getattr(self, lead) or not np.isfinite(latest):
                raise ValueError(f"{lead} must be two finite numbers in increasing order")
            if getattr(self, share) > 0.0 and earliest < self.decision_lead_min:
                raise ValueError(f"{lead} must not begin below decision_lead_min: nobody decides on what is not known")

    def terms(self) -> FloatArray:
        """(2,): decision lead and no-show wait, minutes, for compiled code."""
        return np.array([self.decision_lead_min, self.no_show_wait_min])

    def beliefs(self) -> FloatArray:
        """(3,): what a dispatcher who reckons with chance believes; see :data:`AS_EXPECTED` for one who does not."""
        return np.array([self.travel_sigma, self.service_sigma, RECOURSE_MIN])


CERTAIN = Noise(travel_sigma=0.0, revealed_share=0.0, decision_lead_min=float("inf"))
"""Nothing is uncertain and everything is decided when the day starts: the day of the planners."""

ROUGH = Noise(service_sigma=0.3, no_show_share=0.02, cancelled_share=0.05)
"""Everything that can happen does."""


class Realisation(NamedTuple):
    """What one day turns out to be. D drivers, B bookings in service order.

    Minutes after local midnight; ``-inf`` is known when the day starts, ``inf`` never happens.
    """

    travel_min: FloatArray
    """(D + B, B): to each pickup, from each driver's start point, then from each drop-off."""
    boarding_min: FloatArray
    ride_min: FloatArray
    alighting_min: FloatArray
    revealed_min: FloatArray
    """(B,): when the booking comes in."""
    cancelled_min: FloatArray
    """(B,): when it is cancelled."""
    is_no_show: BoolArray
    """(B,): the patient will not be there; known once the driver has waited."""


def draw(problem: DayProblem, noise: Noise, rng: np.random.Generator) -> Realisation:
    """One realisation of a day.

    The same numbers are drawn whatever the settings are, so days under different settings can be compared.
    """
    order, n_drivers, n_bookings = problem.service_order, problem.n_drivers, problem.n_bookings
    travel = np.concatenate([problem.start_min[:, order], problem.deadhead_min[np.ix_(order, order)]])
    travel_factor = _lognormal(rng, noise.travel_sigma, (n_drivers + n_bookings, n_bookings))
    ride_factor = _lognormal(rng, noise.travel_sigma, (n_bookings,))
    boarding_factor = _lognormal(rng, noise.service_sigma, (n_bookings,))
    alighting_factor = _lognormal(rng, noise.service_sigma, (n_bookings,))
    scheduled = problem.scheduled_min[order]
    late_in = rng.random(n_bookings) < noise.revealed_share
    revealed = scheduled - rng.uniform(*noise.revealed_lead_min, n_bookings)
    cancelled = rng.random(n_bookings) < noise.cancelled_share
    cancelled_min = scheduled - rng.uniform(*noise.cancelled_lead_min, n_bookings)
    return Realisation(
        travel_min=travel * travel_factor,
        boarding_min=problem.pickup_service_min[order] * boarding_factor,
        ride_min=problem.ride_min[order] * ride_factor,
        alighting_min=problem.dropoff_service_min[order] * alighting_factor,
        revealed_min=np.where(late_in, revealed, -np.inf),
        cancelled_min=np.where(cancelled, cancelled_min, np.inf),
        is_no_show=rng.random(n_bookings) < noise.no_show_share,
    )


def realised_problem(problem: DayProblem, realisation: Realisation) -> DayProblem:
    """The day with the durations that it turned out to have: what :func:`simulate` needs to price it afterwards."""
    back = np.empty_like(problem.service_order)
    back[problem.service_order] = np.arange(problem.n_bookings)
    to_pickup = realisation.travel_min[:, back]
    return replace(
        problem,
        start_min=to_pickup[: problem.n_drivers],
        deadhead_min=to_pickup[problem.n_drivers :][back],
        ride_min=realisation.ride_min[back],
        pickup_service_min=realisation.boarding_min[back],
        dropoff_service_min=realisation.alighting_min[back],
    )


def _lognormal(rng: np.random.Generator, sigma: float, shape: tuple[int, ...]) -> FloatArray:
    return np.exp(sigma * rng.standard_normal(shape) - 0.5 * sigma * sigma)
