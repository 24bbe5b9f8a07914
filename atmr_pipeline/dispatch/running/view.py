"""What a dispatcher sees of a running day: the bookings known by now, and each driver as far as it can be known.

The view is itself a small day: it starts where the drivers are expected to be free, and the kernel's functions and any
planner that takes a :class:`PackedDay` work on it.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from atmr_pipeline.dispatch.compiled import compiled
from atmr_pipeline.dispatch.kernel import (
    IS_EMERGENCY,
    LOST_AFTER,
    MINUTES,
    RIDE,
    SERVED,
    SHIFT_START,
    PackedDay,
    serve,
)
from atmr_pipeline.dispatch.running.day import OPEN, outlook
from atmr_pipeline.dispatch.running.risk import HOPE

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


class View(NamedTuple):
    """A decision to be taken. D drivers, n visible bookings in service order; the first is the one to be decided.

    The first five fields are those of a :class:`PackedDay` with expected durations. A driver's shift starts when it is
    expected to be free, at most now; an emergency driver that is already in use is an ordinary one.
    """

    drivers: FloatArray
    bookings: FloatArray
    travel: FloatArray
    absences: FloatArray
    weights: FloatArray
    loads: IntArray
    """(D,): bookings that each driver serves or will have served."""
    variance: FloatArray
    """(D,): of the moment when it is free, minutes squared."""
    sigma: FloatArray
    """(2,): of the lognormal factors of ways and of services, as far as the dispatcher expects any."""
    now_min: float
    ranks: IntArray
    """(n,): which bookings of the day these are."""
    plan: IntArray
    """(n,): who was meant to take them at the last decision, -1 nobody."""


@compiled
def look(day, real, run, rank, now, sigma):  # type: ignore[no-untyped-def]
    """The view at the moment ``now``, when booking ``rank`` is to be decided."""
    n_drivers, n_bookings = day.drivers.shape[0], day.bookings.shape[0]
    ranks = np.empty(n_bookings - rank, dtype=np.int64)
    seen = 0
    for later in range(rank, n_bookings):
        hidden = real.revealed_min[later] > now or real.cancelled_min[later] <= now
        if run.state[later] == OPEN and not hidden:
            ranks[seen] = later
            seen += 1
    ranks = ranks[:seen].copy()
    drivers = day.drivers.copy()
    travel = np.empty((n_drivers + seen, seen, 2))
    bookings, plan = np.empty((seen, day.bookings.shape[1])), np.empty(seen, dtype=np.int64)
    loads, variance = np.empty(n_drivers, dtype=np.int64), np.empty(n_drivers)
    for driver in range(n_drivers):
        position, free_min, variance[driver], loads[driver] = outlook(day, run, driver, now, sigma)
        drivers[driver, SHIFT_START] = max(free_min, now)
        if loads[driver] > 0:
            drivers[driver, IS_EMERGENCY] = 0.0
        for column in range(seen):
            travel[driver, column] = day.travel[position, ranks[column]]
    for row in range(seen):
        bookings[row] = day.bookings[ranks[row]]
        plan[row] = run.plan[ranks[row]]
        for column in range(seen):
            travel[n_drivers + row, column] = day.travel[n_drivers + ranks[row], ranks[column]]
    return View(drivers, bookings, travel, day.absences, day.weights, loads, variance, sigma.copy(), now, ranks, plan)


@compiled
def legal_drivers(view):  # type: ignore[no-untyped-def]
    """Which drivers may be given the booking (D,): within shift and absences as expected, and in time.

    Without beliefs about chance in time means as expected. With them a driver may be asked who has a chance to be in
    time (:data:`HOPE`): too late, the booking is lost as it would be without a driver, and the driver does not go.
    """
    legal = np.zeros(view.drivers.shape[0], dtype=np.bool_)
    weights = view.weights.copy()
    for driver in range(legal.size):
        way = view.sigma[0] * view.travel[driver, 0, MINUTES]
        weights[LOST_AFTER] = view.weights[LOST_AFTER] + HOPE * np.sqrt(view.variance[driver] + way * way)
        state, _, _, _, _, _ = serve(
            view.drivers, view.bookings, view.travel, view.absences, weights, driver, driver,
            view.drivers[driver, SHIFT_START], 0,
        )  # fmt: skip
        legal[driver] = state == SERVED
    return legal


@compiled
def with_margin(view, margin):  # type: ignore[no-untyped-def]
    """The same view with every way, empty or with a patient, expected to take ``1 + margin`` times as long."""
    bookings, travel = view.bookings.copy(), view.travel.copy()
    bookings[:, RIDE] *= 1.0 + margin
    travel[:, :, MINUTES] *= 1.0 + margin
    return View(
        view.drivers, bookings, travel, view.absences, view.weights, view.loads, view.variance, view.sigma,
        view.now_min, view.ranks, view.plan,
    )  # fmt: skip


def packed(view: View) -> PackedDay:
    """The view as a day for planners; add ``view.loads`` for the load gap."""
    return PackedDay(*view[:5])
