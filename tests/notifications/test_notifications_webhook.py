"""Webhook: signed, recognisable when sent again, never redirected, and silent about its secrets."""

import hashlib
import hmac
import logging
import socket
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from notification_examples import example
from webhook_sink import Answer, WebhookSink

from atmr_pipeline.domain.errors import SettingsError
from atmr_pipeline.notifications.errors import NotifyError, PermanentNotifyError, TemporaryNotifyError
from atmr_pipeline.notifications.webhook import WebhookNotifier

KEY = "a-key-for-tests-only"
SECRETS = ("s3cr3t-path", KEY)


class Pauses:
    """A sleep that only remembers."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    def __call__(self, seconds: float) -> None:
        self.slept.append(seconds)


def notifier(url: str, **options) -> WebhookNotifier:
    return WebhookNotifier(url, user_agent="atmr-pipeline/test", **{"sleep": Pauses(), "timeout_s": 15.0, **options})


def failure(url: str, **options) -> NotifyError:
    with pytest.raises(NotifyError) as error:
        notifier(url, secret=KEY, **options).send(example())
    assert not any(secret in f"{error.value!r} {error.value}" for secret in SECRETS)
    assert error.value.__cause__ is None
    return error.value


def test_a_receiver_gets_the_document_and_can_verify_it():
    with WebhookSink() as sink:
        notifier(sink.url, secret=KEY, clock=lambda: 1_780_000_000.9).send(example())
    (posted,) = sink.posted
    assert posted.document == example().to_document()
    assert posted.document["facts"] == {"shift_min": 4.75, "direction": "later"}
    assert posted.document["lines"]["fr"] == ["décalage (min) : 4,75", "sens : plus tard que prévu"]
    assert posted.headers["Content-Type"] == "application/json; charset=utf-8"
    assert posted.headers["Idempotency-Key"] == "drift:abc123:opened"
    assert posted.headers["User-Agent"] == "atmr-pipeline/test"
    timestamp = posted.headers["X-Atmr-Timestamp"]
    assert timestamp == "1780000000"
    expected = hmac.new(KEY.encode(), f"{timestamp}.".encode() + posted.body, hashlib.sha256).hexdigest()
    assert posted.headers["X-Atmr-Signature"] == f"v1={expected}"


def test_without_a_key_nothing_claims_to_be_signed():
    with WebhookSink() as sink:
        notifier(sink.url).send(example())
    assert not {"X-Atmr-Signature", "X-Atmr-Timestamp"} & set(sink.posted[0].headers)


def test_what_passes_is_tried_again_and_signed_anew_under_the_same_key():
    clock = iter([100.0, 200.0, 300.0])
    with WebhookSink() as sink:
        sink.then(Answer(500), Answer(503))
        pauses = Pauses()
        notifier(sink.url, secret=KEY, sleep=pauses, clock=lambda: next(clock)).send(example())
    assert [posted.headers["X-Atmr-Timestamp"] for posted in sink.posted] == ["100", "200", "300"]
    assert len({posted.headers["X-Atmr-Signature"] for posted in sink.posted}) == 3
    assert len({posted.headers["Idempotency-Key"] for posted in sink.posted}) == 1
    assert len(pauses.slept) == 2
    assert all(0 < pause <= 5.5 for pause in pauses.slept)


def test_a_receiver_that_stays_out_of_order_is_a_temporary_failure():
    with WebhookSink(Answer(502)) as sink:
        error = failure(sink.url)
        assert isinstance(error, TemporaryNotifyError)
        assert (error.kind, error.retry_after_s) == ("http_502", None)
    assert len(sink.posted) == 3


@pytest.mark.parametrize("spelt", ["2", "date"])
def test_the_pause_that_the_receiver_asks_for_is_kept(spelt: str):
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=4), usegmt=True)
    with WebhookSink() as sink:
        sink.then(Answer(429, {"Retry-After": soon if spelt == "date" else spelt}))
        pauses = Pauses()
        notifier(sink.url, sleep=pauses).send(example())
    assert len(sink.posted) == 2
    assert len(pauses.slept) == 1
    assert 0 <= pauses.slept[0] <= 4


def test_a_long_pause_is_handed_on_and_not_slept():
    with WebhookSink(Answer(429, {"Retry-After": "900"})) as sink:
        pauses = Pauses()
        error = failure(sink.url, sleep=pauses)
        assert isinstance(error, TemporaryNotifyError)
        assert (error.kind, error.retry_after_s) == ("http_429", 900.0)
    assert len(sink.posted) == 1
    assert pauses.slept == []


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 413])
def test_a_refusal_is_permanent_and_not_tried_again(status: int):
    with WebhookSink(Answer(status)) as sink:
        error = failure(sink.url)
        assert isinstance(error, PermanentNotifyError)
        assert error.kind == f"http_{status}"
    assert len(sink.posted) == 1


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_never_followed(status: int):
    with WebhookSink() as other, WebhookSink(Answer(status, {"Location": other.url})) as sink:
        assert isinstance(failure(sink.url), PermanentNotifyError)
    assert len(sink.posted) == 1
    assert other.posted == []


def test_a_receiver_that_does_not_answer_in_time_may_have_it_and_is_not_asked_at_once():
    with WebhookSink(Answer(hangs=True)) as sink:
        error = failure(sink.url, timeout_s=0.2)
        assert isinstance(error, TemporaryNotifyError)
        assert error.kind == "timeout"
        assert len(sink.posted) == 1


def test_a_connection_that_breaks_off_is_temporary():
    with WebhookSink(Answer(drops=True)) as sink:
        error = failure(sink.url)
    assert isinstance(error, TemporaryNotifyError)
    assert error.kind == "broken_off"
    assert len(sink.posted) == 1


def test_a_closed_port_is_tried_again_then_temporary():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{probe.getsockname()[1]}/s3cr3t-path"
    pauses = Pauses()
    error = failure(url, sleep=pauses)
    assert isinstance(error, TemporaryNotifyError)
    assert error.kind == "unreachable"
    assert len(pauses.slept) == 2


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example/s3cr3t-path",
        "http://10.0.0.7/s3cr3t-path",
        "ftp://hooks.example/s3cr3t-path",
        "hooks.example/s3cr3t-path",
        "https:///s3cr3t-path",
        "http://127.0.0.1.hooks.example/s3cr3t-path",
        "https://hooks.example\n/s3cr3t-path",
    ],
)
def test_an_address_that_would_leave_in_clear_or_cannot_be_read_is_refused(url: str):
    with pytest.raises(SettingsError, match="ATMR_NOTIFY_WEBHOOK_URL") as error:
        notifier(url)
    assert "s3cr3t" not in str(error.value)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]", "127.9.9.9"])
def test_clear_text_is_for_this_machine(host: str):
    assert "s3cr3t" not in repr(notifier(f"http://{host}:8080/s3cr3t-path", secret=KEY))


def test_a_short_key_is_refused():
    with pytest.raises(SettingsError, match="ATMR_NOTIFY_WEBHOOK_SECRET"):
        notifier("https://hooks.example/", secret="short")


def test_no_log_line_holds_the_address(caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.DEBUG)
    with WebhookSink() as sink:
        notifier(sink.url, secret=KEY).send(example())
    assert not any(secret in caplog.text for secret in SECRETS)


def test_a_proxy_that_cannot_be_used_is_said_without_its_password(monkeypatch: pytest.MonkeyPatch):
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"nonsense://user:{KEY}@proxy.example:1")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    error = failure("https://hooks.example/s3cr3t-path")
    assert isinstance(error, PermanentNotifyError)
    assert error.kind == "proxy"
    with WebhookSink() as sink:
        notifier(sink.url).send(example())
    assert len(sink.posted) == 1
