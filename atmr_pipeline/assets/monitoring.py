"""Monitoring: has the world moved away from what the champion learned, and is the champion still as good?"""

from collections.abc import Iterator
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import dagster as dg
import pandas as pd

from atmr_pipeline.assets.common import MACHINE_LEARNING, check_result, picture, rows
from atmr_pipeline.domain.vocabulary import LOCAL_TIMEZONE
from atmr_pipeline.domain.wallclock import ALL_DAYS
from atmr_pipeline.resources.serving import champion
from atmr_pipeline.resources.workspace import Workspace

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
        "residual_drift": _out("CUSUM of the champion's residuals on the days after its held-out block."),
    },
    ins={"training_set": dg.AssetIn("delay_training_set")},
    pool="state",
)
def drift(
    context: dg.AssetExecutionContext, workspace: Workspace, training_set: pd.DataFrame
) -> Iterator[dg.Output[pd.DataFrame]]:
    from atmr_pipeline.features.contract import SLOW_FEATURES
    from atmr_pipeline.monitoring import assessment, kpi_report, pictures
    from atmr_pipeline.monitoring.cusum import residual_reference
    from atmr_pipeline.monitoring.drift import feature_kinds

    served = champion(workspace, "delay")
    window = served.metrics["window"]
    reference = training_set[training_set["service_day"] < pd.Timestamp(window["holdout_first_day"])]
    current = training_set[training_set["service_day"] >= pd.Timestamp(window["holdout_first_day"])]
    names = list(served.model.feature_names_)
    predicted = served.model.predict(current[names])["expected_delay_min"].to_numpy()
    residuals = pd.DataFrame(
        {"service_day": current["service_day"], "residual_min": current["delay_min"].to_numpy() - predicted}
    )
    held_out = residuals["service_day"] <= pd.Timestamp(window["holdout_last_day"])
    watched = [name for name in names if name not in SLOW_FEATURES]
    kinds = {name: str(kind) for name, kind in feature_kinds(reference, watched).items()}
    as_of: date = training_set["service_day"].max().date()
    found = assessment.assess_drift(
        reference,
        current,
        residuals[~held_out],
        kinds,
        residual_reference(residuals[held_out]),
        as_of=as_of,
        model_version=served.version_id,
    )
    recorded = _record_events(workspace, found)
    report = _report(workspace, context, reference, current.assign(expected_delay_min=predicted), kinds, as_of)
    text = kpi_report.drift_markdown(found.features, found.label, found.cusum, found.verdict)
    verdict = {"verdict": dg.MetadataValue.md(text)}
    workspace.tables.write_value(
        "drift_verdict",
        {
            "as_of": as_of.isoformat(),
            "summary": found.verdict.summary(),
            "drifting": found.verdict.drifting,
            "retrain": found.verdict.retrain,
            "severity": found.verdict.severity,
            "residuals": found.cusum.summary(),
            "residual_alarm": found.cusum.alarm_on is not None,
            "not_judged": list(found.verdict.not_judged),
            "report": report.get("path"),
        },
    )
    yield dg.Output(
        found.features,
        "feature_drift",
        metadata={
            **rows(found.features),
            **verdict,
            "evidently_report": dg.MetadataValue.path(report["path"]) if report.get("path") else str(report),
            "distributions": picture(pictures.distributions_picture(reference, current, kinds), "distributions"),
        },
    )
    yield dg.Output(found.label, "label_drift", metadata={**rows(found.label), **verdict})
    yield dg.Output(
        found.cusum.path,
        "residual_drift",
        metadata={
            **rows(found.cusum.path),
            "summary": found.cusum.summary(),
            "events": recorded,
            "cusum": picture(pictures.cusum_picture(found.cusum), "residual CUSUM"),
        },
    )


def _record_events(workspace: Workspace, found: Any) -> int:
    from atmr_pipeline.monitoring.events import DriftKind
    from atmr_pipeline.state.drift_events import DriftEvent, insert_drift_event

    new = 0
    for event in found.events:
        # A label alarm in one window only is shown but not recorded: the sensor acts on every recorded label event.
        if event.kind == DriftKind.LABEL and not found.verdict.retrain:
            continue
        row = DriftEvent(
            event_id=event.event_id,
            kind=str(event.kind),
            detected_on=event.detected_on,
            severity=event.severity,
            evidence=event.evidence,
            model_version=event.model_version,
            company_id=event.company_id,
            alarm_started_on=event.alarm_started_on,
        )
        new += insert_drift_event(workspace.state, row)
    return new


def _report(
    workspace: Workspace,
    context: dg.AssetExecutionContext,
    reference: pd.DataFrame,
    current: pd.DataFrame,
    kinds: dict[str, str],
    as_of: date,
) -> dict[str, Any]:
    from atmr_pipeline.monitoring.evidently_report import drift_report

    path = workspace.settings.reports_dir / "drift" / f"{as_of.isoformat()}.html"
    result = drift_report(reference, current, {**kinds, "delay_min": "numeric"}, path)
    if result.skipped_reason:
        context.log.warning(f"no drift report: {result.skipped_reason}")
        return {"skipped": result.skipped_reason}
    return {"path": str(result.path), "dropped": result.dropped}


@dg.asset(
    group_name=GROUP,
    owners=MACHINE_LEARNING,
    kinds={"parquet"},
    deps=["prediction_actuals"],
    description="7- and 28-day MAE, R2, Brier and coverage of what was served, against the validation figures.",
    pool="state",
)
def delay_performance(workspace: Workspace) -> dg.MaterializeResult:
    from atmr_pipeline.monitoring import kpi_report, pictures
    from atmr_pipeline.monitoring.performance import performance
    from atmr_pipeline.state.predictions import read_predictions

    served = champion(workspace, "delay")
    scored = read_predictions(workspace.state, *ALL_DAYS)
    # What was served is the last prediction of each assignment, whichever version made it: a young champion would
    # otherwise have no past to be judged by.
    scored = scored.sort_values("predicted_at").drop_duplicates("assignment_id", keep="last")
    happened = scored[scored["actual_delay_min"].notna()]
    validation_mae_min = served.metrics["evaluation"]["mae_min"]
    frame = performance(happened, {"mae_min": validation_mae_min})
    _record_degradation(workspace, served.version_id, happened, frame)
    return dg.MaterializeResult(
        value=frame,
        metadata=rows(
            frame,
            scored=len(scored),
            measured=len(happened),
            windows=dg.MetadataValue.md(kpi_report.performance_markdown(frame)),
            rolling_mae=picture(pictures.rolling_mae_picture(happened, validation_mae_min), "rolling MAE"),
        ),
    )


def _record_degradation(workspace: Workspace, version: str, happened: pd.DataFrame, windows: pd.DataFrame) -> None:
    """One event a served version: retraining is asked for once, and again only when another version degrades."""
    from atmr_pipeline.resources.fingerprints import fingerprint
    from atmr_pipeline.state.drift_events import DriftEvent, insert_drift_event

    degraded = windows[windows["degraded"].fillna(False).astype(bool)]
    if degraded.empty:
        return
    figures = degraded[["window_days", "n", "mae", "mae_low", "mae_high", "mae_ratio"]].round(4)
    event = DriftEvent(
        event_id=fingerprint({"kind": "performance", "version": version})[:24],
        kind="performance",
        detected_on=happened["service_day"].max().date(),
        severity="critical",
        evidence={"degraded": figures.to_dict("records")},
        model_version=version,
    )
    insert_drift_event(workspace.state, event)


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


@dg.asset_check(asset="residual_drift", description="The champion's residuals are centred where they were held out.")
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
