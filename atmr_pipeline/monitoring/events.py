"""From statistics to decisions: events with a stable identity, and whether to retrain."""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import date
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import pandas as pd

from atmr_pipeline.monitoring.thresholds import DriftSettings

if TYPE_CHECKING:
    from atmr_pipeline.monitoring.cusum import CusumResult

EVENT_ID_HEX_DIGITS = 24
SEVERITIES = ("none", "warning", "critical")


class DriftKind(StrEnum):
    """What drifted."""

    FEATURE = "feature_drift"
    LABEL = "label_drift"
    RESIDUAL = "residual_drift"


@dataclass(frozen=True)
class DriftEvent:
    """An alarm, identified by where it began, so that the same alarm seen again tomorrow is the same event.

    Parameters
    ----------
    event_id : str
        24 hex digits of a SHA-256 over kind, company, model version and first alarm day.
    kind : DriftKind
    company_id : int or None
        None for all companies together.
    detected_on : date
        Day of the look that produced this object; not part of the identity.
    alarm_started_on : date
        First day of the alarm.
    model_version : str
    severity : str
        ``warning`` or ``critical``.
    evidence : dict
        Small, JSON-ready, without row values.
    """

    event_id: str
    kind: DriftKind
    company_id: int | None
    detected_on: date
    alarm_started_on: date
    model_version: str
    severity: str
    evidence: dict[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready copy."""
        dates = {"detected_on": self.detected_on.isoformat(), "alarm_started_on": self.alarm_started_on.isoformat()}
        return asdict(self) | dates | {"kind": str(self.kind)}


@dataclass(frozen=True)
class Verdict:
    """What the three kinds of evidence say together.

    Parameters
    ----------
    drifting : bool
        Any alarm is on.
    retrain : bool
        Residuals drifted, or label drift is confirmed. Never feature drift alone: the model may well still be right.
    severity : str
        The worst of the alarms.
    reasons : tuple of str
        One line an alarm.
    not_judged : tuple of str
        What could not be tested, and why; a quiet verdict with entries here is not an all-clear.
    """

    drifting: bool
    retrain: bool
    severity: str
    reasons: tuple[str, ...]
    not_judged: tuple[str, ...]

    def summary(self) -> str:
        """One line for a terminal."""
        state = "retraining requested" if self.retrain else ("drift seen" if self.drifting else "no drift seen")
        why = f": {'; '.join(self.reasons)}" if self.reasons else ""
        gaps = f" ({len(self.not_judged)} not judged)" if self.not_judged else ""
        return state + why + gaps


def alarm_run_start(alarm_by_day: pd.Series, quiet_days_to_close: int) -> date | None:
    """First day of the alarm that is on at the end of a history.

    Parameters
    ----------
    alarm_by_day : Series of bool
        Indexed by day, any order; days that were not judged are NULL or absent and neither start nor end an alarm.
    quiet_days_to_close : int
        An alarm that returns within this many days of its last alarm day is the same alarm.

    Returns
    -------
    date or None
        None when the last judged day has no alarm.
    """
    history = alarm_by_day.dropna().astype(bool).sort_index()
    if history.empty or not history.iloc[-1]:
        return None
    alarms = [pd.Timestamp(day) for day in history.index[history.to_numpy()]]
    start = alarms[-1]
    for day in reversed(alarms[:-1]):
        if (start - day).days > quiet_days_to_close:
            break
        start = day
    return start.date()


def drift_event(
    kind: DriftKind | str,
    *,
    company_id: int | None,
    model_version: str,
    alarm_started_on: date,
    detected_on: date,
    severity: str,
    evidence: Mapping[str, Any] | None = None,
) -> DriftEvent:
    """Build an event whose id depends on kind, company, model version and first alarm day alone."""
    kind = DriftKind(kind)
    if severity not in SEVERITIES[1:]:
        raise ValueError(f"an event's severity is one of {SEVERITIES[1:]}, got {severity!r}")
    company = "all" if company_id is None else str(int(company_id))
    identity = "\x1f".join([str(kind), company, model_version, alarm_started_on.isoformat()])
    event_id = hashlib.sha256(identity.encode()).hexdigest()[:EVENT_ID_HEX_DIGITS]
    return DriftEvent(
        event_id, kind, company_id, detected_on, alarm_started_on, model_version, severity, dict(evidence or {})
    )


def verdicts(
    features: pd.DataFrame, label: pd.DataFrame, cusum: "CusumResult", settings: DriftSettings | None = None
) -> Verdict:
    """Combine the three kinds of evidence of one day.

    Parameters
    ----------
    features, label : DataFrame
        Of :func:`~atmr_pipeline.monitoring.drift.feature_drift` and ``label_drift``.
    cusum : CusumResult

    Returns
    -------
    Verdict
        ``retrain`` when the residual CUSUM alarms, or when ``label_windows_to_confirm`` label windows do.
    """
    settings = settings or DriftSettings()
    alarmed, label_alarmed = alarms_of(features), alarms_of(label)
    confirmed = len(label_alarmed) >= settings.label_windows_to_confirm
    reasons = []
    if cusum.alarm_on is not None:
        reasons.append(f"pickups {cusum.direction} than predicted since {cusum.alarm_on}")
    if len(label_alarmed):
        windows = "/".join(str(days) for days in sorted(label_alarmed["window_days"]))
        reasons.append(f"delays changed over {windows} days" + ("" if confirmed else ", not yet confirmed"))
    if len(alarmed):
        reasons.append(f"features changed: {', '.join(sorted(set(alarmed['feature'])))}")
    not_judged = [f"residuals: {cusum.skipped_reason}"] if cusum.skipped_reason else []
    for frame in (label, features):
        skipped = frame[frame["skipped_reason"].notna()]
        not_judged += [
            f"{row.feature} {row.aspect}, {row.window_days} days: {row.skipped_reason}" for row in skipped.itertuples()
        ]
    worst = [severity_of(alarmed), severity_of(label_alarmed), "none" if cusum.alarm_on is None else "critical"]
    return Verdict(
        drifting=bool(reasons),
        retrain=cusum.alarm_on is not None or confirmed,
        severity=max(worst, key=SEVERITIES.index),
        reasons=tuple(reasons),
        not_judged=tuple(not_judged),
    )


def alarms_of(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows of a drift table whose test alarmed."""
    return frame[frame["alarm"].fillna(False).astype(bool)]


def severity_of(alarmed: pd.DataFrame) -> str:
    """The worst severity of some alarmed rows; ``none`` without rows."""
    return max(alarmed["severity"], key=SEVERITIES.index) if len(alarmed) else "none"
