"""The running day: bookings are given to drivers one at a time, and only then does chance show what they take.

Definitions, beyond those of :mod:`atmr_pipeline.dispatch.simulator`, whose costs these are:

- A booking is decided ``decision_lead_min`` before its scheduled time, in service order, for good. A driver leaves for
  it once free, and not before the decision.
- Whether the driver would come over ``lost_after_min`` late is judged by the real duration of the way when the driver
  would leave: then the booking is lost and the driver does not go.
- A shift end or an absence forbids what would break it by expected durations. A driver whose day takes longer than
  expected finishes anyway; the overtime is reported and costs nothing.
- No-show: the driver goes, waits, and drives back to where it was, as no way from a pickup to a pickup is known. Both
  ways count as empty km, lateness does not count, and the booking counts as served in the driver's load.
- Cancelled: gone from the moment of cancellation, at no cost.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from atmr_pipeline.dispatch.compiled import compiled
from atmr_pipeline.dispatch.kernel import (
    ALIGHTING,
    BOARDING,
    EMERGENCY_USE,
    EMPTY_KM,
    IS_EMERGENCY,
    KM,
    LOST_AFTER,
    LOST_COST,
    MINUTES,
    READY,
    RIDE,
    SCHEDULED,
    SHIFT_END,
    SHIFT_START,
    gap_cost,
    gap_of,
    lateness_cost,
)

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

OPEN, TAKEN, LEFT_OUT, MISSED, NO_SHOW, GONE = 0, 1, 2, 3, 4, 5
"""A booking is not decided yet, served, given to nobody, reached too late, served in vain, or cancelled."""

DEPART, ARRIVE, BEGIN, BOARDED, DROPPED, DONE = 0, 1, 2, 3, 4, 5
"""Columns of the log: the moments of a service, minutes after midnight."""
LOG_COLUMNS = 6

KM_COST, LATE_COST, LOST_TOTAL, OVERTIME = 0, 1, 2, 3
"""Columns of ``spent``; overtime is in minutes and costs nothing."""


class Run(NamedTuple):
    """A day under way. D drivers, B bookings in service order; it is changed in place.

    The log runs ahead of the clock: it holds the whole service of a booking from the moment it is decided. A dispatcher
    sees a day only through :mod:`atmr_pipeline.dispatch.running.view`.
    """

    position: IntArray
    """(D,): where each driver will be after all it was given, as a row of ``travel``."""
    free_min: FloatArray
    """(D,): and when."""
    routes: IntArray
    """(D, B): bookings given to each driver, in order."""
    lengths: IntArray
    """(D,): how many."""
    closed: IntArray
    """(D,): how many of them were over at the last look at the clock."""
    known_position: IntArray
    """(D,): where the last of those left the driver."""
    known_free_min: FloatArray
    known_load: IntArray
    log: FloatArray
    """(B, 6)"""
    state: IntArray
    """(B,)"""
    driver: IntArray
    """(B,): who was asked, -1 nobody."""
    plan: IntArray
    """(B,): who is meant to take the bookings that are still open, -1 nobody; a note that a method leaves itself."""
    spent: FloatArray
    """(4,): empty km, lateness cost, lost cost, overtime minutes."""


@compiled
def start(day):  # type: ignore[no-untyped-def]
    """The day before its first decision."""
    n_drivers, n_bookings = day.drivers.shape[0], day.bookings.shape[0]
    return Run(
        np.arange(n_drivers),
        day.drivers[:, SHIFT_START].copy(),
        np.empty((n_drivers, n_bookings), dtype=np.int64),
        np.zeros(n_drivers, dtype=np.int64),
        np.zeros(n_drivers, dtype=np.int64),
        np.arange(n_drivers),
        day.drivers[:, SHIFT_START].copy(),
        np.zeros(n_drivers, dtype=np.int64),
        np.full((n_bookings, LOG_COLUMNS), np.inf),
        np.zeros(n_bookings, dtype=np.int64),
        np.full(n_bookings, -1, dtype=np.int64),
        np.full(n_bookings, -1, dtype=np.int64),
        np.zeros(4),
    )


@compiled
def copied(run):  # type: ignore[no-untyped-def]
    """The same day, to be continued in another way."""
    return Run(
        run.position.copy(),
        run.free_min.copy(),
        run.routes.copy(),
        run.lengths.copy(),
        run.closed.copy(),
        run.known_position.copy(),
        run.known_free_min.copy(),
        run.known_load.copy(),
        run.log.copy(),
        run.state.copy(),
        run.driver.copy(),
        run.plan.copy(),
        run.spent.copy(),
    )


@compiled
def decision_min(day, lead_min, rank):  # type: ignore[no-untyped-def]
    """When a booking is decided, minutes after midnight."""
    return day.bookings[rank, SCHEDULED] - lead_min


@compiled
def is_gone(real, run, rank, now):  # type: ignore[no-untyped-def]
    """Whether a booking that is due was cancelled; if so, that is noted."""
    if real.cancelled_min[rank] > now:
        return False
    run.state[rank] = GONE
    return True


@compiled
def commit(day, real, run, rank, driver, now, no_show_wait):  # type: ignore[no-untyped-def]
    """Give a booking to a driver (-1: to nobody) at the moment ``now`` and let chance decide what it takes."""
    run.driver[rank] = driver
    if driver < 0:
        run.state[rank] = LEFT_OUT
        run.spent[LOST_TOTAL] += day.bookings[rank, LOST_COST]
        return
    run.routes[driver, run.lengths[driver]] = rank
    run.lengths[driver] += 1
    position = run.position[driver]
    depart = max(run.free_min[driver], now)
    arrival = depart + real.travel_min[position, rank]
    lateness = max(0.0, arrival - day.bookings[rank, SCHEDULED])
    run.log[rank, DEPART] = depart
    if lateness > day.weights[LOST_AFTER]:
        run.state[rank] = MISSED
        run.spent[LOST_TOTAL] += day.bookings[rank, LOST_COST]
        return
    run.log[rank, ARRIVE] = arrival
    begin = max(arrival, day.bookings[rank, READY])
    run.log[rank, BEGIN] = begin
    km = day.travel[position, rank, KM]
    if real.is_no_show[rank]:
        run.state[rank] = NO_SHOW
        done = begin + no_show_wait + real.travel_min[position, rank]
        run.log[rank, BOARDED] = begin + no_show_wait
        run.log[rank, DROPPED] = begin + no_show_wait
        run.spent[KM_COST] += 2.0 * km
    else:
        run.state[rank] = TAKEN
        run.log[rank, BOARDED] = begin + real.boarding_min[rank]
        run.log[rank, DROPPED] = run.log[rank, BOARDED] + real.ride_min[rank]
        done = run.log[rank, DROPPED] + real.alighting_min[rank]
        run.spent[KM_COST] += km
        run.spent[LATE_COST] += lateness_cost(day.bookings, day.weights, rank, lateness)
        run.position[driver] = day.drivers.shape[0] + rank
    run.log[rank, DONE] = done
    run.free_min[driver] = done
    run.spent[OVERTIME] += max(0.0, done - max(day.drivers[driver, SHIFT_END], depart))


@compiled
def loads_of(run):  # type: ignore[no-untyped-def]
    """Bookings served by each driver (D,), no-shows included."""
    loads = np.zeros(run.lengths.size, dtype=np.int64)
    for rank in range(run.state.size):
        if run.state[rank] == TAKEN or run.state[rank] == NO_SHOW:
            loads[run.driver[rank]] += 1
    return loads


@compiled
def cost_of(day, run):  # type: ignore[no-untyped-def]
    """Cost of the day once every booking is decided; the definition of :func:`~..simulator.simulate`."""
    loads = loads_of(run)
    total = day.weights[EMPTY_KM] * run.spent[KM_COST] + run.spent[LATE_COST] + run.spent[LOST_TOTAL]
    for driver in range(loads.size):
        if day.drivers[driver, IS_EMERGENCY] > 0.0 and loads[driver] > 0:
            total += day.weights[EMERGENCY_USE]
    return total + gap_cost(day, gap_of(loads))


@compiled
def outlook(day, run, driver, now, sigma):  # type: ignore[no-untyped-def]
    """Where a driver is expected to be free, when, how surely, and with how many bookings behind it.

    What happened until ``now`` is known; what is under way is expected to take as long as planned, and to end now if it
    has taken longer already.

    Parameters
    ----------
    day : PackedDay
    run : Run
        ``closed`` and ``known_*`` are brought up to the clock.
    driver : int
    now : float
        Minutes after midnight; must not go back.
    sigma : ndarray (2,)
        Of the lognormal factors of ways and of services.

    Returns
    -------
    (int, float, float, int)
        Row of ``travel``, minutes after midnight, variance (minutes squared), bookings served.
    """
    n_drivers = day.drivers.shape[0]
    position, free_min = run.known_position[driver], run.known_free_min[driver]
    variance, load = 0.0, run.known_load[driver]
    for index in range(run.closed[driver], run.lengths[driver]):
        rank = run.routes[driver, index]
        departed = run.log[rank, DEPART] <= now
        if run.state[rank] == MISSED and departed:
            if index == run.closed[driver]:
                run.closed[driver] += 1
            continue
        expected = day.travel[position, rank, MINUTES]
        leaves = run.log[rank, DEPART] if departed else max(free_min, now)
        if not departed and leaves + expected - day.bookings[rank, SCHEDULED] > day.weights[LOST_AFTER]:
            continue
        load += 1
        if run.state[rank] == NO_SHOW and run.log[rank, BOARDED] <= now:
            free_min = run.log[rank, DONE] if run.log[rank, DONE] <= now else run.log[rank, BOARDED] + expected
            free_min = free_min if run.log[rank, DONE] <= now else max(now, free_min)
            variance = 0.0
        else:
            clock, variance = _segment(run.log[rank, ARRIVE], now, leaves, expected, sigma[0], variance)
            if run.log[rank, ARRIVE] > now and clock < day.bookings[rank, READY]:
                slack = day.bookings[rank, READY] - clock
                variance = max(0.0, variance - slack * slack)
            clock = max(clock, day.bookings[rank, READY])
            over = np.inf if run.state[rank] == NO_SHOW else 0.0
            boarded, dropped, done = (
                run.log[rank, BOARDED] + over,
                run.log[rank, DROPPED] + over,
                run.log[rank, DONE] + over,
            )
            clock, variance = _segment(boarded, now, clock, day.bookings[rank, BOARDING], sigma[1], variance)
            clock, variance = _segment(dropped, now, clock, day.bookings[rank, RIDE], sigma[0], variance)
            free_min, variance = _segment(done, now, clock, day.bookings[rank, ALIGHTING], sigma[1], variance)
            position = n_drivers + rank
        if run.log[rank, DONE] <= now and index == run.closed[driver]:
            run.closed[driver] += 1
            run.known_position[driver] = position
            run.known_free_min[driver] = free_min
            run.known_load[driver] = load
    return position, free_min, variance, load


@compiled
def _segment(ends, now, begins, expected, sigma, variance):  # type: ignore[no-untyped-def]
    # A part of a service that began, or will begin, at ``begins``: its end as far as known, and the variance of that.
    if ends <= now:
        return ends, 0.0
    spread = sigma * expected
    if begins >= now:
        return begins + expected, variance + spread * spread
    return max(now, begins + expected), spread * spread
