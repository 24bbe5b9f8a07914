"""What a promotion answers: the alarms that the new champion has learned from."""

from datetime import date

import sqlalchemy as sa

from atmr_pipeline.state.drift_events import PROMOTED
from atmr_pipeline.state.schema import drift_event
from atmr_pipeline.state.store import StateStore
from atmr_pipeline.state.types import utc_now

ANSWERED_KINDS = ("residual_drift", "label_drift", "performance")
"""Kinds of alarm that a newly promoted model answers; drift of features alone asks for nothing."""

REFUSED, WAITS, UNCHANGED = "refused", "waits for a person", "unchanged"
"""How other outcomes of a retraining begin. A later promotion still answers what was refused or waits."""


def answer_by_promotion(store: StateStore, version: str, *, learned_up_to: date) -> list[str]:
    """Close the alarms that a promoted version has learned from.

    Parameters
    ----------
    version : str
        Now the champion.
    learned_up_to : date
        Last service day of its data; a later alarm is not answered by it.

    Returns
    -------
    list of str
        Their ids, sorted.
    """
    outcome = drift_event.c.outcome
    unanswered = sa.or_(outcome.is_(None), outcome.startswith(REFUSED), outcome.startswith(WAITS))
    statement = (
        sa.update(drift_event)
        .where(drift_event.c.kind.in_(ANSWERED_KINDS), drift_event.c.detected_on <= learned_up_to, unanswered)
        .values(outcome=f"{PROMOTED} {version}", outcome_at=utc_now())
        .returning(drift_event.c.event_id)
    )
    with store.begin() as connection:
        return sorted(connection.execute(statement).scalars())
