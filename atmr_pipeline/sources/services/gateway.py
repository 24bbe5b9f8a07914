"""A client of one online JSON service: timeouts, limits, retries only where they help, typed errors."""

import logging
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from types import TracebackType
from typing import Any, NoReturn, Self

import httpx
from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt
from tenacity.wait import wait_exponential, wait_random

from atmr_pipeline.domain.errors import SettingsError
from atmr_pipeline.sources.services.breaker import Breaker
from atmr_pipeline.sources.services.errors import (
    BadRequestError,
    BadResponseError,
    CircuitOpenError,
    RateLimitedError,
    ServiceError,
    ServiceUnavailableError,
)
from atmr_pipeline.sources.services.limits import Limiter
from atmr_pipeline.sources.services.private_logs import unlogged_requests
from atmr_pipeline.sources.services.responses import OF_THIS_REQUEST, error_of, parse_json

log = logging.getLogger(__name__)

Params = Mapping[str, str | int | float]

MAX_RESPONSE_BYTES = 20_000_000
LONGEST_RETRY_AFTER_S = 60.0
TIMEOUTS_IN_ALL = 6
"""A whole answer may take this many times the timeout, however slowly it drips."""
MAX_REDIRECTS = 3
_wait_backoff = wait_exponential(multiplier=0.5, max=30.0) + wait_random(0.0, 0.5)


class JsonGateway:
    """One online service that answers GET requests with JSON.

    Parameters
    ----------
    service : str
        Its name in errors and counts.
    base_url : str
        ``http(s)://host[:port][/path]``; requests go nowhere else.
    user_agent : str
        Who asks, as the usage policies of public services demand.
    timeout_s : float
        Longest wait for the connection and between two pieces of the answer.
    attempts : int
        Requests for one answer, >= 1. Only what may pass is tried again (no answer, 5xx, 429): with exponential backoff
        and jitter, or when ``Retry-After`` says.
    limiter : Limiter, optional
        Asked before every request, retries and redirects included; told of every ``Retry-After``.
    breaker : Breaker, optional
        Asked before a call, told of every request's outcome; once open, no more attempts.
    max_response_bytes : int
        Longer answers are refused, counted after decompression.
    max_retry_after_s : float
        A service that asks for a longer pause ends the call with its error.
    sleep : callable
        For tests.
    transport : httpx.BaseTransport, optional
        In place of the network.

    Raises
    ------
    SettingsError
        If the URL or the User-Agent cannot be used.
    """

    def __init__(
        self,
        service: str,
        base_url: str,
        *,
        user_agent: str,
        timeout_s: float = 10.0,
        attempts: int = 3,
        limiter: Limiter | None = None,
        breaker: Breaker | None = None,
        max_response_bytes: int = MAX_RESPONSE_BYTES,
        max_retry_after_s: float = LONGEST_RETRY_AFTER_S,
        sleep: Callable[[float], None] = time.sleep,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        if attempts < 1 or not timeout_s > 0:
            raise ValueError(f"attempts must be >= 1 and timeout_s > 0, got {attempts} and {timeout_s}")
        self.service = service
        self.base_url = _base_url(service, base_url)
        self.user_agent = _user_agent(service, user_agent)
        self._timeout_s, self._attempts = timeout_s, attempts
        self._limiter, self._breaker = limiter, breaker
        self._max_bytes, self._max_retry_after_s = max_response_bytes, max_retry_after_s
        self._sleep = sleep
        self._client = httpx.Client(
            base_url=self.base_url,
            headers={"User-Agent": self.user_agent, "Accept": "application/json"},
            timeout=timeout_s,
            follow_redirects=False,
            transport=transport,
        )

    def __repr__(self) -> str:
        return f"JsonGateway({self.service} at {self.base_url.host})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close every connection."""
        self._client.close()

    def get(self, path: str, params: Params | None = None) -> Any:
        """The parsed JSON of one answer.

        Parameters
        ----------
        path : str
            Below the base URL, beginning with ``/``.
        params : mapping, optional
            The query.

        Raises
        ------
        ServiceError
            One of its subclasses; see :mod:`atmr_pipeline.sources.services.errors`.
        """
        status, body = self.get_or_error(path, params)
        if status != httpx.codes.OK:
            raise BadRequestError(self.service, f"does not accept the request (HTTP {status})", status=status)
        return body

    def get_or_error(self, path: str, params: Params | None = None) -> tuple[int, Any]:
        """HTTP status and parsed JSON, for a service that explains an HTTP 400 in a JSON body.

        Returns
        -------
        status : int
            200 or 400.
        body : object
            Parsed JSON.

        Raises
        ------
        ServiceError
            As :meth:`get`; an HTTP 400 without JSON is a :class:`BadRequestError`.
        """
        if not path.startswith("/"):
            raise ValueError("the path of a request begins with /")
        if self._breaker is not None:
            self._breaker.check()
        retrying = Retrying(
            stop=stop_after_attempt(self._attempts),
            wait=self._pause_s,
            retry=retry_if_exception(self._may_pass),
            sleep=self._sleep,
            reraise=True,
        )
        answer: tuple[int, Any] = retrying(self._attempt, path, dict(params) if params else None)
        return answer

    def _attempt(self, path: str, params: dict[str, str | int | float] | None) -> tuple[int, Any]:
        """One request with its redirects; what comes of it is reported to limiter and breaker."""
        request = self._client.build_request("GET", path, params=params)
        for _ in range(MAX_REDIRECTS + 1):
            if self._limiter is not None:
                # Not reported: running out of patience here says nothing new about the service.
                self._limiter.wait()
            try:
                answer = self._ask(request)
            except ServiceError as error:
                self._report(error)
                raise
            if not isinstance(answer, httpx.Request):
                if self._breaker is not None:
                    self._breaker.success()
                return answer
            request = answer
        astray = BadResponseError(self.service, f"redirects more than {MAX_REDIRECTS} times; check its URL")
        self._report(astray)
        raise astray

    def _ask(self, request: httpx.Request) -> tuple[int, Any] | httpx.Request:
        """The answer to one request, or the request to which the service redirects."""
        response, content = self._send(request)
        log.debug("%s: HTTP %d, %d bytes", self.service, response.status_code, len(content))
        if response.next_request is not None:
            if not _stays(self.base_url, response.next_request.url):
                raise BadResponseError(self.service, "redirects to another place; check its URL")
            return response.next_request
        status = response.status_code
        if status == httpx.codes.OK:
            return status, parse_json(self.service, content)
        if status == httpx.codes.BAD_REQUEST:
            with suppress(BadResponseError):
                return status, parse_json(self.service, content)
        raise error_of(self.service, status, response.headers)

    def _send(self, request: httpx.Request) -> tuple[httpx.Response, bytes]:
        deadline = time.monotonic() + TIMEOUTS_IN_ALL * self._timeout_s
        content = bytearray()
        try:
            with unlogged_requests():
                response = self._client.send(request, stream=True)
                try:
                    for piece in response.iter_bytes():
                        content += piece
                        if len(content) > self._max_bytes:
                            raise BadResponseError(self.service, f"answers with more than {self._max_bytes:,} bytes")
                        if time.monotonic() > deadline:
                            raise ServiceUnavailableError(self.service, "answers too slowly", kind="timeout")
                finally:
                    response.close()
        except httpx.HTTPError as error:
            self._explain(error)
        return response, bytes(content)

    def _explain(self, error: httpx.HTTPError) -> NoReturn:
        # The library's own words may quote the URL.
        if isinstance(error, httpx.TimeoutException):
            raise ServiceUnavailableError(
                self.service, f"no answer within {self._timeout_s:g} s", kind="timeout"
            ) from None
        if isinstance(error, httpx.DecodingError):
            raise BadResponseError(self.service, "the answer cannot be decompressed") from None
        raise ServiceUnavailableError(
            self.service, f"cannot be reached at {self.base_url.host} ({type(error).__name__})"
        ) from None

    def _report(self, error: ServiceError) -> None:
        pause_s = getattr(error, "retry_after_s", None)
        if self._limiter is not None and pause_s is not None:
            self._limiter.postpone(pause_s)
        if self._breaker is None:
            return
        if isinstance(error, BadRequestError) and error.status in OF_THIS_REQUEST:
            self._breaker.success()
        else:
            self._breaker.failure(error.kind)

    def _may_pass(self, error: BaseException) -> bool:
        """Whether another attempt has a chance, and the breaker lets it through."""
        if not isinstance(error, ServiceUnavailableError | RateLimitedError):
            return False
        if (error.retry_after_s or 0.0) > self._max_retry_after_s:
            return False
        if self._breaker is not None:
            try:
                self._breaker.check()
            except CircuitOpenError:
                return False
        return True

    def _pause_s(self, state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        asked_s: float | None = getattr(error, "retry_after_s", None)
        return _wait_backoff(state) if asked_s is None else asked_s


def _base_url(service: str, text: str) -> httpx.URL:
    try:
        url = httpx.URL(text)
    except httpx.InvalidURL:
        url = httpx.URL()
    if url.scheme not in ("http", "https") or not url.host or url.query or url.fragment:
        raise SettingsError(f"the URL of {service} cannot be used: write it as https://host or https://host/path")
    return url


def _user_agent(service: str, text: str) -> str:
    if not text.strip() or not text.isascii() or not text.isprintable():
        raise SettingsError(f"the User-Agent for {service} must say who asks, in ASCII: application and contact")
    return text.strip()


def _stays(base: httpx.URL, target: httpx.URL) -> bool:
    """Whether a redirect leads to the same server, at most from its http to its https."""
    upgraded = (base.scheme, target.scheme) == ("http", "https") and base.port is None and target.port is None
    same = (base.scheme, base.port) == (target.scheme, target.port)
    return base.host == target.host and (same or upgraded)
