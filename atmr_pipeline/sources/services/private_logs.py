"""HTTP libraries log the URLs that they request; ours hold addresses and coordinates of patients."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

LOGGERS = (
    "geopy",
    "httpx",
    "httpcore.connection",
    "httpcore.http11",
    "httpcore.http2",
    "httpcore.proxy",
    "httpcore.socks",
)
_private: ContextVar[bool] = ContextVar("private_request", default=False)


class _Silent(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        return not _private.get()


_silent = _Silent()


@contextmanager
def unlogged_requests() -> Iterator[None]:
    """Within it, this thread's HTTP libraries log nothing, at any level; requests of others are logged as ever."""
    for name in LOGGERS:
        # On each logger: a filter does not reach the loggers below it. Adding it twice adds it once.
        logging.getLogger(name).addFilter(_silent)
    token = _private.set(True)
    try:
        yield
    finally:
        _private.reset(token)
