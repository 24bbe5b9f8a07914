"""Files that are there whole or not at all."""

import os
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any


def write_atomically(path: Path, write: Callable[[Path], Any], *, mode: int = 0o644) -> None:
    """Write beside ``path`` under a hidden name, flush to disk, then rename: a kill leaves the old file.

    The hidden name does not end like the real one, so that no reader's glob can meet a half-written file.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o755 if mode & 0o044 else 0o700)
    hidden = path.parent / f".{path.name}.{uuid.uuid4().hex}.partial"
    try:
        write(hidden)
        hidden.chmod(mode)
        with hidden.open("rb") as handle:
            os.fsync(handle.fileno())
        hidden.replace(path)
    finally:
        hidden.unlink(missing_ok=True)
