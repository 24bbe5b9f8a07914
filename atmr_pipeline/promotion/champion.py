"""What changes the champion, each in one transaction with its audit row."""

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from atmr_pipeline.domain.errors import ModelIntegrityError, PromotionRefusedError
from atmr_pipeline.promotion.aliases import (
    CHAMPION,
    PREVIOUS,
    AliasState,
    ModelEvent,
    append_event,
    champion_before,
    read_alias,
    read_events,
    set_previous,
    swap_alias,
)
from atmr_pipeline.promotion.pointers import anchor_first, end_challenge
from atmr_pipeline.promotion.versions import is_registered


def promote_champion(
    connection: sa.Connection,
    kind: str,
    version_id: str,
    *,
    expected_seq: int,
    actor: str,
    reason: str,
    evidence: Mapping[str, Any],
) -> None:
    """Make a version the champion, and the champion the previous one; nothing if it is the champion already.

    Raises
    ------
    PromotionRefusedError
        If the champion's number is not the expected one any more.
    """
    current = read_alias(connection, kind, CHAMPION)
    if (current.seq if current else 0) != expected_seq:
        raise champion_moved(kind)
    if current and current.version_id == version_id:
        return
    replaced = current.version_id if current else None
    _move(connection, kind, version_id, expected_seq)
    if replaced:
        set_previous(connection, kind, replaced)
    anchor_first(connection, kind, replaced or version_id, actor=actor)
    end_challenge(connection, kind, version_id, actor=actor)
    event = ModelEvent(kind, "promoted", actor, reason, CHAMPION, replaced, version_id, expected_seq + 1, evidence)
    append_event(connection, event)


def restore_previous(
    connection: sa.Connection, kind: str, current: AliasState, previous: AliasState, *, actor: str, reason: str
) -> None:
    """Make the previous version the champion, and the one before it the previous.

    Raises
    ------
    PromotionRefusedError
        If the champion moved since ``current`` was read.
    """
    left, restored = current.version_id, previous.version_id
    _move(connection, kind, restored, current.seq)
    older = champion_before(connection, kind, restored)
    usable = older is not None and older != left and is_registered(connection, older)
    set_previous(connection, kind, older if usable else None)
    end_challenge(connection, kind, restored, actor=actor)
    append_event(connection, ModelEvent(kind, "rolled_back", actor, reason, CHAMPION, left, restored, current.seq + 1))


def read_champion_and_previous(connection: sa.Connection, kind: str) -> tuple[AliasState | None, AliasState | None]:
    """Both aliases."""
    return read_alias(connection, kind, CHAMPION), read_alias(connection, kind, PREVIOUS)


def record_fallback(
    connection: sa.Connection, kind: str, champion: AliasState, previous: AliasState, reason: str
) -> None:
    """Write that the previous version is served for a damaged champion: once, not for each request that meets it."""
    event = ModelEvent(
        kind, "fell_back", "registry", reason, None, champion.version_id, previous.version_id, champion.seq
    )
    same = (event.action, event.to_version, event.seq)
    if all((past.action, past.to_version, past.seq) != same for past in read_events(connection, kind)):
        append_event(connection, event)


def _move(connection: sa.Connection, kind: str, version_id: str, expected_seq: int) -> None:
    try:
        moved = swap_alias(connection, kind, CHAMPION, version_id, expected_seq=expected_seq)
    except IntegrityError:
        # Deleted between the caller's look and the move: the foreign key holds.
        raise ModelIntegrityError(f"no model version {version_id} is registered") from None
    if not moved:
        raise champion_moved(kind)


def champion_moved(kind: str) -> PromotionRefusedError:
    """That another process was faster."""
    return PromotionRefusedError(f"{kind}: the champion moved meanwhile; look at the new one and decide again")
