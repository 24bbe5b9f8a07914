"""One call for a day's look: statistics, verdict and events with their onset."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta

import pandas as pd

from atmr_pipeline.monitoring.cusum import CusumResult, ResidualReference, residual_cusum
from atmr_pipeline.monitoring.drift import feature_drift, label_drift
from atmr_pipeline.monitoring.events import (
    DriftEvent,
    DriftKind,
    Verdict,
    alarm_run_start,
    alarms_of,
    drift_event,
    severity_of,
    verdicts,
)
from atmr_pipeline.monitoring.samples import service_days
from atmr_pipeline.monitoring.thresholds import DriftSettings

LONGEST_LOOK_BACK_DAYS = 180
EVIDENCE_COLUMNS = ["feature", "aspect", "window_days", "n_current", "statistic", "p_value", "threshold", "distance"]
EVIDENCE_ROWS = 10


@dataclass(frozen=True)
class DriftAssessment:
    """Everything one look found; the events are those whose alarm is on today."""

    as_of: date
    features: pd.DataFrame
    label: pd.DataFrame
    cusum: CusumResult
    verdict: Verdict
    events: tuple[DriftEvent, ...]


def assess_drift(
    reference: pd.DataFrame,
    current: pd.DataFrame,
    residuals: pd.DataFrame,
    kinds: Mapping[str, str],
    residuals_before: ResidualReference,
    *,
    as_of: date,
    model_version: str,
    company_id: int | None = None,
    label: str = "delay_min",
    settings: DriftSettings | None = None,
) -> DriftAssessment:
    """Look for drift on one day.

    Parameters
    ----------
    reference : DataFrame
        ``service_day``, the features and the label of the champion's training data.
    current : DataFrame
        The same columns since then. Onsets are found by repeating the look on earlier days of this frame, so the
        same data give the same event ids whatever ran before; pass the days since the champion was promoted.
    residuals : DataFrame
        ``service_day`` and ``residual_min`` of every day since the champion was promoted; later days than ``as_of``
        are left out.
    kinds : mapping
        Feature name to kind (numeric, categorical, boolean).
    residuals_before : ResidualReference
        Of the champion's held-out days.

    Returns
    -------
    DriftAssessment
    """
    settings = settings or DriftSettings()
    seen = residuals[(service_days(residuals) <= pd.Timestamp(as_of)).to_numpy()]
    features = feature_drift(reference, current, kinds, settings, as_of=as_of)
    labels = label_drift(reference, current, settings, as_of=as_of, label=label)
    cusum = residual_cusum(seen, residuals_before, settings)
    looks: dict[DriftKind, tuple[pd.DataFrame, Callable[[date], pd.DataFrame]]] = {
        DriftKind.FEATURE: (features, lambda day: feature_drift(reference, current, kinds, settings, as_of=day)),
        DriftKind.LABEL: (labels, lambda day: label_drift(reference, current, settings, as_of=day, label=label)),
    }
    events = []
    for kind, (table, look) in looks.items():
        alarmed = alarms_of(table)
        if len(alarmed):
            start = _onset(look, current, as_of, settings)
            events.append(
                drift_event(
                    kind,
                    company_id=company_id,
                    model_version=model_version,
                    alarm_started_on=start,
                    detected_on=as_of,
                    severity=severity_of(alarmed),
                    evidence={"alarms": len(alarmed), "strongest": _evidence(alarmed)},
                )
            )
    if cusum.alarm_on is not None:
        events.append(_residual_event(cusum, residuals_before, as_of, model_version, company_id))
    verdict = verdicts(features, labels, cusum, settings)
    return DriftAssessment(as_of, features, labels, cusum, verdict, tuple(events))


def _onset(look: Callable[[date], pd.DataFrame], current: pd.DataFrame, as_of: date, settings: DriftSettings) -> date:
    """First day of the alarm that is on today: repeat the look backwards until it has been quiet long enough."""
    first = max(service_days(current).min().date(), as_of - timedelta(days=LONGEST_LOOK_BACK_DAYS))
    history, last_alarm, day = {as_of: True}, as_of, as_of
    while (last_alarm - day).days <= settings.quiet_days_to_close and day > first:
        day -= timedelta(days=1)
        history[day] = bool(len(alarms_of(look(day))))
        last_alarm = day if history[day] else last_alarm
    return alarm_run_start(pd.Series(history), settings.quiet_days_to_close) or as_of


def _evidence(alarmed: pd.DataFrame) -> list[dict[str, object]]:
    strongest = alarmed.sort_values("p_value").head(EVIDENCE_ROWS)[EVIDENCE_COLUMNS]
    return [
        {str(name): float(f"{value:.4g}") if isinstance(value, float) else value for name, value in row.items()}
        for row in strongest.astype({"distance": "float64"}).to_dict("records")
    ]


def _residual_event(
    cusum: CusumResult, before: ResidualReference, as_of: date, model_version: str, company_id: int | None
) -> DriftEvent:
    if cusum.alarm_on is None:
        raise ValueError("there is no alarm to make an event of")
    during = cusum.path[cusum.path["service_day"] >= pd.Timestamp(cusum.alarm_on)]
    shift = float((during["mean_residual_min"] * during["n"]).sum() / during["n"].sum()) - before.mean_min
    return drift_event(
        DriftKind.RESIDUAL,
        company_id=company_id,
        model_version=model_version,
        alarm_started_on=cusum.alarm_on,
        detected_on=as_of,
        severity="critical",
        evidence={
            "direction": cusum.direction,
            "courses": int(during["n"].sum()),
            "shift_min": round(shift, 2),
            "limit_std": round(cusum.limit, 2),
            "reference_std_min": round(before.std_min, 2),
        },
    )
