"""The mediocre human dispatcher: habits and nearness first, balance never.

It plans with the flat speed that people have in mind and wants 15 minutes between courses, so a plan is mostly
feasible, a little optimistic in the rush hours, and unevenly loaded.
"""

from bisect import bisect, insort
from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt
import pandas as pd

from atmr_pipeline.domain.geo import haversine_km
from atmr_pipeline.simulation.config import WorldConfig
from atmr_pipeline.simulation.population import Population
from atmr_pipeline.simulation.streams import Stream, generator

FloatArray = npt.NDArray[np.float64]

DETOUR = 1.35
MENTAL_SPEED_KMH = 30.0
MENTAL_SERVICE_MIN = 12.0
"""Boarding and alighting together, as the dispatcher reckons."""

HABITUAL_MARGIN_MIN = 15.0
EMERGENCY_RELUCTANCE = 90.0
HABIT_BONUS, ROUND_TRIP_BONUS, FAVOURITE_BONUS = 8.0, 4.0, 4.0
WHIM_SIGMA = 4.0
CROWDED_FROM, CROWDED_COST = 3, 10.0
QUIET_PER_DRIVER, BUSY_PER_DRIVER = 4.0, 5.0


@dataclass(frozen=True)
class Duty:
    """Who drives on a day: one row a driver on duty.

    ``driver`` indexes the population's drivers; times are minutes after local midnight.
    """

    driver: npt.NDArray[np.int64]
    shift_start_min: FloatArray
    shift_end_min: FloatArray
    absent: npt.NDArray[np.int64]
    """Regular drivers who are off this day."""


def duty_of_day(config: WorldConfig, population: Population, day: date, bookings: int) -> Duty:
    """Shifts of a day: part-timers may work half days, emergency drivers come when someone is off or it is busy."""
    rng = generator(config.seed, Stream.DUTY, day)
    drivers = population.drivers
    emergency = np.array([driver.is_emergency for driver in drivers])
    off = (rng.random(len(drivers)) < 0.06) & ~emergency
    # No more people are off than emergency drivers can stand in for.
    off &= np.cumsum(off) <= int(emergency.sum())
    is_quiet = bookings <= QUIET_PER_DRIVER * int((~emergency).sum())
    half_day_share = np.where([driver.is_part_time for driver in drivers], 0.45, 0.04) * is_quiet
    half_day = (rng.random(len(drivers)) < half_day_share) & ~off.any()
    regular_on = int((~off & ~emergency).sum())
    wanted = int(off.sum()) + (1 if bookings > BUSY_PER_DRIVER * max(1, regular_on) else 0)
    called = np.flatnonzero(emergency)[: max(wanted, 1 if regular_on == 0 else 0)]
    on = np.flatnonzero(~off & ~emergency).tolist() + called.tolist()
    morning = rng.random(len(drivers)) < 0.5
    start = np.where(half_day & ~morning, 12 * 60.0, 6.5 * 60.0)
    end = np.where(half_day & morning, 13 * 60.0, 19.5 * 60.0)
    return Duty(
        driver=np.array(on, dtype=np.int64),
        shift_start_min=start[on],
        shift_end_min=end[on],
        absent=np.flatnonzero(off),
    )


class Dispatcher:
    """Assigns one day's bookings as they become known.

    Parameters
    ----------
    config, population : WorldConfig, Population
        The company.
    duty : Duty
        Who drives.
    legs : DataFrame
        The day's bookings, see :func:`~atmr_pipeline.simulation.demand.bookings_of_day`.
    day : date
        Seeds the dispatcher's whims.
    """

    def __init__(self, config: WorldConfig, population: Population, duty: Duty, legs: pd.DataFrame, day: date) -> None:
        self._duty = duty
        self._shift_start_min, self._shift_end_min = duty.shift_start_min.tolist(), duty.shift_end_min.tolist()
        self._scheduled: list[float] = legs["scheduled_min"].tolist()
        self._parent: list[int] = legs["parent"].tolist()
        self._habitual: list[int] = population.habitual_driver[legs["patient"].to_numpy()].tolist()
        points = population.points
        pickup, dropoff = points[legs["pickup"].to_numpy()], points[legs["dropoff"].to_numpy()]
        home = np.array([(population.drivers[i].home.lat, population.drivers[i].home.lon) for i in duty.driver])
        self._ride_min = (_minutes(pickup, dropoff) + MENTAL_SERVICE_MIN).tolist()
        self._start_min = _minutes(home[:, None, :], pickup[None, :, :]).tolist()
        self._deadhead_min = _minutes(dropoff[:, None, :], pickup[None, :, :]).tolist()
        self._courses: list[list[tuple[float, int]]] = [[] for _ in duty.driver]
        is_emergency = np.array([population.drivers[i].is_emergency for i in duty.driver])
        favourite = FAVOURITE_BONUS / (1.0 + np.arange(len(duty.driver)))
        self._base_cost: list[float] = np.where(is_emergency, EMERGENCY_RELUCTANCE, -favourite).tolist()
        self._whim = generator(config.seed, Stream.DISPATCH, day).normal(0.0, 5.0, (len(legs), len(duty.driver)))
        self.assignment = np.full(len(legs), -1, dtype=np.int64)
        """Row of the duty table that serves each booking, -1 where none (yet)."""

    def assign(self, rows: npt.NDArray[np.int64]) -> None:
        """Give each of these bookings a driver, in order of their scheduled times."""
        for row in sorted(rows.tolist(), key=lambda row: (self._scheduled[row], row)):
            costs = [self._cost(row, slot) for slot in range(len(self._duty.driver))]
            slot = int(np.argmin(costs))
            self.assignment[row] = slot
            insort(self._courses[slot], (self._scheduled[row], row))

    def release(self, rows: npt.NDArray[np.int64]) -> None:
        """Forget bookings that were cancelled, so that their drivers count as free."""
        for row in rows.tolist():
            slot = int(self.assignment[row])
            if slot >= 0:
                self._courses[slot].remove((self._scheduled[row], row))
                self.assignment[row] = -1

    def _cost(self, row: int, slot: int) -> float:
        time, ride_min, mine = self._scheduled[row], self._ride_min[row], self._courses[slot]
        place = bisect(mine, (time, row))
        approach, margin = self._start_min[slot][row], np.inf
        if place > 0:
            last_time, last = mine[place - 1]
            approach = self._deadhead_min[last][row]
            margin = time - (last_time + self._ride_min[last] + approach)
        if place < len(mine):
            following_time, following = mine[place]
            margin = min(margin, following_time - (time + ride_min + self._deadhead_min[row][following]))
        before_shift = max(self._shift_start_min[slot] - time, 0.0)
        after_shift = max(time + ride_min - self._shift_end_min[slot], 0.0)
        cost = approach + self._base_cost[slot] + self._whim[row][slot] + 20.0 * (before_shift + after_shift)
        cost += 2.0 * max(HABITUAL_MARGIN_MIN - margin, 0.0) + 8.0 * max(-margin, 0.0)
        cost += CROWDED_COST * max(len(mine) + 1 - CROWDED_FROM, 0)
        if self._habitual[row] == self._duty.driver[slot]:
            cost -= HABIT_BONUS
        parent = self._parent[row]
        if parent >= 0 and self.assignment[parent] == slot:
            cost -= ROUND_TRIP_BONUS
        return float(cost)


def _minutes(origin: FloatArray, destination: FloatArray) -> FloatArray:
    km = DETOUR * haversine_km(origin[..., 0], origin[..., 1], destination[..., 0], destination[..., 1])
    return np.asarray(60.0 * km / MENTAL_SPEED_KMH)
