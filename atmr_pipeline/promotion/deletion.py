"""Removing a version that nothing points at; its history stays."""

import logging
import shutil
import uuid
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from atmr_pipeline.domain.errors import PromotionRefusedError
from atmr_pipeline.promotion.aliases import ModelEvent, aliases_of, append_event
from atmr_pipeline.promotion.versions import ModelVersion, read_version
from atmr_pipeline.state.schema import model_version
from atmr_pipeline.state.store import StateStore

logger = logging.getLogger(__name__)


def delete_version(store: StateStore, models_dir: Path, version_id: str, *, actor: str, reason: str) -> None:
    """See :meth:`~atmr_pipeline.promotion.registry.ModelRegistry.delete`.

    The files lose their name before the row is gone: whoever registers the same content meanwhile waits for the row,
    finds no files, and copies them again.
    """
    aside: Path | None = None
    path = models_dir
    try:
        with store.begin() as connection:
            version = read_version(connection, version_id)
            path = models_dir / version.path
            _delete_row(connection, version)
            append_event(connection, ModelEvent(version.kind, "deleted", actor, reason, from_version=version_id))
            aside = path.with_name(f".deleted-{path.name}-{uuid.uuid4().hex}")
            hide(path, aside)
    except BaseException:
        if aside is not None and aside.exists():
            aside.rename(path)
        raise
    try:
        shutil.rmtree(aside)
    except FileNotFoundError:
        logger.warning("model %s is deleted; its files were missing already", version.path)
    except OSError as error:
        logger.warning("model %s is deleted, but its files are still there: %s", version.path, error.strerror)


def hide(path: Path, aside: Path) -> None:
    """Give a model's files another name; nothing if they are missing."""
    if path.is_dir():
        path.rename(aside)


def _delete_row(connection: sa.Connection, version: ModelVersion) -> None:
    named = f"{version.kind}/{version.version_id}"
    aliases = aliases_of(connection, version.version_id)
    if aliases:
        raise PromotionRefusedError(f"{named} is the {' and '.join(aliases)}: not deleted")
    try:
        connection.execute(sa.delete(model_version).where(model_version.c.version_id == version.version_id))
    except IntegrityError:
        # An alias was pointed at it between the check and the deletion: the foreign key holds.
        raise PromotionRefusedError(f"{named} was just promoted: not deleted") from None
