"""A small company that never was: a training set with every feature of the contract, and a version trained on it."""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from atmr_pipeline.features.contract import FEATURES
from atmr_pipeline.models.delay import DelayParams
from atmr_pipeline.resources.training_sets import keep_training_set, train_as_recorded, training_record
from atmr_pipeline.resources.workspace import Workspace

PARAMS = DelayParams(seed=5, candidates=("constant_mean", "spline_ridge", "xgboost"), xgb_rounds=30)


def company_rows(rows: int = 500, *, seed: int = 3) -> pd.DataFrame:
    """In the layout of ``delay_training_set``, areas included; some features are NULL in some rows."""
    rng = np.random.default_rng(seed)
    day = np.sort(rng.integers(0, 70, rows))
    service_day = pd.Timestamp("2024-01-08") + pd.to_timedelta(day, unit="D")
    decided = (service_day + pd.to_timedelta(rng.integers(300, 800, rows), unit="min")).tz_localize("UTC")
    frame = pd.DataFrame(
        {
            "assignment_id": np.arange(rows) + 1,
            "booking_id": np.arange(rows) + 10_001,
            "driver_id": pd.array(rng.integers(1, 5, rows), dtype="Int64"),
            "company_id": np.ones(rows, dtype=np.int64),
            "service_day": service_day.astype("datetime64[us]"),
            "decided_at": decided.astype("datetime64[us, UTC]"),
            "known_at": (decided + pd.Timedelta("3h")).astype("datetime64[us, UTC]"),
            "pickup_area": "Commune Fictive",
            "patient_area": "Village Fictif",
        }
    )
    for feature in FEATURES:
        values = pd.Series(rng.integers(0, 2, rows) if "bool" in feature.dtype else rng.integers(0, 9, rows))
        frame[feature.name] = values.astype(feature.dtype)
        if feature.null_meaning != "never":
            frame.loc[rng.random(rows) < 0.05, feature.name] = pd.NA if feature.dtype[0].isupper() else None
    delay = 2.0 + 0.5 * frame["distance_km"].fillna(4.0) + rng.gamma(2.0, 2.0, rows)
    return frame.assign(delay_min=delay, is_late=delay > 5.0)


def register_trained(workspace: Workspace, frame: pd.DataFrame, **recorded: Any) -> str:
    """Train as the pipeline does, and register with the record; ``recorded`` overrides entries of the record."""
    features = [feature.name for feature in FEATURES]
    limits = {"holdout_days": 14, "minimum_rows": 100, "minimum_days": 20}
    kept = keep_training_set(workspace, frame)
    record = training_record(kept, params=PARAMS, features=features, **limits)
    training = train_as_recorded(frame, record)
    metrics = training.metrics() | {"floor": None, "alerts": {"threshold": 0.25}}
    with tempfile.TemporaryDirectory() as folder:
        manifest = training.model.save(Path(folder), data_hash=training.data_hash, metrics=metrics)
        return workspace.registry.register(
            "delay",
            Path(folder),
            manifest,
            training_fingerprint=kept,
            metrics=metrics | {"training": {**record, **recorded}},
        )
