"""Exploration: what the delays look like, before any model."""

import dagster as dg
import pandas as pd

from atmr_pipeline.assets.common import MACHINE_LEARNING, check_result, frame_markdown, picture, rows
from atmr_pipeline.resources.workspace import Workspace


@dg.asset(
    group_name="monitoring",
    owners=MACHINE_LEARNING,
    kinds={"python", "parquet"},
    deps=["bookings"],
    description="Distribution of the delays, quartiles by group, seasons and hours, relations and what is not known; "
    "with a report in French and English.",
)
def delay_exploration(workspace: Workspace, delay_training_set: pd.DataFrame) -> dg.MaterializeResult:
    from atmr_pipeline.features.contract import FEATURE_NAMES
    from atmr_pipeline.monitoring.exploration import explore_delays
    from atmr_pipeline.monitoring.exploration.cases import BOOKING_COLUMNS
    from atmr_pipeline.monitoring.exploration.pictures import exploration_pictures
    from atmr_pipeline.monitoring.exploration.report import write_report

    account = workspace.tables.read_value("delay_label_account")
    tables = explore_delays(
        delay_training_set,
        workspace.tables.read_columns("bookings", BOOKING_COLUMNS),
        account["excluded"],
        features=FEATURE_NAMES,
        seed=workspace.settings.seed,
    )
    drawn = exploration_pictures(tables)
    report = workspace.settings.reports_dir / "delay_exploration.html"
    write_report(tables, drawn, report)
    return dg.MaterializeResult(
        value=tables.groups,
        metadata=rows(
            tables.groups,
            summary=tables.summary(),
            report=dg.MetadataValue.path(report),
            distribution=frame_markdown(tables.distribution),
            labels=frame_markdown(tables.labels),
            missing=frame_markdown(tables.missing),
            with_delay=frame_markdown(tables.with_delay),
            outliers=frame_markdown(tables.outliers),
            correlation_rows=tables.correlation_rows,
            groups_below=tables.min_rows,
            **{f"picture_{name}": picture(content, name.replace("_", " ")) for name, content in drawn.items()},
        ),
    )


@dg.asset_check(asset=delay_exploration, description="Every label stands in exactly one group of each dimension.")
def every_label_is_explored(workspace: Workspace, delay_exploration: pd.DataFrame) -> dg.AssetCheckResult:
    from atmr_pipeline.monitoring.exploration.cases import DIMENSIONS

    labels = len(workspace.tables.read("delay_training_set"))
    account = workspace.tables.read_value("delay_label_account")
    accounted = account["given"] - sum(account["excluded"].values())
    sums = {str(name): int(n) for name, n in delay_exploration.groupby("dimension")["n"].sum().items()}
    # The company is a dimension only where there are several.
    expected = sums.keys() | set(DIMENSIONS) - {"company"}
    wrong = sorted(name for name in expected if sums.get(name, 0) != labels)
    return check_result(
        not wrong and accounted == labels,
        f"{labels:,} labels, {accounted:,} by the account; {len(wrong)} of {len(expected)} dimensions do not add up"
        + (f": {', '.join(wrong)}" if wrong else ""),
        blocking=False,
        labels=labels,
        accounted=accounted,
        rows_by_dimension=sums,
    )
