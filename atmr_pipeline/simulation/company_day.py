"""One day of the demo company, from the first phone call to the last drop-off."""

from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt
import pandas as pd

from atmr_pipeline.simulation.config import WorldConfig
from atmr_pipeline.simulation.demand import bookings_of_day
from atmr_pipeline.simulation.dispatcher import Dispatcher, Duty, duty_of_day
from atmr_pipeline.simulation.effects import effects_on
from atmr_pipeline.simulation.execution import DayExecution, DayPlan, draw
from atmr_pipeline.simulation.population import Population
from atmr_pipeline.simulation.streams import Stream, generator
from atmr_pipeline.simulation.weather import travel_factor, true_weather

PLANNING_STARTS_MIN = (17 * 60.0, 18.5 * 60.0)
"""The dispatcher plans the next day from about this time of the evening before, minutes after midnight."""

SECONDS_PER_DECISION = (20, 75)


@dataclass(frozen=True)
class CompanyDay:
    """A day as it was lived.

    ``legs`` has one row a booking: the columns of :func:`~atmr_pipeline.simulation.demand.bookings_of_day` and
    ``slot`` (row of the duty table, -1 if never assigned), ``decided_local`` (NaT if never assigned), ``executed``,
    and ``start_min``, ``end_min`` (service start and end of drop-off, NaN where not executed).
    """

    day: date
    legs: pd.DataFrame
    duty: Duty
    planning_started: pd.Timestamp
    planning_completed: pd.Timestamp
    weather: pd.DataFrame


def plan_day(config: WorldConfig, population: Population, day: date) -> CompanyDay:
    """Bookings and decisions of a day; nothing has happened yet on the road."""
    effects = effects_on(config.scenario, day)
    legs = bookings_of_day(config, population, effects, day)
    duty = duty_of_day(config, population, day, len(legs))
    started, decided = _decision_times(config, legs, day)
    slot = _decide(Dispatcher(config, population, duty, legs, day), legs, decided)
    has_assignment = slot >= 0
    legs["slot"] = slot
    legs["decided_local"] = decided.where(has_assignment)
    legs["executed"] = has_assignment & legs["cancelled_local"].isna()
    legs["start_min"], legs["end_min"] = np.nan, np.nan
    by_evening = legs.loc[has_assignment & ~legs["is_urgent"], "decided_local"]
    completed = (by_evening.max() if len(by_evening) else started) + pd.Timedelta(minutes=2)
    return CompanyDay(day, legs, duty, started, completed, true_weather(config.seed, day))


def live_day(config: WorldConfig, population: Population, day: date) -> CompanyDay:
    """A day from its bookings to what really happened."""
    lived = plan_day(config, population, day)
    executed = np.flatnonzero(lived.legs["executed"])
    if len(executed):
        plan = truth_plan(config, population, lived, np.arange(len(lived.legs)), np.arange(len(lived.legs)))
        start, end = DayExecution(plan).run(draw(plan, generator(config.seed, Stream.EXECUTION, day), 1))
        # Whole seconds, as a device records them.
        lived.legs.loc[executed, "start_min"] = np.round(start[0] * 60.0) / 60.0
        lived.legs.loc[executed, "end_min"] = np.round(end[0] * 60.0) / 60.0
    return lived


def _decision_times(config: WorldConfig, legs: pd.DataFrame, day: date) -> tuple[pd.Timestamp, pd.Series]:
    rng = generator(config.seed, Stream.DISPATCH, day)
    evening = pd.Timestamp(day) - pd.Timedelta(days=1)
    started = evening + pd.Timedelta(seconds=round(60.0 * rng.uniform(*PLANNING_STARTS_MIN)))
    elapsed = np.cumsum(rng.integers(*SECONDS_PER_DECISION, len(legs)))
    # A large company has several dispatchers: the plan is ready by 19:00 whatever its size.
    seconds = elapsed * min(1.0, 1700.0 / max(1.0, float(elapsed[-1])))
    planned = started + pd.to_timedelta(seconds.astype(np.int64), unit="s")
    reaction = pd.to_timedelta(rng.integers(120, 480, len(legs)), unit="s")
    urgent = legs["created_local"] + reaction[legs["trip"].to_numpy() % len(legs)]
    return started, pd.Series(planned, index=legs.index).where(~legs["is_urgent"], urgent).astype("datetime64[us]")


def _decide(dispatcher: Dispatcher, legs: pd.DataFrame, decided: pd.Series) -> npt.NDArray[np.int64]:
    """Row of the duty table for each booking; -1 for those cancelled before anybody decided."""
    open_at_decision = (legs["cancelled_local"].isna() | (legs["cancelled_local"] >= decided)).to_numpy()
    is_urgent, cancelled = legs["is_urgent"].to_numpy(), legs["cancelled_local"]
    dispatcher.assign(np.flatnonzero(open_at_decision & ~is_urgent))
    slot = dispatcher.assignment.copy()
    urgent = legs[open_at_decision & is_urgent]
    for _, trip in urgent.groupby("created_local", sort=True):
        rows = trip.index.to_numpy()
        dispatcher.release(np.flatnonzero(cancelled < decided[rows[0]]))
        dispatcher.assign(rows)
        slot[rows] = dispatcher.assignment[rows]
    return slot


def truth_plan(
    config: WorldConfig,
    population: Population,
    lived: CompanyDay,
    assignment_ids: npt.NDArray[np.int64],
    booking_ids: npt.NDArray[np.int64],
) -> DayPlan:
    """What is true of a day's executed bookings; the ids have one value a row of ``lived.legs``."""
    rows = np.flatnonzero(lived.legs["executed"])
    legs, duty, points = lived.legs.iloc[rows], lived.duty, population.points
    drivers = [population.drivers[index] for index in duty.driver]
    return DayPlan(
        day=lived.day,
        driver_ids=np.array([driver.driver_id for driver in drivers], dtype=np.int64),
        shift_start_min=duty.shift_start_min,
        shift_end_min=duty.shift_end_min,
        is_emergency=np.array([driver.is_emergency for driver in drivers]),
        punctuality_min=np.array([driver.punctuality_min(lived.day) for driver in drivers]),
        home=np.array([(driver.home.lat, driver.home.lon) for driver in drivers]),
        assignment_ids=assignment_ids[rows],
        booking_ids=booking_ids[rows],
        driver_index=legs["slot"].to_numpy(dtype=np.int64),
        scheduled_min=legs["scheduled_min"].to_numpy(dtype=np.float64),
        is_outbound=~legs["is_return"].to_numpy(dtype=bool),
        is_urgent=legs["is_urgent"].to_numpy(dtype=bool),
        is_wheelchair=population.wheelchair[legs["patient"].to_numpy()] == 1,
        no_show=legs["no_show"].to_numpy(dtype=bool),
        pickup_kind=np.array([population.places[place].kind for place in legs["pickup"]], dtype=str),
        pickup=points[legs["pickup"].to_numpy()],
        dropoff=points[legs["dropoff"].to_numpy()],
        weather_factor=travel_factor(lived.weather),
        effects=effects_on(config.scenario, lived.day),
    )
