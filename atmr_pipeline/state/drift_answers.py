"""What a promotion answers: the alarms that the new champion has learned from."""

from collections.abc import Collection
from datetime import date

import sqlalchemy as sa

from atmr_pipeline.state.drift_events import PROMOTED, DriftEvent, list_drift_events
from atmr_pipeline.state.schema import drift_event
from atmr_pipeline.state.store import StateStore
from atmr_pipeline.state.types import utc_now

ANSWERED_KINDS = ("residual_drift", "label_drift", "performance")
"""Kinds of alarm that a newly promoted model answers; drift of features alone asks for nothing."""

REFUSED, WAITS, UNCHANGED, GAVE_UP = "refused", "waits for a person", "unchanged", "gave_up"
"""How other outcomes of a retraining begin. A later promotion still answers these alarms."""
UNANSWERED = (REFUSED, WAITS, UNCHANGED, GAVE_UP)


def answer_by_promotion(
    store: StateStore, version: str, *, learned_up_to: date, learned_changes: Collection[date] | None = None
) -> list[str]:
    """Close the alarms of all companies together that a promoted version has learned from.

    Parameters
    ----------
    version : str
        Now the champion.
    learned_up_to : date
        Last service day of its data; a later alarm is not answered by it.
    learned_changes : collection of date, optional
        First days of the changes of level that its training was told of: a residual alarm about another change is not
        answered. Not asked for where it is not known.

    Returns
    -------
    list of str
        Their ids, sorted.
    """
    answered = [
        event.event_id
        for event in list_drift_events(store)
        if event.kind in ANSWERED_KINDS
        and event.company_id is None
        and event.detected_on <= learned_up_to
        and (event.outcome is None or event.outcome.startswith(UNANSWERED))
        and _was_told(event, learned_changes)
    ]
    statement = (
        sa.update(drift_event)
        .where(drift_event.c.event_id.in_(answered))
        .values(outcome=f"{PROMOTED} {version}", outcome_at=utc_now())
    )
    with store.begin() as connection:
        connection.execute(statement)
    return sorted(answered)


def _was_told(event: DriftEvent, learned_changes: Collection[date] | None) -> bool:
    started = event.evidence.get("change_started_on")
    if learned_changes is None or event.kind != "residual_drift" or not started:
        return True
    return date.fromisoformat(started) in learned_changes
