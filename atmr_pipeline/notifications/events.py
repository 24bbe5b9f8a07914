"""From what is recorded to what is told: alarms, and what happened to models. Pure functions of rows."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from atmr_pipeline.notifications.mail_text import Label
from atmr_pipeline.notifications.notification import SEVERITIES, Line, Notification, subject_id
from atmr_pipeline.notifications.texts import (
    ACTIONS,
    DRIFT_TITLES,
    MODELS,
    code,
    gate_line,
    is_plain,
    line,
    row_line,
    single_line,
)
from atmr_pipeline.promotion.aliases import CHAMPION, ModelEvent
from atmr_pipeline.state.drift_events import DriftEvent

ROWS_TOLD = 5
"""Of a list in an alarm's evidence, the first rows: the alarm's own table has them all."""
GATES_TOLD = 12
DRIFT_ASSETS = {
    "residual_drift": "residual_drift",
    "label_drift": "label_drift",
    "feature_drift": "feature_drift",
    "performance": "delay_performance",
}
PROMOTED_ASSETS = {"delay": "promoted_delay_model", "policy": "promoted_dispatch_policy"}
EVALUATION_ASSETS = {"delay": "delay_evaluation", "policy": "dispatch_evaluation"}
BAD_OUTCOMES = ("refused", "waits", "gave_up")
"""An alarm whose outcome holds one of these was answered, but nothing was mended."""


def events_to_notifications(
    drift_events: Sequence[DriftEvent],
    model_events: Sequence[ModelEvent],
    *,
    ui_url: str,
    since: datetime | None = None,
) -> list[Notification]:
    """What a person should know of these events.

    Parameters
    ----------
    drift_events : sequence of DriftEvent
        Each gives one notification when it opens, and one when it closes.
    model_events : sequence of ModelEvent
        ``promoted``, ``refused``, ``waiting``, ``rolled_back`` and ``fell_back``; other actions concern nobody.
    ui_url : str
        Where the UI is reached, for links.
    since : datetime, optional
        Nothing that happened before this.

    Returns
    -------
    list of Notification
        In the order in which it happened.
    """
    told = [each for event in drift_events for each in _of_drift(event, ui_url)]
    told += [each for event in model_events if (each := _of_model(event, ui_url)) is not None]
    kept = [each for each in told if since is None or each.occurred_at >= since]
    return sorted(kept, key=lambda each: (each.occurred_at, each.subject_id))


def asset_link(ui_url: str, asset: str, view: str = "events") -> str:
    """An asset's page in the UI; ``view`` is ``events``, ``checks`` or ``lineage``."""
    return f"{ui_url.rstrip('/')}/assets/{asset}?view={view}"


def run_link(ui_url: str, run_id: str) -> str:
    """A run's page in the UI."""
    return f"{ui_url.rstrip('/')}/runs/{run_id}"


def _of_drift(event: DriftEvent, ui_url: str) -> Iterator[Notification]:
    if event.created_at is None:
        raise ValueError("an alarm that is not recorded cannot be told")
    title = DRIFT_TITLES.get(event.kind) or _other("Alarme", "Alarm", event.kind)
    link = asset_link(ui_url, DRIFT_ASSETS.get(event.kind, "residual_drift"))
    company = "all" if event.company_id is None else event.company_id
    known: list[Line] = [line("company_id", company), line("model_version", event.model_version)]
    if event.alarm_started_on is not None:
        known.append(line("alarm_started_on", event.alarm_started_on.isoformat()))
    yield Notification(
        subject_id=subject_id("drift", event.event_id, "opened"),
        kind="drift_opened",
        severity=event.severity if event.severity in SEVERITIES else "critical",
        title_fr=title.fr,
        title_en=title.en,
        lines=(*known, line("detected_on", event.detected_on.isoformat()), *_evidence_lines(event.evidence)),
        link=link,
        occurred_at=event.created_at,
    )
    if event.outcome is None or event.outcome_at is None:
        return
    outcome = single_line(event.outcome)
    yield Notification(
        subject_id=subject_id("drift", event.event_id, "closed", _stamp(event.outcome_at)),
        kind="drift_closed",
        severity="warning" if any(word in outcome for word in BAD_OUTCOMES) else "info",
        title_fr=f"Alarme close : {title.fr.lower()}",
        title_en=f"Alarm closed: {title.en.lower()}",
        lines=(Line("outcome", outcome, f"issue : {outcome}", f"outcome: {outcome}"), *known),
        link=link,
        occurred_at=event.outcome_at,
    )


def _evidence_lines(evidence: Mapping[str, Any]) -> list[Line]:
    """Numbers and codes of the evidence; rows of its lists; how much was left out."""
    lines: list[Line] = []
    left_out = 0
    for name, value in evidence.items():
        if code(name) is None:
            left_out += 1
        elif is_plain(value):
            lines.append(line(name, value))
        elif isinstance(value, Mapping):
            lines.append(row_line(name, value))
        elif isinstance(value, list | tuple) and all(isinstance(row, Mapping) for row in value):
            lines += [row_line(f"{name}.{at}", row) for at, row in enumerate(value[:ROWS_TOLD], start=1)]
            left_out += max(0, len(value) - ROWS_TOLD)
        else:
            left_out += 1
    taken = {"company_id", "model_version", "alarm_started_on", "detected_on"}
    kept = [each for each in lines if each.name not in taken and each.en]
    return [*kept, line("not_told", left_out)] if left_out else kept


def _of_model(event: ModelEvent, ui_url: str) -> Notification | None:
    if event.action not in ACTIONS or event.at is None or event.alias not in (None, CHAMPION):
        return None
    model = MODELS.get(event.kind) or _other("Modèle", "Model", event.kind)
    action = ACTIONS[event.action]
    # Hand-written reasons are not repeated: a person may have written anything; the audit log keeps them.
    return Notification(
        subject_id=subject_id("model", event.kind, event.action, event.to_version or "none", _stamp(event.at)),
        kind=event.action,
        severity=_model_severity(event),
        title_fr=f"{model.fr} : {action.fr}",
        title_en=f"{model.en}: {action.en}",
        lines=tuple(_model_lines(event)),
        link=_model_link(event, ui_url),
        occurred_at=event.at,
    )


def _model_severity(event: ModelEvent) -> str:
    if event.action == "fell_back":
        return "critical"
    if event.action == "refused":
        # With a champion nothing changes for anyone; without one nothing is served.
        return "info" if event.from_version else "warning"
    return "warning" if event.action in ("rolled_back", "waiting") else "info"


def _model_lines(event: ModelEvent) -> Iterator[Line]:
    names = ("champion", "refused_version") if event.action == "refused" else ("from_version", "to_version")
    yield line(names[0], event.from_version)
    yield line(names[1], event.to_version)
    if event.seq is not None:
        yield line("seq", event.seq)
    yield line("actor", event.actor.split(":", 1)[0])
    gates = event.evidence.get("gates")
    if not isinstance(gates, list | tuple):
        return
    verdicts = [verdict for verdict in gates if isinstance(verdict, Mapping) and verdict.get("blocking", True)]
    failed = [verdict for verdict in verdicts if not verdict.get("passed")]
    judged = [verdict for verdict in verdicts if verdict.get("state", "judged") == "judged"]
    yield line("gates_passed", len(judged) - len(failed))
    yield line("gates_failed", len(failed))
    yield line("gates_not_judged", len(verdicts) - len(judged))
    seen: set[str] = set()
    for verdict in failed[:GATES_TOLD]:
        told = gate_line(verdict)
        if told.name not in seen:
            seen.add(told.name)
            yield told


def _other(fr: str, en: str, kind: str) -> Label:
    """A kind that this version has no words for is told by its code."""
    return Label(f"{fr} {code(kind) or '?'}", f"{en} {code(kind) or '?'}")


def _stamp(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y%m%dT%H%M%S%fZ}"


def _model_link(event: ModelEvent, ui_url: str) -> str:
    if event.action == "refused":
        return asset_link(ui_url, EVALUATION_ASSETS.get(event.kind, "delay_evaluation"), "checks")
    return asset_link(ui_url, PROMOTED_ASSETS.get(event.kind, "promoted_delay_model"))
