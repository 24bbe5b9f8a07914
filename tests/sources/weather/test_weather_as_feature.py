"""Weather from the service as the delay model sees it: the right hour, and only what was known at the decision."""

from datetime import UTC, date, datetime
from pathlib import Path

import duckdb
import pandas as pd
import pytest
from open_meteo_server import DEPOT, OpenMeteo, rain_mm, weather

from atmr_pipeline.domain.tables import ASSIGNMENTS, BOOKINGS, DRIVERS, conform, empty
from atmr_pipeline.domain.wallclock import to_utc
from atmr_pipeline.features.delay import delay_features
from atmr_pipeline.features.sources import FeatureSources
from atmr_pipeline.sources.weather import OpenMeteoClient, weather_from_services

SCHEDULED = pd.Timestamp("2025-06-21 09:15")
HOUR = datetime(2025, 6, 21, 7, tzinfo=UTC)
"""The UTC hour of that pickup."""


def features(weather_table: pd.DataFrame, decided_at: list[str]) -> list[float]:
    scheduled = to_utc(pd.Series([SCHEDULED])).iloc[0]
    bookings = pd.DataFrame(
        {
            "booking_id": [1], "company_id": 1, "service_day": SCHEDULED.normalize(), "patient_key": None,
            "driver_id": None, "leg": "outbound", "is_round_trip": False, "parent_booking_id": None,
            "status": "ASSIGNED", "scheduled_local": SCHEDULED, "scheduled_at": scheduled["scheduled_at"],
            "scheduled_status": scheduled["scheduled_status"], "time_confirmed": True, "is_urgent": False,
            "is_medical": False, "is_hospital": False, "is_wheelchair": None,
            "pickup_lat": 46.2, "pickup_lon": 6.1, "dropoff_lat": 46.21,
            "dropoff_lon": 6.15, "distance_km": 5.0, "duration_min": None,
            "created_at": pd.Timestamp("2025-06-01", tz="UTC"), "updated_at": pd.Timestamp("2025-06-01", tz="UTC"),
        }
    )  # fmt: skip
    decisions = pd.DataFrame(
        {"assignment_id": range(len(decided_at)), "booking_id": 1, "driver_id": None,
         "decided_at": pd.to_datetime(decided_at, utc=True, format="ISO8601")}
    )  # fmt: skip
    result = delay_features(
        decisions,
        FeatureSources(conform(bookings, BOOKINGS), empty(ASSIGNMENTS), empty(DRIVERS), weather=weather_table),
    )
    return result["weather_factor"].tolist()


def factor(lead: int) -> float:
    snow_cm = weather(datetime(2025, 6, 21, 8, tzinfo=UTC))["snowfall"]
    return 1 + min(0.02 * rain_mm(HOUR, lead), 0.16) + 0.10 * snow_cm


def test_a_decision_sees_the_last_forecast_issued_before_it(
    client: OpenMeteoClient, service: OpenMeteo, tmp_path: Path
) -> None:
    day = date(2025, 6, 21)
    for now in (datetime(2025, 6, 20, 16, tzinfo=UTC), datetime(2025, 6, 23, tzinfo=UTC)):
        service.today = now.date()
        forecast, observed, _ = weather_from_services(client, *DEPOT, day, day, tmp_path, now)
    two_days, one_day = "2025-06-19T14:00Z", "2025-06-20T14:00Z"
    seen = features(
        forecast,
        ["2025-06-19T13:59:59Z", two_days, "2025-06-20T13:59:59Z", one_day, "2025-06-20T15:59Z", "2025-06-20T16:00Z"],
    )
    assert pd.isna(seen[0]), "no forecast existed yet"
    assert seen[1:] == pytest.approx([factor(2), factor(2), factor(1), factor(1), factor(0)], abs=0.002)
    assert len({round(value, 3) for value in seen[1:]}) == 3, "the three forecasts of that hour differ"
    assert "issued_at" not in observed.columns, "what was observed is another table"


def test_observed_weather_cannot_be_taken_for_a_forecast(client: OpenMeteoClient) -> None:
    observed = client.observed(*DEPOT, date(2025, 6, 1), date(2025, 6, 2)).frame
    with pytest.raises(duckdb.BinderException, match="issued_at"):
        features(observed, ["2025-06-20T16:00Z"])
