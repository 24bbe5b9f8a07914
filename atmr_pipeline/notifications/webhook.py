"""POST to an address of the operator's: signed, never redirected, tried again only where nothing can have arrived."""

import hashlib
import hmac
import ipaddress
import json
import time
from collections.abc import Callable
from typing import NoReturn

import httpx
from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt
from tenacity.wait import wait_exponential, wait_random

from atmr_pipeline.domain.errors import SettingsError
from atmr_pipeline.notifications.errors import NotifyError, PermanentNotifyError, TemporaryNotifyError
from atmr_pipeline.notifications.notification import Notification
from atmr_pipeline.sources.services.private_logs import unlogged_requests
from atmr_pipeline.sources.services.responses import retry_after_s

TIMESTAMP_HEADER = "X-Atmr-Timestamp"
SIGNATURE_HEADER = "X-Atmr-Signature"
IDEMPOTENCY_HEADER = "Idempotency-Key"
SIGNATURE_SCHEME = "v1"
SECRET_CHARACTERS = 16
TIMEOUT_S = 5.0
ATTEMPTS = 3
LONGEST_PAUSE_S = 5.0
"""A receiver that wants a longer pause is left to the outbox: a sensor's tick may take a minute in all."""
LATER = frozenset({408, 423, 425})
"""Statuses besides 429 and 5xx that pass later, but not at once: the request may be in work."""
_backoff = wait_exponential(multiplier=0.5, max=LONGEST_PAUSE_S) + wait_random(0.0, 0.5)


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """What the signature header holds: ``v1=`` and the HMAC-SHA256 (RFC 2104), in hex, of ``<timestamp>.<body>``.

    Parameters
    ----------
    secret : str
        Known to both sides.
    timestamp : str
        Seconds since 1970, as in its header; signed too, so that an old request cannot be sent again as a new one.
    body : bytes
        Exactly as sent.
    """
    signed = timestamp.encode() + b"." + body
    return f"{SIGNATURE_SCHEME}={hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()}"


class WebhookNotifier:
    """Sends each notification as JSON; see ``docs/notifications.md``.

    Parameters
    ----------
    url : str
        HTTPS; HTTP on this machine only. Secret: many receivers are known by nothing else.
    user_agent : str
        Who sends.
    secret : str, optional
        Key of the signature; without one the request has none.
    timeout_s : float
        Longest wait for the connection, and between two pieces of the answer.
    attempts : int
        Requests for one notification, >= 1. Only HTTP 429, 5xx and connections that were never made are tried again:
        after a timeout the receiver may already have it.
    sleep, clock : callable
        For tests; ``clock`` gives seconds since 1970.

    Raises
    ------
    SettingsError
        If the URL or the secret cannot be used.
    """

    channel = "webhook"

    def __init__(
        self,
        url: str,
        *,
        user_agent: str,
        secret: str | None = None,
        timeout_s: float = TIMEOUT_S,
        attempts: int = ATTEMPTS,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.time,
    ) -> None:
        if attempts < 1 or not timeout_s > 0:
            raise ValueError(f"attempts must be >= 1 and timeout_s > 0, got {attempts} and {timeout_s}")
        if secret is not None and len(secret) < SECRET_CHARACTERS:
            raise SettingsError(f"ATMR_NOTIFY_WEBHOOK_SECRET: needs {SECRET_CHARACTERS} characters or more")
        self._url = _checked_url(url)
        self._user_agent, self._secret, self._timeout_s = user_agent, secret, timeout_s
        self._attempts, self._sleep, self._clock = attempts, sleep, clock

    def __repr__(self) -> str:
        return f"WebhookNotifier({self._url.host}, {'signed' if self._secret else 'not signed'})"

    def send(self, notification: Notification) -> None:
        """POST it; any 2xx is success.

        Raises
        ------
        TemporaryNotifyError
            Nobody answers, a timeout, HTTP 408, 423, 425, 429 or 5xx.
        PermanentNotifyError
            A redirect, or any other status.
        """
        body = json.dumps(notification.to_document(), ensure_ascii=False, separators=(",", ":")).encode()
        retrying = Retrying(
            stop=stop_after_attempt(self._attempts),
            wait=_pause_s,
            retry=retry_if_exception(_may_ask_again),
            sleep=self._sleep,
            reraise=True,
        )
        with self._client() as client:
            retrying(self._post, client, notification.subject_id, body)

    def _client(self) -> httpx.Client:
        # A proxy of the environment cannot reach a receiver on this machine.
        outside = not is_loopback(self._url.host)
        try:
            return httpx.Client(timeout=self._timeout_s, follow_redirects=False, trust_env=outside)
        except (ValueError, httpx.InvalidURL):
            # The library's words would quote the proxy, with its password.
            raise PermanentNotifyError(
                self.channel, "the proxy of the environment cannot be used; check HTTPS_PROXY", kind="proxy"
            ) from None

    def _post(self, client: httpx.Client, subject_id: str, body: bytes) -> None:
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "User-Agent": self._user_agent,
            IDEMPOTENCY_HEADER: subject_id,
        }
        if self._secret is not None:
            # Anew at each attempt: receivers refuse timestamps that are too old.
            timestamp = str(int(self._clock()))
            headers |= {TIMESTAMP_HEADER: timestamp, SIGNATURE_HEADER: signature(self._secret, timestamp, body)}
        try:
            with unlogged_requests(), client.stream("POST", self._url, content=body, headers=headers) as response:
                status, answered = response.status_code, response.headers
        except httpx.HTTPError as error:
            self._explain(error)
        if not 200 <= status < 300:
            raise self._error_of(status, answered)

    def _explain(self, error: httpx.HTTPError) -> NoReturn:
        # The library's own words may quote the URL.
        if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.ProxyError):
            raise TemporaryNotifyError(
                self.channel, f"{self._url.host} cannot be reached ({type(error).__name__})", kind="unreachable"
            ) from None
        kind = "timeout" if isinstance(error, httpx.TimeoutException) else "broken_off"
        raise TemporaryNotifyError(
            self.channel, f"no answer of {self._url.host} ({type(error).__name__}); it may have arrived", kind=kind
        ) from None

    def _error_of(self, status: int, headers: httpx.Headers) -> NotifyError:
        where, kind = self._url.host, f"http_{status}"
        if status == httpx.codes.TOO_MANY_REQUESTS or status >= 500 or status in LATER:
            pause_s = retry_after_s(headers)
            return TemporaryNotifyError(
                self.channel, f"{where} answers HTTP {status}", kind=kind, retry_after_s=pause_s
            )
        if 300 <= status < 400:
            return PermanentNotifyError(
                self.channel, f"{where} redirects (HTTP {status}), which is never followed; correct the URL", kind=kind
            )
        return PermanentNotifyError(
            self.channel, f"{where} refuses it (HTTP {status}); check the URL and the receiver", kind=kind
        )


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine's own."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _checked_url(text: str) -> httpx.URL:
    try:
        url = httpx.URL(text)
    except httpx.InvalidURL:
        url = httpx.URL()
    if url.scheme not in ("http", "https") or not url.host or url.fragment:
        raise SettingsError("ATMR_NOTIFY_WEBHOOK_URL: cannot be used; write it as https://host/path")
    if url.scheme == "http" and not is_loopback(url.host):
        raise SettingsError("ATMR_NOTIFY_WEBHOOK_URL: must be https, since it leaves this machine")
    return url


def _may_ask_again(error: BaseException) -> bool:
    if not isinstance(error, TemporaryNotifyError) or (error.retry_after_s or 0.0) > LONGEST_PAUSE_S:
        return False
    asked = error.kind == "http_429" or error.kind.startswith("http_5")
    return asked or error.kind == "unreachable"


def _pause_s(state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    asked_s: float | None = getattr(error, "retry_after_s", None)
    return _backoff(state) if asked_s is None else asked_s
