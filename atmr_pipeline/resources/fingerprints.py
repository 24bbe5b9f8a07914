"""Fingerprints: what an outcome depends on, as a hash; the same fingerprint means that nothing needs to run."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import atmr_pipeline
from atmr_pipeline.domain.errors import SourceError

CODE_PATTERNS = ("*.py", "*.sql", "*.csv")


def file_hash(path: Path) -> str:
    """SHA-256 of a file's bytes, read in pieces.

    Raises
    ------
    SourceError
        If the file cannot be read.
    """
    try:
        with path.open("rb") as handle:
            return hashlib.file_digest(handle, "sha256").hexdigest()
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror}") from None


def code_fingerprint(*packages: str) -> str:
    """Hash of the package's code, SQL and data; of the named subpackages only, if any are named.

    Other code may give another result on the same data, so it is part of what a result depends on.
    """
    root = Path(atmr_pipeline.__file__).parent
    folders = [root / name for name in packages] or [root]
    digest = hashlib.sha256()
    for path in sorted(path for folder in folders for pattern in CODE_PATTERNS for path in folder.rglob(pattern)):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def fingerprint(parts: Mapping[str, Any]) -> str:
    """Hash of named parts; anything JSON does not know is taken by its text."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()
