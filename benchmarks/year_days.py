"""Days of a demo company as they were known the evening before, planned by anybody, and lived in the world's truth.

A plan is made at 20:00 of the evening before. Courses called in later go to whoever costs least by the same reckoning.
Then the day is driven in the world: distance, load gap and lost bookings as the simulator costs them, lateness by the
simulator's weights on actual pickup minus scheduled time, as the records hold it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from atmr_pipeline.dispatch.days import HistoricalDay, problems_from_history
from atmr_pipeline.dispatch.kernel import lateness_cost, pack
from atmr_pipeline.dispatch.problem import DayProblem, with_approach_level
from atmr_pipeline.dispatch.simulator import UNASSIGNED, CostWeights, simulate
from atmr_pipeline.domain.errors import NotEnoughDataError, SourceError
from atmr_pipeline.domain.vocabulary import LOCAL_TIMEZONE, BookingStatus
from atmr_pipeline.simulation.execution import DayExecution, DayPlan, Draws
from atmr_pipeline.simulation.truth_store import TruthTables
from atmr_pipeline.sources.operations import OperationsDatabase
from atmr_pipeline.sources.travel import HaversineTravel, fit_speed_profile, trips_from_tables

IntArray = npt.NDArray[np.int64]

EVENING_H = 20
NOT_ASKED = -2
"""Booking that the plan does not hold yet."""
WEIGHTS = CostWeights()


@dataclass(frozen=True)
class Company:
    """The demo company as the pipeline reads it, and its truth."""

    bookings: pd.DataFrame
    assignments: pd.DataFrame
    drivers: pd.DataFrame
    shifts: pd.DataFrame
    absences: pd.DataFrame
    companies: pd.DataFrame
    truth: dict[date, DayPlan]

    @classmethod
    def read(cls, home: Path) -> "Company":
        """All of it, through the gateway."""
        database = OperationsDatabase(f"sqlite:///{home / 'demo' / 'operations.db'}", hash_key=b"a benchmark's key")
        span = database.span()
        if span is None:
            raise SourceError("the demo company has no days")
        days = list(database.extract_days(*span))
        tables = {name: pd.concat([getattr(day, name) for day in days]) for name in ("bookings", "assignments")}
        return cls(
            **{name: table.reset_index(drop=True) for name, table in tables.items()},
            drivers=database.read_drivers().frame,
            shifts=database.read_driver_shifts(*span).frame,
            absences=database.read_driver_absences().frame,
            companies=database.read_companies().frame,
            truth=TruthTables.read(home / "demo" / "truth").plans(),
        )

    def travel_known(self, day: date) -> HaversineTravel:
        """Travel times by the pipeline's own rule, from the trips of the days before: fitted only where that is better.

        The basis says which: where it is ``assumed``, the planning assumption stays.
        """
        past = [table[table["service_day"] < pd.Timestamp(day)] for table in (self.bookings, self.assignments)]
        try:
            fit = fit_speed_profile(trips_from_tables(*past)[0])
        except (NotEnoughDataError, SourceError):
            return HaversineTravel()
        return HaversineTravel.from_profile(fit.profile) if fit.beats() else HaversineTravel()

    def days(self, bookings: pd.DataFrame, travel: HaversineTravel) -> dict[date, HistoricalDay]:
        """Problems of the bookings' days."""
        on = self.shifts["service_day"].isin(bookings["service_day"].unique())
        found, _ = problems_from_history(
            bookings, self.drivers, self.shifts[on], travel, absences=self.absences, companies=self.companies
        )
        return {day.service_day: day for day in found}

    def coming(self, days: Sequence[date], travel: HaversineTravel) -> dict[date, HistoricalDay]:
        """Days with every booking that nobody had cancelled by the evening before, later calls included."""
        table = self.bookings[self.bookings["service_day"].isin([pd.Timestamp(day) for day in days])]
        evening = table["service_day"].map({pd.Timestamp(day): evening_before(day) for day in days})
        gone = (table["status"] == BookingStatus.CANCELED.value) & (table["updated_at"] <= evening)
        # What became of the others is not known yet.
        return self.days(table[~gone].assign(status=BookingStatus.ASSIGNED.value), travel)

    def created(self, problem: DayProblem) -> npt.NDArray[np.datetime64]:
        """When each booking of a problem became known, UTC, (B,)."""
        known = self.bookings.set_index("booking_id")["created_at"].dt.tz_convert(None)
        return known.reindex([int(name) for name in problem.booking_ids]).to_numpy()


def evening_before(day: date) -> pd.Timestamp:
    """When the day is planned, UTC."""
    moment = pd.Timestamp(day) - pd.Timedelta(days=1) + pd.Timedelta(hours=EVENING_H)
    return moment.tz_localize(LOCAL_TIMEZONE).tz_convert("UTC")


def naive_utc(moment: pd.Timestamp) -> np.datetime64:
    """As numpy compares it."""
    return moment.tz_convert(None).to_datetime64()


@dataclass(frozen=True)
class Day:
    """A day to be planned and lived: what one side knows of it."""

    problem: DayProblem
    known: IntArray
    later: IntArray
    """Bookings called in after the evening, in that order; those cancelled before the drive are not among them."""

    def slower(self, minutes: float) -> "Day":
        """The same day with so many minutes more on every approach, or less, as far as there are any."""
        return replace(self, problem=with_approach_level(self.problem, minutes))

    def planned(self, planner: Callable[[DayProblem], IntArray]) -> dict[int, int]:
        """Driver id of each booking id, -1 for nobody: the evening's plan, later calls put into it."""
        problem = self.problem
        drivers = np.full(problem.n_bookings, NOT_ASKED)
        drivers[self.known] = planner(_only(problem, self.known))
        for booking in self.later:
            drivers[booking] = _cheapest_driver(problem, drivers, booking)
        names = [int(name) for name in problem.driver_ids]
        held = zip(problem.booking_ids, drivers.tolist(), strict=True)
        return {int(name): names[who] if who >= 0 else UNASSIGNED for name, who in held if who != NOT_ASKED}


def _cheapest_driver(problem: DayProblem, drivers: IntArray, booking: int) -> int:
    """Who takes a call at least cost; somebody goes, however late or long."""
    places = np.flatnonzero((drivers != NOT_ASKED) | (np.arange(problem.n_bookings) == booking))
    part, costs = _only(problem, places), []
    for driver in range(problem.n_drivers):
        asked = np.where(places == booking, driver, drivers[places])
        costs.append(simulate(part, asked, weights=WEIGHTS, drop_late=False, enforce_shifts=False).total)
    return int(np.argmin(costs))


def _only(problem: DayProblem, kept: IntArray) -> DayProblem:
    one = ("scheduled_min", "is_outbound", "is_urgent", "ride_min", "ride_km", "pickup_service_min",
           "dropoff_service_min")  # fmt: skip
    values: dict[str, Any] = {name: getattr(problem, name)[kept] for name in one}
    values |= {name: getattr(problem, name)[:, kept] for name in ("start_min", "start_km")}
    values |= {name: getattr(problem, name)[np.ix_(kept, kept)] for name in ("deadhead_min", "deadhead_km")}
    return replace(problem, booking_ids=tuple(problem.booking_ids[index] for index in kept), **values)


@dataclass(frozen=True)
class Lived:
    """Means over the draws of a day."""

    cost: float
    lateness_min: float


def live(truth: DayPlan, drivers: Mapping[int, int], draws: Draws) -> Lived:
    """Drive a plan in the world: the simulator's cost, its lateness taken from the pickups as they happened.

    Nobody is late for a patient who does not show up, as in the records. A booking left to nobody is lost.
    """
    place = {UNASSIGNED: UNASSIGNED} | {int(driver): index for index, driver in enumerate(truth.driver_ids)}
    plan = replace(truth, driver_index=np.array([place[drivers[int(booking)]] for booking in truth.booking_ids]))
    execution = DayExecution(plan)
    start_min, _ = execution.run(draws)
    driven = ~plan.no_show & (plan.driver_index != UNASSIGNED)
    late = np.where(driven, np.maximum(start_min - plan.scheduled_min, 0.0), 0.0)
    outcome = simulate(execution.problem, plan.driver_index, weights=WEIGHTS, drop_late=False, enforce_shifts=False)
    day, order = pack(execution.problem, WEIGHTS), execution.problem.service_order
    by_world = [
        sum(lateness_cost(day.bookings, day.weights, rank, minutes) for rank, minutes in enumerate(world) if minutes)
        for world in late[:, order].tolist()
    ]
    fixed = outcome.total - outcome.costs["lateness"]
    return Lived(fixed + float(np.mean(by_world)), float(late.sum(axis=1).mean()))
