"""Days made up at random, for benchmarks and for the policy that is shipped: no day of any company is among them.

Places lie on a plane around a town's centre, distances are straight lines times a detour factor, and every way of a day
is driven at one speed. Hours, minutes, sizes and fleets of a *usual* day are those of one small company (aggregates in
docs/dispatch-policy.md); *varied* days spread every one of them, so that what is learned on them is not tied to a town.
"""

from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from atmr_pipeline.dispatch.problem import MAX_DAY_MIN, DayProblem

FloatArray = npt.NDArray[np.float64]
Range = tuple[float, float]

HOUR_SHARE = {7: 3, 8: 7, 9: 16, 10: 11, 11: 7, 12: 4, 13: 17, 14: 11, 15: 7, 16: 15, 17: 2}
"""Pickups by hour, in parts of 100."""
MINUTE_SHARE = {0: 41, 15: 24, 30: 25, 45: 10}
"""Pickups by minute of the hour, in parts of 100."""
DISPERSION = 9.0
"""Of the negative binomial number of bookings: quartiles 8, 12 and 15 at a mean of 11.5."""
OUTBOUND_BEFORE_NOON, OUTBOUND_AFTER_NOON = 0.8, 0.35
"""Share of outbound legs: appointments are reached in the morning and left in the afternoon."""


@dataclass(frozen=True)
class SyntheticSettings:
    """What made-up days look like.

    Parameters
    ----------
    mean_bookings, min_bookings, max_bookings : float, int, int
        Of the number of bookings of a day.
    drivers : (int, int)
        Fleet sizes, each as likely, both ends included.
    homes_sd_km : (float, float)
        Spread of the patients' homes, east and north.
    clinics_sd_km : (float, float)
        Spread of the clinics around the centre.
    clinics : int
        How many there are.
    starts_sd_km : (float, float)
        Spread of the drivers' start points.
    speed_km_per_h, detour : float
        Of every way of the day.
    boarding_min, alighting_min : (int, int)
        Both ends included; a number drawn a booking.
    urgent_share : float
    shift_start_min, shift_length_min : tuple of float
        Drawn a driver.
    absence_share : float
        Share of drivers who are away for an hour.
    emergency_driver : bool
        The last of three or more drivers is an emergency driver.
    hour_share : dict
        Pickups by hour.
    """

    mean_bookings: float = 11.5
    min_bookings: int = 3
    max_bookings: int = 24
    drivers: tuple[int, int] = (2, 5)
    homes_sd_km: Range = (3.4, 3.3)
    clinics_sd_km: Range = (3.0, 2.5)
    clinics: int = 8
    starts_sd_km: Range = (3.0, 2.8)
    speed_km_per_h: float = 26.0
    detour: float = 1.35
    boarding_min: tuple[int, int] = (5, 5)
    alighting_min: tuple[int, int] = (5, 10)
    urgent_share: float = 0.05
    shift_start_min: tuple[float, ...] = (360.0, 390.0, 420.0)
    shift_length_min: tuple[float, ...] = (660.0, 720.0)
    absence_share: float = 0.0
    emergency_driver: bool = True
    hour_share: dict[int, int] = field(default_factory=lambda: dict(HOUR_SHARE))


USUAL = SyntheticSettings()
"""A small company's days."""


def synthetic_days(count: int, *, seed: int, settings: SyntheticSettings = USUAL) -> list[DayProblem]:
    """``count`` days of one kind; the same seed gives the same days."""
    rng = np.random.default_rng(seed)
    return [synthetic_day(rng, settings) for _ in range(count)]


def varied_days(count: int, *, seed: int, drivers: tuple[int, int] = (1, 12)) -> list[DayProblem]:
    """``count`` days of many kinds: :func:`varied_settings` drawn anew for each; the same seed gives the same days."""
    rng = np.random.default_rng(seed)
    return [synthetic_day(rng, varied_settings(rng, drivers)) for _ in range(count)]


def varied_settings(rng: np.random.Generator, drivers: tuple[int, int]) -> SyntheticSettings:
    """Another company: other distances, speeds, loads, habits and fleets between ``drivers`` (both included).

    Small fleets are as likely as large ones by their logarithm.
    """
    fleet = round(float(np.exp(rng.uniform(np.log(drivers[0]), np.log(drivers[1])))))
    bookings = max(1.0, fleet * rng.uniform(1.5, 6.0))
    town = rng.uniform(1.5, 8.0)
    boarding, alighting = int(rng.integers(1, 9)), int(rng.integers(1, 9))
    all_day = rng.random() < 0.4
    peaky = rng.random() < 0.5
    return replace(
        USUAL,
        mean_bookings=bookings,
        min_bookings=1,
        max_bookings=int(np.ceil(7.0 * fleet)),
        drivers=(fleet, fleet),
        homes_sd_km=(town, town * rng.uniform(0.6, 1.4)),
        clinics_sd_km=(town * rng.uniform(0.3, 1.2), town * rng.uniform(0.3, 1.2)),
        clinics=int(rng.integers(1, 30)),
        starts_sd_km=(0.0, 0.0) if rng.random() < 0.3 else (town * rng.uniform(0.3, 1.2), town),
        speed_km_per_h=rng.uniform(16.0, 50.0),
        detour=rng.uniform(1.0, 1.5),
        boarding_min=(boarding, boarding + int(rng.integers(3))),
        alighting_min=(alighting, alighting + int(rng.integers(6))),
        urgent_share=rng.choice([0.0, 0.05, 0.15]),
        shift_start_min=(0.0,) if all_day else (300.0, 360.0, 390.0, 420.0, 480.0),
        shift_length_min=(1440.0,) if all_day else (480.0, 600.0, 660.0, 720.0),
        absence_share=0.0 if all_day else rng.choice([0.0, 0.1]),
        emergency_driver=rng.random() < 0.5,
        hour_share=dict(HOUR_SHARE) if peaky else dict.fromkeys(range(6, 20), 1),
    )


def synthetic_day(
    rng: np.random.Generator,
    settings: SyntheticSettings = USUAL,
    *,
    n_bookings: int | None = None,
    n_drivers: int | None = None,
) -> DayProblem:
    """One day.

    Parameters
    ----------
    rng : Generator
    settings : SyntheticSettings
    n_bookings, n_drivers : int, optional
        Instead of what the settings would draw.
    """
    drivers = int(rng.integers(settings.drivers[0], settings.drivers[1] + 1)) if n_drivers is None else n_drivers
    bookings = _number_of_bookings(rng, settings) if n_bookings is None else n_bookings
    scheduled = _times(rng, settings, bookings)
    outbound = rng.random(bookings) < np.where(scheduled < 720.0, OUTBOUND_BEFORE_NOON, OUTBOUND_AFTER_NOON)
    homes = rng.normal(0.0, 1.0, (bookings, 2)) * settings.homes_sd_km
    sites = rng.normal(0.0, 1.0, (settings.clinics, 2)) * settings.clinics_sd_km
    clinics = sites[rng.integers(settings.clinics, size=bookings)]
    pickup = np.where(outbound[:, None], homes, clinics)
    dropoff = np.where(outbound[:, None], clinics, homes)
    starts = rng.normal(0.0, 1.0, (drivers, 2)) * settings.starts_sd_km
    shift_start = rng.choice(settings.shift_start_min, size=drivers)
    shift_end = np.minimum(shift_start + rng.choice(settings.shift_length_min, size=drivers), MAX_DAY_MIN)
    start_km = _road_km(starts[:, None], pickup[None], settings)
    deadhead_km = _road_km(dropoff[:, None], pickup[None], settings)
    ride_km = _road_km(pickup, dropoff, settings)
    minutes_per_km = 60.0 / settings.speed_km_per_h
    return DayProblem(
        driver_ids=tuple(f"driver-{index}" for index in range(drivers)),
        booking_ids=tuple(str(index) for index in range(bookings)),
        shift_start_min=shift_start,
        shift_end_min=shift_end,
        is_emergency=(np.arange(drivers) == drivers - 1) & (drivers > 2) & settings.emergency_driver,
        scheduled_min=scheduled,
        is_outbound=outbound,
        is_urgent=rng.random(bookings) < settings.urgent_share,
        start_min=minutes_per_km * start_km,
        start_km=start_km,
        deadhead_min=minutes_per_km * deadhead_km,
        deadhead_km=deadhead_km,
        ride_min=minutes_per_km * ride_km,
        ride_km=ride_km,
        pickup_service_min=_service(rng, settings.boarding_min, bookings),
        dropoff_service_min=_service(rng, settings.alighting_min, bookings),
        absences=tuple(
            (driver, at, at + 60.0)
            for driver in range(drivers)
            if rng.random() < settings.absence_share
            for at in [60.0 * float(rng.integers(8, 16))]
        ),
    )


def _number_of_bookings(rng: np.random.Generator, settings: SyntheticSettings) -> int:
    drawn = rng.negative_binomial(DISPERSION, DISPERSION / (DISPERSION + settings.mean_bookings))
    return int(np.clip(drawn, settings.min_bookings, settings.max_bookings))


def _times(rng: np.random.Generator, settings: SyntheticSettings, count: int) -> FloatArray:
    hours = rng.choice(list(settings.hour_share), size=count, p=_shares(settings.hour_share))
    minutes = rng.choice(list(MINUTE_SHARE), size=count, p=_shares(MINUTE_SHARE))
    return (60 * hours + minutes).astype(np.float64)


def _shares(parts: dict[int, int]) -> FloatArray:
    values = np.array(list(parts.values()), dtype=np.float64)
    return values / values.sum()


def _road_km(origin: FloatArray, target: FloatArray, settings: SyntheticSettings) -> FloatArray:
    return settings.detour * np.sqrt(((origin - target) ** 2).sum(-1))


def _service(rng: np.random.Generator, ends: tuple[int, int], count: int) -> FloatArray:
    return rng.integers(ends[0], ends[1] + 1, size=count).astype(np.float64)
