"""A plan for what is still open, as routes that remember how far they are priced."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from atmr_pipeline.dispatch.compiled import compiled
from atmr_pipeline.dispatch.running.prepared import (
    CALL_OUT,
    COST,
    COUNT,
    FREE,
    LOSS,
    TOO_LATE,
    VARIANCE,
    gap_price,
    step,
)

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

NOTHING = -1
NO_LIMIT = np.inf


class Tentative(NamedTuple):
    """D drivers, n bookings. Changed in place.

    A mark is what a driver's day looks like after a booking: when it is free, the variance of that, the cost so far and
    the bookings served. The first D marks are before any booking, mark D + rank is after booking ``rank``.
    """

    routes: IntArray
    """(D, n): bookings of each driver, in order."""
    lengths: IntArray
    """(D,)"""
    costs: FloatArray
    """(D,): expected cost of each route."""
    counts: FloatArray
    """(D,): bookings served on it."""
    owner: IntArray
    """(n,): who has each booking, -1 nobody."""
    marks: FloatArray
    """(D + n, 4)"""
    places: IntArray
    """(D + n,): and where it is then, as a row of ``ways``."""


@compiled
def tentative(day, owner):  # type: ignore[no-untyped-def]
    """A plan by booking as routes; bookings that a shift end or an absence forbids are taken off, the last first."""
    n_drivers, n_bookings = day.duties.shape[0], owner.size
    plan = Tentative(
        np.empty((n_drivers, n_bookings), dtype=np.int64),
        np.zeros(n_drivers, dtype=np.int64),
        np.zeros(n_drivers),
        np.zeros(n_drivers),
        owner.copy(),
        np.zeros((n_drivers + n_bookings, 4)),
        np.arange(n_drivers + n_bookings),
    )
    for rank in range(n_bookings):
        driver = owner[rank]
        if driver >= 0:
            plan.routes[driver, plan.lengths[driver]] = rank
            plan.lengths[driver] += 1
    for driver in range(n_drivers):
        plan.marks[driver, FREE], plan.marks[driver, VARIANCE] = day.free[driver, 0], day.free[driver, 1]
        refresh(day, plan, driver)
    return plan


@compiled
def refresh(day, plan, driver):  # type: ignore[no-untyped-def]
    """Price a driver's route and set its marks; from the first booking that is forbidden it is cut off."""
    ways, services, duties, absences, rates, _, _ = day
    route, marks = plan.routes[driver], plan.marks
    before = driver
    for index in range(plan.lengths[driver]):
        rank, mark = route[index], duties.shape[0] + route[index]
        position = plan.places[before]
        place, free_min, variance, total, count = step(
            ways, services, duties, absences, rates[TOO_LATE], driver, position, marks[before, FREE],
            marks[before, VARIANCE], marks[before, COST], marks[before, COUNT], rank,
        )  # fmt: skip
        if total == np.inf:
            for later in range(index, plan.lengths[driver]):
                plan.owner[route[later]] = -1
            plan.lengths[driver] = index
            break
        marks[mark, COST], marks[mark, COUNT] = total, count
        marks[mark, FREE], marks[mark, VARIANCE] = free_min, variance
        plan.places[mark] = place
        before = mark
    plan.counts[driver] = marks[before, COUNT]
    plan.costs[driver] = marks[before, COST]
    if plan.counts[driver] > 0.0:
        plan.costs[driver] += duties[driver, CALL_OUT]


@compiled
def value_of(day, plan):  # type: ignore[no-untyped-def]
    """Expected cost to come, load gap of the whole day included."""
    total = gap_price(day.rates, day.loads, plan.counts, -1, 0.0, -1, 0.0) + plan.costs.sum()
    for rank in range(plan.owner.size):
        if plan.owner[rank] < 0:
            total += day.services[rank, LOSS]
    return total


@compiled
def place_of(plan, driver, rank):  # type: ignore[no-untyped-def]
    """Index of the first booking of a driver's route that is not before ``rank``, and the mark before it."""
    n_drivers, index = plan.routes.shape[0], 0
    while index < plan.lengths[driver] and plan.routes[driver, index] < rank:
        index += 1
    return index, n_drivers + plan.routes[driver, index - 1] if index > 0 else driver


@compiled
def move(day, plan, rank, driver):  # type: ignore[no-untyped-def]
    """Give a booking to another driver, or to nobody (-1)."""
    home = plan.owner[rank]
    if home >= 0:
        route, kept = plan.routes[home], 0
        for index in range(plan.lengths[home]):
            if route[index] != rank:
                route[kept] = route[index]
                kept += 1
        plan.lengths[home] = kept
        plan.owner[rank] = -1
        refresh(day, plan, home)
    if driver >= 0:
        route, at = plan.routes[driver], plan.lengths[driver]
        while at > 0 and route[at - 1] > rank:
            route[at] = route[at - 1]
            at -= 1
        route[at] = rank
        plan.lengths[driver] += 1
        plan.owner[rank] = driver
        refresh(day, plan, driver)
