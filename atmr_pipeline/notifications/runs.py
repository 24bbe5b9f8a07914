"""Failed runs, as notifications."""

from collections.abc import Sequence
from datetime import datetime

from atmr_pipeline.notifications.events import run_link
from atmr_pipeline.notifications.notification import Notification, subject_id
from atmr_pipeline.notifications.texts import code, line


def run_failed(
    *,
    run_id: str,
    job: str,
    failed_steps: Sequence[str],
    stopped_by: Sequence[str] = (),
    is_refusal: bool = False,
    ended_at: datetime,
    ui_url: str,
) -> Notification:
    """That a run did not end well: its job, its steps, never the error's text, which could quote a source value.

    Parameters
    ----------
    failed_steps : sequence of str
        Steps that failed by an error.
    stopped_by : sequence of str
        Steps whose blocking checks stopped the run.
    is_refusal : bool
        Nothing failed but a challenger's gates: the refusal is told by itself, so this is for information.
    ended_at : datetime
        Aware.
    """
    severity = "info" if is_refusal else "warning"
    stopped = bool(stopped_by) and not failed_steps
    name = code(job) or "?"
    title_fr = f"Exécution de {name} arrêtée par un contrôle" if stopped else f"Exécution de {name} en échec"
    title_en = f"Run of {name} stopped by a check" if stopped else f"Run of {name} failed"
    lines = [line("job", job), line("run_id", run_id), line("failed_steps", list(failed_steps))]
    if stopped_by:
        lines.append(line("stopped_by", list(stopped_by)))
    return Notification(
        subject_id=subject_id("run", run_id, "failed"),
        kind="run_failed",
        severity=severity,
        title_fr=title_fr,
        title_en=title_en,
        lines=tuple(lines),
        link=run_link(ui_url, run_id),
        occurred_at=ended_at,
    )
