"""Which files to serve with: the champion's, or loudly those of the version before if they are damaged."""

import logging
from dataclasses import dataclass
from pathlib import Path

from atmr_pipeline.domain.errors import ModelIntegrityError
from atmr_pipeline.promotion.aliases import AliasState
from atmr_pipeline.promotion.champion import read_champion_and_previous, record_fallback
from atmr_pipeline.promotion.versions import read_version, verified_path
from atmr_pipeline.state.store import StateStore

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ServedModel:
    """The files to load now.

    Parameters
    ----------
    version_id : str
    path : Path
        Directory, its hash just checked.
    is_fallback : bool
        True if the champion is damaged and this is the previous one.
    """

    version_id: str
    path: Path
    is_fallback: bool


def served_model(store: StateStore, models_dir: Path, kind: str) -> ServedModel | None:
    """See :meth:`~atmr_pipeline.promotion.registry.ModelRegistry.champion_path`."""
    with store.read() as connection:
        champion, previous = read_champion_and_previous(connection, kind)
    if champion is None:
        return None
    try:
        return ServedModel(champion.version_id, _intact(store, models_dir, champion), is_fallback=False)
    except ModelIntegrityError as error:
        damage = str(error)
    if previous is None:
        raise ModelIntegrityError(f"{damage}; there is no previous version to serve instead")
    try:
        path = _intact(store, models_dir, previous)
    except ModelIntegrityError as error:
        raise ModelIntegrityError(f"{damage}; nor can the previous version be served: {error}") from None
    logger.error("%s; serving the previous version %s instead", damage, previous.version_id)
    with store.begin() as connection:
        record_fallback(connection, kind, champion, previous, damage)
    return ServedModel(previous.version_id, path, is_fallback=True)


def _intact(store: StateStore, models_dir: Path, alias: AliasState) -> Path:
    with store.read() as connection:
        version = read_version(connection, alias.version_id)
    return verified_path(models_dir, version)
