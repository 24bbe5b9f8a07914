"""What a rollback means for the next promotion: what a person took out of service, no machine puts back."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from atmr_pipeline.promotion.aliases import ModelEvent


def rolled_back_because(history: Sequence[ModelEvent], version_id: str) -> str | None:
    """Why a version was taken out of service; None if it was not, or was put back since.

    Parameters
    ----------
    history : sequence of ModelEvent
        A kind's audit log, oldest first.
    """
    reason = None
    for event in history:
        if event.action == "rolled_back" and event.from_version == version_id:
            reason = event.reason
        elif event.action in ("promoted", "rolled_back") and event.to_version == version_id:
            reason = None
    return reason


def hold_until(history: Sequence[ModelEvent], hold_days: int) -> datetime | None:
    """Until when only a person promotes: for some days after a rollback, unless somebody has promoted since.

    Else the next morning's training, of one day more, would undo what a person did.
    """
    moves = [event for event in history if event.action in ("promoted", "rolled_back")]
    if not moves or moves[-1].action != "rolled_back" or moves[-1].at is None:
        return None
    return moves[-1].at + timedelta(days=hold_days)
