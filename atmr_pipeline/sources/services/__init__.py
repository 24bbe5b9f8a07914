"""What every client of an online service shares: typed errors, a JSON gateway, request limits and circuit breakers."""

from atmr_pipeline.sources.services.breaker import Breaker, LocalBreaker, SharedBreaker
from atmr_pipeline.sources.services.errors import (
    BadRequestError,
    BadResponseError,
    CircuitOpenError,
    RateLimitedError,
    ServiceError,
    ServiceRefusedError,
    ServiceUnavailableError,
)
from atmr_pipeline.sources.services.gateway import JsonGateway
from atmr_pipeline.sources.services.limits import Limiter, LocalLimiter, SharedLimiter

__all__ = [
    "BadRequestError",
    "BadResponseError",
    "Breaker",
    "CircuitOpenError",
    "JsonGateway",
    "Limiter",
    "LocalBreaker",
    "LocalLimiter",
    "RateLimitedError",
    "ServiceError",
    "ServiceRefusedError",
    "ServiceUnavailableError",
    "SharedBreaker",
    "SharedLimiter",
]
