"""What an Open-Meteo answer says, checked, as measures of hours that start at ``valid_at``.

Two habits of the service matter. Sums carry the end of their hour ("preceding hour sum"): the rain labelled 09:00 fell
from 08:00 to 09:00, so it belongs to the hour that starts at 08:00; temperature is of the label's instant. And ``rain``
in forecasts leaves convective showers out, and is 0 for some models while ``precipitation`` is not: so rain is computed
as precipitation less the water in the snow, which is how the service defines the three (7 cm of snow are 10 mm of
water).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from atmr_pipeline.sources.services import BadResponseError

TEMPERATURE, PRECIPITATION, SNOWFALL = "temperature_2m", "precipitation", "snowfall"
UNITS = {TEMPERATURE: "°C", PRECIPITATION: "mm", SNOWFALL: "cm"}
PLAUSIBLE = {TEMPERATURE: (-40.0, 50.0), PRECIPITATION: (0.0, 200.0), SNOWFALL: (0.0, 50.0)}
"""What a lowland hour can bring; the Swiss record is 91 mm. Anything else is an error of the service: NULL, counted."""

SNOW_WATER_MM_PER_CM = 10.0 / 7.0
ROUNDING_MM = 0.2
"""Precipitation and snow water are each rounded to 0.1 mm, so their difference may be this far below zero."""

LARGEST_GRID_STEP_DEG = 0.3

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Reading:
    """Hourly weather from a service.

    Parameters
    ----------
    frame : DataFrame
        A table of the weather schemas.
    counts : dict of str to int
        ``implausible``: values set to NULL because no weather is like that; ``contradictory``: hours whose rain and
        snow were set to NULL because more snow fell than precipitation.
    """

    frame: pd.DataFrame
    counts: dict[str, int]


def labels(first: pd.Timestamp, hours: int) -> pd.DatetimeIndex:
    """The labels of an answer: ``hours`` full hours from ``first``, UTC."""
    return pd.date_range(first, periods=hours, freq="h", unit="us")


def check_place(service: str, payload: Any, lat: float, lon: float) -> None:
    """Refuse an answer for another place, or in another time zone than UTC.

    Raises
    ------
    BadResponseError
        Also if the answer is no object.
    """
    if not isinstance(payload, dict):
        raise BadResponseError(service, "the answer is not an object")
    if payload.get("utc_offset_seconds") != 0:
        raise BadResponseError(service, "the answer is not in UTC")
    for name, asked in (("latitude", lat), ("longitude", lon)):
        got = _number(payload.get(name))
        if got is None or abs(got - asked) > LARGEST_GRID_STEP_DEG:
            raise BadResponseError(service, "the answer is for another place")


def hourly_values(
    service: str, payload: Any, expected: pd.DatetimeIndex, names: dict[str, str]
) -> dict[str, FloatArray]:
    """The hourly columns of an answer.

    Parameters
    ----------
    payload : object
        Parsed JSON.
    expected : DatetimeIndex
        The labels asked for; the answer must have exactly these.
    names : dict of str to str
        Name in the answer -> measure (a key of :data:`UNITS`).

    Returns
    -------
    dict of str to ndarray of shape (len(expected),)
        By name in the answer; NaN where the service knows nothing.

    Raises
    ------
    BadResponseError
        If labels, lengths, units or types are not as asked. Nothing is converted.
    """
    hourly, units = payload.get("hourly"), payload.get("hourly_units")
    if not isinstance(hourly, dict) or not isinstance(units, dict):
        raise BadResponseError(service, "the answer has no hourly values")
    if hourly.get("time") != [f"{label:%Y-%m-%dT%H:%M}" for label in expected]:
        raise BadResponseError(service, "the answer has other hours than those asked for")
    result = {}
    for name, measure in names.items():
        if units.get(name) != UNITS[measure]:
            raise BadResponseError(service, f"{name} is not in {UNITS[measure]}")
        values = hourly.get(name)
        if not isinstance(values, list) or len(values) != len(expected):
            raise BadResponseError(service, f"{name} has not one value an hour")
        if any(value is not None and _number(value) is None for value in values):
            raise BadResponseError(service, f"{name} holds something else than numbers")
        result[name] = np.array([math.nan if value is None else float(value) for value in values], dtype=np.float64)
    return result


def measures(values: Mapping[str, FloatArray]) -> Reading:
    """Measures of the hours that start at each label but the last.

    Parameters
    ----------
    values : mapping of str to ndarray of shape (n,)
        By measure (the keys of :data:`UNITS`) and label; NaN where not known.

    Returns
    -------
    Reading
        ``rain_mm``, ``snow_cm``, ``temperature_c``, n - 1 rows.
    """
    implausible = 0
    plausible = {}
    for name, (low, high) in PLAUSIBLE.items():
        of_hour = values[name][:-1] if name == TEMPERATURE else values[name][1:]
        wrong = (of_hour < low) | (of_hour > high)
        implausible += int(wrong.sum())
        plausible[name] = np.where(wrong, np.nan, of_hour)
    rain = plausible[PRECIPITATION] - SNOW_WATER_MM_PER_CM * plausible[SNOWFALL]
    contradictory = rain < -ROUNDING_MM
    frame = pd.DataFrame(
        {
            "rain_mm": np.where(contradictory, np.nan, np.round(np.maximum(rain, 0.0), 2)),
            "snow_cm": np.where(contradictory, np.nan, plausible[SNOWFALL]),
            "temperature_c": plausible[TEMPERATURE],
        }
    )
    return Reading(frame, {"implausible": implausible, "contradictory": int(contradictory.sum())})


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > 1e9:
        return None
    return float(value) if math.isfinite(value) else None
