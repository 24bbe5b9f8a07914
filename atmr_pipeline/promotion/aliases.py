"""Moving an alias: compare-and-swap on a sequence number and an audit row, in the caller's transaction."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from atmr_pipeline.domain.errors import ModelIntegrityError
from atmr_pipeline.state.schema import model_alias, model_event
from atmr_pipeline.state.types import utc_now
from atmr_pipeline.state.upsert import insert, wrote_row

CHAMPION = "champion"
PREVIOUS = "previous"
CHALLENGER = "challenger"
"""Scored beside the champion on live days without acting."""
ANCHOR = "anchor"
"""The fixed version that every challenger is compared with, so that small steps down cannot add up."""


@dataclass(frozen=True)
class AliasState:
    """Where an alias points, and its number: pass ``seq`` back to move it only if nobody else did meanwhile."""

    version_id: str
    seq: int
    updated_at: datetime


@dataclass(frozen=True)
class ModelEvent:
    """One line of a kind's audit log; see the table ``model_event``."""

    kind: str
    action: str
    actor: str
    reason: str
    alias: str | None = None
    from_version: str | None = None
    to_version: str | None = None
    seq: int | None = None
    evidence: Mapping[str, Any] = field(default_factory=dict)
    at: datetime | None = None


def read_alias(connection: sa.Connection, kind: str, alias: str) -> AliasState | None:
    """Where an alias points; None if it was never set."""
    query = sa.select(model_alias.c.version_id, model_alias.c.seq, model_alias.c.updated_at).where(
        model_alias.c.kind == kind, model_alias.c.alias == alias
    )
    row = connection.execute(query).first()
    return AliasState(*row) if row else None


def read_aliases(connection: sa.Connection, kind: str) -> dict[str, AliasState]:
    """Every alias of a kind that is set, by name."""
    query = (
        sa.select(model_alias.c.alias, model_alias.c.version_id, model_alias.c.seq, model_alias.c.updated_at)
        .where(model_alias.c.kind == kind)
        .order_by(model_alias.c.alias)
    )
    return {row[0]: AliasState(*row[1:]) for row in connection.execute(query)}


def require_alias(connection: sa.Connection, kind: str, alias: str) -> AliasState:
    """Where an alias points that must exist.

    Raises
    ------
    ModelIntegrityError
        If it was never set.
    """
    state = read_alias(connection, kind, alias)
    if state is None:
        raise ModelIntegrityError(f"{kind}: there is no {alias}")
    return state


def aliases_of(connection: sa.Connection, version_id: str) -> list[str]:
    """The names that point at a version, sorted."""
    query = sa.select(model_alias.c.alias).where(model_alias.c.version_id == version_id)
    return sorted(connection.execute(query).scalars())


def swap_alias(
    connection: sa.Connection, kind: str, alias: str, version_id: str, *, expected_seq: int, seq: int | None = None
) -> bool:
    """Point an alias at a version if its number is still the expected one.

    Parameters
    ----------
    expected_seq : int
        0 if the alias must not exist yet.
    seq : int, optional
        The alias' number afterwards; by default one more than expected.

    Returns
    -------
    bool
        False if another process moved it first; nothing is written then.
    """
    number = expected_seq + 1 if seq is None else seq
    values = {"version_id": version_id, "seq": number, "updated_at": utc_now()}
    if expected_seq == 0:
        creation = insert(connection, model_alias).values(kind=kind, alias=alias, **values)
        return wrote_row(connection, creation.on_conflict_do_nothing(index_elements=["kind", "alias"]))
    move = (
        sa.update(model_alias)
        .where(model_alias.c.kind == kind, model_alias.c.alias == alias, model_alias.c.seq == expected_seq)
        .values(values)
    )
    return bool(connection.execute(move).rowcount == 1)


def remove_alias(connection: sa.Connection, kind: str, alias: str, *, expected_seq: int) -> bool:
    """Remove an alias if its number is still the expected one; False if another process moved it first."""
    removal = sa.delete(model_alias).where(
        model_alias.c.kind == kind, model_alias.c.alias == alias, model_alias.c.seq == expected_seq
    )
    return bool(connection.execute(removal).rowcount == 1)


def last_seq(connection: sa.Connection, kind: str, alias: str) -> int:
    """The highest number that the audit log knows of an alias; 0 if it was never set."""
    query = sa.select(sa.func.max(model_event.c.seq)).where(model_event.c.kind == kind, model_event.c.alias == alias)
    return connection.execute(query).scalar_one() or 0


def set_previous(connection: sa.Connection, kind: str, version_id: str | None) -> None:
    """Point ``previous`` at a version, or remove it; only inside a transaction that has just swapped the champion."""
    if version_id is None:
        connection.execute(sa.delete(model_alias).where(model_alias.c.kind == kind, model_alias.c.alias == PREVIOUS))
        return
    current = read_alias(connection, kind, PREVIOUS)
    swap_alias(connection, kind, PREVIOUS, version_id, expected_seq=current.seq if current else 0)


def champion_before(connection: sa.Connection, kind: str, version_id: str) -> str | None:
    """The champion that a version replaced when it was last promoted; None if it was the first."""
    query = (
        sa.select(model_event.c.from_version)
        .where(model_event.c.kind == kind, model_event.c.action == "promoted", model_event.c.to_version == version_id)
        .order_by(model_event.c.id.desc())
        .limit(1)
    )
    return connection.execute(query).scalar_one_or_none()


def append_event(connection: sa.Connection, event: ModelEvent) -> None:
    """Add a line to the audit log; lines are never changed."""
    values = {name: getattr(event, name) for name in ModelEvent.__dataclass_fields__}
    connection.execute(sa.insert(model_event).values({**values, "at": event.at or utc_now()}))


def read_events(connection: sa.Connection, kind: str) -> list[ModelEvent]:
    """The audit log of a kind, oldest first."""
    columns = [model_event.c[name] for name in ModelEvent.__dataclass_fields__]
    query = sa.select(*columns).where(model_event.c.kind == kind).order_by(model_event.c.id)
    return [ModelEvent(**row) for row in connection.execute(query).mappings()]
