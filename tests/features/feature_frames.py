"""A small random history in the pipeline's tables, and the features worked out the slow, obvious way."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from atmr_pipeline.domain.tables import ASSIGNMENTS, BOOKINGS, DISPATCH_RUNS, DRIVERS, WEATHER_FORECAST, conform
from atmr_pipeline.domain.wallclock import to_local, to_utc
from atmr_pipeline.features.delay import decisions_of, delay_features
from atmr_pipeline.features.sources import FeatureSources
from atmr_pipeline.sources.calendar import calendar_days
from atmr_pipeline.sources.travel import PLANNING_SPEED_KMH

START = pd.Timestamp("2025-02-20")
FEATURES_FROM_HISTORY = [
    "driver_punctuality_score", "driver_avg_delay_30d", "driver_typical_outbound_delay_min", "traffic_density",
    "traffic_speed_kmh",
]  # fmt: skip
FEATURES_OF_THE_DAY = ["deadhead_km", "slack_min", "projected_lateness_min"]
GONE = ("CANCELLED", "NO_SHOW", "REASSIGNED")


@dataclass(frozen=True)
class World(FeatureSources):
    """The tables that the features read."""

    def decisions(self) -> pd.DataFrame:
        return decisions_of(self)

    def features(self, decisions: pd.DataFrame | None = None) -> pd.DataFrame:
        return delay_features(self.decisions() if decisions is None else decisions, self)

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
            "is_round_trip": False, "parent_booking_id": None,
            "status": rng.choice(["COMPLETED", "CANCELED"], bookings, p=[0.96, 0.04]), "scheduled_local": local,
            "scheduled_at": scheduled["scheduled_at"], "scheduled_status": scheduled["scheduled_status"],
            "time_confirmed": True, "is_urgent": rng.random(bookings) < 0.2, "is_medical": rng.random(bookings) < 0.5,

            "is_hospital": rng.random(bookings) < 0.3, "is_wheelchair": None,
            "pickup_lat": 46.2, "pickup_lon": rng.uniform(6.0, 6.2, bookings),
            "dropoff_lat": 46.22, "dropoff_lon": rng.uniform(6.0, 6.2, bookings),
            "distance_km": np.where(rng.random(bookings) < 0.2, np.nan, rng.uniform(0.1, 20, bookings)),
            "duration_min": np.where(rng.random(bookings) < 0.5, np.nan, rng.uniform(2, 40, bookings)),
            "created_at": created, "updated_at": scheduled["scheduled_at"] - minutes(rng.uniform(-60, 600, bookings)),
        }
    )  # fmt: skip
    pickup = scheduled["scheduled_at"] + minutes(rng.normal(4, 6, bookings))
    dropoff = pickup + minutes(rng.uniform(5, 60, bookings))
    status = rng.choice(["COMPLETED", "CANCELLED", "REASSIGNED"], bookings, p=[0.9, 0.05, 0.05])
    unknown = pd.Series((rng.random(bookings) < 0.1) | (status != "COMPLETED"))
    assigned = pd.DataFrame(
        {
            "assignment_id": np.arange(bookings) + 1, "booking_id": np.arange(bookings) + 1,
            "driver_id": pd.Series(rng.integers(1, drivers + 1, bookings), dtype="Int64").mask(
                pd.Series(rng.random(bookings) < 0.05)
            ),
            "dispatch_run_id": pd.Series((local.dt.normalize() - START).dt.days + 1, dtype="Int64").mask(
                pd.Series(rng.random(bookings) < 0.3)
            ),
            "service_day": booked["service_day"],
            "status": status,
            "planned_pickup_at": scheduled["scheduled_at"], "planned_dropoff_at": None,
            "actual_pickup_at": pickup.mask(unknown), "actual_dropoff_at": dropoff.mask(unknown),
            "created_at": created, "updated_at": created + minutes(rng.uniform(0, 4000, bookings)),
        }
    )  # fmt: skip
    return World(
        bookings=conform(booked, BOOKINGS),
        assignments=conform(assigned, ASSIGNMENTS),
        drivers=fleet(drivers),
        dispatch_runs=plans(rng, days),
        weather=random_forecast(rng, days),
        calendar=calendar_days(START.date(), (START + pd.Timedelta(days=days)).date()),
    )


def plans(rng: np.random.Generator, days: int) -> pd.DataFrame:
    """A plan a day: most complete the evening before, some during the day, some never."""
    day = pd.Series(pd.date_range(START, periods=days, freq="D", unit="us"))
    completed = day.dt.tz_localize("UTC") - minutes(rng.uniform(-600, 400, days))
    return conform(
        pd.DataFrame(
            {"dispatch_run_id": np.arange(days) + 1, "company_id": 1, "service_day": day, "status": "COMPLETED",
             "started_at": day.dt.tz_localize("UTC") - pd.Timedelta(hours=18),
             "completed_at": completed.mask(pd.Series(rng.random(days) < 0.1))}
        ),
        DISPATCH_RUNS,
    )  # fmt: skip


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
    """Features of one decision that look back on weeks, and its weather, straight from their definitions."""
    joined = world.assignments.merge(world.bookings, on="booking_id", suffixes=("", "_booking"))
    joined = joined.assign(leg_km=leg_km(joined))
    trips = joined[joined["status"].eq("COMPLETED") & joined["actual_dropoff_at"].notna()]
    booking = world.bookings.set_index("booking_id").loc[decision["booking_id"]]
    age = decision["decided_at"] - trips["actual_dropoff_at"]

    own = trips[is_driver(trips, decision) & (age > pd.Timedelta(0))]
    recent = own[age[own.index] <= pd.Timedelta(days=30)]
    delay_min = (recent["actual_pickup_at"] - recent["scheduled_at"]).dt.total_seconds() / 60
    habit = own[(age[own.index] <= pd.Timedelta(days=60)) & own["leg"].eq("outbound") & ~own["is_urgent"]]
    habit_min = (habit["actual_pickup_at"] - habit["scheduled_at"]).dt.total_seconds() / 60

    past = joined[is_driver(joined, decision) & joined["status"].ne("REASSIGNED")]
    called_off = past["updated_at_booking"].where(past["status_booking"].eq("CANCELED"))
    marked = past["updated_at"].where(past["status"].isin(["CANCELLED", "NO_SHOW"]))
    ended = pd.concat([called_off, marked], axis=1).min(axis=1).fillna(past["actual_dropoff_at"])
    since = decision["decided_at"] - ended
    past = past[(since > pd.Timedelta(0)) & (since <= pd.Timedelta(days=30))]
    failed = past["status"].isin(["CANCELLED", "NO_SHOW"]) | past["status_booking"].eq("CANCELED")

    local = to_local(trips["actual_pickup_at"])
    same_hour = local.dt.hour.eq(booking["scheduled_local"].hour)
    same_kind = (local.dt.dayofweek >= 5).eq(booking["scheduled_local"].dayofweek >= 5)
    window = (age > pd.Timedelta(0)) & (age <= pd.Timedelta(days=28))
    rides = trips[same_hour & same_kind & window & (trips["leg_km"] >= 0.5)]
    ride_min = (rides["actual_dropoff_at"] - rides["actual_pickup_at"]).dt.total_seconds() / 60
    ratio = ride_min / (60 * rides["leg_km"] / 40.0)

    known = world.weather[world.weather["issued_at"] <= decision["decided_at"]]
    known = known[known["valid_at"].eq(booking["scheduled_at"].floor("h"))].sort_values("issued_at")
    weather = rain = np.nan
    if len(known):
        last = known.iloc[-1]
        rain, snow = last["rain_mm"], last["snow_cm"]
        weather = 1 + np.minimum(0.02 * rain, 0.16) + np.minimum(0.10 * snow, 0.40)
    has_driver = pd.notna(decision["driver_id"])
    return {
        "driver_punctuality_score": float((delay_min <= 5).mean()),
        "driver_avg_delay_30d": float(delay_min.mean()),
        "driver_completed_count_30d": float(len(recent)) if has_driver else np.nan,
        "driver_typical_outbound_delay_min": float(habit_min.clip(-10, 10).mean()),
        "driver_cancellation_rate_30d": float(failed.mean()),
        "traffic_density": float(ratio.mean()),
        "traffic_speed_kmh": float(60 * rides["leg_km"].sum() / ride_min.sum()) if len(rides) else np.nan,
        "weather_factor": float(weather),
        "weather_rain_mm": float(rain),
    }


def is_driver(rows: pd.DataFrame, decision: pd.Series) -> pd.Series:
    return rows["driver_id"].eq(decision["driver_id"]).fillna(False).astype(bool)


def slow_day_features(world: World, decision: pd.Series) -> dict[str, float]:
    """The driver's day before a pickup, driven step by step at planning speed."""
    if pd.isna(decision["driver_id"]):
        names = ("driver_current_load", "is_first_course", "driver_hours_worked_today", *FEATURES_OF_THE_DAY)
        return dict.fromkeys(names, np.nan)
    bookings = world.bookings.assign(leg_km=leg_km(world.bookings)).set_index("booking_id", drop=False)
    booking, at = bookings.loc[decision["booking_id"]], decision["decided_at"]
    mine = world.assignments[is_driver(world.assignments, decision) & (world.assignments["created_at"] <= at)]
    planned = []
    for row in mine.itertuples():
        other = bookings.loc[row.booking_id]
        left = row.status in GONE and row.updated_at <= at
        left = left or (other["status"] == "CANCELED" and other["updated_at"] <= at)
        if other["service_day"] == booking["service_day"] and row.booking_id != booking["booking_id"] and not left:
            planned.append(other)
    key = (booking["scheduled_at"], booking["booking_id"])
    before = sorted(
        (o for o in planned if (o["scheduled_at"], o["booking_id"]) < key),
        key=lambda o: (o["scheduled_at"], o["booking_id"]),
    )
    worked_min, start, deadhead, slack = 0.0, None, np.nan, np.nan
    for here, following in zip(before, [*before, booking][1:], strict=True):
        speed = PLANNING_SPEED_KMH
        ride = here["duration_min"]
        if np.isnan(ride):
            ride = 60 * here["leg_km"] / speed[here["scheduled_local"].hour]
        ends = pd.DataFrame(
            [
                {
                    "pickup_lat": here["dropoff_lat"],
                    "pickup_lon": here["dropoff_lon"],
                    "dropoff_lat": following["pickup_lat"],
                    "dropoff_lon": following["pickup_lon"],
                    "distance_km": np.nan,
                }
            ]
        )
        deadhead = float(leg_km(ends).iloc[0])
        step = 12 + ride + 60 * deadhead / speed[following["scheduled_local"].hour]
        began = here["scheduled_at"] if start is None else max(start, here["scheduled_at"])
        start = began + pd.Timedelta(minutes=step)
        worked_min += step
        slack = (following["scheduled_at"] - here["scheduled_at"]).total_seconds() / 60 - step
    late = 0.0 if start is None else max(0.0, (start - booking["scheduled_at"]).total_seconds() / 60)
    return {
        "driver_current_load": float(len(planned)), "is_first_course": float(not before),
        "driver_hours_worked_today": worked_min / 60, "deadhead_km": deadhead, "slack_min": slack,
        "projected_lateness_min": late,
    }  # fmt: skip


def leg_km(bookings: pd.DataFrame) -> pd.Series:
    """Source distance, else 1.35 x great circle (spherical law of cosines, another formula than the code's)."""
    lat_from, lon_from, lat_to, lon_to = (
        np.radians(bookings[name]) for name in ("pickup_lat", "pickup_lon", "dropoff_lat", "dropoff_lon")
    )
    cosine = np.sin(lat_from) * np.sin(lat_to) + np.cos(lat_from) * np.cos(lat_to) * np.cos(lon_to - lon_from)
    return bookings["distance_km"].fillna(1.35 * 6371.0088 * np.arccos(cosine))
