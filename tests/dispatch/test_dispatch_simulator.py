"""The cost of a day against cases computed by hand and against a second implementation in plain Python."""

import math

import numpy as np
import pytest
from dispatch_builders import line_day, random_day
from hypothesis import given, settings
from hypothesis import strategies as st

from atmr_pipeline.dispatch.problem import DayProblem
from atmr_pipeline.dispatch.simulator import CostWeights, simulate
from atmr_pipeline.domain.errors import InfeasiblePlanError, InvalidProblemError


class BrokenRuleError(Exception):
    """The reference met a shift end or an absence."""


def reference(day: DayProblem, plan: list[int], weights: CostWeights, *, drop_late: bool, enforce: bool) -> dict:
    """The definition of the cost, written again without looking at the compiled one."""
    total_km = lateness_cost = lost_cost = emergency = 0.0
    served_by = [0] * day.n_drivers
    lateness_of = [math.nan] * day.n_bookings
    ids = [int(identifier) for identifier in day.booking_ids]
    for booking, driver in enumerate(plan):
        if driver == -1:
            lost_cost += weights.lost_urgent if day.is_urgent[booking] else weights.lost
    for driver in range(day.n_drivers):
        mine = sorted(
            (b for b in range(day.n_bookings) if plan[b] == driver), key=lambda b: (day.scheduled_min[b], ids[b])
        )
        clock, last = day.shift_start_min[driver], None
        for booking in mine:
            drive = day.start_min[driver, booking] if last is None else day.deadhead_min[last, booking]
            km = day.start_km[driver, booking] if last is None else day.deadhead_km[last, booking]
            late = max(0.0, clock + drive - day.scheduled_min[booking])
            if drop_late and late > weights.lost_after_min:
                lost_cost += weights.lost_urgent if day.is_urgent[booking] else weights.lost
                continue
            board = max(clock + drive, day.ready[booking])
            done = board + day.pickup_service_min[booking] + day.ride_min[booking] + day.dropoff_service_min[booking]
            away = any(who == driver and board < to and done > since for who, since, to in day.absences)
            if enforce and (done > day.shift_end_min[driver] or away):
                raise BrokenRuleError
            if day.is_outbound[booking]:
                part = late
            else:
                part = max(0.0, late - weights.return_tolerance_min) ** 2 / weights.return_tolerance_min
            lateness_cost += part * (weights.urgent_factor if day.is_urgent[booking] else 1.0)
            lateness_of[booking] = late
            total_km += km
            served_by[driver] += 1
            clock, last = done, booking
        if day.is_emergency[driver] and served_by[driver]:
            emergency += weights.emergency_use
    gap = max(served_by) - min(served_by) if served_by else 0
    gap_cost = weights.load_gap * max(0.0, gap - weights.free_load_gap)
    total = weights.empty_km * total_km + lateness_cost + lost_cost + gap_cost + emergency
    return {"total": total, "km": total_km, "gap": gap, "loads": served_by, "lateness": lateness_of}


@settings(max_examples=150, deadline=None)
@given(
    bookings=st.integers(0, 14),
    drivers=st.integers(0, 4),
    seed=st.integers(0, 10_000),
    tight=st.booleans(),
    drop_late=st.booleans(),
    enforce=st.booleans(),
    emergency_use=st.sampled_from([0.0, 25.0]),
)
def test_agrees_with_the_definition(bookings, drivers, seed, tight, drop_late, enforce, emergency_use):
    day = random_day(bookings, drivers, seed, tight=tight)
    weights = CostWeights(emergency_use=emergency_use, empty_km=1.5, load_gap=7.0)
    plan = np.random.default_rng(seed + 1).integers(-1, drivers, bookings)
    try:
        expected = reference(day, plan.tolist(), weights, drop_late=drop_late, enforce=enforce)
    except BrokenRuleError:
        with pytest.raises(InfeasiblePlanError):
            simulate(day, plan, weights=weights, drop_late=drop_late, enforce_shifts=enforce)
        return
    outcome = simulate(day, plan, weights=weights, drop_late=drop_late, enforce_shifts=enforce)
    assert outcome.total == pytest.approx(expected["total"], abs=1e-9)
    assert outcome.deadhead_km == pytest.approx(expected["km"], abs=1e-9)
    assert outcome.load_gap == expected["gap"]
    assert outcome.loads.tolist() == expected["loads"]
    np.testing.assert_allclose(outcome.lateness_min, expected["lateness"], atol=1e-9)
    assert sum(outcome.costs.values()) == pytest.approx(outcome.total)
    assert np.array_equal(outcome.lost, ~outcome.served)
    assert np.array_equal(outcome.driver, np.where(outcome.served, plan, -1))


def test_one_driver_by_hand():
    # 480 leaves km 0; 490 at km 10 on time, free 505 at km 20; 525 at km 0, 25 late (return: 10^2/15), free 540 at
    # km 10; 550 at km 20, 20 late (outbound), free 565. Empty: 10 + 20 + 10. Gap 3: 2 beyond the free one.
    outcome = simulate(line_day(), [0, 0, 0])
    assert outcome.arrival_min.tolist() == [490.0, 525.0, 550.0]
    assert outcome.start_min.tolist() == [490.0, 525.0, 550.0]
    assert outcome.dropoff_end_min.tolist() == [505.0, 540.0, 565.0]
    assert outcome.lateness_min.tolist() == [0.0, 25.0, 20.0]
    assert outcome.late.tolist() == [False, True, True]
    assert outcome.total_lateness_min == 45.0
    assert (outcome.n_late, outcome.n_lost, outcome.load_gap) == (2, 0, 3)
    assert outcome.costs == pytest.approx(
        {"deadhead": 40.0, "lateness": 100.0 / 15.0 + 20.0, "lost": 0.0, "load_gap": 20.0, "emergency": 0.0}
    )
    assert outcome.total == pytest.approx(40.0 + 100.0 / 15.0 + 20.0 + 20.0)
    assert "2 late (45 min)" in outcome.summary()


def test_two_drivers_by_hand_wait_for_the_patient():
    # Driver 8 is at km 0 at once and waits until 500; free 515 at km 10, 525 at km 20, waits until 530.
    outcome = simulate(line_day(), [0, 1, 1])
    assert outcome.arrival_min.tolist() == [490.0, 480.0, 525.0]
    assert outcome.start_min.tolist() == [490.0, 500.0, 530.0]
    assert outcome.total == 20.0


def test_service_waits_for_ready_but_lateness_counts_the_arrival():
    outcome = simulate(line_day(ready_min=np.array([499.0, 500.0, 530.0])), [0, -1, -1])
    assert outcome.start_min[0] == 499.0
    assert outcome.lateness_min[0] == 0.0
    assert outcome.dropoff_end_min[0] == 514.0


def test_lateness_at_the_tolerated_end_is_served_and_past_it_is_lost():
    late = line_day(scheduled_min=np.array([490.0, 495.0, 530.0]))
    assert simulate(late, [0, 0, -1]).lateness_min[1] == 30.0
    later = line_day(scheduled_min=np.array([490.0, 494.9, 530.0]))
    outcome = simulate(later, [0, 0, 0])
    # The driver does not go to the lost booking: from km 20 straight to km 20.
    assert outcome.lost.tolist() == [False, True, False]
    assert outcome.driver.tolist() == [0, -1, 0]
    assert np.isnan(outcome.arrival_min[1])
    assert outcome.deadhead_km == 10.0
    assert outcome.costs["lost"] == 100.0
    gone = simulate(later, [0, 0, 0], drop_late=False)
    assert gone.n_lost == 0
    assert gone.lateness_min[1] == pytest.approx(30.1)


def test_urgent_bookings_cost_more_late_and_lost():
    urgent = line_day(is_urgent=np.ones(3, dtype=bool))
    assert simulate(urgent, [0, 0, 0]).costs["lateness"] == pytest.approx(2.0 * (100.0 / 15.0 + 20.0))
    assert simulate(urgent, [-1, -1, -1]).costs["lost"] == 600.0


def test_an_emergency_driver_costs_once_when_used():
    weights = CostWeights(emergency_use=50.0)
    assert simulate(line_day(), [0, 1, 1], weights=weights).costs["emergency"] == 50.0
    assert simulate(line_day(), [0, 0, 0], weights=weights).costs["emergency"] == 0.0


def test_a_shift_end_is_refused_by_name_unless_the_day_is_replayed():
    day = line_day(shift_end_min=np.array([600.0, 544.0]))
    with pytest.raises(InfeasiblePlanError, match=r"driver 8 would finish 1\.0 min after the end of its shift"):
        simulate(day, [0, 1, 1])
    assert simulate(day, [0, 1, 1], enforce_shifts=False).n_served == 3
    assert simulate(line_day(shift_end_min=np.array([600.0, 545.0])), [0, 1, 1]).n_served == 3


def test_an_absence_is_refused_by_name_only_where_service_overlaps_it():
    with pytest.raises(InfeasiblePlanError, match="driver 7 would serve a booking during an absence"):
        simulate(line_day(absences=((0, 504.0, 520.0),)), [0, 1, 1])
    assert simulate(line_day(absences=((0, 505.0, 520.0), (1, 480.0, 500.0))), [0, 1, 1]).n_served == 3


def test_empty_days_are_results():
    empty = random_day(0, 3, 1)
    assert simulate(empty, []).total == 0.0
    nobody = simulate(random_day(4, 0, 1, is_urgent=np.zeros(4, dtype=bool)), [-1] * 4)
    assert (nobody.total, nobody.n_lost, nobody.load_gap) == (400.0, 4, 0)


@pytest.mark.parametrize(
    ("plan", "message"),
    [([0, 1], "shape"), ([0, 1, 2], "outside 0 to 1"), ([0, -2, 1], "outside 0 to 1"), ([0.0, 1.0, 0.0], "integers")],
)
def test_refuses_a_malformed_assignment(plan, message):
    with pytest.raises(InvalidProblemError, match=message):
        simulate(line_day(), plan)


@pytest.mark.parametrize("weights", [{"lost": -1.0}, {"empty_km": math.nan}, {"return_tolerance_min": 0.0}])
def test_refuses_nonsense_weights(weights):
    with pytest.raises(InvalidProblemError, match=next(iter(weights))):
        CostWeights(**weights)
