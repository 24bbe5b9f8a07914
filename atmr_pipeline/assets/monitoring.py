"""Monitoring: has the world moved away from what the champion learned, and is the champion still as good?"""

from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import dagster as dg
import pandas as pd

from atmr_pipeline.assets.common import MACHINE_LEARNING, check_result, counts_table, picture, rows
from atmr_pipeline.assets.drift_inputs import DriftInputs, drift_inputs, version_metrics
from atmr_pipeline.assets.drift_report import write_reports
from atmr_pipeline.domain.vocabulary import LOCAL_TIMEZONE
from atmr_pipeline.domain.wallclock import ALL_DAYS
from atmr_pipeline.resources.serving import champion
from atmr_pipeline.resources.workspace import Workspace

if TYPE_CHECKING:
    from atmr_pipeline.monitoring.assessment import DriftAssessment
    from atmr_pipeline.state.drift_events import Recorded

GROUP = "monitoring"
MAX_AGE_DAYS = 7
"""Days without a booking or an assignment after which the source is taken to have stopped."""


def _out(description: str) -> dg.AssetOut:
    return dg.AssetOut(description=description, owners=MACHINE_LEARNING, kinds={"parquet"})


@dg.multi_asset(
    name="assess_drift",
    group_name=GROUP,
    outs={
        "feature_drift": _out("Each feature and its share of NULLs against the champion's training data."),
        "label_drift": _out("Actual delays against the champion's training data."),
        "residual_drift": _out("CUSUM of the residuals of what was served, each beside its version's held-out ones."),
    },
    ins={"training_set": dg.AssetIn("delay_training_set")},
    pool="state",
)
def drift(
    context: dg.AssetExecutionContext, workspace: Workspace, training_set: pd.DataFrame
) -> Iterator[dg.Output[pd.DataFrame]]:
    from atmr_pipeline.monitoring import kpi_report, pictures
    from atmr_pipeline.monitoring.assessment import assess_drift
    from atmr_pipeline.monitoring.thresholds import DriftSettings
    from atmr_pipeline.state import drift_events

    settings = DriftSettings.from_knobs(workspace.settings)
    inputs = drift_inputs(workspace, training_set)
    found = assess_drift(
        inputs.reference,
        inputs.current,
        inputs.stream.frame,
        inputs.kinds,
        as_of=inputs.as_of,
        model_version=inputs.served.version_id,
        last_seen=drift_events.last_seen(workspace.state),
        stream_started_on=drift_events.stream_start(workspace.state),
        settings=settings,
    )
    # Recorded before anything is drawn: no picture that fails may lose an alarm.
    recorded = drift_events.record_alarms(
        workspace.state,
        found.alarms,
        as_of=found.as_of,
        quiet_days=settings.quiet_days_to_close,
        judged=found.judged,
    )
    report = write_reports(workspace, context, inputs, found, recorded, settings)
    _keep_verdict(workspace, found, report)
    verdict = {"verdict": dg.MetadataValue.md(kpi_report.drift_markdown(found))}
    yield dg.Output(
        found.features,
        "feature_drift",
        metadata={
            **rows(found.features),
            **verdict,
            **_report_metadata(report),
            "distributions": picture(
                pictures.distributions_picture(inputs.reference, _since(inputs), inputs.kinds), "distributions"
            ),
        },
    )
    yield dg.Output(found.label, "label_drift", metadata={**rows(found.label), **verdict, **_report_metadata(report)})
    path = _paths(found)
    yield dg.Output(
        path,
        "residual_drift",
        metadata={
            **rows(path),
            "summary": found.cusum.summary(),
            "events": counts_table("events", {name: len(ids) for name, ids in asdict(recorded).items()}),
            "residuals": counts_table("where they come from", inputs.stream.counts),
            "champion_reference": inputs.reference_source,
            "cusum": picture(pictures.cusum_picture(found.cusum), "residual CUSUM"),
        },
    )


def _since(inputs: DriftInputs) -> pd.DataFrame:
    """The rows after the champion's training rows, for the picture."""
    return inputs.current[inputs.current["service_day"] > inputs.reference["service_day"].max()]


def _keep_verdict(workspace: Workspace, found: "DriftAssessment", report: dict[str, Any]) -> None:
    workspace.tables.write_value(
        "drift_verdict",
        {
            "as_of": found.as_of.isoformat(),
            "summary": found.verdict.summary(),
            "drifting": found.drifting,
            "retrain": found.retrain,
            "severity": found.severity,
            "residuals": found.cusum.summary(),
            "residual_alarm": any(cusum.alarm_on is not None for cusum in found.cusums.values()),
            "not_judged": list(found.verdict.not_judged),
            "report": report["path"],
            "report_url": report["url"],
            "reports_index_url": report["index_url"],
        },
    )


def _report_metadata(report: dict[str, Any]) -> dict[str, Any]:
    index = {"reports": dg.MetadataValue.url(report["index_url"])}
    if report["path"] is None:
        return {**index, "no_report_today": str(report["skipped"])}
    return {
        **index,
        "report": dg.MetadataValue.url(report["url"]),
        "report_file": dg.MetadataValue.path(report["path"]),
        "columns_left_out": counts_table("column", report["dropped"]),
    }


def _paths(found: "DriftAssessment") -> pd.DataFrame:
    """The CUSUM of every group as one table."""
    parts = [
        cusum.path.assign(company_id=pd.array([company] * len(cusum.path), dtype="Int64"))
        for company, cusum in found.cusums.items()
    ]
    table = pd.concat(parts, ignore_index=True)
    return table[["company_id", *(name for name in table.columns if name != "company_id")]]


@dg.asset(
    group_name=GROUP,
    owners=MACHINE_LEARNING,
    kinds={"parquet"},
    deps=["prediction_actuals"],
    description="7- and 28-day MAE, R2, Brier and coverage of what was served, against the held-out figures of the "
    "versions that served.",
    pool="state",
)
def delay_performance(workspace: Workspace) -> dg.MaterializeResult:
    from atmr_pipeline.monitoring import kpi_report, pictures
    from atmr_pipeline.monitoring.performance import performance
    from atmr_pipeline.monitoring.residuals import last_served
    from atmr_pipeline.state.frames import count_values
    from atmr_pipeline.state.predictions import read_predictions

    served = champion(workspace, "delay")
    scored = last_served(read_predictions(workspace.state, *ALL_DAYS))
    happened = scored[scored["actual_delay_min"].notna()]
    metrics = version_metrics(workspace, happened["model_version"].unique())
    validations = {version: dict(figures.get("evaluation", {})) for version, figures in metrics.items()}
    frame = performance(happened, validations)
    recorded = _record_degradation(workspace, served.version_id, happened, validations, frame)
    validation_mae_min = frame["validation_mae"].iloc[-1]
    return dg.MaterializeResult(
        value=frame,
        metadata=rows(
            frame,
            scored=len(scored),
            measured=len(happened),
            served_by=counts_table("model version", count_values(happened["model_version"])),
            windows=dg.MetadataValue.md(kpi_report.performance_markdown(frame)),
            events=counts_table("events", {name: len(ids) for name, ids in asdict(recorded).items()}),
            rolling_mae=picture(pictures.rolling_mae_picture(happened, validation_mae_min), "rolling MAE"),
        ),
    )


def _record_degradation(
    workspace: Workspace,
    version: str,
    happened: pd.DataFrame,
    validations: dict[str, dict[str, Any]],
    windows: pd.DataFrame,
) -> "Recorded":
    """One event a degradation, however long it goes on and however often the champion changes meanwhile."""
    from atmr_pipeline.monitoring.events import DriftKind
    from atmr_pipeline.monitoring.performance import degradation_alarm, performance
    from atmr_pipeline.monitoring.thresholds import DriftSettings
    from atmr_pipeline.state import drift_events

    kind = str(DriftKind.PERFORMANCE)
    if happened.empty or windows["degraded"].isna().all():
        return drift_events.Recorded()
    as_of = happened["service_day"].max().date()
    quiet_days = DriftSettings.from_knobs(workspace.settings).quiet_days_to_close
    alarm = degradation_alarm(
        windows,
        lambda day: performance(happened, validations, as_of=day),
        as_of=as_of,
        first_day=happened["service_day"].min().date(),
        seen=drift_events.last_seen(workspace.state).get((kind, None)),
        quiet_days=quiet_days,
        model_version=version,
    )
    return drift_events.record_alarms(
        workspace.state, [alarm] if alarm else [], as_of=as_of, quiet_days=quiet_days, kinds=[kind]
    )


@dg.asset(
    group_name=GROUP,
    owners=MACHINE_LEARNING,
    kinds={"parquet"},
    description="Rows, duplicates and freshness of the extracted tables against limits; NULL shares for information.",
)
def data_quality(
    bookings: pd.DataFrame,
    assignments: pd.DataFrame,
    drivers: pd.DataFrame,
    driver_shifts: pd.DataFrame,
    geocoded_courses: pd.DataFrame,
) -> dg.MaterializeResult:
    from atmr_pipeline.monitoring import kpi_report
    from atmr_pipeline.monitoring.data_quality import QualityLimits, table_quality

    as_of = datetime.now(ZoneInfo(LOCAL_TIMEZONE)).date()
    fresh = QualityLimits(minimum_rows=1, duplicate_share=0.0, age_days=MAX_AGE_DAYS)
    still = QualityLimits(minimum_rows=0, duplicate_share=0.0)
    parts = [
        table_quality("bookings", bookings, key=["booking_id"], as_of=as_of, newest_column="service_day", limits=fresh),
        table_quality(
            "assignments", assignments, key=["assignment_id"], as_of=as_of, newest_column="service_day", limits=fresh
        ),
        table_quality("drivers", drivers, key=["driver_id"], as_of=as_of, limits=QualityLimits(duplicate_share=0.0)),
        table_quality("driver_shifts", driver_shifts, key=["shift_id"], as_of=as_of, limits=still),
        table_quality("geocoded_courses", geocoded_courses, key=["leg_key"], as_of=as_of, limits=still),
    ]
    frame = pd.concat(parts, ignore_index=True)
    return dg.MaterializeResult(
        value=frame, metadata=rows(frame, checks=dg.MetadataValue.md(kpi_report.quality_markdown(frame)))
    )


@dg.asset_check(asset="feature_drift", description="No feature drift alarm is on. Shown only: it never retrains.")
def feature_drift_quiet(workspace: Workspace) -> dg.AssetCheckResult:
    return _quiet(workspace, "feature_drift")


@dg.asset_check(asset="label_drift", description="No label drift alarm is on.")
def label_drift_quiet(workspace: Workspace) -> dg.AssetCheckResult:
    return _quiet(workspace, "label_drift")


def _quiet(workspace: Workspace, name: str) -> dg.AssetCheckResult:
    frame = workspace.tables.read(name)
    alarmed = frame[frame["alarm"].fillna(False).astype(bool)]
    judged = int(frame["skipped_reason"].isna().sum())
    listed = ", ".join(sorted(set(alarmed["feature"]))) or "none"
    return check_result(
        alarmed.empty and judged > 0,
        f"{len(alarmed)} alarms in {judged} tests ({listed}); {len(frame) - judged} tests not judged",
        blocking=False,
        alarms=len(alarmed),
        judged=judged,
    )


@dg.asset_check(
    asset="residual_drift", description="The residuals of what was served are centred where they were held out."
)
def residual_drift_quiet(workspace: Workspace) -> dg.AssetCheckResult:
    verdict = workspace.tables.read_value("drift_verdict")
    return check_result(not verdict["residual_alarm"], verdict["residuals"], blocking=False)


@dg.asset_check(asset=delay_performance, description="What is served is not worse than what was validated.")
def delay_performance_holds(delay_performance: pd.DataFrame) -> dg.AssetCheckResult:
    degraded = delay_performance["degraded"].fillna(False).astype(bool)
    judged = int(delay_performance["degraded"].notna().sum())
    return check_result(
        not degraded.any(),
        f"{int(degraded.sum())} of {judged} judged windows degraded; {len(delay_performance) - judged} not judged",
        blocking=False,
        judged=judged,
    )


@dg.asset_check(asset=data_quality, description="Every data quality check that could be made passed.")
def data_quality_passes(data_quality: pd.DataFrame) -> dg.AssetCheckResult:
    failed = data_quality[data_quality["passed"].notna() & ~data_quality["passed"].fillna(True).astype(bool)]
    return check_result(
        failed.empty,
        f"{len(failed)} checks failed: {', '.join(sorted(set(failed['table'] + '.' + failed['check']))) or 'none'}",
        blocking=False,
        failed=len(failed),
    )
