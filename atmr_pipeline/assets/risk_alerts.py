"""Risk alerts: which coming pickups are likely to be late, what can be done, and what the dispatcher is told."""

from dataclasses import dataclass
from typing import Any

import dagster as dg
import pandas as pd

from atmr_pipeline.assets.common import OPERATIONS, check_result, counts_table, frame_markdown
from atmr_pipeline.resources.workspace import Workspace

MODEL, COMPANY = "model", "company"
NOT_STORED = "not_stored"


@dataclass(frozen=True)
class AlertThreshold:
    """P(late) from which a dispatcher is told.

    Parameters
    ----------
    value : float
    source : str
        ``model`` if it was chosen when the model was trained, ``company`` where the company's high level stands in.
    reason : str or None
        Why the company's stands in: ``not_stored`` with the model, or why none could be chosen.
    """

    value: float
    source: str
    reason: str | None = None


def alert_threshold(metrics: dict[str, Any], company_high: float) -> AlertThreshold:
    """The threshold in a model's metrics (``alerts.threshold``), else the company's high level, with the reason."""
    stored = metrics.get("alerts") or {}
    if (value := stored.get("threshold")) is not None:
        return AlertThreshold(float(value), MODEL)
    return AlertThreshold(company_high, COMPANY, stored.get("reason") or NOT_STORED)


@dg.asset(
    group_name="feedback",
    owners=OPERATIONS,
    kinds={"sql"},
    pool="state",
    description="Assignments ahead that are likely to be late: level, advice, and what is told to the dispatcher now.",
)
def delay_risk_alerts(
    workspace: Workspace, delay_predictions: pd.DataFrame, driver_suggestions: pd.DataFrame
) -> dg.MaterializeResult:
    from atmr_pipeline.monitoring.risk_alerts import (
        AdviceRules,
        AlertPolicy,
        RiskThresholds,
        assess_risks,
        decide_alerts,
    )
    from atmr_pipeline.state.alerts import send_alerts
    from atmr_pipeline.state.types import utc_now

    settings = workspace.settings
    gain_min = driver_suggestions.set_index("assignment_id")["gain_min"]
    delay_predictions = delay_predictions.assign(gain_min=delay_predictions["assignment_id"].map(gain_min))
    versions = sorted(set(delay_predictions["model_version"]))
    thresholds = {
        version: alert_threshold(dict(workspace.registry.get(version).metrics), settings.alert_high)
        for version in versions
    }
    answered_by = delay_predictions["model_version"].map(thresholds)
    assessed = assess_risks(
        delay_predictions,
        pd.Series([one.value for one in answered_by], index=delay_predictions.index, dtype="float64"),
        levels=RiskThresholds(settings.alert_high, settings.alert_critical, settings.alert_impossible),
        # A driver is only suggested when the gain is large and sure enough: the advice asks for no more.
        rules=AdviceRules(min_gain_min=1.0),
    )
    kept = assessed.assign(
        advice=pd.Series([[one.to_dict() for one in given] for given in assessed["advice"]], dtype=object),
        threshold_source=pd.Series([one.source for one in answered_by], dtype="str"),
    )
    policy = AlertPolicy(settings.alert_debounce_min, settings.alert_max_per_hour)
    now = utc_now()
    decided = send_alerts(
        workspace.state, kept, lambda sent: decide_alerts(kept, sent, now=now, policy=policy), sent_at=now
    )
    return _result(decided, thresholds)


def _result(decided: pd.DataFrame, thresholds: dict[str, AlertThreshold]) -> dg.MaterializeResult:
    from atmr_pipeline.monitoring.risk_alerts import Outcome, count_outcomes
    from atmr_pipeline.state.frames import count_values

    outcomes = count_outcomes(decided)
    alerted = decided[decided["outcome"] != Outcome.BELOW_THRESHOLD]
    by_advice = count_values(pd.Series([one["code"] for given in alerted["advice"] for one in given], dtype="str"))
    suppressed = {reason: count for reason, count in outcomes.items() if reason != Outcome.SENT}
    by_level = count_values(alerted["level"])
    unknown = {name: int(alerted[name].isna().sum()) for name in ("slack_min", "gain_min")}
    value: dict[str, Any] = {
        "alerts": by_level,
        "new": outcomes.get(Outcome.SENT, 0),
        "scored": len(decided),
        "by_advice": by_advice,
        "suppressed": suppressed,
        "advice_unknown": unknown,
        "thresholds": {
            version: {"threshold": one.value, "source": one.source, "reason": one.reason}
            for version, one in thresholds.items()
        },
    }
    return dg.MaterializeResult(
        value=value,
        metadata={
            "new": value["new"],
            "scored": len(decided),
            "by_level": counts_table("level", by_level),
            "by_advice": counts_table("advice", by_advice),
            "suppressed": counts_table("not told because", suppressed),
            "alerts_with_input_unknown": counts_table("input of the advice", unknown),
            "threshold": frame_markdown(_threshold_table(thresholds)),
            "alerts": frame_markdown(_alert_table(alerted)),
        },
    )


def _threshold_table(thresholds: dict[str, AlertThreshold]) -> pd.DataFrame:
    lines = [(version, one.value, one.source, one.reason) for version, one in thresholds.items()]
    return pd.DataFrame(lines, columns=["model_version", "threshold", "source", "reason"])


def _alert_table(alerted: pd.DataFrame) -> pd.DataFrame:
    most_urgent = alerted.sort_values(["p_late", "assignment_id"], ascending=[False, True])
    codes = [", ".join(one["code"] for one in given) for given in most_urgent["advice"]]
    columns = ["assignment_id", "level", "p_late", "outcome"]
    return most_urgent[columns].reset_index(drop=True).assign(advice=pd.Series(codes, dtype="str"))


@dg.asset_check(asset=delay_risk_alerts, description="Alerts stay readable: fewer than half of the courses.")
def delay_risk_alerts_readable(workspace: Workspace) -> dg.AssetCheckResult:
    value = workspace.tables.read_value("delay_risk_alerts")
    alerted = sum(value["alerts"].values())
    return check_result(
        alerted <= 0.5 * max(value["scored"], 1),
        f"{alerted} of {value['scored']} coming courses are alerted (limit half: more is noise to a dispatcher)",
        blocking=False,
    )


@dg.asset_check(asset=delay_risk_alerts, description="Every scored course was told, or is counted with its reason.")
def delay_risk_alerts_accounted(workspace: Workspace) -> dg.AssetCheckResult:
    value = workspace.tables.read_value("delay_risk_alerts")
    silent = sum(value["suppressed"].values())
    return check_result(
        value["new"] + silent == value["scored"],
        f"{value['scored']} scored: {value['new']} told, {silent} not",
        scored=value["scored"],
    )
