"""A fictional company's labels and bookings, in the shape of DELAY_TRAINING_SET and BOOKINGS."""

import numpy as np
import pandas as pd

FEATURES = ["distance_km", "slack_min", "weather_rain_mm", "weather_snow_cm", "is_urgent", "deadhead_km"]
AREAS = ["Lac-Fictif", "Bois-Fictif", "Pont-Fictif"]
PLANTED = "Anneliese Mustermann-Fictif"


def make_world(seed: int = 0, rows: int = 600, drivers: int = 3, days: int = 60) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Labels and bookings; returns are 6 min later, slack helps, and a name stands in a column that no one may read."""
    rng = np.random.default_rng(seed)
    day = pd.Timestamp("2026-03-02") + pd.to_timedelta(np.sort(rng.integers(0, days, rows)), unit="D")
    day = pd.Series(day).astype("datetime64[us]")
    is_return = rng.random(rows) < 0.45
    slack = np.where(rng.random(rows) < 0.2, np.nan, rng.normal(15.0, 10.0, rows))
    delay = rng.gamma(1.5, 3.0, rows) - 3.0 + 6.0 * is_return - 0.1 * np.nan_to_num(slack)
    hour = np.where(is_return, rng.integers(11, 18, rows), rng.integers(7, 15, rows))
    urgent = rng.random(rows) < 0.1
    ids = np.arange(1, rows + 1, dtype=np.int64)
    labels = pd.DataFrame(
        {
            "assignment_id": ids,
            "booking_id": ids + 1000,
            "driver_id": pd.array(rng.integers(1, drivers + 1, rows), dtype="Int64"),
            "company_id": np.ones(rows, dtype=np.int64),
            "service_day": day,
            "patient_area": pd.Series(rng.choice(AREAS, rows), dtype="str").mask(rng.random(rows) < 0.1),
            "pickup_area": pd.Series(rng.choice(AREAS, rows), dtype="str"),
            "distance_km": rng.gamma(2.0, 3.0, rows),
            "slack_min": slack,
            "weather_rain_mm": rng.choice([0.0, 0.0, 0.05, 1.5], rows),
            "weather_snow_cm": rng.choice([0.0, 0.0, 0.0, 2.0], rows),
            "is_urgent": urgent,
            "deadhead_km": rng.gamma(2.0, 2.0, rows),
            "delay_min": delay,
            "customer_name": PLANTED,
        }
    )
    bookings = pd.DataFrame(
        {
            "booking_id": ids + 1000,
            "leg": pd.Series(np.where(is_return, "return", "outbound"), dtype="str"),
            "scheduled_local": day + pd.to_timedelta(hour, unit="h"),
            "is_urgent": urgent,
            "customer_name": PLANTED,
        }
    )
    return labels, bookings
