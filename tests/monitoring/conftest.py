"""A small world of courses whose truth is known: nothing drifts unless a test says so."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

KINDS = {
    "distance_km": "numeric",
    "time_of_day": "numeric",
    "weather_factor": "numeric",
    "day_of_week": "categorical",
    "is_medical": "boolean",
}


def make_courses(
    seed: int, days: int, start: str = "2025-01-06", *, per_day: int = 12, longer: float = 1.0, later_min: float = 0.0
) -> pd.DataFrame:
    """Courses of consecutive calendar days; weather is one value a day, like the real one."""
    rng = np.random.default_rng(seed)
    n = days * per_day
    day = pd.Series(np.repeat(pd.date_range(start, periods=days, unit="us").to_numpy(), per_day))
    return pd.DataFrame(
        {
            "service_day": day,
            "distance_km": rng.lognormal(1.5, 0.8, n) * longer,
            "time_of_day": rng.choice([9.0, 10.0, 13.0, 14.0, 16.0], n) + rng.choice([0.0, 0.25, 0.5], n),
            "weather_factor": np.repeat(np.where(rng.random(days) < 0.3, 1.16, 1.0), per_day),
            "day_of_week": day.dt.dayofweek.astype("int64"),
            "is_medical": rng.random(n) < 0.4,
            "delay_min": rng.normal(3.0 + later_min, 3.0, n),
        }
    )


@pytest.fixture(scope="session")
def courses() -> Callable[..., pd.DataFrame]:
    return make_courses


@pytest.fixture(scope="session")
def kinds() -> dict[str, str]:
    return dict(KINDS)


@pytest.fixture(scope="session")
def reference() -> pd.DataFrame:
    return make_courses(0, 250)
