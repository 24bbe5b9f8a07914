"""A fictional company seen on the morning of any of its days, and small real models of its delays."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dagster as dg
import numpy as np
import pandas as pd

from atmr_pipeline.assets.challenger import delay_challenger
from atmr_pipeline.assets.feedback import delay_predictions, prediction_actuals
from atmr_pipeline.assets.shadow import challenger_comparison, shadow_predictions
from atmr_pipeline.domain.tables import (
    ASSIGNMENTS,
    BOOKINGS,
    CALENDAR_DAYS,
    DISPATCH_RUNS,
    DRIVERS,
    WEATHER_FORECAST,
    conform,
    empty,
)
from atmr_pipeline.domain.wallclock import to_utc
from atmr_pipeline.features.contract import FEATURES
from atmr_pipeline.features.delay import delay_training_set
from atmr_pipeline.features.sources import FeatureSources
from atmr_pipeline.models.delay import DelayModel, DelayParams
from atmr_pipeline.resources.workspace import Workspace
from atmr_pipeline.state.predictions import record_actuals, record_predictions

FIRST_DAY = pd.Timestamp("2026-02-02")
BOOKINGS_A_DAY = 8
DRIVERS_IN_FLEET = 3
LEARNED_DAYS = 60
CREATED = pd.Timestamp("2026-01-01", tz="UTC")
RUN = SimpleNamespace(run=SimpleNamespace(run_id="a-night"))
"""All that the choice of the challenger asks of its run."""


def morning(day: int, days: int = 110) -> dict[str, pd.DataFrame]:
    """The tables before the first pickup of a day, counted from 0: what lies before is measured, the day is planned."""
    rng = np.random.default_rng(5)
    count = days * BOOKINGS_A_DAY
    number = np.arange(count)
    hours = np.tile(np.linspace(7.5, 17.25, BOOKINGS_A_DAY).round(2), days)
    service_day = FIRST_DAY + pd.to_timedelta(number // BOOKINGS_A_DAY, unit="D")
    local = pd.Series(service_day + pd.to_timedelta(np.round(hours * 60), unit="min")).astype("datetime64[us]")
    scheduled = to_utc(local)
    driver = number % DRIVERS_IN_FLEET + 1
    luck = np.repeat(rng.normal(0.0, 1.0, days), BOOKINGS_A_DAY)
    delay = 2.0 + 2.5 * (driver - 2) + 1.5 * np.sin(hours) + luck + rng.gamma(2.0, 1.0, count)
    measured = number // BOOKINGS_A_DAY < day
    seen = number // BOOKINGS_A_DAY <= day
    pickup = scheduled["scheduled_at"] + pd.to_timedelta(np.round(delay * 60), unit="s")
    places = 46.2 + rng.normal(0.0, 0.02, (count, 4))
    booked = pd.DataFrame(
        {
            "booking_id": number + 1_001, "company_id": 1, "service_day": service_day, "patient_key": None,
            "driver_id": None, "leg": np.where(number % 2 == 0, "outbound", "return"), "is_round_trip": False,
            "parent_booking_id": None, "status": np.where(measured, "COMPLETED", "ASSIGNED"),
            "scheduled_local": local, "scheduled_at": scheduled["scheduled_at"],
            "scheduled_status": scheduled["scheduled_status"], "time_confirmed": True, "is_urgent": False,
            "is_medical": number % 3 == 0, "is_hospital": False, "is_wheelchair": None,
            "pickup_lat": places[:, 0], "pickup_lon": places[:, 1] - 40.06, "dropoff_lat": places[:, 2],
            "dropoff_lon": places[:, 3] - 40.06, "distance_km": None, "duration_min": None, "created_at": CREATED,
            "updated_at": CREATED,
        }
    )  # fmt: skip
    assigned = pd.DataFrame(
        {
            "assignment_id": number + 1, "booking_id": number + 1_001, "driver_id": driver, "dispatch_run_id": None,
            "service_day": service_day, "status": np.where(measured, "COMPLETED", "SCHEDULED"),
            "planned_pickup_at": scheduled["scheduled_at"], "planned_dropoff_at": None,
            "actual_pickup_at": pickup.where(measured),
            "actual_dropoff_at": (pickup + pd.Timedelta(minutes=20)).where(measured),
            "created_at": scheduled["scheduled_at"] - pd.Timedelta(hours=15),
            "updated_at": scheduled["scheduled_at"] - pd.Timedelta(hours=15),
        }
    )  # fmt: skip
    fleet = pd.DataFrame(
        {
            "driver_id": range(1, DRIVERS_IN_FLEET + 1), "company_id": 1, "initials": None, "driver_type": "REGULAR",
            "is_active": True, "is_available": True, "weekly_hours": 42.0, "lat": 46.2, "lon": 6.14,
            "position_at": CREATED,
        }
    )  # fmt: skip
    return {
        "bookings": conform(booked[seen].reset_index(drop=True), BOOKINGS),
        "assignments": conform(assigned[seen].reset_index(drop=True), ASSIGNMENTS),
        "drivers": conform(fleet, DRIVERS),
        "dispatch_runs": empty(DISPATCH_RUNS),
        "weather_forecast": empty(WEATHER_FORECAST),
        "calendar_days": empty(CALENDAR_DAYS),
    }


def learned(error_min: float = 0.0) -> DelayModel:
    """A model of the first days, whose answers are all so many minutes too high."""
    tables = morning(LEARNED_DAYS)
    frame, _ = delay_training_set(FeatureSources(tables["bookings"], tables["assignments"], tables["drivers"]))
    names = [feature.name for feature in FEATURES]
    # One candidate is enough to have something to load and ask.
    return DelayModel(DelayParams(candidates=("spline_ridge",))).fit(
        frame[names], frame["delay_min"] + error_min, frame["decided_at"]
    )


def registered(workspace: Workspace, model: DelayModel, folder: Path) -> str:
    """The model's version."""
    folder.mkdir()
    metrics = {"alerts": {"threshold": 0.4, "reason": None}}
    manifest = model.save(folder, data_hash="0" * 64, metrics=metrics)
    return workspace.registry.register("delay", folder, manifest, training_fingerprint=folder.name, metrics=metrics)


def evaluated(workspace: Workspace, version: str, *, passed: bool | None = None) -> None:
    """As training leaves it: the newest version, and what the gates said of it."""
    workspace.tables.write_value("delay_model", {"version_id": version})
    if passed is not None:
        workspace.tables.write_value("delay_verdicts", {"version_id": version, "promote": passed})


def plain(asset: dg.AssetsDefinition) -> Callable[..., Any]:
    """The asset's function itself: invoking the asset builds a Dagster instance each time."""
    return asset.op.compute_fn.decorated_fn


class Night:
    """The feedback of one night, asset after asset, as the job runs them; what each materialised."""

    def __init__(self, workspace: Workspace, day: int) -> None:
        tables = morning(day)
        self.challenger = plain(delay_challenger)(RUN, workspace, tables["assignments"])
        self.served = plain(delay_predictions)(workspace, **tables)
        self.shadow = plain(shadow_predictions)(workspace, **tables, delay_predictions=self.served.value)
        plain(prediction_actuals)(workspace, tables["bookings"], tables["assignments"])
        self.comparison = plain(challenger_comparison)(workspace)


def choose(workspace: Workspace, day: int) -> dict[str, Any]:
    """Only the choice of the challenger, on the morning of a day."""
    return plain(delay_challenger)(RUN, workspace, morning(day)["assignments"]).value


def lived(workspace: Workspace, versions: dict[str, float], *, days: int, first: str, arms: bool = False) -> None:
    """Days of 8 courses that two versions scored and that happened: version -> its error, minutes, give or take.

    The first version serves and the second is in the shadow; with ``arms`` they take turns.
    """
    rng, count = np.random.default_rng(2), days * BOOKINGS_A_DAY
    number = np.arange(count)
    frame = pd.DataFrame(
        {
            "assignment_id": number + 50_001, "booking_id": number + 60_001, "driver_id": 1, "company_id": 1,
            "service_day": pd.Timestamp(first) + pd.to_timedelta(number // BOOKINGS_A_DAY, unit="D"),
            "decided_at": pd.Timestamp(first, tz="UTC"), "low_min": -5.0, "high_min": 15.0, "p_late": 0.3,
        }
    )  # fmt: skip
    actual = 3.0 + rng.normal(0.0, 2.0, count)
    its_arm = number % 2 == 1
    arm = (
        pd.Series(np.where(its_arm, "challenger", "champion")) if arms else pd.Series(None, range(count), dtype=object)
    )
    for place, (version, error) in enumerate(versions.items()):
        told = frame.assign(
            model_version=version, expected_delay_min=actual + error + rng.normal(0.0, 0.3, count), arm=arm
        )
        serves = (its_arm == bool(place)) if arms else np.full(count, place == 0)
        record_predictions(workspace.state, told[serves])
        record_predictions(workspace.state, told[~serves], role="shadow")
    known_at = pd.Timestamp(first, tz="UTC") + pd.Timedelta(days=days)
    happened = pd.DataFrame({"assignment_id": frame["assignment_id"], "actual_delay_min": actual, "known_at": known_at})
    record_actuals(workspace.state, happened)
