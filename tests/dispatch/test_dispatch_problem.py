"""A day refuses nonsense when it is built."""

import numpy as np
import pytest
from dispatch_builders import line_day, random_day

from atmr_pipeline.dispatch.problem import with_approach_level
from atmr_pipeline.dispatch.synthetic import synthetic_day
from atmr_pipeline.domain.errors import InvalidProblemError


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"driver_ids": ("7", "7")}, "driver ids are not unique"),
        ({"booking_ids": ("1", "2", "1")}, "booking ids are not unique"),
        ({"start_min": np.zeros((3, 2))}, "start_min has shape"),
        ({"deadhead_km": np.full((3, 3), np.nan)}, "deadhead_km holds NaN"),
        ({"ride_min": np.array([1.0, -1.0, 1.0])}, "ride_min holds NaN, infinite or negative"),
        ({"ride_km": np.array([1.0, np.inf, 1.0])}, "ride_km holds NaN, infinite or negative"),
        ({"scheduled_min": np.array([490.0, 500.0, 2881.0])}, "scheduled_min is outside 0 to 2880"),
        ({"shift_end_min": np.array([600.0, 479.0])}, "a shift ends before it starts"),
        ({"absences": ((2, 500.0, 510.0),)}, "an absence names no driver"),
        ({"absences": ((0, 510.0, 500.0),)}, "ends before it starts"),
        ({"ride_min": [[1.0], [1.0, 2.0], [1.0]]}, "ride_min is not an array of numbers"),
    ],
)
def test_refuses_a_malformed_day(changes, message):
    with pytest.raises(InvalidProblemError, match=message):
        line_day(**changes)


@pytest.mark.parametrize("bookings", [1, 2, 3])
def test_every_array_is_checked_whatever_the_sizes(bookings):
    # With as many drivers as bookings, several arrays have the same shape: none may hide another.
    fits = {"scheduled_min": np.full(bookings, 490.0), "booking_ids": tuple(map(str, range(bookings)))}
    day = synthetic_day(np.random.default_rng(0), n_bookings=bookings, n_drivers=2).realised(**fits)
    for name in ("shift_start_min", "start_min", "start_km", "deadhead_km", "ride_min", "dropoff_service_min"):
        with pytest.raises(InvalidProblemError, match=f"{name} holds NaN"):
            day.realised(**{name: np.full_like(getattr(day, name), np.nan)})


def test_serves_by_time_then_numeric_id_before_text():
    day = line_day(booking_ids=("10", "9", "A"), scheduled_min=[500, 500, 500])
    assert day.service_order.tolist() == [1, 0, 2]
    assert line_day(booking_ids=("10", "9", "A"), scheduled_min=[500, 501, 499]).service_order.tolist() == [2, 0, 1]


def test_a_realised_day_keeps_the_plan_and_changes_the_draw():
    day = line_day()
    drawn = day.realised(ride_min=day.ride_min + 5.0)
    assert drawn.ride_min.tolist() == [15.0, 15.0, 15.0]
    assert drawn.booking_ids == day.booking_ids
    assert day.ride_min.tolist() == [10.0, 10.0, 10.0]


def test_a_level_makes_every_approach_longer_and_no_ride() -> None:
    day = random_day(6, 3, seed=3)
    slower = with_approach_level(day, 5.0)
    assert slower.start_min == pytest.approx(day.start_min + 5.0)
    assert slower.deadhead_min == pytest.approx(day.deadhead_min + 5.0)
    assert (slower.ride_min == day.ride_min).all()
    assert (slower.deadhead_km == day.deadhead_km).all()
    assert (with_approach_level(day, -1e3).start_min == 0.0).all()
    assert with_approach_level(day, 0.0) is day
