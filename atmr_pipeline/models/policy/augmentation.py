"""More days from few: training days of mixed sizes whose travel times are exact.

A day's travel matrices say nothing about places of other days, so days are not mixed with each other. Within a day,
though, every matrix entry is a true trip: a booking may be drawn twice at different times, a driver may start where
a booking ends, and any subset is a day too. That gives fleets and days larger and smaller than those seen.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from atmr_pipeline.dispatch.problem import MAX_DAY_MIN, DayProblem

IntArray = npt.NDArray[np.int64]

TIME_GRID_MIN = 5.0


@dataclass(frozen=True)
class AugmentationSettings:
    """How generated training days differ from the real ones.

    Parameters
    ----------
    load_share : tuple of float
        Bookings per driver of a generated day, as a share of that of the real day it is drawn from: from, to.
    fleet_extra : int
        A generated fleet has 2 to (largest real fleet + this) drivers.
    moved_start_share : float
        Share of drivers that start at the drop-off of a random booking of the day rather than at their own start point.
    shift_sd_min : float
        Standard deviation of the change of each scheduled time, minutes.
    """

    load_share: tuple[float, float] = (0.7, 1.1)
    fleet_extra: int = 1
    moved_start_share: float = 0.3
    shift_sd_min: float = 20.0


def generated_days(
    problems: Sequence[DayProblem], count: int, settings: AugmentationSettings, rng: np.random.Generator
) -> list[DayProblem]:
    """``count`` days drawn from the real ones, with other fleets and other bookings, about as busy as they are.

    Parameters
    ----------
    problems : sequence of DayProblem
        Each with at least one driver and one booking.
    count : int
    settings : AugmentationSettings
    rng : Generator
    """
    largest_fleet = max(problem.n_drivers for problem in problems) + settings.fleet_extra
    days = []
    for _ in range(count):
        problem = problems[int(rng.integers(len(problems)))]
        n_drivers = int(rng.integers(2, max(2, largest_fleet) + 1))
        busy = rng.uniform(*settings.load_share) * problem.n_bookings / problem.n_drivers
        days.append(_resampled(problem, n_drivers, max(1, round(busy * n_drivers)), settings, rng))
    return days


def _resampled(
    problem: DayProblem, n_drivers: int, n_bookings: int, settings: AugmentationSettings, rng: np.random.Generator
) -> DayProblem:
    bookings = _draw(problem.n_bookings, n_bookings, rng)
    drivers = _draw(problem.n_drivers, n_drivers, rng)
    change = TIME_GRID_MIN * np.round(rng.normal(0.0, settings.shift_sd_min, n_bookings) / TIME_GRID_MIN)
    scheduled = np.clip(problem.scheduled_min[bookings] + change, 0.0, MAX_DAY_MIN)
    start_min, start_km = problem.start_min[drivers], problem.start_km[drivers]
    moved = rng.random(n_drivers) < settings.moved_start_share
    origin = rng.integers(problem.n_bookings, size=n_drivers)
    start_min = np.where(moved[:, None], problem.deadhead_min[origin], start_min)
    start_km = np.where(moved[:, None], problem.deadhead_km[origin], start_km)
    shift = problem.ready - problem.scheduled_min
    absences = tuple(
        (new, from_min, to_min)
        for new, old in enumerate(drivers)
        for driver, from_min, to_min in problem.absences
        if driver == old
    )
    return DayProblem(
        driver_ids=tuple(f"driver-{index}" for index in range(n_drivers)),
        booking_ids=tuple(str(index) for index in range(n_bookings)),
        shift_start_min=problem.shift_start_min[drivers],
        shift_end_min=problem.shift_end_min[drivers],
        is_emergency=problem.is_emergency[drivers],
        scheduled_min=scheduled,
        is_outbound=problem.is_outbound[bookings],
        is_urgent=problem.is_urgent[bookings],
        start_min=start_min[:, bookings],
        start_km=start_km[:, bookings],
        deadhead_min=problem.deadhead_min[np.ix_(bookings, bookings)],
        deadhead_km=problem.deadhead_km[np.ix_(bookings, bookings)],
        ride_min=problem.ride_min[bookings],
        ride_km=problem.ride_km[bookings],
        pickup_service_min=problem.pickup_service_min[bookings],
        dropoff_service_min=problem.dropoff_service_min[bookings],
        ready_min=None if problem.ready_min is None else np.maximum(0.0, scheduled + shift[bookings]),
        absences=absences,
    )


def _draw(available: int, wanted: int, rng: np.random.Generator) -> IntArray:
    """Distinct ones first, repeats only when there are too few."""
    repeats = [rng.permutation(available) for _ in range(-(-wanted // available))]
    return np.concatenate(repeats)[:wanted].astype(np.int64)
