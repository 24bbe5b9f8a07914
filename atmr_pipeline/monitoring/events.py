"""From statistics to decisions: alarms with a stable identity, and whether to retrain."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import pandas as pd

from atmr_pipeline.monitoring.thresholds import DriftSettings

if TYPE_CHECKING:
    from atmr_pipeline.monitoring.cusum import CusumResult

EVENT_ID_HEX_DIGITS = 24
LONGEST_LOOK_BACK_DAYS = 180
SEVERITIES = ("none", "warning", "critical")


class DriftKind(StrEnum):
    """What alarmed."""

    FEATURE = "feature_drift"
    LABEL = "label_drift"
    RESIDUAL = "residual_drift"
    PERFORMANCE = "performance"


@dataclass(frozen=True)
class Alarm:
    """An alarm that is on. What becomes a row of its own, and what is the event of yesterday, the state decides.

    Parameters
    ----------
    kind : DriftKind
    company_id : int or None
        None for all companies together.
    started_on : date
        First service day of the alarm.
    severity : str
        ``warning`` or ``critical``.
    evidence : dict
        Small, JSON-ready, without row values.
    model_version : str or None
        The champion of the look; not part of the identity, as the champion may change every day.
    opens : bool
        May begin an event. False where an alarm is not confirmed: it only keeps an event open that began before.
    stream_started_on : date or None
        First day of the evidence, where it began anew after a promotion: an alarm of the evidence before is another.
    """

    kind: DriftKind
    company_id: int | None
    started_on: date
    severity: str
    evidence: dict[str, Any] = field(default_factory=dict)
    model_version: str | None = None
    opens: bool = True
    stream_started_on: date | None = None

    @property
    def event_id(self) -> str:
        """24 hex digits of a SHA-256 over kind, company and first day: the same alarm has the same id."""
        company = "all" if self.company_id is None else str(int(self.company_id))
        identity = "\x1f".join([str(self.kind), company, self.started_on.isoformat()])
        return hashlib.sha256(identity.encode()).hexdigest()[:EVENT_ID_HEX_DIGITS]


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


def alarm_start(
    is_on: Callable[[date], bool],
    as_of: date,
    *,
    quiet_days: int,
    first_day: date,
    seen: date | None = None,
) -> date:
    """First day of the alarm that is on today, by repeating the look on the days before.

    Parameters
    ----------
    is_on : callable
        The look on an earlier day.
    first_day : date
        No look before it.
    seen : date, optional
        Last day on which an alarm was seen: within the quiet days it is the same one and no look is needed.
    """
    if seen is not None and (as_of - seen).days <= quiet_days:
        return min(seen + timedelta(days=1), as_of)
    first = max(first_day, as_of - timedelta(days=LONGEST_LOOK_BACK_DAYS), seen or date.min)
    history, last_alarm, day = {as_of: True}, as_of, as_of
    while (last_alarm - day).days <= quiet_days and day > first:
        day -= timedelta(days=1)
        history[day] = is_on(day)
        last_alarm = day if history[day] else last_alarm
    return alarm_run_start(pd.Series(history), quiet_days) or as_of


def drift_alarm(
    kind: DriftKind | str,
    *,
    company_id: int | None,
    started_on: date,
    severity: str,
    evidence: Mapping[str, Any] | None = None,
    model_version: str | None = None,
    opens: bool = True,
    stream_started_on: date | None = None,
) -> Alarm:
    """Build an alarm; ValueError where its severity is none."""
    if severity not in SEVERITIES[1:]:
        raise ValueError(f"an alarm's severity is one of {SEVERITIES[1:]}, got {severity!r}")
    return Alarm(
        DriftKind(kind), company_id, started_on, severity, dict(evidence or {}), model_version, opens, stream_started_on
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
        ``retrain`` when the residual CUSUM alarms, or when all of the confirming label windows do (by default those of
        7 and 28 days).
    """
    settings = settings or DriftSettings()
    alarmed, label_alarmed = alarms_of(features), alarms_of(label)
    confirmed = is_confirmed(label, settings)
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


def is_confirmed(label: pd.DataFrame, settings: DriftSettings) -> bool:
    """Whether every confirming label window alarms."""
    return set(settings.confirming_windows) <= set(alarms_of(label)["window_days"])


def alarms_of(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows of a drift table whose test alarmed."""
    return frame[frame["alarm"].fillna(False).astype(bool)]


def severity_of(alarmed: pd.DataFrame) -> str:
    """The worst severity of some alarmed rows; ``none`` without rows."""
    return max(alarmed["severity"], key=SEVERITIES.index) if len(alarmed) else "none"
