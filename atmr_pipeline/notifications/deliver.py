"""Delivering what is not delivered yet: once a subject and channel, later if it fails, and never silently dropped."""

import hashlib
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from atmr_pipeline.notifications.errors import NotifyError, PermanentNotifyError, TemporaryNotifyError
from atmr_pipeline.notifications.notification import Line, Notification, Notifier
from atmr_pipeline.state.notifications import (
    ChannelLease,
    OutboxRow,
    begin_attempt,
    claim_channel,
    outbox_rows,
    record_failure,
    record_sent,
    release_channel,
    renew_lease,
)
from atmr_pipeline.state.store import StateStore
from atmr_pipeline.state.types import utc_now

logger = logging.getLogger(__name__)

LOG_CHANNEL = "log"
MAX_ATTEMPTS = 12
RETRY_MIN = (1, 2, 4, 8, 16, 32, 64, 128, 256, 360, 360)
"""Minutes after each failed attempt, 20.5 hours in all: a night without a mail server loses nothing."""
LEASE_S = 300.0
"""Far longer than one notifier may take, so that nobody else sends while one still does."""
BUDGET_S = 30.0
"""No send is begun after this: the sensor's tick that delivers may take 60 s."""
LONGEST_CHANNEL_PAUSE_S = 600.0
"""A channel that comes back is noticed within this, whatever is waiting on it."""
LONGEST_ASKED_PAUSE_S = 86_400.0


@dataclass(frozen=True)
class Channel:
    """One way to a person.

    Parameters
    ----------
    name : str
        ``log``, ``webhook`` or ``smtp``.
    notifier : Notifier
    least_severity : str
        Nothing less severe is sent on it.
    """

    name: str
    notifier: Notifier
    least_severity: str = "info"


@dataclass
class Delivery:
    """What came of one round.

    Parameters
    ----------
    sent : int
        Deliveries, a subject on two channels counting twice.
    given_up : int
        Deliveries that will not be tried again.
    failures : list of str
        One line a failure.
    waiting : list of Notification
        Wanted on a channel, and neither delivered nor given up there.
    """

    sent: int = 0
    given_up: int = 0
    failures: list[str] = field(default_factory=list)
    waiting: list[Notification] = field(default_factory=list)

    def summary(self) -> str:
        """One line."""
        counts = f"{self.sent} sent, {len(self.waiting)} waiting, {self.given_up} given up"
        return f"{counts}: {'; '.join(self.failures)}" if self.failures else counts


def deliver(
    store: StateStore,
    notifications: Sequence[Notification],
    channels: Sequence[Channel],
    *,
    now: Callable[[], datetime] = utc_now,
    clock: Callable[[], float] = time.monotonic,
    budget_s: float = BUDGET_S,
) -> Delivery:
    """Send on each channel what was neither sent nor given up there.

    Any failure ends the channel's round and lets the channel rest: for as long as the other side asked, else longer
    from failure to failure. What failed for good, or too often, is given up: that is logged as an error and told on
    the channel ``log``.

    Parameters
    ----------
    store : StateStore
        Migrated.
    notifications : sequence of Notification
        All that should be known by now; those told before are skipped.
    channels : sequence of Channel
    now, clock : callable
        For tests; ``clock`` gives seconds that only go up.
    budget_s : float
        No send begins later than this.

    Returns
    -------
    Delivery

    Raises
    ------
    SourceError
        If the state database cannot be used.
    """
    done = Delivery()
    deadline = clock() + budget_s
    for channel in channels:
        wanted = [told for told in notifications if told.is_at_least(channel.least_severity)]
        round_ = _Round(store, channel, now, lambda: clock() >= deadline, done)
        for notification, last in round_.run(wanted):
            _say_given_up(store, notification, channel, last, channels, now, done)
    return done


class _Round:
    """One round on one channel."""

    def __init__(
        self,
        store: StateStore,
        channel: Channel,
        now: Callable[[], datetime],
        is_over: Callable[[], bool],
        done: Delivery,
    ) -> None:
        self.store, self.channel, self.now, self.is_over, self.done = store, channel, now, is_over, done
        self.abandoned: list[tuple[Notification, OutboxRow]] = []
        self.lease: ChannelLease | None = None

    def run(self, wanted: Sequence[Notification]) -> list[tuple[Notification, OutboxRow]]:
        """Send what is due; returns what was given up."""
        if not self._open(wanted):
            return []
        self.lease = claim_channel(self.store, self.channel.name, LEASE_S, now=self.now())
        if self.lease is not None:
            pause_s = 0.0
            try:
                pause_s = self._send_all(wanted)
            finally:
                if self.lease is not None:
                    release_channel(self.store, self.lease, pause_s=pause_s, now=self.now())
        self.done.waiting += self._open(wanted)
        return self.abandoned

    def _open(self, wanted: Sequence[Notification]) -> list[Notification]:
        """What is left to do: those tried least first, so that one bad notification does not hold up the others."""
        rows = outbox_rows(self.store, self.channel.name, [told.subject_id for told in wanted])
        left = [told for told in wanted if told.subject_id not in rows or not rows[told.subject_id].is_settled]
        attempts = {subject_id: row.attempts for subject_id, row in rows.items()}
        return sorted(left, key=lambda told: (attempts.get(told.subject_id, 0), told.occurred_at, told.subject_id))

    def _send_all(self, wanted: Sequence[Notification]) -> float:
        """Seconds that the channel should rest."""
        # Read again under the lease: another process may have sent since.
        rows = outbox_rows(self.store, self.channel.name, [told.subject_id for told in wanted])
        for notification in self._open(wanted):
            row = rows.get(notification.subject_id)
            if self.is_over() or self.lease is None:
                break
            if row is not None and self.now() < _due_at(row):
                continue
            self.lease = renew_lease(self.store, self.lease, LEASE_S, now=self.now())
            if self.lease is None:
                # Taken by another process, which sends the rest.
                break
            pause_s = self._send(notification, row)
            if pause_s is not None:
                return pause_s
        return 0.0

    def _send(self, notification: Notification, row: OutboxRow | None) -> float | None:
        """Seconds that the channel should rest after a failure; None if there was none."""
        name, subject_id = self.channel.name, notification.subject_id
        if row is not None and row.attempts >= MAX_ATTEMPTS:
            # Its last attempt ended with the process.
            self._give_up(notification, row.error or "interrupted", row.attempts)
            return None
        attempt = begin_attempt(self.store, name, subject_id, notification.severity, now=self.now())
        if attempt is None:
            return None
        try:
            self.channel.notifier.send(notification)
        except NotifyError as error:
            self.done.failures.append(str(error))
            logger.warning("%s not delivered, attempt %d: %s", subject_id, attempt, error)
            if isinstance(error, PermanentNotifyError) or attempt >= MAX_ATTEMPTS:
                self._give_up(notification, error.kind, attempt)
            else:
                record_failure(self.store, name, subject_id, error.kind, give_up=False)
            return _pause_s(error, attempt)
        record_sent(self.store, name, subject_id, now=self.now())
        self.done.sent += 1
        return None

    def _give_up(self, notification: Notification, kind: str, attempts: int) -> None:
        logger.error(
            "%s: %s given up after %d attempts (%s)", self.channel.name, notification.subject_id, attempts, kind
        )
        record_failure(self.store, self.channel.name, notification.subject_id, kind, give_up=True)
        self.done.given_up += 1
        known = OutboxRow(
            notification.subject_id, self.channel.name, notification.severity, attempts, None, kind, self.now()
        )
        self.abandoned.append((notification, known))


def _say_given_up(
    store: StateStore,
    notification: Notification,
    channel: Channel,
    last: OutboxRow,
    channels: Sequence[Channel],
    now: Callable[[], datetime],
    done: Delivery,
) -> None:
    if channel.name == LOG_CHANNEL:
        return
    told = undelivered(notification, last, at=now())
    for log in channels:
        if log.name == LOG_CHANNEL:
            _Round(store, log, now, lambda: False, done).run([told])


def undelivered(notification: Notification, last: OutboxRow, *, at: datetime) -> Notification:
    """That a notification was given up on a channel."""
    digest = hashlib.sha256(f"{last.channel}:{last.subject_id}:{at.isoformat()}".encode()).hexdigest()[:24]
    return Notification(
        subject_id=f"undelivered:{digest}",
        kind="undelivered",
        severity="critical",
        title_fr=f"Notification non remise par {last.channel}",
        title_en=f"Notification not delivered by {last.channel}",
        lines=(
            Line("channel", last.channel, f"canal : {last.channel}", f"channel: {last.channel}"),
            Line("subject_id", last.subject_id, f"référence : {last.subject_id}", f"reference: {last.subject_id}"),
            Line("attempts", last.attempts, f"essais : {last.attempts}", f"attempts: {last.attempts}"),
            Line("error", last.error, f"dernière erreur : {last.error}", f"last error: {last.error}"),
        ),
        link=notification.link,
        occurred_at=at,
    )


def _due_at(row: OutboxRow) -> datetime:
    return row.created_at + timedelta(minutes=sum(RETRY_MIN[: row.attempts]))


def _pause_s(error: NotifyError, attempt: int) -> float:
    if isinstance(error, PermanentNotifyError):
        # Each try fails the same way until a person has looked, and many failed logins may lock an account.
        return LONGEST_CHANNEL_PAUSE_S
    backoff_s = min(60.0 * 2 ** (attempt - 1), LONGEST_CHANNEL_PAUSE_S)
    asked_s = error.retry_after_s if isinstance(error, TemporaryNotifyError) else None
    return backoff_s if asked_s is None else min(max(asked_s, 1.0), LONGEST_ASKED_PAUSE_S)
