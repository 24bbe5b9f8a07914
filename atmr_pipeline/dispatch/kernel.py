"""How a driver works through its bookings: the one place where arrival, service and lateness are computed.

The simulator, the planners and the demo world all call these compiled functions, so a minute or a kilometre means the
same everywhere. Bookings are numbered by *rank*: their place in the service order of the day.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from atmr_pipeline.dispatch.compiled import compiled, inlined
from atmr_pipeline.dispatch.problem import DayProblem
from atmr_pipeline.dispatch.weights import CostWeights

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

SERVED, LOST, FORBIDDEN = 1, 2, 3
"""What became of a booking that a driver was asked to serve; 0 is a booking that nobody was asked to serve."""

ARRIVAL, START, END, LATENESS, COST, STATE = 0, 1, 2, 3, 4, 5
"""Columns of a trace, (B, 6): minutes after midnight, minutes late, what that costs, a state as above."""
TRACE_COLUMNS = 6


class PackedDay(NamedTuple):
    """A day as five arrays in service order: what compiled code reads. D drivers, B bookings, A absences.

    Few arrays with many columns, because compiled code pays for each array it takes out of a tuple.
    """

    drivers: FloatArray
    """(D, 5): shift start and end (minutes after midnight), emergency (0 or 1), first absence, one after its last."""
    bookings: FloatArray
    """(B, 8): scheduled and ready (minutes after midnight), boarding, ride, alighting (minutes), outbound (0 or 1),
    factor of urgency, cost if lost."""
    travel: FloatArray
    """(D + B, B, 2): minutes and km to each pickup, from each driver's start point, then from each drop-off."""
    absences: FloatArray
    """(A, 2): from and to, minutes after midnight, in the order of the drivers."""
    weights: FloatArray
    """(6,): empty km, return tolerance (minutes), lost after (minutes), load gap, free load gap, emergency use."""


SHIFT_START, SHIFT_END, IS_EMERGENCY, FIRST_ABSENCE, LAST_ABSENCE = 0, 1, 2, 3, 4
SCHEDULED, READY, BOARDING, RIDE, ALIGHTING, IS_OUTBOUND, URGENCY, LOST_COST = 0, 1, 2, 3, 4, 5, 6, 7
MINUTES, KM = 0, 1
EMPTY_KM, RETURN_TOLERANCE, LOST_AFTER, LOAD_GAP, FREE_LOAD_GAP, EMERGENCY_USE = 0, 1, 2, 3, 4, 5


def pack(
    problem: DayProblem, weights: CostWeights, *, drop_late: bool = True, enforce_shifts: bool = True
) -> PackedDay:
    """Arrange a day for the compiled functions.

    Parameters
    ----------
    problem : DayProblem
    weights : CostWeights
    drop_late : bool
        False: no booking is lost for lateness, the driver goes anyway.
    enforce_shifts : bool
        False: shift ends and absences forbid nothing.
    """
    order = problem.service_order
    n_drivers, n_bookings = problem.n_drivers, problem.n_bookings
    absences = sorted(problem.absences) if enforce_shifts else []
    first = np.searchsorted([row[0] for row in absences], np.arange(n_drivers + 1))
    travel = np.empty((n_drivers + n_bookings, n_bookings, 2))
    for column, unit in enumerate(("min", "km")):
        travel[:n_drivers, :, column] = getattr(problem, f"start_{unit}")[:, order]
        travel[n_drivers:, :, column] = getattr(problem, f"deadhead_{unit}")[np.ix_(order, order)]
    shift_end = problem.shift_end_min if enforce_shifts else np.full(n_drivers, np.inf)
    lost_after = weights.lost_after_min if drop_late else np.inf
    by_booking = (
        problem.scheduled_min,
        problem.ready,
        problem.pickup_service_min,
        problem.ride_min,
        problem.dropoff_service_min,
        problem.is_outbound,
        np.where(problem.is_urgent, weights.urgent_factor, 1.0),
        np.where(problem.is_urgent, weights.lost_urgent, weights.lost),
    )
    return PackedDay(
        drivers=_table(problem.shift_start_min, shift_end, problem.is_emergency, first[:-1], first[1:]),
        bookings=_table(*(values[order] for values in by_booking)),
        travel=travel,
        absences=np.array([row[1:] for row in absences], dtype=np.float64).reshape(-1, 2),
        weights=np.array(
            [
                weights.empty_km,
                weights.return_tolerance_min,
                lost_after,
                weights.load_gap,
                weights.free_load_gap,
                weights.emergency_use,
            ],
            dtype=np.float64,
        ),
    )


def _table(*columns: npt.NDArray[Any]) -> FloatArray:
    return np.stack([column.astype(np.float64) for column in columns], axis=1)


@inlined
def lateness_cost(bookings, weights, rank, lateness_min):  # type: ignore[no-untyped-def]
    """Cost of coming ``lateness_min`` >= 0 late: linear for outbound legs, quadratic past the tolerance for returns."""
    excess = lateness_min
    if bookings[rank, IS_OUTBOUND] == 0.0:
        excess = max(0.0, lateness_min - weights[RETURN_TOLERANCE])
        excess *= excess / weights[RETURN_TOLERANCE]
    return bookings[rank, URGENCY] * excess


@inlined
def serve(drivers, bookings, travel, absences, weights, driver, position, free_min, rank):  # type: ignore[no-untyped-def]
    """One step of a driver's day: from where it is free to the end of booking ``rank``.

    Parameters
    ----------
    drivers, bookings, travel, absences, weights : ndarray
        The parts of a :class:`PackedDay`.
    driver : int
    position : int
        Where the driver is, as a row of ``travel``: ``driver`` is its start point, D + rank the drop-off of a booking.
    free_min : float
        When it is free there, minutes after midnight.
    rank : int

    Returns
    -------
    (int, float, float, float, float, float)
        State, arrival, service start, end of alighting, lateness (minutes), empty km. A lost booking is not driven to.
    """
    arrival = free_min + travel[position, rank, MINUTES]
    lateness = max(0.0, arrival - bookings[rank, SCHEDULED])
    if lateness > weights[LOST_AFTER]:
        return LOST, arrival, arrival, arrival, lateness, 0.0
    start = max(arrival, bookings[rank, READY])
    end = start + bookings[rank, BOARDING] + bookings[rank, RIDE] + bookings[rank, ALIGHTING]
    state = SERVED
    if end > drivers[driver, SHIFT_END]:
        state = FORBIDDEN
    for row in range(int(drivers[driver, FIRST_ABSENCE]), int(drivers[driver, LAST_ABSENCE])):
        if start < absences[row, 1] and end > absences[row, 0]:
            state = FORBIDDEN
    return state, arrival, start, end, lateness, travel[position, rank, KM]


@compiled
def drive_route(day, driver, route, length, trace):  # type: ignore[no-untyped-def]
    """A driver's whole day over ``route[:length]``, ranks in increasing order.

    Fills ``trace`` (B, 6) at those ranks and stops at the first booking that a shift end or an absence forbids.

    Returns
    -------
    (float, float, float, int, int)
        Empty km, lateness cost, lost cost, bookings served, and the forbidden rank or -1.
    """
    drivers, bookings, travel, absences, weights = day
    position, free_min = driver, drivers[driver, SHIFT_START]
    km, late, lost, served = 0.0, 0.0, 0.0, 0
    for index in range(length):
        rank = route[index]
        state, arrival, start, end, lateness, leg_km = serve(
            drivers, bookings, travel, absences, weights, driver, position, free_min, rank
        )
        trace[rank, ARRIVAL] = arrival
        trace[rank, START] = start
        trace[rank, END] = end
        trace[rank, LATENESS] = lateness
        trace[rank, COST] = 0.0
        trace[rank, STATE] = state
        if state == FORBIDDEN:
            return km, late, lost, served, rank
        if state == LOST:
            lost += bookings[rank, LOST_COST]
            continue
        cost = lateness_cost(bookings, weights, rank, lateness)
        trace[rank, COST] = cost
        km, late, served = km + leg_km, late + cost, served + 1
        position, free_min = drivers.shape[0] + rank, end
    return km, late, lost, served, -1


@compiled
def gap_of(loads):  # type: ignore[no-untyped-def]
    """Load gap of bookings served per driver on duty (D,); 0 with nobody on duty."""
    if loads.size == 0:
        return 0
    most, least = loads[0], loads[0]
    for load in loads:
        most, least = max(most, load), min(least, load)
    return most - least


@compiled
def gap_cost(day, gap):  # type: ignore[no-untyped-def]
    """What a load gap costs."""
    return day.weights[LOAD_GAP] * max(0.0, gap - day.weights[FREE_LOAD_GAP])


@compiled
def drive_day(day, driver_of_rank, trace, loads):  # type: ignore[no-untyped-def]
    """Every driver's day; ``driver_of_rank`` (B,) holds -1 for nobody. Fills ``trace`` (B, 6) and ``loads`` (D,).

    Returns
    -------
    (float, float, float, float, int, int)
        Empty km, lateness cost, lost cost, emergency cost; driver and rank of the first forbidden booking or -1.
    """
    n_drivers, n_bookings = day.drivers.shape[0], day.bookings.shape[0]
    route = np.empty(n_bookings, dtype=np.int64)
    km, late, lost, emergency = 0.0, 0.0, 0.0, 0.0
    for rank in range(n_bookings):
        if driver_of_rank[rank] < 0:
            lost += day.bookings[rank, LOST_COST]
    for driver in range(n_drivers):
        length = 0
        for rank in range(n_bookings):
            if driver_of_rank[rank] == driver:
                route[length] = rank
                length += 1
        route_km, route_late, route_lost, loads[driver], forbidden = drive_route(day, driver, route, length, trace)
        if forbidden >= 0:
            return km, late, lost, emergency, driver, forbidden
        km, late, lost = km + route_km, late + route_late, lost + route_lost
        if day.drivers[driver, IS_EMERGENCY] > 0.0 and loads[driver] > 0:
            emergency += day.weights[EMERGENCY_USE]
    return km, late, lost, emergency, -1, -1
