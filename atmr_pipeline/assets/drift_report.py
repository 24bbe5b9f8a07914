"""The day's report on drift: the small file of every day, the large one of some, and where a reader finds them."""

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
import pandas as pd

from atmr_pipeline.assets.drift_inputs import DriftInputs
from atmr_pipeline.resources.workspace import Workspace

if TYPE_CHECKING:
    from atmr_pipeline.monitoring.assessment import DriftAssessment
    from atmr_pipeline.monitoring.thresholds import DriftSettings
    from atmr_pipeline.state.drift_events import Recorded

FOLDER = "drift"
USUAL_WINDOW_DAYS = 28


def write_reports(
    workspace: Workspace,
    context: dg.AssetExecutionContext,
    inputs: DriftInputs,
    found: "DriftAssessment",
    recorded: "Recorded",
    settings: "DriftSettings",
) -> dict[str, Any]:
    """Write the day's files, drop those past their retention, and list the rest.

    Returns
    -------
    dict
        ``path, url`` of the large report (None where none is drawn today, with ``skipped``), ``index_url``.
    """
    from atmr_pipeline.monitoring.daily_reports import prune, write_daily, write_index

    folder = workspace.settings.reports_dir / FOLDER
    drawn = _large(folder, context, inputs, found, settings)
    write_daily(folder, found.as_of, _content(inputs, found, recorded, drawn))
    gone = prune(
        folder,
        found.as_of,
        html_days=workspace.settings.report_keep_days,
        json_days=workspace.settings.report_json_keep_days,
    )
    write_index(folder)
    base = (workspace.settings.reports_url or f"http://127.0.0.1:{workspace.settings.reports_port}").rstrip("/")
    url = f"{base}/{FOLDER}/{Path(drawn['path']).name}" if drawn["path"] else None
    return {**drawn, "url": url, "index_url": f"{base}/{FOLDER}/index.html", "past_retention": gone}


def _large(
    folder: Path,
    context: dg.AssetExecutionContext,
    inputs: DriftInputs,
    found: "DriftAssessment",
    settings: "DriftSettings",
) -> dict[str, Any]:
    from atmr_pipeline.monitoring.daily_reports import is_html_day
    from atmr_pipeline.monitoring.drift import feature_thresholds

    today = f"{found.as_of.isoformat()}.html"
    drawn = {path.name for path in folder.glob("*-*-*.html")}
    # The first look of a home is drawn too, and a day that was drawn is drawn again.
    if not (not drawn or today in drawn or is_html_day(found.as_of, alarmed=found.drifting)):
        return {"path": None, "skipped": "drawn on days with an alarm and on Mondays", "dropped": {}}
    from atmr_pipeline.monitoring.evidently_report import drift_report

    thresholds = feature_thresholds(inputs.kinds, settings)
    days = _drawn_days(found, thresholds)
    inside = _is_within(inputs.current, found, days)
    kinds = {**inputs.kinds, "delay_min": "numeric"}
    path = folder / today
    reference = inputs.reference[~_is_within(inputs.reference, found, days)]
    try:
        result = drift_report(reference, inputs.current[inside], kinds, path, threshold=thresholds[days])
    except Exception as error:  # noqa: BLE001 - a picture that cannot be drawn must not lose the day's verdict
        context.log.warning(f"no drift report: {type(error).__name__} while it was drawn")
        return {"path": None, "skipped": f"{type(error).__name__} while it was drawn", "dropped": {}}
    if result.skipped_reason:
        context.log.warning(f"no drift report: {result.skipped_reason}")
    return {"path": result.path, "skipped": result.skipped_reason, "dropped": result.dropped}


def _drawn_days(found: "DriftAssessment", thresholds: dict[int, float]) -> int:
    """The longest window that alarms and has a threshold; without one the usual month, or the longest there is."""
    from atmr_pipeline.monitoring.events import alarms_of

    alarmed = pd.concat([alarms_of(found.features)["window_days"], alarms_of(found.label)["window_days"]])
    days = [int(day) for day in alarmed if day in thresholds]
    if days:
        return max(days)
    return USUAL_WINDOW_DAYS if USUAL_WINDOW_DAYS in thresholds else max(thresholds)


def _is_within(frame: pd.DataFrame, found: "DriftAssessment", days: int) -> pd.Series:
    last = pd.Timestamp(found.as_of)
    return frame["service_day"].gt(last - timedelta(days=days)) & frame["service_day"].le(last)


def _content(
    inputs: DriftInputs, found: "DriftAssessment", recorded: "Recorded", drawn: dict[str, Any]
) -> dict[str, Any]:
    """Figures and column names only: the file is kept for years."""
    return {
        "verdict": found.verdict.summary(),
        "severity": found.severity,
        "retrain": found.retrain,
        "champion": inputs.served.version_id,
        "residuals": found.cusum.summary(),
        "residual_rows": inputs.stream.counts,
        "alarms": [
            {
                "kind": str(alarm.kind),
                "company_id": alarm.company_id,
                "severity": alarm.severity,
                "evidence": alarm.evidence,
            }
            for alarm in found.alarms
        ],
        "events": {"new": recorded.new, "continued": recorded.continued, "cleared": recorded.cleared},
        "tests": len(found.features) + len(found.label),
        "not_judged": len(found.verdict.not_judged),
        "companies_not_looked_at": {str(company): why for company, why in found.not_looked_at.items()},
        "report": Path(drawn["path"]).name if drawn["path"] else None,
        "no_report": drawn["skipped"],
    }
