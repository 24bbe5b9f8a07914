"""What must hold of the extracted tables before anything is learned from them."""

import dagster as dg
import pandas as pd

from atmr_pipeline.assets.common import check_result
from atmr_pipeline.resources.workspace import Workspace

ENOUGH_TO_JUDGE = 50
MOST_AT_ONE_POINT, MOST_GOING_NOWHERE = 0.25, 0.02
"""A geocoder that fell back in silence to the city centre put 87 % of pickups on one point, and 74 % of courses from
that point to itself."""


@dg.asset_check(asset="bookings", blocking=True, description="Every booking id appears once over all service days.")
def bookings_unique(workspace: Workspace) -> dg.AssetCheckResult:
    frame = workspace.tables.read_columns("bookings", ["booking_id"])
    duplicated = int(frame["booking_id"].duplicated().sum())
    return check_result(
        len(frame) > 0 and duplicated == 0,
        f"{len(frame):,} bookings, {duplicated:,} ids seen twice" if len(frame) else "no bookings were extracted",
        rows=len(frame),
        duplicated=duplicated,
    )


@dg.asset_check(asset="bookings", description="Scheduled times that the wall clock never or twice showed are counted.")
def bookings_wall_clock(workspace: Workspace) -> dg.AssetCheckResult:
    frame = workspace.tables.read_columns("bookings", ["scheduled_status"])
    counts = frame["scheduled_status"].value_counts().to_dict()
    odd = len(frame) - int(counts.get("exact", 0))
    return check_result(
        odd <= 0.01 * max(len(frame), 1),
        f"{odd:,} of {len(frame):,} scheduled times are not exact",
        blocking=False,
        by_status={str(key): int(value) for key, value in counts.items()},
    )


@dg.asset_check(
    asset="bookings",
    blocking=True,
    description="No default point: bookings do not pile up on one pair of coordinates, and few go nowhere.",
)
def bookings_no_default_point(workspace: Workspace) -> dg.AssetCheckResult:
    ends = {end: [f"{end}_lat", f"{end}_lon"] for end in ("pickup", "dropoff")}
    frame = workspace.tables.read_columns("bookings", [*ends["pickup"], *ends["dropoff"]])
    shares = {}
    for end, columns in ends.items():
        known = frame.dropna(subset=columns)
        if len(known) >= ENOUGH_TO_JUDGE:
            shares[end] = float(known.groupby(columns).size().max() / len(known))
    if not shares:
        return check_result(
            len(frame) < ENOUGH_TO_JUDGE,
            f"not judged: neither end of {ENOUGH_TO_JUDGE} bookings has coordinates ({len(frame):,} bookings)",
            blocking=False,
        )
    placed = frame.dropna()
    nowhere = (placed["pickup_lat"] == placed["dropoff_lat"]) & (placed["pickup_lon"] == placed["dropoff_lon"])
    going_nowhere = float(nowhere.mean()) if len(placed) >= ENOUGH_TO_JUDGE else 0.0
    listed = ", ".join(f"{end} {share:.1%}" for end, share in shares.items())
    return check_result(
        max(shares.values()) <= MOST_AT_ONE_POINT and going_nowhere <= MOST_GOING_NOWHERE,
        f"bookings at the most frequent point: {listed} (limit {MOST_AT_ONE_POINT:.0%}, a large hospital has 15 %); "
        f"pickup and drop-off at one point: {going_nowhere:.1%} (limit {MOST_GOING_NOWHERE:.0%})",
        most_frequent_point_share=shares,
        going_nowhere_share=going_nowhere,
    )


@dg.asset_check(asset="assignments", blocking=True, description="Every assignment belongs to an extracted booking.")
def assignments_have_bookings(workspace: Workspace) -> dg.AssetCheckResult:
    frame = workspace.tables.read_columns("assignments", ["booking_id"])
    known = workspace.tables.read_columns("bookings", ["booking_id"])
    orphans = int((~frame["booking_id"].isin(known["booking_id"])).sum())
    return check_result(orphans == 0, f"{orphans:,} of {len(frame):,} assignments have no booking", orphans=orphans)


@dg.asset_check(asset="dispatch_runs", blocking=True, description="One plan a company and day.")
def dispatch_runs_unique_day(workspace: Workspace) -> dg.AssetCheckResult:
    frame = workspace.tables.read("dispatch_runs")
    twice = int(frame.duplicated(["company_id", "service_day"]).sum())
    return check_result(twice == 0, f"{len(frame):,} plans, {twice:,} days planned twice", planned_twice=twice)


@dg.asset_check(asset="drivers", blocking=True, description="There are active drivers, and initials tell them apart.")
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


@dg.asset_check(asset="driver_shifts", blocking=True, description="Shifts end after they start.")
def driver_shifts_ordered(driver_shifts: pd.DataFrame) -> dg.AssetCheckResult:
    wrong = int((driver_shifts["end_at"] <= driver_shifts["start_at"]).sum())
    return check_result(wrong == 0, f"{len(driver_shifts):,} shifts, {wrong} end before they start", wrong=wrong)


@dg.asset_check(asset="driver_absences", description="Absences belong to drivers of the fleet.")
def absences_have_drivers(workspace: Workspace) -> dg.AssetCheckResult:
    frame, fleet = workspace.tables.read("driver_absences"), workspace.tables.read("drivers")
    strangers = int((~frame["driver_id"].isin(fleet["driver_id"])).sum())
    return check_result(strangers == 0, f"{len(frame):,} absences, {strangers} of nobody in the fleet", blocking=False)


@dg.asset_check(asset="companies", description="Every company has a depot: where its drivers start the day.")
def companies_have_depots(companies: pd.DataFrame) -> dg.AssetCheckResult:
    without = int(companies[["depot_lat", "depot_lon"]].isna().any(axis=1).sum())
    return check_result(
        len(companies) > 0 and without == 0,
        f"{len(companies)} companies, {without} without a depot (NULL)",
        blocking=False,
        without_depot=without,
    )
