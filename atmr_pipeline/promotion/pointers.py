"""Aliases that name a version without serving it, each moved in the caller's transaction with its audit row."""

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from atmr_pipeline.domain.errors import ModelIntegrityError, PromotionRefusedError
from atmr_pipeline.promotion.aliases import (
    ANCHOR,
    CHALLENGER,
    CHAMPION,
    ModelEvent,
    append_event,
    last_seq,
    read_alias,
    remove_alias,
    swap_alias,
)

POINTERS = (CHALLENGER, ANCHOR)


def point_alias(
    connection: sa.Connection,
    kind: str,
    alias: str,
    version_id: str,
    *,
    actor: str,
    reason: str,
    expected_seq: int | None = None,
) -> None:
    """Point ``challenger`` or ``anchor`` at a version; nothing if it is there already.

    Parameters
    ----------
    expected_seq : int, optional
        The alias' number when the caller decided, 0 if there was none; by default its number now.

    Raises
    ------
    PromotionRefusedError
        If the alias moved meanwhile, or the champion would be its own challenger.
    ModelIntegrityError
        If the version was deleted meanwhile.
    """
    current = read_alias(connection, kind, alias)
    seq = current.seq if current else 0
    if expected_seq is not None and seq != expected_seq:
        raise _moved(kind, alias)
    if current and current.version_id == version_id:
        return
    champion = read_alias(connection, kind, CHAMPION)
    if alias == CHALLENGER and champion and champion.version_id == version_id:
        raise PromotionRefusedError(f"{kind}: the champion {version_id} cannot be its own challenger")
    # Numbers go on where a removed alias ended: one that came back is not mistaken for the one that was read.
    number = (seq or last_seq(connection, kind, alias)) + 1
    try:
        moved = swap_alias(connection, kind, alias, version_id, expected_seq=seq, seq=number)
    except IntegrityError:
        raise ModelIntegrityError(f"no model version {version_id} is registered") from None
    if not moved:
        raise _moved(kind, alias)
    left = current.version_id if current else None
    append_event(connection, ModelEvent(kind, "pointed", actor, reason, alias, left, version_id, number))


def unpoint_alias(
    connection: sa.Connection, kind: str, alias: str, *, actor: str, reason: str, expected_seq: int | None = None
) -> None:
    """Remove ``challenger`` or ``anchor``; nothing if there is none.

    Raises
    ------
    PromotionRefusedError
        If the alias moved meanwhile.
    """
    current = read_alias(connection, kind, alias)
    if expected_seq is not None and (current.seq if current else 0) != expected_seq:
        raise _moved(kind, alias)
    if current is None:
        return
    if not remove_alias(connection, kind, alias, expected_seq=current.seq):
        raise _moved(kind, alias)
    event = ModelEvent(kind, "unpointed", actor, reason, alias, current.version_id, None, current.seq + 1)
    append_event(connection, event)


def anchor_first(connection: sa.Connection, kind: str, version_id: str, *, actor: str) -> None:
    """Set the anchor where a kind never had one: the fixed point that small steps are measured from."""
    if last_seq(connection, kind, ANCHOR) == 0:
        point_alias(connection, kind, ANCHOR, version_id, actor=actor, reason="first promotion")


def end_challenge(connection: sa.Connection, kind: str, champion_id: str, *, actor: str) -> None:
    """Remove the challenger that has just become the champion."""
    challenger = read_alias(connection, kind, CHALLENGER)
    if challenger and challenger.version_id == champion_id:
        unpoint_alias(connection, kind, CHALLENGER, actor=actor, reason="became the champion")


def _moved(kind: str, alias: str) -> PromotionRefusedError:
    return PromotionRefusedError(f"{kind}: the {alias} moved meanwhile; look again before moving it")
