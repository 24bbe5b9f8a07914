"""Days for the dispatch tests: random ones of any size, and one that can be computed by hand."""

from typing import Any

import numpy as np

from atmr_pipeline.dispatch.problem import DayProblem


def random_day(bookings: int, drivers: int, seed: int, *, tight: bool = False, **arrays: Any) -> DayProblem:
    """A day in a 12 km square; ``tight`` days have short shifts, absences, urgent trips and late patients."""
    rng = np.random.default_rng(seed)
    starts, pickups, dropoffs = (rng.uniform(0, 12, (count, 2)) for count in (drivers, bookings, bookings))

    def km(origins: np.ndarray, destinations: np.ndarray) -> np.ndarray:
        return np.linalg.norm(origins[:, None] - destinations[None], axis=2)

    scheduled = rng.choice(np.arange(480, 1020, 15), bookings).astype(float)
    shift_start = np.full(drivers, 420.0)
    shift_end = np.full(drivers, 1140.0)
    absences: tuple[tuple[int, float, float], ...] = ()
    if tight:
        shift_start += rng.integers(0, 120, drivers)
        shift_end -= rng.integers(0, 360, drivers)
        absences = tuple((driver, 700.0, 760.0) for driver in range(0, drivers, 2))
        arrays.setdefault("ready_min", scheduled + rng.integers(0, 15, bookings))
    values: dict[str, Any] = {
        "driver_ids": tuple(f"D{index}" for index in range(drivers)),
        "booking_ids": tuple(str(identifier) for identifier in rng.permutation(bookings) + 5),
        "shift_start_min": shift_start,
        "shift_end_min": shift_end,
        "is_emergency": np.arange(drivers) == drivers - 1,
        "scheduled_min": scheduled,
        "is_outbound": rng.random(bookings) < 0.5,
        "is_urgent": rng.random(bookings) < 0.2,
        "start_min": 2.5 * km(starts, pickups),
        "start_km": km(starts, pickups),
        "deadhead_min": 2.5 * km(dropoffs, pickups),
        "deadhead_km": km(dropoffs, pickups),
        "ride_min": 2.5 * np.diagonal(km(pickups, dropoffs)),
        "ride_km": np.diagonal(km(pickups, dropoffs)),
        "pickup_service_min": np.full(bookings, 5.0),
        "dropoff_service_min": np.full(bookings, 7.0),
        "absences": absences,
    }
    return DayProblem(**values | arrays)


def line_day(**changes: Any) -> DayProblem:
    """Two drivers at km 0 of a straight road, 1 km/min, on duty 480 to 600; three bookings that ride 10 km outwards.

    Boarding 2 min, alighting 3 min: each booking takes 15 min from boarding. Pickups at km 10, 0 and 20, scheduled 490,
    500 and 530; outbound, return, outbound.
    """
    pickups, dropoffs = np.array([10.0, 0.0, 20.0]), np.array([20.0, 10.0, 30.0])
    to_pickup = np.tile(pickups, (2, 1))
    between = np.abs(dropoffs[:, None] - pickups[None])
    values: dict[str, Any] = {
        "driver_ids": ("7", "8"),
        "booking_ids": ("1", "2", "3"),
        "shift_start_min": np.full(2, 480.0),
        "shift_end_min": np.full(2, 600.0),
        "is_emergency": np.array([False, True]),
        "scheduled_min": np.array([490.0, 500.0, 530.0]),
        "is_outbound": np.array([True, False, True]),
        "is_urgent": np.zeros(3, dtype=bool),
        "start_min": to_pickup,
        "start_km": to_pickup,
        "deadhead_min": between,
        "deadhead_km": between,
        "ride_min": np.full(3, 10.0),
        "ride_km": np.full(3, 10.0),
        "pickup_service_min": np.full(3, 2.0),
        "dropoff_service_min": np.full(3, 3.0),
    }
    return DayProblem(**values | changes)
