"""What every asset shows in the UI: its columns, its rows, its pictures; and who owns it."""

import base64
from collections.abc import Mapping
from typing import Any

import dagster as dg
import pandas as pd

from atmr_pipeline.domain.tables import TABLES, column_dtype

OPERATIONS = ["team:operations"]
MACHINE_LEARNING = ["team:machine-learning"]

MAX_PICTURE_BYTES = 120_000
"""Pictures are stored inside the event log, so a larger one is refused rather than bloating every page load."""


def table_schema(name: str) -> dg.TableSchema:
    """Columns of a table of the vocabulary, with dtypes and meanings, for the UI."""
    schema = TABLES[name]
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                column,
                type=column_dtype(spec),
                description=spec.description,
                constraints=dg.TableColumnConstraints(nullable=spec.nullable),
            )
            for column, spec in schema.columns.items()
        ]
    )


def table_metadata(name: str) -> dict[str, Any]:
    """Definition metadata of a table asset."""
    return {"dagster/column_schema": table_schema(name), "dagster/table_name": name}


def rows(frame: pd.DataFrame, **more: Any) -> dict[str, Any]:
    """Columns, row count, and the number of NULLs per column that has any: unknown is counted, never hidden."""
    nulls = {str(column): int(count) for column, count in frame.isna().sum().items() if count}
    return {
        "dagster/row_count": len(frame),
        "dagster/column_schema": _columns_of(frame),
        "null_counts": dg.MetadataValue.json(nulls),
        **more,
    }


def _columns_of(frame: pd.DataFrame) -> dg.TableSchema:
    known = [schema for schema in TABLES.values() if list(schema.columns) == list(frame.columns)]
    if known:
        return table_schema(str(known[0].name))
    return dg.TableSchema(columns=[dg.TableColumn(str(name), type=str(frame[name].dtype)) for name in frame.columns])


def picture(png: bytes, title: str) -> dg.MetadataValue:
    """A PNG as markdown that the UI shows in place."""
    if len(png) > MAX_PICTURE_BYTES:
        raise ValueError(f"picture {title!r} has {len(png):,} bytes, more than {MAX_PICTURE_BYTES:,}")
    return dg.MetadataValue.md(f"![{title}](data:image/png;base64,{base64.b64encode(png).decode()})")


def counts_table(title: str, counts: Mapping[Any, Any]) -> dg.MetadataValue:
    """A two-column markdown table of codes and numbers."""
    if not counts:
        return dg.MetadataValue.md("none")
    lines = [f"| {title} | |", "|---|---:|"] + [f"| {key} | {value} |" for key, value in counts.items()]
    return dg.MetadataValue.md("\n".join(lines))


def frame_markdown(frame: pd.DataFrame) -> dg.MetadataValue:
    """A small frame as a markdown table, with a dash for what is not known."""
    from atmr_pipeline.monitoring.kpi_report import markdown_table

    return dg.MetadataValue.md(markdown_table(frame))


def check_result(passed: bool, description: str, *, blocking: bool = True, **metadata: Any) -> dg.AssetCheckResult:
    """A check's verdict; ``blocking`` says whether a failure is an ERROR (stops what depends on it) or a WARN."""
    severity = dg.AssetCheckSeverity.ERROR if blocking else dg.AssetCheckSeverity.WARN
    return dg.AssetCheckResult(passed=bool(passed), severity=severity, description=description, metadata=metadata)
