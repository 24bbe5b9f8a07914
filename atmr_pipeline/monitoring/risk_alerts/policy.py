"""Which risks are told to the dispatcher now, and why the others are not.

Alerts that repeat what is known tire whoever reads them. So a risk is told once a level for the same plan of a booking
(its assignment, driver and day), whichever model says so. A driver who is not known is not taken for another one.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any

import pandas as pd

from atmr_pipeline.domain.errors import SettingsError, TableContractError
from atmr_pipeline.monitoring.risk_alerts.columns import probabilities, require
from atmr_pipeline.monitoring.risk_alerts.levels import RiskLevel

HOUR = timedelta(hours=1)
COMPANY_MAX_PER_HOUR = 10
SENT_COLUMNS = ("booking_id", "assignment_id", "driver_id", "service_day", "level", "sent_at")
ASSESSED_COLUMNS = ("booking_id", "assignment_id", "driver_id", "service_day", "level", "p_late", "threshold")


class Outcome(StrEnum):
    """What became of an assessment."""

    SENT = "sent"
    BELOW_THRESHOLD = "below_threshold"
    """P(late) does not reach the alert threshold."""
    NOT_ESCALATED = "not_escalated"
    """The same plan of the booking has been alerted at this level or a more severe one."""
    DEBOUNCED = "debounced"
    """The plan changed, is no worse than what was said last, and that is only minutes ago."""
    HOURLY_CAP = "hourly_cap"
    """The booking has had its share of alerts within the hour; this holds for escalations too."""


@dataclass(frozen=True)
class AlertPolicy:
    """How often a dispatcher may be told about one booking.

    Raises
    ------
    SettingsError
        If a value is outside its range.
    """

    debounce_min: float = 15.0
    """Minutes after an alert in which a changed plan that is no worse is not told; 0 to 60."""
    max_per_hour: int = COMPANY_MAX_PER_HOUR
    """Alerts of a booking within any 60 minutes; 1 to the company's 10."""

    def __post_init__(self) -> None:
        if not 0.0 <= self.debounce_min <= 60.0:
            raise SettingsError("debounce_min must be 0 to 60 minutes")
        if not 1 <= self.max_per_hour <= COMPANY_MAX_PER_HOUR:
            raise SettingsError(f"max_per_hour must be 1 to {COMPANY_MAX_PER_HOUR}")


@dataclass(frozen=True)
class _Plan:
    assignment_id: int
    driver_id: int | None
    service_day: date

    def is_same(self, other: "_Plan") -> bool:
        if (self.assignment_id, self.service_day) != (other.assignment_id, other.service_day):
            return False
        return self.driver_id is None or other.driver_id is None or self.driver_id == other.driver_id


@dataclass(frozen=True)
class _Alert:
    """An alert, or a risk that may become one."""

    plan: _Plan
    level: RiskLevel
    at: datetime


def decide_alerts(
    assessments: pd.DataFrame, sent: pd.DataFrame, *, now: datetime, policy: AlertPolicy | None = None
) -> pd.DataFrame:
    """Decide what is told now.

    The rules, in this order:

    1. Below the alert threshold nothing is told.
    2. A plan that was alerted at this level or a more severe one is not alerted again.
    3. An escalation passes the debounce: the first alert of a booking, one more severe than the last of the booking,
       or one more severe than all of the same plan. What remains is a changed plan that is no worse; it waits until
       the last alert is ``debounce_min`` old.
    4. No booking gets more than ``max_per_hour`` alerts in 60 minutes.

    Several assessments of one booking are taken by P(late), the largest first, so the order of rows does not matter.
    Alerts that another process sent by a clock that is ahead count as recent.

    Parameters
    ----------
    assessments : DataFrame
        As :func:`~.assessment.assess_risks` returns them; one row an assignment.
    sent : DataFrame
        Alerts of the same bookings that were sent before, by any model: ``booking_id, assignment_id, driver_id,
        service_day, level, sent_at`` (aware). Others do no harm.
    now : datetime
        Aware.
    policy : AlertPolicy, optional
        The company's by default.

    Returns
    -------
    DataFrame
        The assessments in their order with ``outcome``, an :class:`Outcome` as str.

    Raises
    ------
    TableContractError
        If columns are missing, an assignment occurs twice, a probability is unknown, or a value of ``sent`` other than
        the driver is.
    ValueError
        If ``now`` has no time zone.
    """
    policy = policy if policy is not None else AlertPolicy()
    if now.tzinfo is None:
        raise ValueError("now must have a time zone")
    history, decided = _history(sent), assessments.reset_index(drop=True)
    outcomes: dict[int, Outcome] = {}
    for position, row in _largest_risk_first(_at_risk(decided)):
        booking = history.setdefault(int(row["booking_id"]), [])
        candidate = _Alert(_plan(row), RiskLevel(row["level"]), now)
        outcomes[position] = _outcome(candidate, booking, policy)
        if outcomes[position] is Outcome.SENT:
            booking.append(candidate)
    labels = [str(outcomes.get(position, Outcome.BELOW_THRESHOLD)) for position in range(len(decided))]
    return decided.assign(outcome=pd.Series(labels, dtype="str"))


def count_outcomes(decided: pd.DataFrame) -> dict[str, int]:
    """How many assessments had each outcome; outcomes that none had are left out."""
    counts = Counter(decided["outcome"])
    return {str(outcome): counts[str(outcome)] for outcome in Outcome if counts[str(outcome)]}


def _at_risk(assessments: pd.DataFrame) -> pd.DataFrame:
    require(assessments, ASSESSED_COLUMNS, "risk assessments")
    repeated = int(assessments["assignment_id"].duplicated().sum())
    if repeated:
        raise TableContractError(f"risk assessments: {repeated} repeated assignment_id")
    p_late, threshold = (probabilities(assessments[name], "risk assessments") for name in ("p_late", "threshold"))
    at_risk = assessments[p_late >= threshold]
    if bool(at_risk["level"].isna().any()):
        raise TableContractError("risk assessments: rows that reach the alert threshold have no level")
    return at_risk


def _outcome(candidate: _Alert, earlier: list[_Alert], policy: AlertPolicy) -> Outcome:
    severity = candidate.level.severity
    same_plan = [alert.level.severity for alert in earlier if alert.plan.is_same(candidate.plan)]
    if same_plan and severity <= max(same_plan):
        return Outcome.NOT_ESCALATED
    last = max(earlier, key=lambda alert: (alert.at, alert.level.severity), default=None)
    escalates = last is None or severity > last.level.severity or bool(same_plan)
    if last is not None and not escalates and candidate.at - last.at < timedelta(minutes=policy.debounce_min):
        return Outcome.DEBOUNCED
    within_hour = sum(candidate.at - alert.at < HOUR for alert in earlier)
    return Outcome.HOURLY_CAP if within_hour >= policy.max_per_hour else Outcome.SENT


def _history(sent: pd.DataFrame) -> dict[int, list[_Alert]]:
    require(sent, SENT_COLUMNS, "sent alerts")
    unknown = [name for name in SENT_COLUMNS if name != "driver_id" and bool(sent[name].isna().any())]
    if unknown:
        raise TableContractError(f"sent alerts: unknown values in {', '.join(unknown)}")
    strange = int((~sent["level"].isin([str(level) for level in RiskLevel])).sum())
    if strange:
        raise TableContractError(f"sent alerts: {strange} rows have a level that is not known")
    history: dict[int, list[_Alert]] = {}
    for row in _rows(sent[list(SENT_COLUMNS)]):
        alert = _Alert(_plan(row), RiskLevel(row["level"]), row["sent_at"])
        history.setdefault(int(row["booking_id"]), []).append(alert)
    return history


def _plan(row: dict[str, Any]) -> _Plan:
    driver = None if pd.isna(row["driver_id"]) else int(row["driver_id"])
    return _Plan(int(row["assignment_id"]), driver, pd.Timestamp(row["service_day"]).date())


def _largest_risk_first(at_risk: pd.DataFrame) -> Iterable[tuple[int, dict[str, Any]]]:
    numbered = zip(at_risk.index, _rows(at_risk), strict=True)
    return sorted(numbered, key=lambda item: (-item[1]["p_late"], int(item[1]["assignment_id"])))


def _rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = frame.to_dict("records")  # type: ignore[assignment]
    return rows
