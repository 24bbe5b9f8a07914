"""What can go wrong with an online service, told apart by what to do about it.

A message names the service and what happened. It never holds a path or a query: these carry addresses and coordinates.
"""

from datetime import datetime
from typing import ClassVar

from atmr_pipeline.domain.errors import SourceError


class ServiceError(SourceError):
    """An online service did not give a usable answer.

    Parameters
    ----------
    service : str
        Name of the service, for instance ``"nominatim"``.
    detail : str
        What happened and what to do.
    kind : str, optional
        Code for counts; each class has its own.
    """

    default_kind: ClassVar[str] = "service_error"

    def __init__(self, service: str, detail: str, *, kind: str | None = None) -> None:
        super().__init__(f"{service}: {detail}")
        self.service = service
        self.kind = kind or self.default_kind


class ServiceUnavailableError(ServiceError):
    """Nobody answers (``unavailable``: refused, unknown host, HTTP 5xx; ``timeout``): worth another try.

    Parameters
    ----------
    retry_after_s : float, optional
        What the service asked for.
    """

    default_kind = "unavailable"

    def __init__(
        self, service: str, detail: str, *, kind: str | None = None, retry_after_s: float | None = None
    ) -> None:
        super().__init__(service, detail, kind=kind)
        self.retry_after_s = retry_after_s


class CircuitOpenError(ServiceUnavailableError):
    """The service failed too often and is left alone until ``until``."""

    default_kind = "circuit_open"

    def __init__(self, service: str, until: datetime) -> None:
        super().__init__(service, f"failed too often; not asked before {until:%Y-%m-%d %H:%M:%S} UTC")
        self.until = until


class RateLimitedError(ServiceError):
    """Too many requests (HTTP 429), or no free slot within patience; ``retry_after_s`` is None if not said."""

    default_kind = "rate_limited"

    def __init__(self, service: str, detail: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(service, detail)
        self.retry_after_s = retry_after_s


class ServiceRefusedError(ServiceError):
    """The service does not want us (HTTP 401, 402, 403, 407, 451): a key or its usage policy; do not ask again."""

    default_kind = "refused"


class BadResponseError(ServiceError):
    """The answer is not what the protocol says: HTML, cut JSON, missing fields, too large, a redirect elsewhere."""

    default_kind = "bad_response"


class BadRequestError(ServiceError):
    """The service does not accept the request (other HTTP 4xx).

    Parameters
    ----------
    status : int
        HTTP status.
    """

    default_kind = "bad_request"

    def __init__(self, service: str, detail: str, *, status: int) -> None:
        super().__init__(service, detail)
        self.status = status
