"""Synthetic days for the policy tests: Geneva-like places, a small fleet, the usual hours of appointments."""

import numpy as np

from atmr_pipeline.dispatch.problem import DayProblem
from atmr_pipeline.sources.travel import HaversineTravel

CENTRE = np.array([46.2044, 6.1432])
HOSPITALS = CENTRE + np.array([[-0.012, 0.006], [-0.021, -0.004], [0.012, -0.05], [0.03, -0.03], [-0.03, 0.05]])
HOUR_SHARE = {7: 3, 8: 7, 9: 16, 10: 11, 11: 7, 12: 4, 13: 17, 14: 11, 15: 7, 16: 15, 17: 2}
MINUTE_SHARE = {0: 0.42, 15: 0.24, 30: 0.24, 45: 0.10}


def make_day(
    rng: np.random.Generator, *, n_bookings: int | None = None, n_drivers: int | None = None, absence_share: float = 0.0
) -> DayProblem:
    """One day; 3 to 24 bookings (mean about 11.5) and 3 to 5 drivers unless said."""
    bookings = int(np.clip(rng.negative_binomial(9, 9 / (9 + 11.5)), 3, 24)) if n_bookings is None else n_bookings
    drivers = int(rng.integers(3, 6)) if n_drivers is None else n_drivers
    hours = rng.choice(
        list(HOUR_SHARE), size=bookings, p=np.array(list(HOUR_SHARE.values())) / sum(HOUR_SHARE.values())
    )
    minutes = rng.choice(list(MINUTE_SHARE), size=bookings, p=list(MINUTE_SHARE.values()))
    scheduled = (60 * hours + minutes).astype(float)
    outbound = rng.random(bookings) < np.where(hours < 12, 0.8, 0.35)
    homes = CENTRE + rng.normal(0.0, 1.0, (bookings, 2)) * [0.03, 0.045]
    clinics = HOSPITALS[rng.integers(len(HOSPITALS), size=bookings)] + rng.normal(0.0, 0.003, (bookings, 2))
    pickup = np.where(outbound[:, None], homes, clinics)
    dropoff = np.where(outbound[:, None], clinics, homes)
    starts = CENTRE + rng.normal(0.0, 1.0, (drivers, 2)) * [0.025, 0.04]
    shift_start = rng.choice([360.0, 390.0, 420.0, 480.0], size=drivers)
    travel = HaversineTravel()
    start = travel.matrix(starts, pickup, scheduled / 60)
    deadhead = travel.matrix(dropoff, pickup, scheduled / 60)
    ride = travel.matrix(pickup, dropoff, 10.0)
    absences = tuple(
        (driver, at, at + 60.0)
        for driver in range(drivers)
        for at in [float(rng.integers(8, 16) * 60)]
        if rng.random() < absence_share
    )
    return DayProblem(
        driver_ids=tuple(f"driver {index}" for index in range(drivers)),
        booking_ids=tuple(str(index) for index in rng.permutation(bookings)),
        shift_start_min=shift_start,
        shift_end_min=shift_start + rng.choice([540.0, 600.0, 660.0], size=drivers),
        is_emergency=(np.arange(drivers) == drivers - 1) & (drivers > 2),
        scheduled_min=scheduled,
        is_outbound=outbound,
        is_urgent=rng.random(bookings) < 0.05,
        start_min=start.minutes,
        start_km=start.km,
        deadhead_min=deadhead.minutes,
        deadhead_km=deadhead.km,
        ride_min=np.diag(ride.minutes).copy(),
        ride_km=np.diag(ride.km).copy(),
        pickup_service_min=np.full(bookings, 5.0),
        dropoff_service_min=rng.integers(5, 11, size=bookings).astype(float),
        absences=absences,
    )


def make_days(count: int, seed: int = 0) -> list[DayProblem]:
    """``count`` days in time order."""
    rng = np.random.default_rng(seed)
    return [make_day(rng) for _ in range(count)]
