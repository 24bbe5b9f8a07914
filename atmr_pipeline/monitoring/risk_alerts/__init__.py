"""Alerts on pickups that are likely to be late: how severe, what to do about it, and when to stay silent.

``assess_risks`` gives each prediction a level and advice, ``decide_alerts`` says which assessments are told to the
dispatcher, and :mod:`.quality` measures what alerting at a threshold is worth. Frames in, results out.
"""

from atmr_pipeline.monitoring.risk_alerts.advice import Advice, AdviceCode, AdviceRules, dispatcher_text, recommend
from atmr_pipeline.monitoring.risk_alerts.assessment import assess_risks
from atmr_pipeline.monitoring.risk_alerts.levels import RiskLevel, RiskThresholds
from atmr_pipeline.monitoring.risk_alerts.policy import AlertPolicy, Outcome, count_outcomes, decide_alerts
from atmr_pipeline.monitoring.risk_alerts.quality import (
    TARGET_RECALL,
    ThresholdChoice,
    alert_quality,
    alert_summary,
    best_precision_at_recall,
    choose_threshold,
    company_quality,
    expected_precision_at_recall,
    precision_recall_curve,
)

__all__ = [
    "TARGET_RECALL",
    "Advice",
    "AdviceCode",
    "AdviceRules",
    "AlertPolicy",
    "Outcome",
    "RiskLevel",
    "RiskThresholds",
    "ThresholdChoice",
    "alert_quality",
    "alert_summary",
    "assess_risks",
    "best_precision_at_recall",
    "choose_threshold",
    "company_quality",
    "count_outcomes",
    "decide_alerts",
    "dispatcher_text",
    "expected_precision_at_recall",
    "precision_recall_curve",
    "recommend",
]
