"""Workbooks: every row becomes legs, or is set aside with a reason that a clerk can act on."""

from collections.abc import Iterator
from contextlib import nullcontext
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import dagster as dg
import pandas as pd

from atmr_pipeline.assets.common import OPERATIONS, check_result, counts_table, rows, table_metadata
from atmr_pipeline.domain.identity import address_key
from atmr_pipeline.domain.vocabulary import LOCAL_TIMEZONE
from atmr_pipeline.resources.inbox import (
    IMPORTED,
    content_key,
    decisions_of,
    driver_ids,
    inputs_of,
    workbook_limits,
    workbooks_in,
)
from atmr_pipeline.resources.providers import SPEED_PROFILE, online_geocoder, travel_provider
from atmr_pipeline.resources.workspace import Workspace

GROUP = "excel"
ADDRESSES = "workbook_addresses"


def _out(name: str, description: str) -> dg.AssetOut:
    return dg.AssetOut(
        description=description, owners=OPERATIONS, kinds={"excel", "parquet"}, metadata=table_metadata(name)
    )


@dg.multi_asset(
    name="read_workbooks",
    group_name=GROUP,
    outs={
        "workbook_courses": _out("workbook_courses", "Legs of every workbook in the inbox; an A/R row gives two."),
        "quarantined_courses": _out("quarantined_courses", "Rows that could not become legs, each with its reason."),
    },
    pool="state",
)
def workbooks(
    context: dg.AssetExecutionContext, workspace: Workspace, drivers: pd.DataFrame
) -> Iterator[dg.Output[pd.DataFrame]]:
    from atmr_pipeline.sources.workbooks import parse_inbox
    from atmr_pipeline.sources.workbooks.driver_file import read_driver_file

    settings = workspace.settings
    paths = workbooks_in(settings.inbox_dir)
    said = read_driver_file(settings.drivers_path)
    # Taken before anything is read: a file saved meanwhile is another input, and is asked for again.
    inputs = inputs_of([content_key(path) for path in paths], decisions_of(said))
    parsed = parse_inbox(
        paths,
        hash_key=settings.hash_key_bytes,
        driver_ids=said.merge(driver_ids(drivers), fleet_ids=set(drivers["driver_id"])),
        occasional=said.occasional,
        limits=workbook_limits(settings),
    )
    # Addresses as written are needed to geocode and to review; they stay in the private tables.
    workspace.private_tables.write(ADDRESSES, parsed.addresses)
    workspace.private_tables.write("quarantined_rows", parsed.raw_quarantined)
    workspace.private_tables.write("set_aside_rows", parsed.raw_set_aside)
    account = {
        "rows": parsed.counts.to_dict(),
        "files": len(paths),
        "unknown_initials": parsed.unknown_initials,
        "occasional_initials": parsed.occasional_initials,
        "inputs": inputs,
    }
    workspace.tables.write_value("workbook_account", account)
    _record_files(workspace, parsed)
    yield dg.Output(
        parsed.courses,
        "workbook_courses",
        metadata=rows(
            parsed.courses,
            files=len(paths),
            source_rows=counts_table("rows", parsed.counts.to_dict()),
            unknown_initials=counts_table("initials", parsed.unknown_initials),
            occasional_drivers=counts_table("initials", parsed.occasional_initials),
            drivers_file=dg.MetadataValue.path(settings.drivers_path),
        ),
    )
    reasons = parsed.quarantined["reason"].value_counts().to_dict()
    yield dg.Output(
        parsed.quarantined,
        "quarantined_courses",
        metadata=rows(parsed.quarantined, reasons=counts_table("reason", reasons)),
    )


def _record_files(workspace: Workspace, parsed: Any) -> None:
    """The account of each file, and initials that nobody has explained yet in the drivers file."""
    from atmr_pipeline.sources.workbooks.driver_file import update_driver_file
    from atmr_pipeline.state.workbook_files import record_workbook_file

    known = {name: count for name, count in parsed.initials.items() if name not in parsed.unknown_initials}
    update_driver_file(workspace.settings.drivers_path, parsed.unknown_initials, known)
    for file in parsed.files:
        record_workbook_file(workspace.state, file)


@dg.multi_asset(
    name="geocode_courses",
    group_name=GROUP,
    outs={
        "geocoded_courses": _out("geocoded_courses", "Legs with coordinates, their precision and source; or without."),
        "address_review": _out("address_review", "Addresses that were written but not placed, for a clerk."),
    },
    deps=[SPEED_PROFILE],
    pool="state",
)
def geocoding(workspace: Workspace, workbook_courses: pd.DataFrame) -> Iterator[dg.Output[pd.DataFrame]]:
    from atmr_pipeline.sources.geocoding import Gazetteer, geocode_addresses, geocode_courses
    from atmr_pipeline.state.pipeline_state import set_state

    gazetteer = Gazetteer.load(workspace.settings.gazetteer)
    addresses = workspace.private_tables.read(ADDRESSES)
    key = workspace.settings.hash_key_bytes
    asked = addresses.assign(question_key=[address_key(text, key) for text in addresses["address_text"]])
    with online_geocoder(workspace) or nullcontext() as online:
        answers = geocode_addresses(asked, gazetteer, online)
        heard = online.report() if online else "off: no address left the machine"
    courses, review = geocode_courses(workbook_courses, answers, travel_provider(workspace))
    path = _write_review(workspace, addresses, review)
    account = workspace.tables.read_value("workbook_account")
    workspace.tables.write_value("workbook_account", {**account, "review_workbook": str(path) if path else None})
    ends = pd.concat([courses["pickup_precision"], courses["dropoff_precision"]])
    yield dg.Output(
        courses,
        "geocoded_courses",
        metadata=rows(
            courses,
            precision=counts_table("precision", ends.value_counts().to_dict()),
            set_aside=counts_table("reason", courses["set_aside_reason"].value_counts().to_dict()),
            distances=counts_table("source", courses["distance_source"].value_counts().to_dict()),
            gazetteer=dg.MetadataValue.json(gazetteer.info()),
            online=dg.MetadataValue.json(heard),
        ),
    )
    yield dg.Output(
        review,
        "address_review",
        metadata=rows(review, review_workbook=dg.MetadataValue.path(path) if path else "nothing to review"),
    )
    # Only now is the import complete: until here the sensor asks again for what failed.
    set_state(workspace.state, IMPORTED, {"inputs": account["inputs"]})


def _write_review(workspace: Workspace, addresses: pd.DataFrame, review: pd.DataFrame) -> Path | None:
    """What waits for a clerk; each review has a name of its own, so that one in the inbox never replaces another."""
    from atmr_pipeline.sources.workbooks import write_review_workbook

    waiting = [workspace.private_tables.read(name) for name in ("quarantined_rows", "set_aside_rows")]
    raw = pd.concat(waiting, ignore_index=True)
    folder = workspace.settings.root / "private"
    for old in folder.glob("review*.xlsx"):
        # It would ask for what is done, or be asked for twice.
        old.unlink()
    if review.empty and raw.empty:
        return None
    path = folder / f"review-{datetime.now(ZoneInfo(LOCAL_TIMEZONE)):%Y-%m-%d-%H%M%S}.xlsx"
    write_review_workbook(path, raw, review.merge(addresses, on="address_key", how="left"))
    return path


@dg.asset_check(asset="workbook_courses", blocking=True, description="Every source row is accounted for, once.")
def workbook_rows_accounted(workspace: Workspace) -> dg.AssetCheckResult:
    counts = workspace.tables.read_value("workbook_account")["rows"]
    courses = workspace.tables.read("workbook_courses")
    per_row = courses.groupby(["file_name", "sheet", "row"])["is_round_trip"].agg(["size", "first"])
    accepted_rows = len(per_row)
    wrong_legs = int((per_row["size"] != per_row["first"].astype(bool).map({True: 2, False: 1})).sum())
    parts = sum(counts[name] for name in ("accepted", "quarantined", "duplicate", "ignored"))
    return check_result(
        counts["read"] == parts and counts["accepted"] == accepted_rows and wrong_legs == 0,
        f"{counts['read']:,} rows read = {counts['accepted']:,} accepted + {counts['quarantined']:,} quarantined + "
        f"{counts['duplicate']:,} duplicate + {counts['ignored']:,} ignored; {accepted_rows:,} rows have legs, "
        f"{wrong_legs} with another number than two for a round trip and one for a single leg",
        **counts,
    )


@dg.asset_check(asset="workbook_courses", description="Driver initials are known; unknown ones are NULL, not guessed.")
def workbook_drivers_known(workspace: Workspace) -> dg.AssetCheckResult:
    frame = workspace.tables.read("workbook_courses")
    unknown = int(frame["driver_id"].isna().sum())
    return check_result(
        unknown <= 0.10 * max(len(frame), 1),
        f"{unknown:,} of {len(frame):,} legs have no known driver",
        blocking=False,
        unknown=unknown,
    )


@dg.asset_check(asset="quarantined_courses", description="Few rows are quarantined, and each says why.")
def quarantined_rows_explained(workspace: Workspace) -> dg.AssetCheckResult:
    frame = workspace.tables.read("quarantined_courses")
    counts = workspace.tables.read_value("workbook_account")["rows"]
    share = len(frame) / max(counts["read"], 1)
    return check_result(
        share <= 0.10 and not frame["reason"].isna().any(),
        f"{len(frame):,} of {counts['read']:,} rows quarantined ({share:.1%}, limit 10 %)",
        blocking=False,
        share=share,
    )


@dg.asset_check(
    asset="geocoded_courses",
    blocking=True,
    description="No default point: at most 2 % of courses share coordinates without sharing an address. Two ways of "
    "writing one address match the same directory entry; a point without an entry is compared by its own text.",
)
def no_default_point(workspace: Workspace) -> dg.AssetCheckResult:
    from atmr_pipeline.monitoring.data_quality import coordinates_share_check

    courses = workspace.tables.read("geocoded_courses")
    ends = [
        pd.DataFrame(
            {
                "lat": courses[f"{end}_lat"],
                "lon": courses[f"{end}_lon"],
                "address_key": courses[f"{end}_entry_key"].fillna(courses[f"{end}_address_key"]),
                "precision": courses[f"{end}_precision"],
            }
        )
        for end in ("pickup", "dropoff")
    ]
    shared = coordinates_share_check(pd.concat(ends, ignore_index=True))
    return check_result(shared.passed is not False, shared.summary(), measured=shared.to_dict())


@dg.asset_check(asset="geocoded_courses", blocking=True, description="Distances stand exactly where both ends do.")
def distances_where_known(workspace: Workspace) -> dg.AssetCheckResult:
    frame = workspace.tables.read("geocoded_courses")
    placed = frame[["pickup_lat", "pickup_lon", "dropoff_lat", "dropoff_lon"]].notna().all(axis=1)
    wrong = int((placed != frame["distance_km"].notna()).sum())
    return check_result(wrong == 0, f"{int(placed.sum()):,} of {len(frame):,} legs have a distance, {wrong} wrongly")


@dg.asset_check(asset="address_review", description="Few addresses wait for a clerk.")
def addresses_to_review(workspace: Workspace) -> dg.AssetCheckResult:
    review = workspace.tables.read("address_review")
    total = len(workspace.private_tables.read(ADDRESSES))
    return check_result(
        len(review) <= 0.10 * max(total, 1),
        f"{len(review):,} of {total:,} distinct addresses are not placed",
        blocking=False,
        waiting=len(review),
    )
