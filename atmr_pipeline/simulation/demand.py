"""The bookings of a day: who travels, from where to where, at what time, and when the company learned of it."""

from dataclasses import dataclass
from datetime import date
from functools import cache

import numpy as np
import numpy.typing as npt
import pandas as pd

from atmr_pipeline.simulation.config import WorldConfig
from atmr_pipeline.simulation.effects import Effects
from atmr_pipeline.simulation.population import Population
from atmr_pipeline.simulation.streams import Stream, generator
from atmr_pipeline.simulation.working_days import WEEKDAY_FACTOR

FloatArray = npt.NDArray[np.float64]

HOURS = np.arange(7, 19)
OUTBOUND_HOUR = np.array([0.055, 0.14, 0.275, 0.15, 0.03, 0.02, 0.21, 0.10, 0.02, 0.0, 0.0, 0.0])
RETURN_HOUR = np.array([0.0, 0.0, 0.028, 0.065, 0.095, 0.045, 0.125, 0.125, 0.105, 0.325, 0.065, 0.022])
"""Share of outbound and return pickups by local hour, 7 to 18; the peaks at 9, 13 and 16 h come from both."""

STAY_WEIGHT = np.array([0.0, 0.3, 1.0, 0.8, 0.4, 0.3, 0.3, 0.4, 0.2, 0.1, 0.05, 0.05])
"""Relative frequency of an appointment of 0, 1, 2 ... hours."""

MINUTES = np.array([0, 30, 15, 45, 10, 20, 40, 50])
MINUTE_SHARE = np.array([0.40, 0.24, 0.23, 0.09, 0.01, 0.01, 0.01, 0.01])

ROUND_TRIP_SHARE = 0.70
SINGLE_RETURN_SHARE = 0.3
URGENT_SHARE = 0.08
CANCELLED_SHARE = 0.05
NO_SHOW_SHARE = 0.012
MINIMUM_STAY_MIN = 45
TELEPHONE_OFFERS, TOGETHER_MIN = 6, 40


@dataclass(frozen=True)
class _Trip:
    patient: int
    facility: int
    outbound_min: int
    return_min: int
    """-1 where the trip has no such leg."""


@cache
def _stay_table() -> FloatArray:
    """P(return hour | outbound hour), (12, 12): by iterative proportional fitting."""
    gap = HOURS[None, :] - HOURS[:, None]
    table = np.where(gap >= 1, STAY_WEIGHT[np.clip(gap, 0, len(STAY_WEIGHT) - 1)], 0.0)
    for _ in range(200):
        table *= (OUTBOUND_HOUR / np.maximum(table.sum(axis=1), 1e-12))[:, None]
        table *= (RETURN_HOUR / RETURN_HOUR.sum() / np.maximum(table.sum(axis=0), 1e-12))[None, :]
    return np.asarray(table / np.maximum(table.sum(axis=1, keepdims=True), 1e-12))


def bookings_of_day(config: WorldConfig, population: Population, effects: Effects, day: date) -> pd.DataFrame:
    """Every booking of a day, whenever it became known, one row a leg in order of (created_local, scheduled_min).

    Returns
    -------
    DataFrame
        ``patient, pickup, dropoff`` (indices into the population), ``is_return, is_round_trip, parent`` (row of the
        outbound leg, -1 if none), ``scheduled_min, is_urgent, no_show`` and wall-clock times ``created_local`` and
        ``cancelled_local`` (NaT if never).
    """
    rng = generator(config.seed, Stream.DEMAND, day)
    trips = _trips(config, population, effects, day, rng)
    legs: list[dict[str, object]] = []
    for number, trip in enumerate(trips):
        legs.extend(_legs(number, trip, population, day, effects, rng))
    frame = pd.DataFrame(legs).sort_values(["created_local", "trip", "is_return"], ignore_index=True)
    outbound = frame[~frame["is_return"] & frame["is_round_trip"]]
    row_of_trip = pd.Series(outbound.index, index=outbound["trip"])
    is_linked = frame["is_return"] & frame["is_round_trip"]
    frame["parent"] = frame["trip"].where(is_linked).map(row_of_trip).fillna(-1).astype("int64")
    return frame


def _leg_count(config: WorldConfig, day: date, rng: np.random.Generator) -> int:
    mean = config.bookings_per_day * WEEKDAY_FACTOR[day.weekday()]
    season = 0.88 if day.month in (7, 8) else 1.03
    spread = min(0.38, 1.3 / np.sqrt(config.bookings_per_day))
    count = mean * season * float(rng.gamma(1.0 / spread**2, spread**2))
    low, high = max(1, round(0.26 * config.bookings_per_day)), round(2.1 * config.bookings_per_day)
    return int(np.clip(round(count), low, high))


def _trips(
    config: WorldConfig, population: Population, effects: Effects, day: date, rng: np.random.Generator
) -> list[_Trip]:
    wanted, legs = _leg_count(config, day, rng), 0
    trips: list[_Trip] = []
    weight = population.weight_longer_trips if effects.longer_trips else population.weight
    busy: set[int] = set()
    while legs < wanted:
        patient = int(rng.choice(len(weight), p=weight))
        facility = int(population.facility[patient])
        if rng.random() < 0.2:
            facility = int(rng.choice(len(population.facility_weight), p=population.facility_weight))
        is_round_trip = rng.random() < ROUND_TRIP_SHARE and legs + 2 <= wanted
        if patient in busy and len(busy) < len(weight):
            continue
        trip = _free_times(patient, facility, is_round_trip, trips, config, rng)
        busy.add(patient)
        trips.append(trip)
        legs += 2 if is_round_trip else 1
    return trips


def _free_times(
    patient: int, facility: int, is_round_trip: bool, trips: list[_Trip], config: WorldConfig, rng: np.random.Generator
) -> _Trip:
    """Times at which a regular driver is likely free: on the telephone the company offers another time otherwise."""
    taken = np.array([minute for trip in trips for minute in (trip.outbound_min, trip.return_min) if minute >= 0])
    regular = config.drivers - config.emergency_drivers
    for _ in range(TELEPHONE_OFFERS):
        trip = _times(patient, facility, is_round_trip, rng)
        asked = [minute for minute in (trip.outbound_min, trip.return_min) if minute >= 0]
        if all(int((np.abs(taken - minute) < TOGETHER_MIN).sum()) < regular for minute in asked):
            break
    return trip


def _times(patient: int, facility: int, is_round_trip: bool, rng: np.random.Generator) -> _Trip:
    minute_out, minute_back = (int(value) for value in rng.choice(MINUTES, 2, p=MINUTE_SHARE))
    out = int(rng.choice(len(HOURS), p=OUTBOUND_HOUR / OUTBOUND_HOUR.sum()))
    if is_round_trip:
        back = int(rng.choice(len(HOURS), p=_stay_table()[out]))
        outbound_min = 60 * int(HOURS[out]) + minute_out
        return_min = max(60 * int(HOURS[back]) + minute_back, outbound_min + MINIMUM_STAY_MIN)
        return _Trip(patient, facility, outbound_min, return_min)
    if rng.random() < SINGLE_RETURN_SHARE:
        back = int(rng.choice(len(HOURS), p=RETURN_HOUR / RETURN_HOUR.sum()))
        return _Trip(patient, facility, -1, 60 * int(HOURS[back]) + minute_back)
    return _Trip(patient, facility, 60 * int(HOURS[out]) + minute_out, -1)


def _legs(
    number: int, trip: _Trip, population: Population, day: date, effects: Effects, rng: np.random.Generator
) -> list[dict[str, object]]:
    midnight = pd.Timestamp(day)
    shift = 60 * effects.rush_shift_h
    times = [minute + shift for minute in (trip.outbound_min, trip.return_min) if minute >= 0]
    is_urgent = bool(rng.random() < URGENT_SHARE)
    notice_min = float(rng.uniform(60.0, 240.0))
    lead_days, office_min = min(int(rng.geometric(0.18)), 40), float(rng.uniform(8 * 60, 16.4 * 60))
    if is_urgent:
        created = midnight + pd.Timedelta(minutes=round(max(times[0] - notice_min, 330.0)))
    else:
        created = midnight - pd.Timedelta(days=lead_days) + pd.Timedelta(minutes=round(office_min))
    cancelled, share_of_wait = bool(rng.random() < CANCELLED_SHARE), float(rng.random())
    last_call = midnight + pd.Timedelta(minutes=times[0] - 30)
    cancelled_local = (created + share_of_wait * (last_call - created)).floor("s") if cancelled else pd.NaT
    no_show = bool(rng.random() < NO_SHOW_SHARE) and not cancelled
    home, is_round_trip = int(population.home[trip.patient]), len(times) == 2
    legs = []
    for minute, is_return in zip(times, (False, True) if is_round_trip else (trip.outbound_min < 0,), strict=True):
        follows_no_show = no_show and is_round_trip and is_return
        legs.append(
            {
                "trip": number,
                "patient": trip.patient,
                "pickup": trip.facility if is_return else home,
                "dropoff": home if is_return else trip.facility,
                "is_return": is_return,
                "is_round_trip": is_round_trip,
                "scheduled_min": float(minute),
                "is_urgent": is_urgent,
                "no_show": no_show and not follows_no_show,
                "created_local": created,
                "cancelled_local": midnight + pd.Timedelta(minutes=times[0] + 15)
                if follows_no_show
                else cancelled_local,
            }
        )
    return legs
