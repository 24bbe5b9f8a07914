"""How compiled functions are kept on disk between processes.

Only the first process on a machine waits for numba's compiler. Numba notices that a function's own file changed, but
not the files of the functions it calls: after an update, a planner would go on with the old cost. So the key of what is
kept holds a digest of the function's module and of every module of ours that this one imports, however far.
"""

import hashlib
import re
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from numba import njit
from numba.core.caching import FunctionCache

_IMPORTED = re.compile(r"^from (atmr_pipeline[\w.]*) import (?:\(([^)]*)\)|(.*))", re.MULTILINE)


@cache
def sources_digest(module: str) -> str:
    """SHA-256 over the sources of a module and of those of this project that it imports, directly or not."""
    seen: dict[str, bytes] = {}
    todo = [module]
    while todo:
        name = todo.pop()
        path = _source_file(name)
        if name in seen or path is None:
            continue
        seen[name] = path.read_bytes()
        for package, *names in _IMPORTED.findall(seen[name].decode("utf-8")):
            todo += [package, *(f"{package}.{part}" for part in re.findall(r"\w+", " ".join(names)))]
    return hashlib.sha256(b"".join(seen[name] for name in sorted(seen))).hexdigest()


def _source_file(module: str) -> Path | None:
    """The file of a module of this project; None where the name is a function or a class in one."""
    try:
        spec = find_spec(module)
    except ModuleNotFoundError:
        return None
    return Path(spec.origin) if spec is not None and spec.origin is not None else None


class _ProjectCache(FunctionCache):
    """Numba's cache of one function, valid for one state of the sources it may call."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)
        self._digest = sources_digest(function.__module__)

    def _index_key(self, sig: Any, codegen: Any) -> tuple[Any, ...]:
        return (*super()._index_key(sig, codegen), self._digest)


def compiled(function: Callable[..., Any]) -> Any:
    """Compile on first call. Division by zero gives infinity or NaN as in numpy; nothing here divides by data."""
    dispatcher: Any = njit(error_model="numpy")(function)
    try:
        dispatcher._cache = _ProjectCache(function)
    except RuntimeError:
        # No writable place to keep compiled code (a read-only container): each process compiles for itself.
        return dispatcher
    return dispatcher


def inlined(function: Callable[..., Any]) -> Any:
    """Like :func:`compiled`, for small functions that are copied into their callers (six times faster in a route)."""
    return njit(error_model="numpy", inline="always")(function)
