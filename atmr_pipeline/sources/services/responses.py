"""What an HTTP answer means: parsed JSON, or the error that says what to do."""

import json
from email.utils import parsedate_to_datetime
from typing import Any, NoReturn

import httpx

from atmr_pipeline.sources.services.errors import (
    BadRequestError,
    BadResponseError,
    RateLimitedError,
    ServiceError,
    ServiceRefusedError,
    ServiceUnavailableError,
)
from atmr_pipeline.state.types import utc_now

REFUSED = frozenset({401, 402, 403, 407, 451})
OF_THIS_REQUEST = frozenset({400, 413, 414, 422})
"""Statuses that blame the request: the service itself is well."""


def parse_json(service: str, content: bytes) -> Any:
    """The value that a body holds.

    Raises
    ------
    BadResponseError
        If it is not JSON (RFC 8259: NaN and Infinity are not), or nested beyond reason.
    """
    try:
        return json.loads(content, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise BadResponseError(service, f"the answer ({len(content):,} bytes) is not JSON") from None


def error_of(service: str, status: int, headers: httpx.Headers) -> ServiceError:
    """The error of an HTTP status other than 200."""
    said = f"HTTP {status}"
    if status in REFUSED:
        return ServiceRefusedError(service, f"refuses us ({said}); check its key and its usage policy")
    if status == httpx.codes.TOO_MANY_REQUESTS:
        return RateLimitedError(service, f"too many requests ({said})", retry_after_s=retry_after_s(headers))
    if status >= 500 or status == httpx.codes.REQUEST_TIMEOUT:
        return ServiceUnavailableError(service, f"is out of order ({said})", retry_after_s=retry_after_s(headers))
    if status >= 400:
        return BadRequestError(service, f"does not accept the request ({said}); check its URL", status=status)
    return BadResponseError(service, f"answers with {said} and no content")


def retry_after_s(headers: httpx.Headers) -> float | None:
    """Seconds from now in ``Retry-After``: a count or an HTTP date (RFC 9110, 10.2.3); None if it says neither."""
    text = headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    if at.tzinfo is None:
        return None
    return max(0.0, (at - utc_now()).total_seconds())


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
