"""The model registry: versions named by their content, a champion that moves by compare-and-swap, an audit log."""

import logging
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from atmr_pipeline.domain.errors import ModelIntegrityError, PromotionRefusedError
from atmr_pipeline.promotion.aliases import (
    CHAMPION,
    AliasState,
    ModelEvent,
    aliases_of,
    append_event,
    read_alias,
    read_events,
    require_alias,
)
from atmr_pipeline.promotion.champion import (
    promote_champion,
    read_champion_and_previous,
    record_fallback,
    restore_previous,
)
from atmr_pipeline.promotion.files import content_hash, store_directory
from atmr_pipeline.promotion.versions import (
    ModelVersion,
    find_version,
    read_version,
    read_versions,
    verified_path,
    write_version,
)
from atmr_pipeline.state.schema import model_version
from atmr_pipeline.state.store import StateStore
from atmr_pipeline.state.types import utc_now

logger = logging.getLogger(__name__)

KINDS = ("delay", "policy")
VERSION_HEX_DIGITS = 16


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


class ModelRegistry:
    """Versions, aliases and their history.

    Parameters
    ----------
    store : StateStore
        Migrated.
    models_dir : Path
        Where model files are kept, as ``<models_dir>/<kind>/<version_id>``.
    """

    def __init__(self, store: StateStore, models_dir: Path) -> None:
        self.store = store
        self.models_dir = Path(models_dir)

    def register(
        self,
        kind: str,
        directory: Path,
        manifest: Mapping[str, Any],
        *,
        training_fingerprint: str,
        metrics: Mapping[str, Any],
        actor: str = "pipeline",
    ) -> str:
        """Keep a trained model; the same files give the same version, whoever registers them and however often.

        The files are complete on disk before the row exists, so a row never names missing files; files without a row
        (a crash between the two) are harmless and are taken up by the next registration.

        Parameters
        ----------
        kind : str
            ``"delay"`` or ``"policy"``.
        directory : Path
            The model's files; no pickle.
        manifest, metrics : mapping
            Kept with the version as JSON; NaN becomes null.
        training_fingerprint : str
            Hash of data, code and settings that gave the model.

        Returns
        -------
        str
            The version id.

        Raises
        ------
        ModelIntegrityError
            If the files cannot be kept.
        """
        digest = content_hash(_checked(kind), directory)
        version_id = digest[:VERSION_HEX_DIGITS]
        path = f"{kind}/{version_id}"
        store_directory(kind, directory, self.models_dir / path, digest)
        version = ModelVersion(version_id, kind, digest, path, manifest, training_fingerprint, metrics, utc_now())
        with self.store.begin() as connection:
            note = write_version(connection, version)
            if note:
                evidence = {"training_fingerprint": training_fingerprint, "metrics": metrics}
                event = ModelEvent(kind, "registered", actor, note, to_version=version_id, evidence=evidence)
                append_event(connection, event)
        return version_id

    def get(self, version_id: str) -> ModelVersion:
        """A version's row.

        Raises
        ------
        ModelIntegrityError
            If no such version is registered.
        """
        with self.store.read() as connection:
            return read_version(connection, version_id)

    def list_versions(self, kind: str) -> list[ModelVersion]:
        """The versions of a kind, oldest first."""
        with self.store.read() as connection:
            return read_versions(connection, _checked(kind))

    def find_by_fingerprint(self, kind: str, training_fingerprint: str) -> str | None:
        """The version that this data, code and settings already gave; None if they have to be trained."""
        with self.store.read() as connection:
            return find_version(connection, _checked(kind), training_fingerprint)

    def alias(self, kind: str, alias: str = CHAMPION) -> AliasState | None:
        """Where an alias points; None if it was never set."""
        with self.store.read() as connection:
            return read_alias(connection, _checked(kind), alias)

    def promote(
        self,
        kind: str,
        version_id: str,
        *,
        expected_seq: int,
        actor: str,
        reason: str,
        evidence: Mapping[str, Any],
    ) -> AliasState:
        """Make a version the champion, and the champion the previous one, in one transaction with its audit row.

        Parameters
        ----------
        expected_seq : int
            The champion's ``seq`` that the gates were judged against; 0 if there was no champion.
        actor, reason : str
            Who and why, for the audit log.
        evidence : mapping
            The gates' figures.

        Returns
        -------
        AliasState
            The champion now. Promoting the champion again changes nothing.

        Raises
        ------
        PromotionRefusedError
            If the champion moved meanwhile: the gates have to be judged again.
        ModelIntegrityError
            If the version is not registered or its files are damaged.
        """
        version = self.get(version_id)
        if version.kind != _checked(kind):
            raise ModelIntegrityError(f"version {version_id} is a {version.kind} model, not a {kind} model")
        verified_path(self.models_dir, version)
        with self.store.begin() as connection:
            promote_champion(
                connection, kind, version_id, expected_seq=expected_seq, actor=actor, reason=reason, evidence=evidence
            )
            return require_alias(connection, kind, CHAMPION)

    def rollback(self, kind: str, *, actor: str, reason: str) -> AliasState:
        """Make the previous version the champion again.

        The version that is left does not become ``previous``: a damaged champion must not fall back on it. The one
        before does, so that rolling back again goes further back.

        Raises
        ------
        PromotionRefusedError
            If there is no previous version, or the champion moved meanwhile.
        ModelIntegrityError
            If the previous version's files are damaged.
        """
        with self.store.begin() as connection:
            current, previous = read_champion_and_previous(connection, _checked(kind))
            if current is None or previous is None:
                raise PromotionRefusedError(f"{kind}: there is no previous version to roll back to")
            verified_path(self.models_dir, read_version(connection, previous.version_id))
            restore_previous(connection, kind, current, previous, actor=actor, reason=reason)
            return require_alias(connection, kind, CHAMPION)

    def refuse(
        self, kind: str, version_id: str, reason: str, evidence: Mapping[str, Any], *, actor: str = "pipeline"
    ) -> None:
        """Write to the audit log that a challenger was refused, and on what evidence."""
        with self.store.begin() as connection:
            current = read_alias(connection, _checked(kind), CHAMPION)
            champion = current.version_id if current else None
            event = ModelEvent(kind, "refused", actor, reason, None, champion, version_id, None, evidence)
            append_event(connection, event)

    def path(self, version_id: str) -> Path:
        """A version's directory, its content just checked against its hash.

        Raises
        ------
        ModelIntegrityError
            If the version is not registered, or its files are missing or altered.
        """
        return verified_path(self.models_dir, self.get(version_id))

    def champion_path(self, kind: str) -> ServedModel | None:
        """The champion's files, or loudly the previous version's if the champion's are missing or altered.

        Returns
        -------
        ServedModel or None
            None if nothing was ever promoted.

        Raises
        ------
        ModelIntegrityError
            If the champion is damaged and there is no intact previous version.
        """
        with self.store.read() as connection:
            champion, previous = read_champion_and_previous(connection, _checked(kind))
        if champion is None:
            return None
        try:
            return ServedModel(champion.version_id, self.path(champion.version_id), is_fallback=False)
        except ModelIntegrityError as error:
            if previous is None:
                raise
            path = self.path(previous.version_id)
            logger.error("%s; serving the previous version %s instead", error, previous.version_id)
            with self.store.begin() as connection:
                record_fallback(connection, kind, champion, previous, str(error))
            return ServedModel(previous.version_id, path, is_fallback=True)

    def delete(self, version_id: str, *, actor: str, reason: str) -> None:
        """Remove a version that no alias points at; its history stays.

        Raises
        ------
        PromotionRefusedError
            If it is the champion or under another alias.
        ModelIntegrityError
            If it is not registered.
        """
        with self.store.begin() as connection:
            version = read_version(connection, version_id)
            aliases = aliases_of(connection, version_id)
            if aliases:
                raise PromotionRefusedError(f"{version.kind}/{version_id} is the {' and '.join(aliases)}: not deleted")
            try:
                connection.execute(sa.delete(model_version).where(model_version.c.version_id == version_id))
            except IntegrityError:
                # An alias was pointed at it between the check and the deletion: the foreign key holds.
                raise PromotionRefusedError(f"{version.kind}/{version_id} was just promoted: not deleted") from None
            event = ModelEvent(version.kind, "deleted", actor, reason, from_version=version_id)
            append_event(connection, event)
        try:
            shutil.rmtree(self.models_dir / version.path)
        except OSError as error:
            logger.warning("model %s is deleted, but its files are still there: %s", version.path, error.strerror)

    def history(self, kind: str) -> list[ModelEvent]:
        """The audit log of a kind, oldest first."""
        with self.store.read() as connection:
            return read_events(connection, _checked(kind))


def _checked(kind: str) -> str:
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {', '.join(KINDS)}")
    return kind
