"""Whether the process of a run still lives: it holds a lock that the operating system frees when it dies.

Dagster asks nobody whether a run's process is alive where processes run on the same machine, so after a power cut or
a ``kill -9`` a run would be shown as running for ever, and hold up every later one.
"""

import fcntl
import time
from enum import Enum
from pathlib import Path
from typing import TextIO

FOLDER = "runs"
START_GRACE_S = 300.0
"""A run that has begun and holds no lock yet is still loading its code; after this it is dead."""
KEEP_S = 30 * 86_400.0

_held: dict[Path, TextIO] = {}
"""Locks of this process. Held until it ends, since a run is only said to have ended after its resources are gone."""


class Worker(Enum):
    """What can be said of a run's process from this machine."""

    ALIVE = "alive"
    DEAD = "dead"
    UNKNOWN = "unknown"
    """It has left no mark: it is starting, or it runs elsewhere."""


def mark_alive(root: Path, run_id: str) -> None:
    """Hold the run's lock from now until this process ends.

    Parameters
    ----------
    root : Path
        The home, on a disk of this machine.
    run_id : str
        Dagster's id of the run.
    """
    path = _path(root, run_id)
    if path in _held:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_old(path.parent)
    handle = path.open("a", encoding="utf-8")
    # Shared: the processes of one run hold it together.
    fcntl.flock(handle, fcntl.LOCK_SH)
    _held[path] = handle


def worker_of(root: Path, run_id: str) -> Worker:
    """Look at the run's lock."""
    path = _path(root, run_id)
    if path in _held:
        return Worker.ALIVE
    try:
        handle = path.open("r", encoding="utf-8")
    except FileNotFoundError:
        return Worker.UNKNOWN
    with handle:
        return Worker.DEAD if _is_free(handle) else Worker.ALIVE


def is_dead(root: Path, run_id: str, begun_at: float | None) -> bool:
    """Whether the run has no process any more.

    Parameters
    ----------
    begun_at : float, optional
        Seconds since 1970 at which it was started; None if that is not known.
    """
    worker = worker_of(root, run_id)
    late = begun_at is not None and time.time() - begun_at > START_GRACE_S
    return worker is Worker.DEAD or (worker is Worker.UNKNOWN and late)


def _path(root: Path, run_id: str) -> Path:
    return root / FOLDER / f"{run_id}.lock"


def _is_free(handle: TextIO) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _remove_old(folder: Path) -> None:
    oldest = time.time() - KEEP_S
    for path in folder.glob("*.lock"):
        try:
            if path.stat().st_mtime < oldest:
                with path.open("r", encoding="utf-8") as handle:
                    if _is_free(handle):
                        path.unlink()
        except FileNotFoundError:
            continue
