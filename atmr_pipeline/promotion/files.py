"""Model files addressed by their content: written once, whole or not at all, and checked before use."""

import hashlib
import os
import shutil
import uuid
from pathlib import Path

from atmr_pipeline.domain.errors import ModelIntegrityError

REFUSED_SUFFIXES = frozenset({".pkl", ".pickle", ".joblib", ".dill"})
"""Formats that run code when they are loaded."""

_BLOCK_BYTES = 1 << 20


def content_hash(kind: str, directory: Path) -> str:
    """SHA-256 (FIPS 180-4) over a model's kind and its files' sorted relative names, sizes and bytes.

    Sizes delimit the parts, so that bytes cannot move from one file to the next without changing the hash.

    Raises
    ------
    ModelIntegrityError
        If the directory is missing or holds no file, a link, or a file in a format that runs code when loaded.
    """
    digest = hashlib.sha256(f"{kind}\0".encode())
    for name in file_names(directory):
        path = directory / name
        digest.update(f"{name}\0{path.stat().st_size}\0".encode())
        with path.open("rb") as stream:
            while block := stream.read(_BLOCK_BYTES):
                digest.update(block)
    return digest.hexdigest()


def file_names(directory: Path) -> list[str]:
    """Sorted relative names, with forward slashes, of the files of a model.

    Raises
    ------
    ModelIntegrityError
        As :func:`content_hash`.
    """
    if not directory.is_dir():
        raise ModelIntegrityError(f"model directory {directory.name} is missing")
    names = []
    for path in directory.rglob("*"):
        if path.is_symlink():
            raise ModelIntegrityError(f"model directory {directory.name} holds a link: only plain files can be kept")
        if path.suffix.lower() in REFUSED_SUFFIXES:
            raise ModelIntegrityError(f"model file {path.name} is a pickle: save the model as UBJ, safetensors or JSON")
        if path.is_file():
            names.append(path.relative_to(directory).as_posix())
    if not names:
        raise ModelIntegrityError(f"model directory {directory.name} is empty")
    return sorted(names)


def store_directory(kind: str, source: Path, target: Path, expected_hash: str) -> None:
    """Copy a model to its final place: complete and on disk before it gets its name.

    An intact copy already there is kept (another process, or an earlier run that died before it wrote the row); a
    damaged one is moved aside and replaced.

    Raises
    ------
    ModelIntegrityError
        If the source changed while it was copied.
    """
    if is_intact(kind, target, expected_hash):
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.parent / f".tmp-{target.name}-{uuid.uuid4().hex}"
    try:
        for name in file_names(source):
            (temporary / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source / name, temporary / name)
        if content_hash(kind, temporary) != expected_hash:
            raise ModelIntegrityError(
                f"the files of model {target.name} changed while they were copied: register again"
            )
        _sync_tree(temporary)
        _publish(kind, temporary, target, expected_hash)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def is_intact(kind: str, directory: Path, expected_hash: str) -> bool:
    """Whether a directory holds exactly the content that a hash names."""
    try:
        return content_hash(kind, directory) == expected_hash
    except (ModelIntegrityError, OSError):
        return False


def _publish(kind: str, temporary: Path, target: Path, expected_hash: str) -> None:
    if target.exists() and not is_intact(kind, target, expected_hash):
        target.replace(target.parent / f".damaged-{target.name}-{uuid.uuid4().hex}")
    try:
        temporary.replace(target)
    except OSError:
        # Another process published the same content first; a directory cannot be renamed over a full one.
        if not is_intact(kind, target, expected_hash):
            raise
    _sync(target.parent)


def _sync_tree(directory: Path) -> None:
    for path in sorted(directory.rglob("*"), reverse=True):
        _sync(path)
    _sync(directory)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
