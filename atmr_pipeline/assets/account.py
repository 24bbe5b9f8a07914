"""The account of the data, from the source to the labels: what could not be used, how much of it, and why."""

from typing import Any

import dagster as dg
import pandas as pd

from atmr_pipeline.assets.common import OPERATIONS, check_result, frame_markdown, picture, rows
from atmr_pipeline.assets.excel import ADDRESSES
from atmr_pipeline.domain.errors import TableContractError
from atmr_pipeline.resources.workspace import Workspace
from atmr_pipeline.state.frames import count_values

MOST_SET_ASIDE = 0.10
COORDINATES = ["pickup_lat", "pickup_lon", "dropoff_lat", "dropoff_lon"]


@dg.asset(
    group_name="monitoring",
    owners=OPERATIONS,
    kinds={"parquet"},
    deps=[
        "bookings", "assignments", "driver_shifts", "driver_absences", "quarantined_courses", "geocoded_courses",
        "address_review", "travel_speed_profile", "delay_training_set",
    ],
    description="What each stage was given, what it set aside or left unknown, and why. Nothing disappears unseen.",
)  # fmt: skip
def data_account(workspace: Workspace) -> dg.MaterializeResult:
    from atmr_pipeline.monitoring.account import account_picture
    from atmr_pipeline.monitoring.account import data_account as build

    stages, not_run = [], []
    for part, read in (("operations", _from_operations), ("workbooks", _from_workbooks), ("learning", _for_learning)):
        try:
            stages += read(workspace)
        except TableContractError:
            not_run.append(part)
    frame = build(stages)
    shown = frame.assign(share=(100 * frame["share"]).map("{:.2f} %".format))
    return dg.MaterializeResult(
        value=frame,
        metadata=rows(
            frame,
            not_run_yet=", ".join(not_run) or "none",
            account=frame_markdown(shown),
            picture=picture(account_picture(frame), "what is set aside, and why"),
        ),
    )


def _from_operations(workspace: Workspace) -> list[Any]:
    from atmr_pipeline.monitoring.account import Stage

    tables = workspace.tables
    set_aside = tables.read_value("set_aside_operations")
    bookings = tables.read_columns("bookings", [*COORDINATES, "driver_id", "patient_key", "scheduled_status"])
    odd = bookings["scheduled_status"].value_counts().drop("exact", errors="ignore")
    unknown = {
        "coordinates": int(bookings[COORDINATES].isna().any(axis=1).sum()),
        "driver": int(bookings["driver_id"].isna().sum()),
        "patient": int(bookings["patient_key"].isna().sum()),
        **{f"scheduled time {status}": int(count) for status, count in odd.items()},
    }
    assignments = tables.read_columns("assignments", ["actual_pickup_at", "actual_dropoff_at"])
    unmeasured = assignments.isna().sum()
    stages = [
        Stage("bookings", len(bookings) + sum(set_aside["bookings"].values()), set_aside["bookings"], unknown),
        Stage(
            "assignments",
            len(assignments) + sum(set_aside["assignments"].values()),
            set_aside["assignments"],
            {
                "actual pickup": int(unmeasured["actual_pickup_at"]),
                "actual drop-off": int(unmeasured["actual_dropoff_at"]),
            },
        ),
    ]
    runs = len(tables.read_columns("dispatch_runs", ["dispatch_run_id"]))
    refused_runs = set_aside["dispatch_runs"]
    stages.append(Stage("dispatch runs", runs + sum(refused_runs.values()), refused_runs))
    for name in ("driver_shifts", "driver_absences"):
        refused = tables.read_value(f"set_aside_{name}")
        stages.append(Stage(name.replace("_", " "), len(tables.read(name)) + sum(refused.values()), refused))
    return stages


def _from_workbooks(workspace: Workspace) -> list[Any]:
    from atmr_pipeline.monitoring.account import Stage

    tables = workspace.tables
    counts = tables.read_value("workbook_account")["rows"]
    quarantined, courses = tables.read("quarantined_courses"), tables.read("geocoded_courses")
    review = tables.read("address_review")
    return [
        Stage(
            "workbook rows",
            counts["read"],
            count_values(quarantined["reason"]),
            no_course={name: counts[name] for name in ("duplicate", "ignored")},
        ),
        Stage(
            "workbook legs",
            len(courses),
            count_values(courses["set_aside_reason"]),
            {"driver": int(courses["driver_id"].isna().sum()), "patient": int(courses["patient_key"].isna().sum())},
        ),
        Stage("addresses", len(workspace.private_tables.read(ADDRESSES)), count_values(review["reason"])),
    ]


def _for_learning(workspace: Workspace) -> list[Any]:
    from atmr_pipeline.monitoring.account import Stage

    tables = workspace.tables
    stages = []
    for name, value in (("trips for travel times", "travel_speed_profile"), ("delay labels", "delay_label_account")):
        account = tables.read_value(value)
        stages.append(Stage(name, account["given"], account["excluded"]))
    return stages


@dg.asset_check(asset=data_account, description="No stage lost more than it may without a person looking at it.")
def little_is_set_aside(data_account: pd.DataFrame) -> dg.AssetCheckResult:
    aside = data_account[data_account["effect"] == "set aside"]
    shares = (aside.groupby("stage")["rows"].sum() / aside.groupby("stage")["of"].first()).sort_values()
    shares = shares.fillna(1.0)
    # Trips and labels leave out what has not happened yet; every other stage is given what a person wrote.
    judged = shares.drop(["trips for travel times", "delay labels"], errors="ignore")
    worst = f"{judged.index[-1]} {judged.iloc[-1]:.1%}" if len(judged) else "none"
    return check_result(
        not (judged > MOST_SET_ASIDE).any(),
        f"largest share set aside: {worst} (limit {MOST_SET_ASIDE:.0%} of a stage)",
        blocking=False,
        shares={str(stage): float(share) for stage, share in shares.items()},
    )
