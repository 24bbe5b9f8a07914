"""The exact cost of a day's plan: what happens when every driver follows it.

Each driver serves its bookings in order of (scheduled time, id). From the start of its shift at its start point it
travels to the pickup and arrives; lateness is arrival minus the scheduled time, never below 0. Past
``CostWeights.lost_after_min`` the booking is lost and the driver does not go. Otherwise service starts at
max(arrival, ready), then come boarding, the ride and alighting, and the driver is free at the drop-off.

Cost of the day = empty km + lateness + lost bookings + load gap + emergency drivers, see :class:`CostWeights`.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from atmr_pipeline.dispatch.kernel import (
    ARRIVAL,
    COST,
    END,
    LATENESS,
    SERVED,
    START,
    STATE,
    TRACE_COLUMNS,
    drive_day,
    gap_cost,
    gap_of,
    pack,
)
from atmr_pipeline.dispatch.problem import BoolArray, DayProblem, FloatArray
from atmr_pipeline.dispatch.weights import CostWeights
from atmr_pipeline.domain.errors import InfeasiblePlanError, InvalidProblemError

__all__ = ["UNASSIGNED", "CostWeights", "DayOutcome", "simulate"]

IntArray = npt.NDArray[np.int64]

UNASSIGNED = -1
"""What an assignment holds for a booking that nobody takes."""


@dataclass(frozen=True)
class DayOutcome:
    """What a plan leads to. Arrays of shape (B,) follow the problem's bookings, (D,) its drivers.

    Parameters
    ----------
    driver : ndarray of int (B,)
        Who served each booking, -1 where it is lost.
    arrival_min, start_min, dropoff_end_min : ndarray (B,)
        Arrival at the pickup, start of boarding, end of alighting; minutes after local midnight, NaN where lost.
    lateness_min : ndarray (B,)
        max(0, arrival - scheduled), NaN where lost.
    late : ndarray of bool (B,)
        Served, and its lateness costs something.
    served, lost : ndarray of bool (B,)
        Lost is unassigned or too late; each booking is one or the other.
    loads : ndarray of int (D,)
        Bookings served by each driver.
    load_gap : int
        max - min of ``loads``; 0 with nobody on duty.
    deadhead_km : float
        Km to pickups, of served bookings.
    costs : dict of str to float
        ``deadhead``, ``lateness``, ``lost``, ``load_gap``, ``emergency``: the parts of ``total``.
    total : float
        Cost of the day.
    """

    driver: IntArray
    arrival_min: FloatArray
    start_min: FloatArray
    dropoff_end_min: FloatArray
    lateness_min: FloatArray
    late: BoolArray
    served: BoolArray
    lost: BoolArray
    loads: IntArray
    load_gap: int
    deadhead_km: float
    costs: dict[str, float]
    total: float

    @property
    def n_served(self) -> int:
        """Bookings served."""
        return int(self.served.sum())

    @property
    def n_late(self) -> int:
        """Bookings whose lateness costs something."""
        return int(self.late.sum())

    @property
    def n_lost(self) -> int:
        """Bookings lost."""
        return int(self.lost.sum())

    @property
    def total_lateness_min(self) -> float:
        """Minutes late over the served bookings, those that cost nothing included."""
        return float(np.nansum(self.lateness_min))

    def summary(self) -> str:
        """One line for a log or a terminal."""
        return (
            f"cost {self.total:.1f}: {self.n_served} of {len(self.served)} served, {self.n_lost} lost, "
            f"{self.n_late} late ({self.total_lateness_min:.0f} min), "
            f"{self.deadhead_km:.1f} km empty, load gap {self.load_gap}"
        )


def simulate(
    problem: DayProblem,
    assignment: npt.ArrayLike,
    *,
    weights: CostWeights | None = None,
    drop_late: bool = True,
    enforce_shifts: bool = True,
) -> DayOutcome:
    """Execute a plan exactly.

    A day without bookings costs 0. Without drivers every booking is lost and the load gap is 0.

    Parameters
    ----------
    problem : DayProblem
    assignment : array of int (B,)
        Index of the driver of each booking, -1 for nobody.
    weights : CostWeights, optional
        Default weights unless said.
    drop_late : bool
        False: a driver goes however late it is, and the booking is served. How a real day runs.
    enforce_shifts : bool
        False: a driver may finish after its shift or serve during an absence. How a real day runs.

    Returns
    -------
    DayOutcome

    Raises
    ------
    InvalidProblemError
        ``assignment`` has another shape, is not of integers, or names a driver that does not exist.
    InfeasiblePlanError
        A driver would finish after its shift, or serve during an absence; the message names the driver.
    """
    weights = weights or CostWeights()
    drivers = check_assignment(problem, assignment)
    order = problem.service_order
    day = pack(problem, weights, drop_late=drop_late, enforce_shifts=enforce_shifts)
    trace = np.full((problem.n_bookings, TRACE_COLUMNS), np.nan)
    loads = np.zeros(problem.n_drivers, dtype=np.int64)
    km, late_cost, lost_cost, emergency, breaker, rank = drive_day(day, drivers[order], trace, loads)
    if breaker >= 0:
        raise InfeasiblePlanError(_refusal(problem, breaker, trace[rank, END]))
    in_given_order = np.empty_like(trace)
    in_given_order[order] = trace
    served = in_given_order[:, STATE] == SERVED
    in_given_order[~served] = np.nan
    gap = int(gap_of(loads))
    costs = {
        "deadhead": weights.empty_km * km,
        "lateness": late_cost,
        "lost": lost_cost,
        "load_gap": float(gap_cost(day, gap)),
        "emergency": emergency,
    }
    return DayOutcome(
        driver=np.where(served, drivers, UNASSIGNED),
        arrival_min=in_given_order[:, ARRIVAL],
        start_min=in_given_order[:, START],
        dropoff_end_min=in_given_order[:, END],
        lateness_min=in_given_order[:, LATENESS],
        late=in_given_order[:, COST] > 0,
        served=served,
        lost=~served,
        loads=loads,
        load_gap=gap,
        deadhead_km=km,
        costs=costs,
        total=float(sum(costs.values())),
    )


def check_assignment(problem: DayProblem, assignment: npt.ArrayLike) -> IntArray:
    """The assignment as int64 (B,), or InvalidProblemError saying what is wrong with it."""
    drivers = np.asarray(assignment)
    if drivers.size == 0:
        drivers = drivers.astype(np.int64)
    if drivers.shape != (problem.n_bookings,):
        raise InvalidProblemError(f"the assignment has shape {drivers.shape}, expected ({problem.n_bookings},)")
    if not np.issubdtype(drivers.dtype, np.integer):
        raise InvalidProblemError(f"the assignment holds {drivers.dtype}, expected integers: a driver index or -1")
    if np.any(drivers < UNASSIGNED) or np.any(drivers >= problem.n_drivers):
        raise InvalidProblemError(f"the assignment names a driver outside 0 to {problem.n_drivers - 1} (-1 is nobody)")
    return drivers.astype(np.int64)


def _refusal(problem: DayProblem, driver: int, end_min: float) -> str:
    name, shift_end = problem.driver_ids[driver], problem.shift_end_min[driver]
    if end_min > shift_end:
        return (
            f"driver {name} would finish {end_min - shift_end:.1f} min after the end of its shift: "
            "give the booking to another driver"
        )
    return f"driver {name} would serve a booking during an absence: give the booking to another driver"
