"""One company's day that lies ahead: who is on duty, what is planned, and what may still be changed."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date

import numpy as np
import numpy.typing as npt
import pandas as pd

from atmr_pipeline.dispatch.absences import Window, absence_windows
from atmr_pipeline.dispatch.days import CANCELLED_SHIFTS, VOID_ASSIGNMENTS, HistoricalDay, problems_from_history
from atmr_pipeline.dispatch.problem import DayProblem
from atmr_pipeline.domain.travel import TravelProvider
from atmr_pipeline.domain.vocabulary import AssignmentStatus, BookingStatus
from atmr_pipeline.features.sources import FeatureSources

IntArray = npt.NDArray[np.int64]

NOT_BEGUN = AssignmentStatus.SCHEDULED.value
"""A driver who has set out is not called back."""


@dataclass(frozen=True)
class DutyTables:
    """What is known at the decision.

    Parameters
    ----------
    sources : FeatureSources
        What the features are made from; bookings, assignments and drivers also say what the day looks like.
    shifts : DataFrame
        DRIVER_SHIFTS.
    absences : DataFrame
        DRIVER_ABSENCES.
    """

    sources: FeatureSources
    shifts: pd.DataFrame
    absences: pd.DataFrame


@dataclass(frozen=True)
class DutyDay:
    """One company and service day.

    Parameters
    ----------
    service_day : date
    company_id : int
    problem : DayProblem or None
        Drivers on shift and courses that could be placed, absences included; None if there are none.
    driver_index : ndarray of int (B,)
        The present plan: index of each course's driver, -1 for nobody or a driver who is not in the problem.
    open_courses : DataFrame
        Assignments not begun, one a booking, the latest: ``assignment_id, booking_id, driver_id, scheduled_at`` and
        ``position`` (in the problem, -1 if the course could not be placed).
    fleet : DataFrame
        The company's drivers by ``driver_id``: ``driver_type, is_active, is_available, has_position, has_shift``.
    absences : dict of int to list of (from_min, to_min)
        Of each driver, minutes after local midnight.
    unplaced : frozenset of int
        Drivers with a course that could not be placed.
    set_aside : dict of str to int
        What :func:`~atmr_pipeline.dispatch.days.problems_from_history` left out, by reason.
    travel_source : str
        Who answered for the travel times; empty without a problem.
    """

    service_day: date
    company_id: int
    problem: DayProblem | None
    driver_index: IntArray
    open_courses: pd.DataFrame
    fleet: pd.DataFrame
    absences: dict[int, list[Window]]
    unplaced: frozenset[int]
    set_aside: dict[str, int]
    travel_source: str

    def driver_position(self, driver_id: int) -> int | None:
        """Index of a driver in the problem; None if the driver is not in it."""
        if self.problem is None or str(driver_id) not in self.problem.driver_ids:
            return None
        return self.problem.driver_ids.index(str(driver_id))

    def with_changes(self, changes: Mapping[int, int]) -> IntArray:
        """The plan (B,) after giving assignments (keys) to drivers (values)."""
        plan = self.driver_index.copy()
        positions = self.open_courses.set_index("assignment_id")["position"]
        for assignment_id, driver_id in changes.items():
            driver = self.driver_position(driver_id)
            plan[int(positions.loc[assignment_id])] = -1 if driver is None else driver
        return plan


def days_ahead(tables: DutyTables, decided_at: pd.Timestamp) -> list[tuple[int, date]]:
    """(company, service day) of the assignments not begun whose pickup lies after ``decided_at``, in order of day."""
    ahead = _open_courses(tables.sources.bookings, tables.sources.assignments)
    ahead = ahead[ahead["scheduled_at"] > decided_at]
    days = ahead[["company_id", "service_day"]].drop_duplicates().sort_values(["service_day", "company_id"])
    return [(int(company), day.date()) for company, day in days.itertuples(index=False)]


def duty_day(tables: DutyTables, company_id: int, service_day: date, travel: TravelProvider) -> DutyDay:
    """Put together one company's day.

    Parameters
    ----------
    tables : DutyTables
    company_id : int
    service_day : date
    travel : TravelProvider
        Asked as for every other plan.

    Raises
    ------
    InvalidProblemError
        The day cannot be made a problem.
    SourceError
        The travel provider does not answer.
    """
    day = pd.Timestamp(service_day)
    bookings = _of_day(tables.sources.bookings, company_id, day)
    assignments = tables.sources.assignments[tables.sources.assignments["booking_id"].isin(bookings["booking_id"])]
    shifts = _of_day(tables.shifts, company_id, day)
    built, set_aside = problems_from_history(bookings, tables.sources.drivers, shifts, travel, assignments=assignments)
    historical = built[0] if built else None
    absences = absence_windows(tables.absences, day)
    problem = _with_absences(historical, absences)
    courses = _open_courses(bookings, assignments)
    position = {} if problem is None else {int(name): index for index, name in enumerate(problem.booking_ids)}
    courses["position"] = courses["booking_id"].map(position).fillna(-1).astype("int64")
    return DutyDay(
        service_day=service_day,
        company_id=company_id,
        problem=problem,
        driver_index=np.zeros(0, dtype=np.int64) if historical is None else historical.actual_assignment,
        open_courses=courses.reset_index(drop=True),
        fleet=_fleet(tables.sources.drivers, shifts, company_id),
        absences=absences,
        unplaced=_unplaced(bookings, assignments, set(position)),
        set_aside=set_aside,
        travel_source="" if historical is None else historical.travel_source,
    )


def _of_day(table: pd.DataFrame, company_id: int, day: pd.Timestamp) -> pd.DataFrame:
    return table[(table["company_id"] == company_id) & (table["service_day"] == day)]


def _valid(assignments: pd.DataFrame) -> pd.DataFrame:
    """The latest assignment of each booking that says something, as the dispatch days read them."""
    valid = assignments[~assignments["status"].isin(VOID_ASSIGNMENTS)]
    return valid.sort_values(["updated_at", "assignment_id"]).drop_duplicates("booking_id", keep="last")


def _open_courses(bookings: pd.DataFrame, assignments: pd.DataFrame) -> pd.DataFrame:
    latest = _valid(assignments)
    latest = latest[(latest["status"] == NOT_BEGUN) & latest["actual_pickup_at"].isna()]
    wanted = bookings.loc[
        (bookings["status"] != BookingStatus.CANCELED.value) & bookings["scheduled_at"].notna(),
        ["booking_id", "company_id", "service_day", "scheduled_at"],
    ]
    courses = latest[["assignment_id", "booking_id", "driver_id"]].merge(wanted, on="booking_id")
    return courses.sort_values(["scheduled_at", "assignment_id"])


def _fleet(drivers: pd.DataFrame, shifts: pd.DataFrame, company_id: int) -> pd.DataFrame:
    mine = drivers[drivers["company_id"] == company_id].sort_values("driver_id").set_index("driver_id")
    on_shift = shifts.loc[~shifts["status"].str.upper().isin(CANCELLED_SHIFTS), "driver_id"]
    return mine[["driver_type", "is_active", "is_available"]].assign(
        has_position=mine["lat"].notna() & mine["lon"].notna(), has_shift=mine.index.isin(on_shift)
    )


def _unplaced(bookings: pd.DataFrame, assignments: pd.DataFrame, placed: set[int]) -> frozenset[int]:
    left_out = bookings[(bookings["status"] != BookingStatus.CANCELED.value) & ~bookings["booking_id"].isin(placed)]
    latest = _valid(assignments).set_index("booking_id")["driver_id"]
    drivers = left_out["booking_id"].map(latest).fillna(left_out["driver_id"].astype("Int64"))
    return frozenset(int(driver) for driver in drivers.dropna())


def _with_absences(historical: HistoricalDay | None, absences: dict[int, list[Window]]) -> DayProblem | None:
    if historical is None:
        return None
    problem = historical.problem
    away = [
        (index, start, end)
        for index, driver_id in enumerate(problem.driver_ids)
        for start, end in absences.get(int(driver_id), [])
    ]
    return replace(problem, absences=(*problem.absences, *away))
