"""What the residual network sees of a decision: one row a candidate, made by one function for training and serving.

A candidate is a driver who may take the booking, or nobody. Its row tells what the search expects of it, how sure that
is, and how the plan for the rest of the day looks if it is chosen.
"""

import hashlib
import json
import math

import numpy as np

from atmr_pipeline.dispatch.compiled import compiled
from atmr_pipeline.dispatch.running.plan import tentative
from atmr_pipeline.dispatch.running.prepared import (
    AT,
    CALL_OUT,
    ENDS,
    FREE,
    LENGTH,
    LOSS,
    TOLERANCE,
    TOO_LATE,
    URGENT,
    VARIANCE,
    WAY_COST,
    WAY_MIN,
    WAY_VARIANCE,
    gap_price,
    lateness_price,
)

COST_SCALE = 20.0
"""Costs reach the network, and leave it, in units of this."""
TIGHT_SPREADS = 1.0
"""A booking is tight if the driver is expected less than so many standard deviations early."""

FEATURES: tuple[tuple[str, str], ...] = (
    ("is_nobody", "flag"),
    ("regret", "20 cost units"),
    ("is_best", "flag"),
    ("way_cost", "20 cost units"),
    ("lateness_price", "20 cost units"),
    ("slack", "30 min"),
    ("spread", "15 min"),
    ("free_spread", "15 min"),
    ("waits", "h"),
    ("load_above_least", "bookings"),
    ("load_above_mean", "bookings"),
    ("shift_left_after", "4 h"),
    ("calls_out_emergency", "flag"),
    ("has_next", "flag"),
    ("next_slack", "30 min"),
    ("next_spread", "15 min"),
    ("next_begins_in", "h"),
    ("bookings_after", "5 bookings"),
    ("planned_way_cost", "20 cost units"),
    ("planned_lateness_price", "20 cost units"),
    ("planned_left_out", "bookings"),
    ("planned_gap_price", "20 cost units"),
    ("planned_tight", "bookings"),
    ("planned_way_cost_above_best", "20 cost units"),
    ("planned_lateness_price_above_best", "20 cost units"),
    ("planned_left_out_above_best", "bookings"),
    ("planned_gap_price_above_best", "20 cost units"),
    ("planned_tight_above_best", "bookings"),
    ("is_outbound", "flag"),
    ("urgency", "factor"),
    ("service_length", "h"),
    ("time_of_day", "12 h"),
    ("bookings_visible", "10 bookings"),
    ("drivers_on_duty", "5 drivers"),
    ("bookings_visible_per_driver", "5 bookings"),
    ("load_gap", "bookings"),
    ("candidates", "5"),
    ("next_booking_in", "h"),
)
"""Name and unit of each column."""

N_FEATURES = len(FEATURES)
_PLANNED, _ABOVE_BEST, _SHARED = 18, 23, 28


def feature_contract() -> dict[str, object]:
    """Names and units in order, the scales, and a SHA-256 over them."""
    body: dict[str, object] = {
        "features": [list(feature) for feature in FEATURES],
        "cost_scale": COST_SCALE,
        "tight_spreads": TIGHT_SPREADS,
    }
    return {**body, "sha256": hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()}


@compiled
def _clipped(value, lowest, highest):  # type: ignore[no-untyped-def]
    return min(highest, max(lowest, value))


@compiled
def candidate_features(day, now_min, values, plans):  # type: ignore[no-untyped-def]
    """Rows of the network, one a candidate.

    Parameters
    ----------
    day : Prepared
    now_min : float
    values : ndarray (D + 1,)
        Expected cost to come by candidate, infinite where a driver is none.
    plans : ndarray of int (D + 1, n)

    Returns
    -------
    ndarray of float32 (D + 1, len(FEATURES))
        Zero where a driver is no candidate.
    """
    n_drivers = day.duties.shape[0]
    out = np.zeros((n_drivers + 1, N_FEATURES), dtype=np.float32)
    best = values.argmin()
    least, mean = 0.0, 0.0
    if n_drivers > 0:
        least, mean = float(day.loads.min()), day.loads.sum() / n_drivers
    candidates = 0
    for row in range(n_drivers + 1):
        candidates += values[row] < np.inf
    for row in range(n_drivers + 1):
        if values[row] == np.inf:
            continue
        plan = tentative(day, plans[row])
        out[row, 0] = row == n_drivers
        out[row, 1] = _clipped((values[row] - values[best]) / COST_SCALE, 0.0, 5.0)
        out[row, 2] = row == best
        if row < n_drivers:
            _of_driver(day, plan, row, now_min, out[row])
            out[row, 9], out[row, 10] = day.loads[row] - least, day.loads[row] - mean
        _of_plan(day, plan, out[row])
        _of_decision(day, now_min, candidates, out[row])
    for row in range(n_drivers + 1):
        if values[row] < np.inf:
            for column in range(_ABOVE_BEST - _PLANNED):
                out[row, _ABOVE_BEST + column] = out[row, _PLANNED + column] - out[best, _PLANNED + column]
    return out


@compiled
def _of_driver(day, plan, driver, now_min, out):  # type: ignore[no-untyped-def]
    n_drivers = day.duties.shape[0]
    arrival = day.free[driver, 0] + day.ways[driver, 0, WAY_MIN]
    variance = day.free[driver, 1] + day.ways[driver, 0, WAY_VARIANCE]
    late = arrival - day.services[0, AT]
    out[3] = day.ways[driver, 0, WAY_COST] / COST_SCALE
    price, _ = lateness_price(day.services, 0, late, variance, day.rates[TOO_LATE])
    out[4] = _clipped(price / COST_SCALE, 0.0, 10.0)
    out[5] = _clipped(-late / 30.0, -1.0, 3.0)
    out[6] = _clipped(math.sqrt(variance) / 15.0, 0.0, 2.0)
    out[7] = _clipped(math.sqrt(day.free[driver, 1]) / 15.0, 0.0, 2.0)
    out[8] = _clipped((day.free[driver, 0] - now_min) / 60.0, 0.0, 2.0)
    mark = n_drivers
    out[11] = _clipped((day.duties[driver, ENDS] - plan.marks[mark, FREE]) / 240.0, 0.0, 2.0)
    out[12] = day.duties[driver, CALL_OUT] > 0.0
    out[17] = (plan.lengths[driver] - 1) / 5.0
    if plan.lengths[driver] > 1:
        rank = plan.routes[driver, 1]
        place = plan.places[mark]
        arrival = plan.marks[mark, FREE] + day.ways[place, rank, WAY_MIN]
        out[13] = 1.0
        out[14] = _clipped((day.services[rank, AT] - arrival) / 30.0, -1.0, 3.0)
        variance = plan.marks[mark, VARIANCE] + day.ways[place, rank, WAY_VARIANCE]
        out[15] = _clipped(math.sqrt(variance) / 15.0, 0.0, 2.0)
        out[16] = _clipped((day.services[rank, AT] - day.services[0, AT]) / 60.0, 0.0, 4.0)


@compiled
def _of_plan(day, plan, out):  # type: ignore[no-untyped-def]
    n_drivers = day.duties.shape[0]
    way, late_price, left_out, tight = 0.0, 0.0, 0.0, 0.0
    for driver in range(n_drivers):
        before = driver
        for index in range(plan.lengths[driver]):
            rank = plan.routes[driver, index]
            place = plan.places[before]
            late = plan.marks[before, FREE] + day.ways[place, rank, WAY_MIN] - day.services[rank, AT]
            variance = plan.marks[before, VARIANCE] + day.ways[place, rank, WAY_VARIANCE]
            if late > day.rates[TOO_LATE]:
                left_out += day.services[rank, LOSS] / 100.0
            else:
                way += day.ways[place, rank, WAY_COST]
                price, _ = lateness_price(day.services, rank, late, variance, day.rates[TOO_LATE])
                late_price += price
                if late - day.services[rank, TOLERANCE] > -TIGHT_SPREADS * math.sqrt(variance):
                    tight += 1.0
            before = n_drivers + rank
    for rank in range(plan.owner.size):
        if plan.owner[rank] < 0:
            left_out += day.services[rank, LOSS] / 100.0
    gap = gap_price(day.rates, day.loads, plan.counts, -1, 0.0, -1, 0.0)
    out[_PLANNED] = way / COST_SCALE
    out[_PLANNED + 1] = late_price / COST_SCALE
    out[_PLANNED + 2] = left_out
    out[_PLANNED + 3] = gap / COST_SCALE
    out[_PLANNED + 4] = tight


@compiled
def _of_decision(day, now_min, candidates, out):  # type: ignore[no-untyped-def]
    n_drivers, n_bookings = day.duties.shape[0], day.services.shape[0]
    out[_SHARED] = day.services[0, TOLERANCE] == 0.0
    out[_SHARED + 1] = day.services[0, URGENT]
    out[_SHARED + 2] = day.services[0, LENGTH] / 60.0
    out[_SHARED + 3] = day.services[0, AT] / 720.0
    out[_SHARED + 4] = n_bookings / 10.0
    out[_SHARED + 5] = n_drivers / 5.0
    out[_SHARED + 6] = n_bookings / (5.0 * max(1, n_drivers))
    out[_SHARED + 7] = (day.loads.max() - day.loads.min()) if n_drivers > 0 else 0.0
    out[_SHARED + 8] = candidates / 5.0
    if n_bookings > 1:
        out[_SHARED + 9] = _clipped((day.services[1, AT] - day.services[0, AT]) / 60.0, 0.0, 4.0)
    else:
        out[_SHARED + 9] = 4.0
