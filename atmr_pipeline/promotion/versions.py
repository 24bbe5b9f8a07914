"""The rows of registered models, in the caller's transaction."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from atmr_pipeline.domain.errors import ModelIntegrityError
from atmr_pipeline.promotion.files import is_intact
from atmr_pipeline.state.schema import model_version
from atmr_pipeline.state.upsert import insert, wrote_row


@dataclass(frozen=True)
class ModelVersion:
    """One registered model; ``path`` is relative to the models directory."""

    version_id: str
    kind: str
    content_hash: str
    path: str
    manifest: Mapping[str, Any]
    training_fingerprint: str
    metrics: Mapping[str, Any]
    created_at: datetime


def write_version(connection: sa.Connection, version: ModelVersion) -> str | None:
    """Insert a version, or renew the fingerprint and figures of one with the same content.

    Returns
    -------
    str or None
        What happened, for the audit log; None if the row was there already and nothing changed.

    Raises
    ------
    ModelIntegrityError
        If another content has the same short hash.
    """
    statement = insert(connection, model_version).values(vars(version))
    if wrote_row(connection, statement.on_conflict_do_nothing(index_elements=["version_id"])):
        return "new content"
    known = read_version(connection, version.version_id)
    if known.content_hash != version.content_hash:
        raise ModelIntegrityError(f"model {version.path}: another content has the same short hash")
    if known.training_fingerprint == version.training_fingerprint:
        return None
    # New data may give the very same model: it must then be found under the new fingerprint, not trained again.
    connection.execute(
        sa.update(model_version)
        .where(model_version.c.version_id == version.version_id)
        .values(training_fingerprint=version.training_fingerprint, metrics=version.metrics)
    )
    return "same content from another training"


def read_version(connection: sa.Connection, version_id: str) -> ModelVersion:
    """A version's row.

    Raises
    ------
    ModelIntegrityError
        If no such version is registered.
    """
    query = sa.select(model_version).where(model_version.c.version_id == version_id)
    row = connection.execute(query).mappings().first()
    if row is None:
        raise ModelIntegrityError(f"no model version {version_id} is registered")
    return ModelVersion(**row)


def read_versions(connection: sa.Connection, kind: str) -> list[ModelVersion]:
    """The versions of a kind, oldest first."""
    query = sa.select(model_version).where(model_version.c.kind == kind).order_by(model_version.c.created_at)
    return [ModelVersion(**row) for row in connection.execute(query).mappings()]


def find_version(connection: sa.Connection, kind: str, training_fingerprint: str) -> str | None:
    """The newest version of a kind with a training fingerprint."""
    query = (
        sa.select(model_version.c.version_id)
        .where(model_version.c.kind == kind, model_version.c.training_fingerprint == training_fingerprint)
        .order_by(model_version.c.created_at.desc())
        .limit(1)
    )
    return connection.execute(query).scalar_one_or_none()


def is_registered(connection: sa.Connection, version_id: str) -> bool:
    """Whether a version has a row (it may have been deleted since)."""
    query = sa.select(model_version.c.version_id).where(model_version.c.version_id == version_id)
    return connection.execute(query).first() is not None


def verified_path(models_dir: Path, version: ModelVersion) -> Path:
    """A version's directory, its content checked against its hash.

    Raises
    ------
    ModelIntegrityError
        If files are missing or altered.
    """
    path = models_dir / version.path
    if is_intact(version.kind, path, version.content_hash):
        return path
    what = "altered" if path.is_dir() and any(path.iterdir()) else "missing"
    raise ModelIntegrityError(
        f"model {version.kind}/{version.version_id}: files {what}; restore them from a backup, train again or roll back"
    )
