"""Hourly weather of the demo world, and the forecast that was published the day before."""

from datetime import date, timedelta

import numpy as np
import numpy.typing as npt
import pandas as pd

from atmr_pipeline.domain.tables import WEATHER_FORECAST, conform
from atmr_pipeline.domain.vocabulary import LOCAL_TIMEZONE
from atmr_pipeline.simulation.streams import Stream, generator

HOURS = np.arange(24)
SEASON_MEAN_C, SEASON_SWING_C = 11.0, 9.5
"""Geneva's yearly mean air temperature and half its seasonal range (MeteoSwiss normals, rounded)."""

FORECAST_ISSUED_HOUR = 16

FloatArray = npt.NDArray[np.float64]


def true_weather(seed: int, day: date) -> pd.DataFrame:
    """Rain (mm), fresh snow (cm) and temperature (C) of each local hour of a day, 24 rows.

    Days are linked by a moving average over the day's own draws and those of the two days before, so that wet spells
    last, and a day's weather does not depend on where the world begins.
    """
    draws = [_day_draws(seed, day - timedelta(days=lag)) for lag in range(3)]
    mix = np.array([0.75, 0.5, 0.43])
    warmth = float(mix @ np.array([draw[0] for draw in draws]))
    wetness = float(mix @ np.array([draw[1] for draw in draws]))
    season = np.cos(2.0 * np.pi * (day.timetuple().tm_yday - 201) / 365.25)
    temperature = (
        SEASON_MEAN_C + SEASON_SWING_C * season + 3.2 * warmth + 3.0 * np.sin(2.0 * np.pi * (HOURS - 9) / 24.0)
    )
    rng = generator(seed, Stream.WEATHER, day)
    rng.normal(size=2)
    # Wet days are the upper third; the hours of rain then come in one or two spells.
    intensity = max(0.0, wetness - 0.4) * 2.4
    spell = np.clip(np.sin(2.0 * np.pi * (HOURS / 24.0 * rng.uniform(0.8, 1.8) + rng.random())) + 0.35, 0.0, None)
    water_mm = np.round(intensity * spell * rng.gamma(2.0, 0.5, 24), 2)
    frozen = temperature < 0.8
    return pd.DataFrame(
        {
            "rain_mm": np.where(frozen, 0.0, water_mm),
            "snow_cm": np.where(frozen, water_mm, 0.0),
            "temperature_c": np.round(temperature, 1),
        }
    )


def _day_draws(seed: int, day: date) -> FloatArray:
    return generator(seed, Stream.WEATHER, day).normal(size=2)


def travel_factor(weather: pd.DataFrame) -> FloatArray:
    """How much longer travel takes in each hour's weather, (24,), >= 1: rain up to +35 %, snow up to +60 %."""
    rain = np.minimum(weather["rain_mm"].to_numpy(), 4.0)
    snow = np.minimum(weather["snow_cm"].to_numpy(), 3.0)
    return np.asarray(1.0 + 0.0875 * rain + 0.20 * snow)


def forecast(seed: int, days: list[date]) -> pd.DataFrame:
    """Forecasts of calendar days, issued at 16:00 local the day before; a table of schema WEATHER_FORECAST.

    The true weather with a small error: what falls is scaled by a factor near 1, temperatures are off by about 1 C.
    """
    parts = []
    for day in days:
        rng = generator(seed, Stream.FORECAST, day)
        weather = true_weather(seed, day)
        local = pd.date_range(pd.Timestamp(day), periods=24, freq="h", unit="us")
        valid = local.tz_localize(LOCAL_TIMEZONE, ambiguous=np.ones(24, dtype=bool), nonexistent="NaT")
        issued = pd.Timestamp(day - timedelta(days=1)) + pd.Timedelta(hours=FORECAST_ISSUED_HOUR)
        scale = rng.lognormal(0.0, 0.15) * rng.lognormal(0.0, 0.15, 24)
        parts.append(
            pd.DataFrame(
                {
                    "issued_at": issued.tz_localize(LOCAL_TIMEZONE).tz_convert("UTC"),
                    "valid_at": valid.tz_convert("UTC"),
                    "rain_mm": np.round(weather["rain_mm"] * scale, 2),
                    "snow_cm": np.round(weather["snow_cm"] * scale, 2),
                    "temperature_c": np.round(weather["temperature_c"] + rng.normal(0.0, 0.7, 24), 1),
                }
            )
        )
    table = pd.concat(parts, ignore_index=True)
    return conform(table[table["valid_at"].notna()], WEATHER_FORECAST)
