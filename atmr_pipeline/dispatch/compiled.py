"""How the functions of this package are compiled by numba.

Compiled code is kept on disk, so that only the first process on a machine waits for the compiler. Numba notices that a
function's own file changed, but not the files of the functions it calls: after an update, a planner would go on with
the old cost. So the key of what is kept holds a digest of every source file of this package.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from numba import njit
from numba.core.caching import FunctionCache

SOURCES_DIGEST = hashlib.sha256(
    b"".join(path.read_bytes() for path in sorted(Path(__file__).parent.rglob("*.py")))
).hexdigest()
"""SHA-256 over the sources of :mod:`atmr_pipeline.dispatch`."""


class _PackageCache(FunctionCache):
    """Numba's cache of one function, valid for one state of this package's sources."""

    def _index_key(self, sig: Any, codegen: Any) -> tuple[Any, ...]:
        return (*super()._index_key(sig, codegen), SOURCES_DIGEST)


def compiled(function: Callable[..., Any]) -> Any:
    """Compile on first call. Division by zero gives infinity or NaN as in numpy; nothing here divides by data."""
    dispatcher: Any = njit(error_model="numpy")(function)
    try:
        dispatcher._cache = _PackageCache(function)
    except RuntimeError:
        # No writable place to keep compiled code (a read-only container): each process compiles for itself.
        return dispatcher
    return dispatcher


def inlined(function: Callable[..., Any]) -> Any:
    """Like :func:`compiled`, for small functions that are copied into their callers (six times faster in a route)."""
    return njit(error_model="numpy", inline="always")(function)
