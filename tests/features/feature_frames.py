"""A small random history in the pipeline's tables, and the features worked out the slow, obvious way."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from atmr_pipeline.domain.tables import ASSIGNMENTS, BOOKINGS, DRIVERS, WEATHER_FORECAST, conform
from atmr_pipeline.domain.wallclock import to_local, to_utc
from atmr_pipeline.features.delay import delay_features

START = pd.Timestamp("2025-02-20")
FEATURES_FROM_HISTORY = ["driver_punctuality_score", "traffic_density"]


@dataclass(frozen=True)
class World:
    """The tables that the features read."""

    bookings: pd.DataFrame
    assignments: pd.DataFrame
    drivers: pd.DataFrame
    weather: pd.DataFrame

    def decisions(self) -> pd.DataFrame:
        renamed = self.assignments.rename(columns={"created_at": "decided_at"})
        return renamed[["assignment_id", "booking_id", "driver_id", "decided_at"]]

    def features(self, decisions: pd.DataFrame | None = None) -> pd.DataFrame:
        return delay_features(
            self.decisions() if decisions is None else decisions,
            bookings=self.bookings, assignments=self.assignments, drivers=self.drivers, weather=self.weather,
        )  # fmt: skip

    def with_(self, **tables: pd.DataFrame) -> "World":
        return replace(self, **tables)


def minutes(values: np.ndarray) -> pd.Series:
    return pd.Series(pd.to_timedelta(np.round(values * 60), unit="s"))


def random_world(seed: int, *, bookings: int = 300, days: int = 75, drivers: int = 3) -> World:
    """Bookings over both sides of the spring clock change; some assignments without times, cancelled or driverless."""
    rng = np.random.default_rng(seed)
    hour = rng.choice([8, 9, 14], bookings) + rng.choice([0, 0.25, 0.5], bookings)
    local = START + pd.to_timedelta(rng.integers(0, days, bookings), unit="D") + pd.to_timedelta(hour, unit="h")
    local = pd.Series(local).astype("datetime64[us]")
    scheduled = to_utc(local)
    created = scheduled["scheduled_at"] - minutes(rng.uniform(30, 3000, bookings))
    booked = pd.DataFrame(
        {
            "booking_id": np.arange(bookings) + 1, "company_id": 1, "service_day": local.dt.normalize(),
            "patient_key": "0" * 32, "driver_id": None, "leg": rng.choice(["outbound", "return"], bookings),
            "is_round_trip": False, "parent_booking_id": None, "status": "COMPLETED", "scheduled_local": local,
            "scheduled_at": scheduled["scheduled_at"], "scheduled_status": scheduled["scheduled_status"],
            "time_confirmed": True, "is_urgent": rng.random(bookings) < 0.2, "is_medical": rng.random(bookings) < 0.5,
            "is_wheelchair": None, "pickup_lat": 46.2, "pickup_lon": rng.uniform(6.0, 6.2, bookings),
            "dropoff_lat": 46.22, "dropoff_lon": rng.uniform(6.0, 6.2, bookings),
            "distance_km": np.where(rng.random(bookings) < 0.2, np.nan, rng.uniform(0.1, 20, bookings)),
            "duration_min": None, "created_at": created, "updated_at": created,
        }
    )  # fmt: skip
    pickup = scheduled["scheduled_at"] + minutes(rng.normal(4, 6, bookings))
    dropoff = pickup + minutes(rng.uniform(5, 60, bookings))
    unknown = pd.Series(rng.random(bookings) < 0.1)
    assigned = pd.DataFrame(
        {
            "assignment_id": np.arange(bookings) + 1, "booking_id": np.arange(bookings) + 1,
            "driver_id": pd.Series(rng.integers(1, drivers + 1, bookings), dtype="Int64").mask(
                pd.Series(rng.random(bookings) < 0.05)
            ),
            "dispatch_run_id": None, "service_day": booked["service_day"],
            "status": rng.choice(["COMPLETED", "CANCELLED", "REASSIGNED"], bookings, p=[0.9, 0.05, 0.05]),
            "planned_pickup_at": scheduled["scheduled_at"], "planned_dropoff_at": None,
            "actual_pickup_at": pickup.mask(unknown), "actual_dropoff_at": dropoff.mask(unknown),
            "created_at": created, "updated_at": dropoff,
        }
    )  # fmt: skip
    return World(
        bookings=conform(booked, BOOKINGS),
        assignments=conform(assigned, ASSIGNMENTS),
        drivers=fleet(drivers),
        weather=random_forecast(rng, days),
    )


def fleet(drivers: int) -> pd.DataFrame:
    identifiers = np.arange(drivers) + 1
    return conform(
        pd.DataFrame(
            {
                "driver_id": identifiers, "company_id": 1, "initials": None, "driver_type": "REGULAR",
                "is_active": True, "is_available": True, "weekly_hours": None, "lat": None, "lon": None,
                "position_at": None,
            }
        ),
        DRIVERS,
    )  # fmt: skip


def random_forecast(rng: np.random.Generator, days: int) -> pd.DataFrame:
    """Two forecasts of every hour of day 5 on, issued 24 h and 6 h ahead, some incomplete."""
    hours = pd.Series(pd.date_range(START + pd.Timedelta(days=5), periods=24 * days, freq="h", tz="UTC", unit="us"))
    valid = pd.concat([hours, hours], ignore_index=True)
    ahead = pd.Series(pd.to_timedelta([24] * len(hours) + [6] * len(hours), unit="h"))
    rain = np.where(rng.random(len(valid)) < 0.1, np.nan, rng.exponential(2.0, len(valid)))
    return conform(
        pd.DataFrame(
            {"issued_at": valid - ahead, "valid_at": valid, "rain_mm": rain,
             "snow_cm": rng.exponential(0.5, len(valid)), "temperature_c": None}
        ),
        WEATHER_FORECAST,
    )  # fmt: skip


def slow_history_features(world: World, decision: pd.Series) -> dict[str, float]:
    """Punctuality, traffic density and weather of one decision, straight from their definitions."""
    trips = world.assignments.merge(world.bookings, on="booking_id", suffixes=("", "_booking"))
    trips = trips[trips["status"].eq("COMPLETED") & trips["actual_dropoff_at"].notna()]
    trips = trips.assign(leg_km=leg_km(trips))
    booking = world.bookings.set_index("booking_id").loc[decision["booking_id"]]
    age = decision["decided_at"] - trips["actual_dropoff_at"]

    recent = trips[(age > pd.Timedelta(0)) & (age <= pd.Timedelta(days=30))]
    own = recent[recent["driver_id"].eq(decision["driver_id"]).fillna(False).astype(bool)]
    on_time = (own["actual_pickup_at"] - own["scheduled_at"]) <= pd.Timedelta(minutes=5)

    local = to_local(trips["actual_pickup_at"])
    same_hour = local.dt.hour.eq(booking["scheduled_local"].hour)
    same_kind = (local.dt.dayofweek >= 5).eq(booking["scheduled_local"].dayofweek >= 5)
    window = (age > pd.Timedelta(0)) & (age <= pd.Timedelta(days=28))
    rides = trips[same_hour & same_kind & window & (trips["leg_km"] >= 0.5)]
    ride_min = (rides["actual_dropoff_at"] - rides["actual_pickup_at"]).dt.total_seconds() / 60
    ratio = ride_min / (60 * rides["leg_km"] / 40.0)

    known = world.weather[world.weather["issued_at"] <= decision["decided_at"]]
    known = known[known["valid_at"].eq(booking["scheduled_at"].floor("h"))].sort_values("issued_at")
    weather = np.nan
    if len(known):
        last = known.iloc[-1]
        rain, snow = last["rain_mm"], last["snow_cm"]
        weather = 1 + np.minimum(0.02 * rain, 0.16) + np.minimum(0.10 * snow, 0.40)
    return {
        "driver_punctuality_score": float(on_time.mean()),
        "traffic_density": float(ratio.mean()),
        "weather_factor": float(weather),
    }


def leg_km(bookings: pd.DataFrame) -> pd.Series:
    """Source distance, else 1.35 x great circle (spherical law of cosines, another formula than the code's)."""
    lat_from, lon_from, lat_to, lon_to = (
        np.radians(bookings[name]) for name in ("pickup_lat", "pickup_lon", "dropoff_lat", "dropoff_lon")
    )
    cosine = np.sin(lat_from) * np.sin(lat_to) + np.cos(lat_from) * np.cos(lat_to) * np.cos(lon_to - lon_from)
    return bookings["distance_km"].fillna(1.35 * 6371.0088 * np.arccos(cosine))
