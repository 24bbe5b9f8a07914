"""A view arranged for search: what a way or a service costs is looked up, and a route is priced from any point on."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from atmr_pipeline.dispatch.compiled import compiled, inlined
from atmr_pipeline.dispatch.kernel import (
    ALIGHTING,
    BOARDING,
    EMERGENCY_USE,
    EMPTY_KM,
    FIRST_ABSENCE,
    FREE_LOAD_GAP,
    IS_EMERGENCY,
    IS_OUTBOUND,
    KM,
    LAST_ABSENCE,
    LOAD_GAP,
    LOST_AFTER,
    LOST_COST,
    MINUTES,
    READY,
    RETURN_TOLERANCE,
    RIDE,
    SCHEDULED,
    SHIFT_END,
    SHIFT_START,
    URGENCY,
)
from atmr_pipeline.dispatch.running.risk import CLEAR, HOPE, expected_lateness, expected_wait

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

WAY_MIN, WAY_COST, WAY_VARIANCE = 0, 1, 2
AT, READY_AT, LENGTH, LENGTH_VARIANCE, URGENT, TOLERANCE, LOSS = 0, 1, 2, 3, 4, 5, 6
ENDS, FROM, TO, CALL_OUT = 0, 1, 2, 3
TOO_LATE, GAP_PRICE, GAP_FREE = 0, 1, 2
FREE, VARIANCE, COST, COUNT = 0, 1, 2, 3


class Prepared(NamedTuple):
    """D drivers, n bookings in service order, A absences."""

    ways: FloatArray
    """(D + n, n, 3): minutes, cost of the empty km and variance of the minutes, from drivers, then from drop-offs."""
    services: FloatArray
    """(n, 7): scheduled, ready, boarding to alighting and its variance, factor of urgency, tolerance, cost if lost."""
    duties: FloatArray
    """(D, 4): shift end, first absence, one after the last, cost of the driver's first booking."""
    absences: FloatArray
    """(A, 2)"""
    rates: FloatArray
    """(3,): lost after, load gap, free load gap."""
    loads: IntArray
    """(D,): bookings that count in the load gap already."""
    free: FloatArray
    """(D, 2): when each driver is free, and the variance of that."""


@compiled
def prepare(view):  # type: ignore[no-untyped-def]
    """Arrange a view."""
    n_drivers, n_bookings = view.drivers.shape[0], view.bookings.shape[0]
    travel_variance, service_variance = view.sigma[0] * view.sigma[0], view.sigma[1] * view.sigma[1]
    foresight = np.empty(n_bookings)
    for rank in range(n_bookings):
        ahead = view.bookings[rank, SCHEDULED] - view.bookings[0, SCHEDULED]
        foresight[rank] = np.exp(-ahead / view.sigma[2])
    ways = np.empty((n_drivers + n_bookings, n_bookings, 3))
    for row in range(n_drivers + n_bookings):
        for rank in range(n_bookings):
            minutes = view.travel[row, rank, MINUTES]
            ways[row, rank, WAY_MIN] = minutes
            ways[row, rank, WAY_COST] = view.weights[EMPTY_KM] * view.travel[row, rank, KM]
            ways[row, rank, WAY_VARIANCE] = foresight[rank] * travel_variance * minutes * minutes
    services = np.empty((n_bookings, 7))
    for rank in range(n_bookings):
        boarding, alighting = view.bookings[rank, BOARDING], view.bookings[rank, ALIGHTING]
        ride = view.bookings[rank, RIDE]
        services[rank, AT] = view.bookings[rank, SCHEDULED]
        services[rank, READY_AT] = view.bookings[rank, READY]
        services[rank, LENGTH] = boarding + ride + alighting
        services[rank, LENGTH_VARIANCE] = service_variance * (boarding * boarding + alighting * alighting)
        services[rank, LENGTH_VARIANCE] += travel_variance * ride * ride
        services[rank, LENGTH_VARIANCE] *= foresight[rank]
        services[rank, URGENT] = view.bookings[rank, URGENCY]
        services[rank, TOLERANCE] = 0.0 if view.bookings[rank, IS_OUTBOUND] != 0.0 else view.weights[RETURN_TOLERANCE]
        services[rank, LOSS] = view.bookings[rank, LOST_COST]
    duties, free = np.empty((n_drivers, 4)), np.empty((n_drivers, 2))
    for driver in range(n_drivers):
        duties[driver, ENDS] = view.drivers[driver, SHIFT_END]
        duties[driver, FROM] = view.drivers[driver, FIRST_ABSENCE]
        duties[driver, TO] = view.drivers[driver, LAST_ABSENCE]
        duties[driver, CALL_OUT] = view.weights[EMERGENCY_USE] if view.drivers[driver, IS_EMERGENCY] > 0.0 else 0.0
        free[driver, 0] = view.drivers[driver, SHIFT_START]
        free[driver, 1] = view.variance[driver]
    rates = np.array([view.weights[LOST_AFTER], view.weights[LOAD_GAP], view.weights[FREE_LOAD_GAP]])
    return Prepared(ways, services, duties, view.absences, rates, view.loads, free)


@compiled
def lateness_price(services, rank, late, variance, too_late):  # type: ignore[no-untyped-def]
    """Expected cost of lateness and loss of booking ``rank``, reached ``late`` minutes late with that variance.

    Returns
    -------
    (float, float)
        Cost, and the probability of loss.
    """
    tolerance = services[rank, TOLERANCE]
    if variance > 0.0:
        minutes, lost = expected_lateness(late, np.sqrt(variance), tolerance, too_late)
        return services[rank, URGENT] * minutes + lost * services[rank, LOSS], lost
    excess = max(0.0, late - tolerance)
    if tolerance > 0.0:
        excess *= excess / tolerance
    return services[rank, URGENT] * excess, 0.0


@inlined
def step(  # type: ignore[no-untyped-def]
    ways, services, duties, absences, too_late, driver, position, free_min, variance, total, count, rank
):
    """One service of a route, as the kernel's ``serve`` but from a moment that is uncertain.

    Parameters
    ----------
    ways, services, duties, absences : ndarray
        Of :class:`Prepared`.
    too_late : float
        ``rates[TOO_LATE]``.
    driver, position : int
        Who drives, and from which row of ``ways``.
    free_min, variance, total, count : float
        Up to this point: when the driver is free, its variance, the cost, the bookings served.
    rank : int

    Returns
    -------
    (int, float, float, float, float)
        The same five, position first, after the booking; the cost is infinite if it is forbidden.
    """
    arrival = free_min + ways[position, rank, WAY_MIN]
    late = arrival - services[rank, AT]
    spread = variance + ways[position, rank, WAY_VARIANCE]
    hopeless = late - too_late
    if hopeless > 0.0 and hopeless * hopeless >= HOPE * HOPE * spread:
        total += services[rank, LOSS]
    else:
        slack = services[rank, READY_AT] - arrival
        begin, left, lost = arrival, 0.0, 0.0
        early = min(slack, -late)
        if early >= 0.0 and early * early >= CLEAR * spread:
            begin = arrival + slack
        else:
            price, lost = lateness_price(services, rank, late, spread, too_late)
            total += price
            if spread > 0.0:
                waits, left = expected_wait(slack, spread)
                begin = arrival + waits
            else:
                begin = arrival + max(0.0, slack)
        ends = begin + services[rank, LENGTH]
        if ends > duties[driver, ENDS]:
            total = np.inf
        for row in range(int(duties[driver, FROM]), int(duties[driver, TO])):
            if begin < absences[row, 1] and ends > absences[row, 0]:
                total = np.inf
        total += (1.0 - lost) * ways[position, rank, WAY_COST]
        count += 1.0 - lost
        if lost < 0.5:
            # The likelier of the two futures stands for both.
            position, free_min, variance = duties.shape[0] + rank, ends, left + services[rank, LENGTH_VARIANCE]
    return position, free_min, variance, total, count


@compiled
def follow(  # type: ignore[no-untyped-def]
    ways, services, duties, absences, too_late, driver, position, mark, route, index, length, leaving, coming, limit
):
    """Price a route from some point on, without one booking and with another (-1 for none).

    Parameters
    ----------
    ways, services, duties, absences : ndarray
        Of :class:`Prepared`.
    too_late : float
    driver, position : int
    mark : ndarray (4,)
        The driver's day up to this point.
    route : ndarray of int
        From ``index`` up to ``length``; ``coming`` belongs after what was served before.
    limit : float
        The price of a route that costs as much is of no interest.

    Returns
    -------
    (float, float)
        Cost, infinite if it is forbidden or beyond the limit, and bookings served.
    """
    free_min, variance, total, count = mark[FREE], mark[VARIANCE], mark[COST], mark[COUNT]
    waiting = coming >= 0
    while (index < length or waiting) and total < limit:
        if waiting and (index >= length or route[index] > coming):
            rank, waiting = coming, False
        else:
            rank = route[index]
            index += 1
        if rank != leaving:
            position, free_min, variance, total, count = step(
                ways, services, duties, absences, too_late, driver, position, free_min, variance, total, count, rank
            )
    if count > 0.0:
        total += duties[driver, CALL_OUT]
    if total >= limit:
        total = np.inf
    return total, count


@inlined
def gap_price(rates, loads, counts, first, first_count, second, second_count):  # type: ignore[no-untyped-def]
    """Cost of the load gap at the end of the day, with two drivers (-1: none) serving other numbers than planned."""
    most, least = -1.0, np.inf
    for driver in range(loads.size):
        count = counts[driver]
        if driver == first:
            count = first_count
        if driver == second:
            count = second_count
        most, least = max(most, loads[driver] + count), min(least, loads[driver] + count)
    return rates[GAP_PRICE] * max(0.0, most - least - rates[GAP_FREE]) if loads.size > 0 else 0.0
