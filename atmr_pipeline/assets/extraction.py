"""Extraction: the operations database, day by day, with patients as keyed hashes and instants in UTC."""

from collections import Counter
from collections.abc import Iterator
from datetime import date
from typing import TYPE_CHECKING, Any

import dagster as dg
import pandas as pd

from atmr_pipeline.assets.common import OPERATIONS, check_result, counts_table, rows, table_metadata
from atmr_pipeline.domain.wallclock import ALL_DAYS
from atmr_pipeline.jobs.days import WATERMARK, days_that_differ
from atmr_pipeline.jobs.partitions import SERVICE_DAYS
from atmr_pipeline.resources.extracted import OPERATIONS_TABLES
from atmr_pipeline.resources.workspace import Workspace

if TYPE_CHECKING:
    from atmr_pipeline.sources.operations import Extract

GROUP = "extraction"
SCHEMA = "operations_schema"


@dg.asset(
    group_name=GROUP,
    owners=OPERATIONS,
    kinds={"sql", "json"},
    description="What the operations database differs in from what the pipeline relies on: tables, columns, types, "
    "sets of values, required values. Looked at before anything is read; a difference stops the extraction.",
)
def operations_schema(workspace: Workspace) -> dg.MaterializeResult:
    problems = [
        {"where": problem.where, "kind": problem.kind, "rows": problem.rows, "text": str(problem)}
        for problem in workspace.operations.inspect_schema()
    ]
    return dg.MaterializeResult(
        value=problems, metadata={"source": workspace.operations.name, "problems": dg.MetadataValue.json(problems)}
    )


@dg.asset_check(asset=operations_schema, blocking=True, description="The source has the columns and values relied on.")
def source_as_expected(workspace: Workspace) -> dg.AssetCheckResult:
    problems = workspace.tables.read_value(SCHEMA)
    listed = "; ".join(problem["text"] for problem in problems)
    return check_result(
        not problems, listed or "tables, columns, types and values are as expected", problems=len(problems)
    )


def _spec(name: str, description: str) -> dg.AssetSpec:
    return dg.AssetSpec(
        name,
        deps=[operations_schema],
        description=description,
        group_name=GROUP,
        owners=OPERATIONS,
        kinds={"sql", "parquet"},
        metadata=table_metadata(name),
    )


@dg.multi_asset(
    name="read_operations",
    specs=[
        _spec("bookings", "Bookings of each service day: no name, no address, no note; wall clocks placed on UTC."),
        _spec("assignments", "Which driver served which booking, planned and actual, by service day of the booking."),
        _spec("dispatch_runs", "One company's plan for one day."),
    ],
    partitions_def=SERVICE_DAYS,
    backfill_policy=dg.BackfillPolicy.single_run(),
    pool="operations",
)
def read_operations(context: dg.AssetExecutionContext, workspace: Workspace) -> Iterator[dg.MaterializeResult]:
    """The three tables of the run's days from one snapshot, a day at a time: memory does not grow with the range."""
    days = [date.fromisoformat(key) for key in context.partition_keys]
    mark = workspace.operations.high_watermark()
    tallies = {name: _Tally() for name in OPERATIONS_TABLES}
    retries: list[str] = []

    def on_retry(retry: Any) -> None:
        retries.append(str(retry))
        context.log.warning(f"connection lost, reading on: {retry}")

    for extract in workspace.operations.extract_days(days[0], days[-1], on_retry=on_retry):
        for name, tally in tallies.items():
            frame = getattr(extract, name)
            workspace.tables.write_day(name, extract.day, frame)
            tally.add(frame)
    first_known = date.fromisoformat(SERVICE_DAYS.get_partition_keys()[0])
    forgotten = {name: workspace.tables.forget_days_before(name, first_known) for name in OPERATIONS_TABLES}
    for name in OPERATIONS_TABLES:
        workspace.tables.leave_other_days(name, days)
    complete = _advance_watermark(workspace, mark)
    set_aside = workspace.operations.set_aside()
    workspace.tables.write_value("set_aside_operations", set_aside)
    for name, tally in tallies.items():
        yield dg.MaterializeResult(
            asset_key=name,
            metadata={
                **tally.metadata(name),
                "set_aside": counts_table("reason", set_aside.get(name, {})),
                "connections_lost": len(retries),
                "days_before_history_start_removed": forgotten[name],
                "source_and_tables_agree": complete,
            },
        )


class _Tally:
    """Rows and NULLs of a table that is never whole in memory."""

    def __init__(self) -> None:
        self.rows = 0
        self.nulls: Counter[str] = Counter()

    def add(self, frame: pd.DataFrame) -> None:
        self.rows += len(frame)
        self.nulls.update({str(column): int(count) for column, count in frame.isna().sum().items() if count})

    def metadata(self, name: str) -> dict[str, Any]:
        return {
            "dagster/row_count": self.rows,
            "null_counts": dg.MetadataValue.json(dict(self.nulls)),
            **table_metadata(name),
        }


def _advance_watermark(workspace: Workspace, mark: Any) -> bool:
    """Move the watermark to where it stood when the reading began, if by now nothing is left to read."""
    from atmr_pipeline.state.watermarks import advance_watermark

    known = {date.fromisoformat(key) for key in SERVICE_DAYS.get_partition_keys()}
    complete = not known.intersection(days_that_differ(workspace))
    if complete and mark is not None:
        advance_watermark(workspace.state, WATERMARK, mark)
    return complete


def _as_read(workspace: Workspace, name: str, extract: "Extract") -> dg.MaterializeResult:
    workspace.tables.write_value(f"set_aside_{name}", extract.set_aside)
    return dg.MaterializeResult(
        value=extract.frame, metadata=rows(extract.frame, set_aside=counts_table("reason", extract.set_aside))
    )


def _whole(name: str, description: str) -> Any:
    return dg.asset(
        group_name=GROUP,
        deps=[operations_schema],
        owners=OPERATIONS,
        kinds={"sql", "parquet"},
        metadata=table_metadata(name),
        description=description,
    )


@_whole("drivers", "The fleet as it stands now, drivers named by initials only.")
def drivers(workspace: Workspace) -> dg.MaterializeResult:
    return _as_read(workspace, "drivers", workspace.operations.read_drivers())


@_whole("driver_shifts", "When each driver is on duty: the load gap counts on-duty drivers, also without a booking.")
def driver_shifts(workspace: Workspace) -> dg.MaterializeResult:
    return _as_read(workspace, "driver_shifts", workspace.operations.read_driver_shifts(*ALL_DAYS))


@_whole("driver_absences", "When each driver is away although on shift; why is personal and is not read.")
def driver_absences(workspace: Workspace) -> dg.MaterializeResult:
    return _as_read(workspace, "driver_absences", workspace.operations.read_driver_absences())


@_whole("companies", "The companies and their depots: where drivers start the day.")
def companies(workspace: Workspace) -> dg.MaterializeResult:
    return _as_read(workspace, "companies", workspace.operations.read_companies())
