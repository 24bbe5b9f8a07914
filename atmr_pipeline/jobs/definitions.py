"""The pipeline's jobs: what runs together, and why."""

from typing import Any

import dagster as dg

from atmr_pipeline.jobs.registry_jobs import REGISTRY_JOBS

EXTRACTION = dg.AssetSelection.groups("extraction", "surroundings")
DAILY_TABLES = ("operations_schema", "bookings", "assignments", "dispatch_runs")
"""What is read from the operations database day by day, and the look at its schema that comes before."""
EXCEL = dg.AssetSelection.groups("excel")
FEATURES = dg.AssetSelection.groups("features")
DELAY = dg.AssetSelection.groups("delay_model") | dg.AssetSelection.assets("promoted_delay_model")
POLICY = dg.AssetSelection.groups("dispatch_policy") | dg.AssetSelection.assets("promoted_dispatch_policy")
MONITORING = dg.AssetSelection.groups("monitoring")
FEEDBACK = dg.AssetSelection.groups("feedback")

SCORING = dg.AssetSelection.assets("delay_challenger", "delay_predictions", "driver_suggestions", "delay_risk_alerts")
"""What a new delay champion says of the coming days: it must not wait for the next night to be heard."""

weekly_full_training = dg.define_asset_job(
    "weekly_full_training",
    selection=EXTRACTION | EXCEL | FEATURES | DELAY | POLICY,
    description="Everything from extraction to promotion, the dispatch policy included.",
)

daily_retraining = dg.define_asset_job(
    "daily_retraining",
    selection=EXTRACTION | FEATURES | DELAY | SCORING,
    description="Fresh data, features, delay model, gates, promotion, and the coming days scored again. "
    "Unchanged data reuses the trained version.",
)

drift_retraining = dg.define_asset_job(
    "drift_retraining",
    selection=FEATURES | DELAY | SCORING,
    description="Retrains the delay model because a drift or degradation event asked for it, and scores the "
    "coming days again.",
)

nightly_feedback = dg.define_asset_job(
    "nightly_feedback",
    selection=EXTRACTION | FEATURES | FEEDBACK | MONITORING,
    description="Fills in what happened, scores the coming day, plans it, and watches for drift.",
)

excel_import = dg.define_asset_job(
    "excel_import",
    selection=EXCEL | dg.AssetSelection.assets("historical_dispatches"),
    description="Reads the workbooks in the inbox, geocodes their courses, and rebuilds the history.",
)

JOBS: list[Any] = [
    weekly_full_training,
    daily_retraining,
    drift_retraining,
    nightly_feedback,
    excel_import,
    *REGISTRY_JOBS,
]
