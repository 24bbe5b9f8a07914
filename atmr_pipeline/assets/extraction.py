"""Extraction: the operations database, day by day, with patients as keyed hashes and instants in UTC."""

from collections.abc import Callable
from datetime import date
from typing import TYPE_CHECKING, Any

import dagster as dg
import pandas as pd

from atmr_pipeline.assets.common import OPERATIONS, check_result, counts_table, rows, table_metadata
from atmr_pipeline.domain.wallclock import ALL_DAYS
from atmr_pipeline.jobs.partitions import SERVICE_DAYS
from atmr_pipeline.resources.workspace import Workspace

if TYPE_CHECKING:
    from atmr_pipeline.sources.operations import Extract

GROUP = "extraction"


def _days(context: dg.AssetExecutionContext) -> tuple[date, date]:
    keys = context.partition_keys
    return date.fromisoformat(keys[0]), date.fromisoformat(keys[-1])


def _as_read(extract: "Extract") -> dg.MaterializeResult:
    return dg.MaterializeResult(
        value=extract.frame, metadata=rows(extract.frame, set_aside=counts_table("reason", extract.set_aside))
    )


def _partitioned(description: str) -> Callable[[Any], dg.AssetsDefinition]:
    def build(function: Any) -> dg.AssetsDefinition:
        name = function.__name__
        return dg.asset(
            name=name,
            description=description,
            group_name=GROUP,
            owners=OPERATIONS,
            kinds={"sql", "parquet"},
            partitions_def=SERVICE_DAYS,
            backfill_policy=dg.BackfillPolicy.single_run(),
            metadata=table_metadata(name),
        )(function)

    return build


@_partitioned("Bookings of each service day: no name, no address, no note; wall-clock times placed on the UTC line.")
def bookings(context: dg.AssetExecutionContext, workspace: Workspace) -> dg.MaterializeResult:
    workspace.operations.check_schema()
    return _as_read(workspace.operations.read_bookings(*_days(context)))


@_partitioned("Which driver served which booking, planned and actual, by service day of the booking.")
def assignments(context: dg.AssetExecutionContext, workspace: Workspace) -> dg.MaterializeResult:
    return _as_read(workspace.operations.read_assignments(*_days(context)))


@_partitioned("One company's plan for one day.")
def dispatch_runs(context: dg.AssetExecutionContext, workspace: Workspace) -> dg.MaterializeResult:
    return _as_read(workspace.operations.read_dispatch_runs(*_days(context)))


@dg.asset(
    group_name=GROUP,
    owners=OPERATIONS,
    kinds={"sql", "parquet"},
    metadata=table_metadata("drivers"),
    description="The fleet as it stands now, drivers named by initials only.",
)
def drivers(workspace: Workspace) -> dg.MaterializeResult:
    return _as_read(workspace.operations.read_drivers())


@dg.asset(
    group_name=GROUP,
    owners=OPERATIONS,
    kinds={"sql", "parquet"},
    metadata=table_metadata("driver_shifts"),
    description="When each driver is on duty: the load gap counts on-duty drivers, also those without a booking.",
)
def driver_shifts(workspace: Workspace) -> dg.MaterializeResult:
    return _as_read(workspace.operations.read_driver_shifts(*ALL_DAYS))


@dg.asset(
    group_name=GROUP,
    owners=OPERATIONS,
    kinds={"parquet"},
    metadata=table_metadata("weather_forecast"),
    description="Hourly forecasts with their time of issue. Empty, and said so, where no forecast file is set.",
)
def weather_forecast(workspace: Workspace) -> dg.MaterializeResult:
    from atmr_pipeline.domain.tables import WEATHER_FORECAST, empty
    from atmr_pipeline.sources.weather import read_weather_forecast

    path = workspace.settings.weather_path
    frame = read_weather_forecast(path) if path is not None else empty(WEATHER_FORECAST)
    origin = str(path) if path is not None else "none: weather features are NULL (set ATMR_WEATHER_FILE)"
    return dg.MaterializeResult(value=frame, metadata=rows(frame, source=origin))


@dg.asset_check(asset=bookings, blocking=True, description="Every booking id appears once over all service days.")
def bookings_unique(workspace: Workspace) -> dg.AssetCheckResult:
    frame = workspace.tables.read("bookings")
    duplicated = int(frame["booking_id"].duplicated().sum())
    return check_result(
        len(frame) > 0 and duplicated == 0,
        f"{len(frame):,} bookings, {duplicated:,} ids seen twice" if len(frame) else "no bookings were extracted",
        rows=len(frame),
        duplicated=duplicated,
    )


@dg.asset_check(asset=bookings, description="Scheduled times that the wall clock never or twice showed are counted.")
def bookings_wall_clock(workspace: Workspace) -> dg.AssetCheckResult:
    frame = workspace.tables.read("bookings")
    counts = frame["scheduled_status"].value_counts().to_dict()
    odd = len(frame) - int(counts.get("exact", 0))
    return check_result(
        odd <= 0.01 * max(len(frame), 1),
        f"{odd:,} of {len(frame):,} scheduled times are not exact",
        blocking=False,
        by_status={str(key): int(value) for key, value in counts.items()},
    )


@dg.asset_check(
    asset=bookings, blocking=True, description="No default point: bookings do not pile up on one pair of coordinates."
)
def bookings_no_default_point(workspace: Workspace) -> dg.AssetCheckResult:
    frame = workspace.tables.read("bookings")
    shares = {}
    for end in ("pickup", "dropoff"):
        known = frame.dropna(subset=[f"{end}_lat", f"{end}_lon"])
        if known.empty:
            return check_result(False, f"no booking has {end} coordinates", blocking=False)
        shares[end] = float(known.groupby([f"{end}_lat", f"{end}_lon"]).size().max() / len(known))
    listed = ", ".join(f"{end} {share:.1%}" for end, share in shares.items())
    return check_result(
        max(shares.values()) <= 0.25,
        f"bookings at the most frequent point: {listed} (limit 25 %: a large hospital reaches 15 %)",
        most_frequent_point_share=shares,
    )


@dg.asset_check(asset=assignments, blocking=True, description="Every assignment belongs to an extracted booking.")
def assignments_have_bookings(workspace: Workspace) -> dg.AssetCheckResult:
    frame, known = workspace.tables.read("assignments"), workspace.tables.read("bookings")
    orphans = int((~frame["booking_id"].isin(known["booking_id"])).sum())
    return check_result(orphans == 0, f"{orphans:,} of {len(frame):,} assignments have no booking", orphans=orphans)


@dg.asset_check(asset=dispatch_runs, blocking=True, description="One plan a company and day.")
def dispatch_runs_unique_day(workspace: Workspace) -> dg.AssetCheckResult:
    frame = workspace.tables.read("dispatch_runs")
    twice = int(frame.duplicated(["company_id", "service_day"]).sum())
    return check_result(twice == 0, f"{len(frame):,} plans, {twice:,} days planned twice", planned_twice=twice)


@dg.asset_check(asset=drivers, blocking=True, description="There are active drivers, and initials tell them apart.")
def drivers_usable(drivers: pd.DataFrame) -> dg.AssetCheckResult:
    active = int(drivers["is_active"].sum())
    named = drivers.dropna(subset=["initials"])
    shared = int(named.duplicated(["company_id", "initials"], keep=False).sum())
    return check_result(
        active > 0,
        f"{active} active drivers; {shared} share their initials and cannot be told apart in workbooks",
        active=active,
        shared_initials=shared,
    )


@dg.asset_check(asset=driver_shifts, blocking=True, description="Shifts end after they start.")
def driver_shifts_ordered(driver_shifts: pd.DataFrame) -> dg.AssetCheckResult:
    wrong = int((driver_shifts["end_at"] <= driver_shifts["start_at"]).sum())
    return check_result(wrong == 0, f"{len(driver_shifts):,} shifts, {wrong} end before they start", wrong=wrong)


@dg.asset_check(asset=weather_forecast, description="Forecasts are present, and issued before the hour they speak of.")
def weather_forecast_ahead(weather_forecast: pd.DataFrame) -> dg.AssetCheckResult:
    late = int((weather_forecast["issued_at"] > weather_forecast["valid_at"]).sum())
    return check_result(
        len(weather_forecast) > 0 and late == 0,
        f"{len(weather_forecast):,} forecast hours, {late} issued after the fact; none means NULL weather features",
        blocking=False,
        issued_after=late,
    )
