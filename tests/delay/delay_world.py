"""A world whose perfect delay predictor is known: additive and interacting effects, noise that grows with the mean."""

import numpy as np
import pandas as pd

DRIVERS = [f"D{number}" for number in range(1, 6)]
FEATURES = [
    "time_of_day",
    "day_of_week",
    "distance_km",
    "is_medical",
    "is_urgent",
    "booking_priority",
    "driver_punctuality_score",
    "traffic_density",
    "weather_factor",
]


def training_set(rows: int = 3000, *, days: int = 260, seed: int = 7) -> tuple[pd.DataFrame, pd.Series]:
    """A training set of the contract's columns, and each row's true mean delay, minutes."""
    rng = np.random.default_rng(seed)
    day = np.sort(rng.integers(0, days, rows))
    service_day = pd.Timestamp("2024-01-01") + pd.to_timedelta(day, unit="D")
    hour = rng.choice([7.5, 8.25, 9.0, 10.5, 11.0, 13.0, 14.5, 16.0, 17.25], rows) + rng.normal(0, 0.2, rows)
    scheduled = (service_day + pd.to_timedelta(hour * 60, unit="min")).tz_localize("UTC").floor("s")
    decided = scheduled - pd.to_timedelta(rng.integers(60, 180, rows), unit="min")
    driver = rng.integers(0, len(DRIVERS), rows)
    frame = pd.DataFrame(
        {
            "assignment_id": np.arange(rows, dtype=np.int64) + 1,
            "booking_id": np.arange(rows, dtype=np.int64) + 10_001,
            "driver_id": driver + 1,
            "company_id": np.ones(rows, dtype=np.int64),
            "service_day": service_day.astype("datetime64[us]"),
            "decided_at": decided.astype("datetime64[us, UTC]"),
            "known_at": (scheduled + pd.Timedelta("40min")).astype("datetime64[us, UTC]"),
            "time_of_day": hour,
            "day_of_week": (day % 7).astype(float),
            "distance_km": rng.gamma(2.0, 3.5, rows),
            "is_medical": rng.random(rows) < 0.6,
            "is_urgent": rng.random(rows) < 0.1,
            "booking_priority": rng.choice([1.0, 2.0, 3.0], rows),
            "driver_punctuality_score": np.clip(0.9 - 0.1 * driver + rng.normal(0, 0.03, rows), 0, 1),
            "traffic_density": np.clip(0.4 + 0.4 * np.exp(-((hour - 8) ** 2)) + rng.normal(0, 0.05, rows), 0, 1),
            "weather_factor": rng.choice([0.0, 0.3, 0.8], rows, p=[0.7, 0.2, 0.1]),
        }
    )
    mean = (
        1.0
        + 5.0 * (frame["traffic_density"] - 0.4)
        + 0.25 * np.minimum(frame["distance_km"], 15.0)
        + 8.0 * (0.75 - frame["driver_punctuality_score"])
        + 4.0 * frame["weather_factor"]
        + 1.5 * np.sin(2 * np.pi * (frame["time_of_day"] - 6) / 12)
        - 1.0 * frame["is_urgent"]
    )
    noise = rng.gamma(4.0, 0.5, rows) - 2.0
    frame["delay_min"] = mean + noise * (1.5 + 0.25 * np.maximum(mean, 0.0))
    frame["is_late"] = frame["delay_min"] > 5.0
    return frame, mean.rename("true_mean_min")
