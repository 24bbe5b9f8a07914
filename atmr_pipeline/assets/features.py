"""Features: the history of every day, and what a delay model may learn from."""

import dagster as dg
import pandas as pd

from atmr_pipeline.assets.common import (
    MACHINE_LEARNING,
    OPERATIONS,
    check_result,
    counts_table,
    frame_markdown,
    rows,
    table_metadata,
)
from atmr_pipeline.domain.files import write_atomically
from atmr_pipeline.resources.workspace import Workspace

GROUP = "features"


@dg.asset(
    group_name=GROUP,
    owners=OPERATIONS,
    kinds={"duckdb", "parquet"},
    metadata=table_metadata("historical_dispatches"),
    description="One record a company and day from both sources: loads, load gap, distance, lateness, quality score.",
)
def historical_dispatches(
    workspace: Workspace,
    bookings: pd.DataFrame,
    assignments: pd.DataFrame,
    driver_shifts: pd.DataFrame,
    geocoded_courses: pd.DataFrame,
) -> dg.MaterializeResult:
    from atmr_pipeline.features.history import historical_dispatches as build
    from atmr_pipeline.features.history import to_json

    company = _only_company(bookings)
    frame = build(bookings, assignments, driver_shifts, geocoded_courses, workbook_company_id=company)
    export = workspace.settings.reports_dir / "historical_dispatches.json"
    write_atomically(export, lambda path: path.write_text(to_json(frame), encoding="utf-8"))
    known = frame.dropna(subset=["load_gap"])
    return dg.MaterializeResult(
        value=frame,
        metadata=rows(
            frame,
            json_export=dg.MetadataValue.path(export),
            mean_load_gap=float(known["load_gap"].astype(float).mean()) if len(known) else None,
            days_by_source=counts_table("source", frame["source"].value_counts().to_dict()),
        ),
    )


def _only_company(bookings: pd.DataFrame) -> int | None:
    # A workbook does not name its company: with several companies in the database it stays unknown.
    companies = bookings["company_id"].unique()
    return int(companies[0]) if len(companies) == 1 else None


@dg.asset(
    group_name=GROUP,
    owners=MACHINE_LEARNING,
    kinds={"duckdb", "parquet"},
    description="Features and label of every completed assignment; each feature uses only what was known when the "
    "driver was chosen.",
)
def delay_training_set(
    workspace: Workspace,
    bookings: pd.DataFrame,
    assignments: pd.DataFrame,
    drivers: pd.DataFrame,
    dispatch_runs: pd.DataFrame,
    weather_forecast: pd.DataFrame,
    calendar_days: pd.DataFrame,
) -> dg.MaterializeResult:
    from atmr_pipeline.features.contract import FEATURES
    from atmr_pipeline.features.delay import delay_training_set as build
    from atmr_pipeline.features.sources import FeatureSources

    sources = FeatureSources(
        bookings, assignments, drivers, dispatch_runs, weather_forecast, calendar_days, heights(workspace)
    )
    frame, excluded = build(sources)
    account = {"given": len(frame) + sum(excluded.values()), "excluded": excluded}
    workspace.tables.write_value("delay_label_account", account)
    contract = pd.DataFrame(
        [{"feature": f.name, "unit": f.unit, "NULL means": f.null_meaning, "source": f.source} for f in FEATURES]
    )
    return dg.MaterializeResult(
        value=frame,
        metadata=rows(
            frame,
            excluded=counts_table("reason", excluded),
            feature_contract=frame_markdown(contract),
            late_share=float(frame["is_late"].mean()) if len(frame) else None,
        ),
    )


def heights(workspace: Workspace) -> pd.DataFrame:
    """The table of heights that the operator gave, or an empty one: the feature is then NULL."""
    from atmr_pipeline.features.elevation import no_heights, read_heights

    path = workspace.settings.elevation_file
    return no_heights() if path is None else read_heights(path.expanduser())


@dg.asset_check(asset=historical_dispatches, blocking=True, description="One record a company, day and source.")
def historical_dispatches_complete(workspace: Workspace, historical_dispatches: pd.DataFrame) -> dg.AssetCheckResult:
    active = workspace.tables.read("bookings")
    days = active.loc[active["status"] != "CANCELED", "service_day"].nunique()
    have = int((historical_dispatches["source"] == "database").sum())
    unscored = int(historical_dispatches["quality_score"].isna().sum())
    return check_result(
        have >= days,
        f"{have} database records for {days} days with bookings; {unscored} records without a quality score",
        days=int(days),
        records=have,
        without_quality_score=unscored,
    )


@dg.asset_check(asset=delay_training_set, blocking=True, description="Enough rows and days before the held-out block.")
def delay_training_set_enough(workspace: Workspace, delay_training_set: pd.DataFrame) -> dg.AssetCheckResult:
    settings = workspace.settings
    last = delay_training_set["service_day"].max()
    before = delay_training_set[
        delay_training_set["service_day"] <= last - pd.Timedelta(days=settings.delay_holdout_days)
    ]
    have_rows, have_days = len(before), int(before["service_day"].nunique())
    return check_result(
        have_rows >= settings.delay_minimum_rows and have_days >= settings.delay_minimum_days,
        f"needs {settings.delay_minimum_rows:,} rows and {settings.delay_minimum_days} days before the last "
        f"{settings.delay_holdout_days} held-out days, has {have_rows:,} and {have_days}",
        rows=have_rows,
        days=have_days,
    )


@dg.asset_check(asset=delay_training_set, blocking=True, description="No label was known when its decision was made.")
def delay_training_set_no_leak(delay_training_set: pd.DataFrame) -> dg.AssetCheckResult:
    leaks = int((delay_training_set["known_at"] <= delay_training_set["decided_at"]).sum())
    return check_result(leaks == 0, f"{leaks} rows have a label that was known before the decision", leaks=leaks)
