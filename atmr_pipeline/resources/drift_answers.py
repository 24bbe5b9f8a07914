"""Between alarms and trainings: what alarms tell every training, and what a training answers to alarms."""

from collections.abc import Mapping
from datetime import date
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from atmr_pipeline.models.delay.level import LevelChange
    from atmr_pipeline.state.store import StateStore

EVENT_TAG, EVENT_DAY_TAG = "atmr/event", "atmr/event_day"
"""Tags of a run that an alarm asked for: which alarm, and the service day on which it was seen."""


def level_changes(store: "StateStore") -> "list[LevelChange]":
    """When delays moved as a whole, by the residual alarms of all companies together.

    An alarm that went by itself before anybody answered it says nothing. One that was a false alarm costs little: its
    level is estimated from every pickup since, and shrunk.
    """
    from atmr_pipeline.models.delay.level import LevelChange
    from atmr_pipeline.state.drift_events import CLEARED, list_drift_events

    found = []
    for event in list_drift_events(store):
        started = event.evidence.get("change_started_on")
        if event.kind == "residual_drift" and event.company_id is None and event.outcome != CLEARED and started:
            found.append(LevelChange(since=date.fromisoformat(started), known_on=event.detected_on))
    return found


def answer_of_run(store: "StateStore", run_tags: Mapping[str, str], outcome: str) -> bool:
    """Close the alarm that asked for a run, if one did and it is open, with what came of the run."""
    from atmr_pipeline.state.drift_events import close_drift_event

    event_id = run_tags.get(EVENT_TAG)
    return event_id is not None and close_drift_event(store, event_id, outcome)
