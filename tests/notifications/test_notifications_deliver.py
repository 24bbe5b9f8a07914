"""Delivery: each subject once a channel, again after a crash, later after a failure, given up aloud."""

import json
import logging
import multiprocessing
from collections import Counter
from datetime import datetime, timedelta

import pytest
from delivery_workers import deliver_and_die, deliver_in_rounds
from notification_examples import AT, example

from atmr_pipeline.notifications.deliver import LEASE_S, MAX_ATTEMPTS, RETRY_MIN, Channel, deliver
from atmr_pipeline.notifications.errors import PermanentNotifyError, TemporaryNotifyError
from atmr_pipeline.notifications.log_file import LogNotifier
from atmr_pipeline.notifications.notification import Notification
from atmr_pipeline.state.notifications import (
    begin_attempt,
    claim_channel,
    given_up,
    outbox_rows,
    record_sent,
    release_channel,
    renew_lease,
    reopen,
)

BUSY = TemporaryNotifyError("webhook", "HTTP 503", kind="http_503")
REFUSED = PermanentNotifyError("webhook", "HTTP 404", kind="http_404")


class Scripted:
    """Fails as told, first to last, then delivers; ``for_subject`` fails for one subject only."""

    def __init__(self, *failures: Exception, for_subject: str | None = None, then: Exception | None = None) -> None:
        self.failures, self.for_subject, self.then = list(failures), for_subject, then
        self.tried: list[str] = []
        self.sent: list[str] = []

    def send(self, notification: Notification) -> None:
        self.tried.append(notification.subject_id)
        if self.for_subject in (None, notification.subject_id):
            error = self.failures.pop(0) if self.failures else self.then
            if error is not None:
                raise error
        self.sent.append(notification.subject_id)


class Clock:
    def __init__(self) -> None:
        self.at = AT

    def __call__(self) -> datetime:
        return self.at

    def later(self, **by: float) -> None:
        self.at += timedelta(**by)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def row_of(store, subject: str = "drift:abc123:opened", channel: str = "webhook"):
    return outbox_rows(store, channel, [subject])[subject]


def test_each_subject_is_sent_once_a_channel(store, clock):
    first, second = Scripted(), Scripted()
    channels = [Channel("webhook", first), Channel("smtp", second)]
    told = [example("b:1", at=AT + timedelta(hours=1)), example("a:1")]
    assert deliver(store, told, channels, now=clock).sent == 4
    assert first.sent == second.sent == ["a:1", "b:1"]
    clock.later(days=3)
    again = deliver(store, told, channels, now=clock)
    assert (again.sent, again.waiting, again.failures) == (0, [], [])
    assert first.tried == ["a:1", "b:1"]
    assert (row_of(store, "a:1").attempts, row_of(store, "a:1").sent_at) == (1, AT)


def test_a_channel_gets_its_severity_and_what_is_worse(store):
    webhook, log = Scripted(), Scripted()
    told = [example(f"a:{severity}", severity=severity) for severity in ("info", "warning", "critical")]
    deliver(store, told, [Channel("log", log), Channel("webhook", webhook, "warning")])
    assert set(webhook.sent) == {"a:warning", "a:critical"}
    assert set(log.sent) == {"a:info", "a:warning", "a:critical"}
    assert outbox_rows(store, "webhook", ["a:info"]) == {}


def test_a_failure_waits_longer_each_time_and_ends_in_a_delivery(store, clock):
    notifier = Scripted(BUSY, BUSY, BUSY)
    waits = []
    since = clock.at
    while not notifier.sent:
        before = len(notifier.tried)
        deliver(store, [example()], [Channel("webhook", notifier)], now=clock)
        if len(notifier.tried) > before:
            waits.append((clock.at - since).total_seconds())
            since = clock.at
        clock.later(seconds=20)
    assert waits == [0, 60, 120, 240]
    row = row_of(store)
    assert (row.attempts, row.error) == (4, None)
    assert row.sent_at is not None


@pytest.mark.parametrize(("asked_s", "kept_s"), [(900.0, 900.0), (10_000_000.0, 86_400.0)])
def test_the_pause_that_is_asked_for_holds_for_the_whole_channel(store, clock, asked_s, kept_s):
    notifier = Scripted(TemporaryNotifyError("webhook", "HTTP 429", kind="http_429", retry_after_s=asked_s))
    channel = [Channel("webhook", notifier)]
    deliver(store, [example("a:1")], channel, now=clock)
    clock.later(seconds=kept_s - 1)
    done = deliver(store, [example("a:1"), example("b:1")], channel, now=clock)
    assert notifier.tried == ["a:1"]
    assert {told.subject_id for told in done.waiting} == {"a:1", "b:1"}
    clock.later(seconds=1)
    deliver(store, [example("a:1"), example("b:1")], channel, now=clock)
    assert sorted(notifier.sent) == ["a:1", "b:1"]


def test_one_that_always_fails_does_not_hold_up_the_others(store, clock):
    notifier = Scripted(then=BUSY, for_subject="a:bad")
    told = [example("a:bad")]
    for number in range(5):
        told.append(example(f"b:{number}", at=AT + timedelta(minutes=number)))
        deliver(store, told, [Channel("webhook", notifier)], now=clock)
        clock.later(minutes=11)
    deliver(store, told, [Channel("webhook", notifier)], now=clock)
    assert notifier.sent == [f"b:{number}" for number in range(5)]


def test_after_the_last_attempt_it_is_given_up_aloud_and_never_tried_again(store, clock, tmp_path, caplog):
    notifier = Scripted(then=BUSY)
    channels = [Channel("log", LogNotifier(tmp_path / "alerts.jsonl")), Channel("webhook", notifier)]
    begun = clock.at
    while not given_up(store):
        deliver(store, [example()], channels, now=clock)
        clock.later(minutes=10)
    assert len(notifier.tried) == MAX_ATTEMPTS == len(RETRY_MIN) + 1
    assert timedelta(hours=20) < clock.at - begun < timedelta(hours=24)
    (row,) = given_up(store)
    assert (row.subject_id, row.channel, row.attempts) == ("drift:abc123:opened", "webhook", MAX_ATTEMPTS)
    assert row.error == "given_up:http_503"
    clock.later(days=30)
    assert deliver(store, [example()], channels, now=clock).waiting == []
    assert len(notifier.tried) == MAX_ATTEMPTS
    lines = [json.loads(line) for line in (tmp_path / "alerts.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [line["kind"] for line in lines] == ["drift_opened", "undelivered"]
    assert lines[1]["severity"] == "critical"
    assert lines[1]["facts"] == {
        "channel": "webhook",
        "subject_id": "drift:abc123:opened",
        "attempts": MAX_ATTEMPTS,
        "error": "http_503",
    }
    assert [record.levelno for record in caplog.records if "given up" in record.message] == [logging.ERROR]


def test_what_fails_for_good_is_given_up_at_once_and_the_channel_rests(store, clock):
    notifier = Scripted(REFUSED)
    channel = [Channel("webhook", notifier)]
    told = [example("a:1"), example("b:1")]
    done = deliver(store, told, channel, now=clock)
    assert (done.sent, done.given_up, done.failures) == (0, 1, ["webhook: HTTP 404"])
    assert [waiting.subject_id for waiting in done.waiting] == ["b:1"]
    clock.later(minutes=10)
    assert deliver(store, told, channel, now=clock).sent == 1
    assert notifier.tried == ["a:1", "b:1"]
    assert reopen(store, now=clock()) == 1
    clock.later(minutes=1)
    deliver(store, told, channel, now=clock)
    assert notifier.sent == ["b:1", "a:1"]
    assert reopen(store) == 0


def test_one_channel_that_fails_does_not_stop_the_others(store, clock):
    mail = Scripted()
    deliver(store, [example()], [Channel("webhook", Scripted(BUSY)), Channel("smtp", mail)], now=clock)
    assert mail.sent == ["drift:abc123:opened"]


def test_no_send_begins_after_the_budget(store, clock):
    seconds = iter(range(0, 1_000, 10))
    notifier = Scripted()
    told = [example(f"a:{number}") for number in range(8)]
    channel = [Channel("webhook", notifier)]
    done = deliver(store, told, channel, now=clock, clock=lambda: next(seconds), budget_s=30)
    assert 0 < done.sent < 8
    assert len(done.waiting) == 8 - done.sent
    assert deliver(store, told, channel, now=clock).sent == 8 - done.sent
    assert notifier.sent == [told_.subject_id for told_ in told]


def test_a_mistake_in_a_notifier_is_raised_and_leaves_the_channel_free(store, clock):
    broken = Scripted(ZeroDivisionError("a mistake"))
    with pytest.raises(ZeroDivisionError):
        deliver(store, [example()], [Channel("webhook", broken)], now=clock)
    clock.later(minutes=1)
    assert deliver(store, [example()], [Channel("webhook", broken)], now=clock).sent == 1


def test_what_kills_the_process_each_time_is_given_up_too(store, clock):
    for _ in range(MAX_ATTEMPTS):
        begin_attempt(store, "webhook", "drift:abc123:opened", "critical", now=clock())
    clock.later(days=1)
    notifier = Scripted()
    assert deliver(store, [example()], [Channel("webhook", notifier)], now=clock).given_up == 1
    assert notifier.tried == []
    assert row_of(store).error == "given_up:interrupted"


def test_a_channel_has_one_sender_at_a_time(store, clock):
    lease = claim_channel(store, "webhook", 60, now=clock())
    assert claim_channel(store, "webhook", 60, now=clock()) is None
    assert claim_channel(store, "smtp", 60, now=clock()) is not None
    renewed = renew_lease(store, lease, 60, now=clock())
    assert release_channel(store, lease, now=clock()) is False
    clock.later(seconds=61)
    other = claim_channel(store, "webhook", 60, now=clock())
    assert other is not None
    assert renew_lease(store, renewed, 60, now=clock()) is None
    assert release_channel(store, other, pause_s=30, now=clock()) is True
    assert claim_channel(store, "webhook", 60, now=clock()) is None
    clock.later(seconds=30)
    assert claim_channel(store, "webhook", 60, now=clock()) is not None


def test_a_sender_that_lost_its_channel_stops(store, clock):
    class Slow(Scripted):
        def send(self, notification: Notification) -> None:
            super().send(notification)
            clock.later(seconds=LEASE_S + 1)
            assert claim_channel(store, "webhook", LEASE_S, now=clock()) is not None

    slow = Slow()
    done = deliver(store, [example("a:1"), example("b:1")], [Channel("webhook", slow)], now=clock)
    assert slow.sent == ["a:1"]
    assert [told.subject_id for told in done.waiting] == ["b:1"]


def test_the_first_time_of_delivery_stays(store, clock):
    begin_attempt(store, "webhook", "a:1", "info", now=clock())
    record_sent(store, "webhook", "a:1", now=clock())
    record_sent(store, "webhook", "a:1", now=clock() + timedelta(days=1))
    assert row_of(store, "a:1").sent_at == AT
    assert begin_attempt(store, "webhook", "a:1", "info", now=clock()) is None


def test_three_processes_at_once_send_each_subject_once(store, tmp_path):
    rounds, path = 8, tmp_path / "sent.jsonl"
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(3)
    url = store.url.render_as_string(hide_password=False)
    arguments = (url, store.schema, str(path), rounds, barrier)
    processes = [context.Process(target=deliver_in_rounds, args=arguments) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(timeout=120)
    assert [process.exitcode for process in processes] == [0, 0, 0]
    sent = Counter(json.loads(line)["subject_id"] for line in path.read_text(encoding="utf-8").splitlines())
    assert sent == {f"drift:round{number}:opened": 1 for number in range(rounds)}


def test_what_a_dying_process_had_sent_is_sent_again_once_its_lease_is_over(store, clock, tmp_path):
    path = tmp_path / "sent.jsonl"
    context = multiprocessing.get_context("spawn")
    url = store.url.render_as_string(hide_password=False)
    process = context.Process(target=deliver_and_die, args=(url, store.schema, str(path)))
    process.start()
    process.join(timeout=120)
    assert process.exitcode == 9
    assert row_of(store).sent_at is None
    now = row_of(store).created_at
    channel = [Channel("webhook", LogNotifier(path))]
    assert deliver(store, [example()], channel, now=lambda: now + timedelta(seconds=LEASE_S / 2)).sent == 0
    assert deliver(store, [example()], channel, now=lambda: now + timedelta(seconds=LEASE_S + 60)).sent == 1
    subjects = [json.loads(line)["subject_id"] for line in path.read_text(encoding="utf-8").splitlines()]
    assert subjects == ["drift:abc123:opened"] * 2
    assert row_of(store).attempts == 2
