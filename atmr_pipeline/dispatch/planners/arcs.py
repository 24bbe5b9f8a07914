"""What it costs at least to go from anywhere to a booking: for bounds, and to know where to look first."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from atmr_pipeline.dispatch.compiled import compiled, inlined
from atmr_pipeline.dispatch.kernel import (
    ALIGHTING,
    BOARDING,
    EMERGENCY_USE,
    EMPTY_KM,
    IS_EMERGENCY,
    KM,
    LOST_AFTER,
    MINUTES,
    READY,
    RIDE,
    SCHEDULED,
    SHIFT_END,
    SHIFT_START,
    lateness_cost,
)

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


DELAYS_MIN = np.array([0.0, 3.0, 7.0, 12.0, 18.0, 24.0])
"""A driver who is free somewhere later than anybody could be counts as this much later, rounded down."""

ROUNDING_MIN = 1e-6
"""Sums of minutes are rounded otherwise here than on the road: what is this close to impossible counts as possible."""


class Arcs(NamedTuple):
    """Least costs of going from anywhere to a booking: D drivers, B bookings, V delays.

    A *position* is a row of ``PackedDay.travel``: a start point or a drop-off. A *node* is a position at a delay,
    numbered V x position + delay.
    """

    cost: FloatArray
    """(V (D + B), B): least cost of the booking right after a node, infinite if it cannot be."""
    node: IntArray
    """(V (D + B), B): where that leads to at the earliest; any where it cannot be."""
    earliest: FloatArray
    """(D + B,): from when a driver can be free at a position."""


@compiled
def arcs_of(day):  # type: ignore[no-untyped-def]
    """The arcs of a day."""
    drivers, bookings, travel, _, weights = day
    n_drivers, n_bookings, n_delays = drivers.shape[0], bookings.shape[0], DELAYS_MIN.size
    n_positions = n_drivers + n_bookings
    cost = np.full((n_delays * n_positions, n_bookings), np.inf)
    node = np.zeros((n_delays * n_positions, n_bookings), dtype=np.int64)
    ends, earliest = np.empty(n_delays * n_positions), np.full(n_positions, np.inf)
    earliest[:n_drivers] = drivers[:, SHIFT_START]
    last_end = -np.inf
    for driver in range(n_drivers):
        last_end = max(last_end, drivers[driver, SHIFT_END])
    for rank in range(n_bookings):
        service = bookings[rank, BOARDING] + bookings[rank, RIDE] + bookings[rank, ALIGHTING]
        for position in range(n_drivers + rank):
            use, shift_end = 0.0, last_end
            if position < n_drivers:
                shift_end = drivers[position, SHIFT_END]
                if drivers[position, IS_EMERGENCY] > 0.0:
                    use = weights[EMERGENCY_USE]
            for delay in range(n_delays if position >= n_drivers else 1):
                arrival = earliest[position] + DELAYS_MIN[delay] + travel[position, rank, MINUTES]
                lateness = max(0.0, arrival - bookings[rank, SCHEDULED])
                end = max(arrival, bookings[rank, READY]) + service
                here = n_delays * position + delay
                # Where lateness has no limit, "inf > inf" would let nobody through.
                possible = lateness <= weights[LOST_AFTER] + ROUNDING_MIN and end <= shift_end + ROUNDING_MIN
                if possible and arrival < np.inf:
                    late = lateness_cost(bookings, weights, rank, lateness)
                    cost[here, rank] = weights[EMPTY_KM] * travel[position, rank, KM] + late + use
                    ends[here] = end
                    earliest[n_drivers + rank] = min(earliest[n_drivers + rank], end)
        for here in range(n_delays * (n_drivers + rank)):
            if cost[here, rank] < np.inf:
                delay = delay_of(ends[here] - earliest[n_drivers + rank])
                node[here, rank] = n_delays * (n_drivers + rank) + delay
    return Arcs(cost, node, earliest)


@inlined
def delay_of(later_min):  # type: ignore[no-untyped-def]
    """The number of a delay, rounded down."""
    delay = DELAYS_MIN.size - 1
    while delay > 0 and DELAYS_MIN[delay] > later_min:
        delay -= 1
    return delay
