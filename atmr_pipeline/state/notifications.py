"""The outbox: what was told on which channel, how often it was tried, and who is sending on a channel now.

A row stands for one subject on one channel. A channel is sent on by one process at a time: it holds the channel's slot
in ``service_slot`` until a deadline, and whoever crashes loses it then. So nothing is sent twice, except what a process
had sent when it died before it could write that down.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from atmr_pipeline.state.schema import notification, service_slot
from atmr_pipeline.state.store import StateStore
from atmr_pipeline.state.types import utc_now
from atmr_pipeline.state.upsert import insert

GIVEN_UP = "given_up:"
"""Begins the error of what is not tried any more; the kind of the last failure follows."""
ERROR_CHARACTERS = 64
SUBJECTS_A_QUERY = 500
_LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class ChannelLease:
    """The right to send on a channel until an instant; the instant is also what tells this lease from others."""

    channel: str
    until: datetime


@dataclass(frozen=True)
class OutboxRow:
    """What is known of a subject on a channel.

    Parameters
    ----------
    attempts : int
        Begun attempts; one that a crash cut short counts too.
    sent_at : datetime or None
        None until it was delivered.
    error : str or None
        Kind of the last failure; begins with ``given_up:`` if it is not tried any more.
    created_at : datetime
        When the first attempt began.
    """

    subject_id: str
    channel: str
    severity: str
    attempts: int
    sent_at: datetime | None
    error: str | None
    created_at: datetime

    @property
    def is_given_up(self) -> bool:
        """Whether it was not delivered and is not tried any more."""
        return self.sent_at is None and (self.error or "").startswith(GIVEN_UP)

    @property
    def is_settled(self) -> bool:
        """Whether nothing is left to do."""
        return self.sent_at is not None or self.is_given_up


def claim_channel(
    store: StateStore, channel: str, lease_s: float, *, now: datetime | None = None
) -> ChannelLease | None:
    """Take a channel that nobody sends on and that is not asked to rest.

    Returns
    -------
    ChannelLease or None
        None if it is not free.
    """
    at = now or utc_now()
    until = at + timedelta(seconds=lease_s)
    first = {"service": _slot(channel), "next_at": _LONG_AGO}
    with store.begin() as connection:
        statement = insert(connection, service_slot).values(first).on_conflict_do_nothing(index_elements=["service"])
        connection.execute(statement)
        taken = (
            sa.update(service_slot)
            .where(service_slot.c.service == _slot(channel), service_slot.c.next_at <= at)
            .values(next_at=until)
        )
        return ChannelLease(channel, until) if connection.execute(taken).rowcount == 1 else None


def renew_lease(
    store: StateStore, lease: ChannelLease, lease_s: float, *, now: datetime | None = None
) -> ChannelLease | None:
    """Hold a channel from now on for this long; None if another process has taken it meanwhile."""
    until = max((now or utc_now()) + timedelta(seconds=lease_s), lease.until + timedelta(microseconds=1))
    return ChannelLease(lease.channel, until) if _swap(store, lease, until) else None


def release_channel(
    store: StateStore, lease: ChannelLease, *, pause_s: float = 0.0, now: datetime | None = None
) -> bool:
    """Give a channel back, to be used by nobody for ``pause_s`` seconds.

    Returns
    -------
    bool
        False if another process holds it already; nothing changes then.
    """
    return _swap(store, lease, (now or utc_now()) + timedelta(seconds=pause_s))


def outbox_rows(store: StateStore, channel: str, subject_ids: Sequence[str]) -> dict[str, OutboxRow]:
    """What is known of some subjects on a channel, by subject; those never tried are missing."""
    columns = [column for column in notification.columns if column.name != "id"]
    found: dict[str, OutboxRow] = {}
    with store.read() as connection:
        for start in range(0, len(subject_ids), SUBJECTS_A_QUERY):
            some = list(subject_ids[start : start + SUBJECTS_A_QUERY])
            query = sa.select(*columns).where(notification.c.channel == channel, notification.c.subject_id.in_(some))
            found |= {row["subject_id"]: OutboxRow(**row) for row in connection.execute(query).mappings()}
    return found


def begin_attempt(
    store: StateStore, channel: str, subject_id: str, severity: str, *, now: datetime | None = None
) -> int | None:
    """Count an attempt before it is made, so that one that kills the process counts too.

    Returns
    -------
    int or None
        Its number, from 1; None if there is nothing left to do.
    """
    values = {
        "subject_id": subject_id,
        "channel": channel,
        "severity": severity,
        "attempts": 0,
        "created_at": now or utc_now(),
    }
    with store.begin() as connection:
        statement = insert(connection, notification).values(values)
        connection.execute(statement.on_conflict_do_nothing(index_elements=["subject_id", "channel"]))
        counted = (
            sa.update(notification)
            .where(_is(channel, subject_id), _open())
            .values(attempts=notification.c.attempts + 1)
            .returning(notification.c.attempts)
        )
        return connection.execute(counted).scalar_one_or_none()


def record_sent(store: StateStore, channel: str, subject_id: str, *, now: datetime | None = None) -> None:
    """Write that a subject was delivered; the first time stays."""
    statement = (
        sa.update(notification)
        .where(_is(channel, subject_id), notification.c.sent_at.is_(None))
        .values(sent_at=now or utc_now(), error=None)
    )
    with store.begin() as connection:
        connection.execute(statement)


def record_failure(store: StateStore, channel: str, subject_id: str, kind: str, *, give_up: bool) -> None:
    """Write why an attempt failed, and whether it was the last; nothing if it was delivered after all."""
    error = (GIVEN_UP if give_up else "") + kind
    statement = sa.update(notification).where(_is(channel, subject_id), _open()).values(error=error[:ERROR_CHARACTERS])
    with store.begin() as connection:
        connection.execute(statement)


def given_up(store: StateStore) -> list[OutboxRow]:
    """What was not delivered and is not tried any more, oldest first."""
    columns = [column for column in notification.columns if column.name != "id"]
    query = sa.select(*columns).where(
        notification.c.sent_at.is_(None), notification.c.error.startswith(GIVEN_UP, autoescape=True)
    )
    with store.read() as connection:
        return [OutboxRow(**row) for row in connection.execute(query.order_by(notification.c.id)).mappings()]


def reopen(store: StateStore, *, now: datetime | None = None) -> int:
    """Try again what was given up, once a person has mended the cause.

    Returns
    -------
    int
        How many are tried again.
    """
    gone = sa.and_(notification.c.sent_at.is_(None), notification.c.error.startswith(GIVEN_UP, autoescape=True))
    with store.begin() as connection:
        statement = sa.update(notification).where(gone).values(attempts=0, error=None, created_at=now or utc_now())
        count = connection.execute(statement).rowcount
    return int(count)


def _swap(store: StateStore, lease: ChannelLease, next_at: datetime) -> bool:
    statement = (
        sa.update(service_slot)
        .where(service_slot.c.service == _slot(lease.channel), service_slot.c.next_at == lease.until)
        .values(next_at=next_at)
    )
    with store.begin() as connection:
        return bool(connection.execute(statement).rowcount == 1)


def _slot(channel: str) -> str:
    return f"notify:{channel}"


def _is(channel: str, subject_id: str) -> sa.ColumnElement[bool]:
    return sa.and_(notification.c.channel == channel, notification.c.subject_id == subject_id)


def _open() -> sa.ColumnElement[bool]:
    error = notification.c.error
    return sa.and_(
        notification.c.sent_at.is_(None), sa.or_(error.is_(None), ~error.startswith(GIVEN_UP, autoescape=True))
    )
