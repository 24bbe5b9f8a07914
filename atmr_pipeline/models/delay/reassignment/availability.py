"""Who can take a course: shifts, absences, the driver's other courses, limits and the plan's safety guards."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from atmr_pipeline.dispatch.guards import check_plan
from atmr_pipeline.dispatch.problem import DayProblem
from atmr_pipeline.dispatch.simulator import DayOutcome, simulate
from atmr_pipeline.domain.vocabulary import DriverType
from atmr_pipeline.models.delay.reassignment.duty_day import DutyDay
from atmr_pipeline.models.delay.reassignment.params import EmergencyUse, ReassignmentParams, Refusal

BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]

FREE_LOAD_GAP = 1
"""Parity cannot always do better."""

ROUNDING_MIN = 1e-6


@dataclass(frozen=True)
class Availability:
    """The drivers who can take a course, and why the others cannot; driver ids, in order."""

    available: tuple[int, ...]
    refused: dict[int, Refusal]


class PlanCheck:
    """Judges changes of one plan.

    Parameters
    ----------
    day : DutyDay
        With a problem.
    changes : mapping of int to int
        Assignment to driver: what has been changed already.
    params : ReassignmentParams
    """

    def __init__(self, day: DutyDay, changes: Mapping[int, int], params: ReassignmentParams) -> None:
        assert day.problem is not None, "a day without a problem has nobody to check"
        self._day, self._problem, self._params = day, day.problem, params
        self._plan = day.with_changes(changes)
        self._now = _on_the_road(self._problem, self._plan)
        self._guards = check_plan(self._problem, self._plan, thresholds=params.guards)
        self._position = dict(zip(day.open_courses["assignment_id"], day.open_courses["position"], strict=True))

    def candidates(self, assignment_id: int, present_driver: int) -> Availability:
        """Who else can take an assignment; EMERGENCY drivers according to the parameters."""
        position = int(self._position[assignment_id])
        available: list[int] = []
        refused: dict[int, Refusal] = {}
        for driver_id in (int(driver) for driver in self._day.fleet.index if int(driver) != present_driver):
            reason = self._refusal(position, driver_id)
            if reason is None:
                available.append(driver_id)
            else:
                refused[driver_id] = reason
        emergency = set(self._day.fleet.index[self._day.fleet["driver_type"] == DriverType.EMERGENCY.value])
        # A regular driver whom only fairness holds back could come: no reason to call in an emergency driver.
        could_come = {*available, *(driver for driver, reason in refused.items() if reason == Refusal.LOAD_GAP)}
        use = self._params.emergency
        if use == EmergencyUse.NEVER or (use == EmergencyUse.LAST_RESORT and could_come - emergency):
            refused.update({driver: Refusal.EMERGENCY_RESERVED for driver in available if driver in emergency})
            available = [driver for driver in available if driver not in emergency]
        return Availability(tuple(available), dict(sorted(refused.items())))

    def _refusal(self, position: int, driver_id: int) -> Refusal | None:
        return self._refused_as_a_person(driver_id) or self._refused_by_the_plan(position, driver_id)

    def _refused_as_a_person(self, driver_id: int) -> Refusal | None:
        facts = self._day.fleet.loc[driver_id]
        reasons = {
            Refusal.INACTIVE: not facts["is_active"],
            Refusal.UNAVAILABLE: not facts["is_available"],
            Refusal.NO_POSITION: facts["has_shift"] and not facts["has_position"],
            Refusal.OFF_SHIFT: self._day.driver_position(driver_id) is None,
            Refusal.UNPLACED_COURSE: driver_id in self._day.unplaced,
        }
        return next((reason for reason, applies in reasons.items() if applies), None)

    def _refused_by_the_plan(self, position: int, driver_id: int) -> Refusal | None:
        problem, params = self._problem, self._params
        driver = self._day.driver_position(driver_id)
        assert driver is not None
        if problem.scheduled_min[position] < problem.shift_start_min[driver]:
            return Refusal.OFF_SHIFT
        plan = self._plan.copy()
        plan[position] = driver
        then = _on_the_road(problem, plan)
        mine = plan == driver
        if np.any(then.dropoff_end_min[mine] > problem.shift_end_min[driver]):
            return Refusal.OFF_SHIFT
        away = self._absence_reason(driver, driver_id, then, mine)
        if away is not None:
            return away
        if params.max_courses is not None and mine.sum() > params.max_courses:
            return Refusal.OVER_LIMIT
        if self._overlaps(position, mine, then):
            return Refusal.OVERLAPS
        if params.max_load_gap_increase is not None and then.load_gap > max(
            FREE_LOAD_GAP, self._now.load_gap + params.max_load_gap_increase
        ):
            return Refusal.LOAD_GAP
        return Refusal.GUARD if self._breaks_a_guard(plan) else None

    def _absence_reason(self, driver: int, driver_id: int, then: DayOutcome, mine: BoolArray) -> Refusal | None:
        # The problem also holds the gaps between two shifts as absences: those are no absence of a person.
        windows = [(start, end) for who, start, end in self._problem.absences if who == driver]
        hit = [window for window in windows if np.any(_during(then, mine, window))]
        if not hit:
            return None
        known = self._day.absences.get(driver_id, [])
        return Refusal.ABSENT if any(window in known for window in hit) else Refusal.OFF_SHIFT

    def _overlaps(self, position: int, mine: BoolArray, then: DayOutcome) -> bool:
        allowed = self._params.max_planned_lateness_min + ROUNDING_MIN
        if then.lateness_min[position] > allowed:
            return True
        others = mine.copy()
        others[position] = False
        later = then.lateness_min[others] > np.maximum(self._now.lateness_min[others], allowed) + ROUNDING_MIN
        return bool(np.any(later))

    def _breaks_a_guard(self, plan: IntArray) -> bool:
        for now, then in zip(
            self._guards, check_plan(self._problem, plan, thresholds=self._params.guards), strict=True
        ):
            is_worse = then.value < now.value if then.name == "completion" else then.value > now.value
            if not then.passed and (now.passed or is_worse):
                return True
        return False


def _on_the_road(problem: DayProblem, plan: IntArray) -> DayOutcome:
    # Also a plan that is infeasible as it stands must be simulated: a change may be what mends it.
    return simulate(problem, plan, drop_late=False, enforce_shifts=False)


def _during(outcome: DayOutcome, mine: BoolArray, window: tuple[float, float]) -> BoolArray:
    return mine & (outcome.start_min < window[1]) & (outcome.dropoff_end_min > window[0])
