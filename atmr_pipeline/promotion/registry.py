"""The model registry: versions named by their content, a champion that moves by compare-and-swap, an audit log."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from atmr_pipeline.domain.errors import ModelIntegrityError, PromotionRefusedError
from atmr_pipeline.promotion.aliases import (
    CHAMPION,
    AliasState,
    ModelEvent,
    append_event,
    read_alias,
    read_aliases,
    read_events,
    require_alias,
)
from atmr_pipeline.promotion.champion import (
    champion_moved,
    promote_champion,
    read_champion_and_previous,
    restore_previous,
)
from atmr_pipeline.promotion.deletion import delete_version
from atmr_pipeline.promotion.files import content_hash, store_directory
from atmr_pipeline.promotion.pointers import POINTERS, point_alias, unpoint_alias
from atmr_pipeline.promotion.served import ServedModel, served_model
from atmr_pipeline.promotion.versions import (
    ModelVersion,
    find_version,
    read_version,
    read_versions,
    verified_path,
    write_version,
)
from atmr_pipeline.state.store import StateStore
from atmr_pipeline.state.types import utc_now

__all__ = ["KINDS", "ModelRegistry", "ServedModel"]

KINDS = ("delay", "policy")
VERSION_HEX_DIGITS = 16


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
        # Whoever deleted the same content meanwhile took the files along; the row is in, so they stay now.
        store_directory(kind, directory, self.models_dir / path, digest)
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

    def aliases(self, kind: str) -> dict[str, AliasState]:
        """Where every alias of a kind points, by name."""
        with self.store.read() as connection:
            return read_aliases(connection, _checked(kind))

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
        _said(reason)
        self._intact(_checked(kind), version_id)
        with self.store.begin() as connection:
            promote_champion(
                connection, kind, version_id, expected_seq=expected_seq, actor=actor, reason=reason, evidence=evidence
            )
            return require_alias(connection, kind, CHAMPION)

    def rollback(self, kind: str, *, actor: str, reason: str, expected_seq: int | None = None) -> AliasState:
        """Make the previous version the champion again.

        The version that is left does not become ``previous``: a damaged champion must not fall back on it. The one
        before does, so that rolling back again goes further back.

        Parameters
        ----------
        actor, reason : str
            Who and why, for the audit log.
        expected_seq : int, optional
            The champion's ``seq`` when the caller decided; by default whichever is served now is left.

        Raises
        ------
        PromotionRefusedError
            If there is no previous version, or the champion moved meanwhile.
        ModelIntegrityError
            If the previous version's files are damaged.
        """
        _said(reason)
        with self.store.begin() as connection:
            current, previous = read_champion_and_previous(connection, _checked(kind))
            if current is None or previous is None:
                raise PromotionRefusedError(f"{kind}: there is no previous version to roll back to")
            if expected_seq is not None and current.seq != expected_seq:
                raise champion_moved(kind)
            verified_path(self.models_dir, read_version(connection, previous.version_id))
            restore_previous(connection, kind, current, previous, actor=actor, reason=reason)
            return require_alias(connection, kind, CHAMPION)

    def point(
        self, kind: str, alias: str, version_id: str, *, actor: str, reason: str, expected_seq: int | None = None
    ) -> AliasState:
        """Name a version ``challenger`` or ``anchor``, in one transaction with its audit row; nothing is served by it.

        Parameters
        ----------
        actor, reason : str
            Who and why, for the audit log.
        expected_seq : int, optional
            The alias' ``seq`` that the caller decided on, 0 if there was none; by default wherever it is now.

        Returns
        -------
        AliasState
            The alias now. Pointing it where it is changes nothing.

        Raises
        ------
        PromotionRefusedError
            If the alias moved meanwhile, or the champion would be its own challenger.
        ModelIntegrityError
            If the version is not registered, of another kind, or its files are damaged.
        """
        _pointer(alias)
        _said(reason)
        self._intact(_checked(kind), version_id)
        with self.store.begin() as connection:
            point_alias(connection, kind, alias, version_id, actor=actor, reason=reason, expected_seq=expected_seq)
            return require_alias(connection, kind, alias)

    def unpoint(self, kind: str, alias: str, *, actor: str, reason: str, expected_seq: int | None = None) -> None:
        """Remove ``challenger`` or ``anchor``, in one transaction with its audit row; nothing if there is none.

        Raises
        ------
        PromotionRefusedError
            If ``expected_seq`` is given and the alias moved meanwhile.
        """
        _pointer(alias)
        _said(reason)
        with self.store.begin() as connection:
            unpoint_alias(connection, _checked(kind), alias, actor=actor, reason=reason, expected_seq=expected_seq)

    def refuse(
        self, kind: str, version_id: str, reason: str, evidence: Mapping[str, Any], *, actor: str = "pipeline"
    ) -> None:
        """Write to the audit log that a challenger was refused, and on what evidence."""
        with self.store.begin() as connection:
            current = read_alias(connection, _checked(kind), CHAMPION)
            champion = current.version_id if current else None
            event = ModelEvent(kind, "refused", actor, reason, None, champion, version_id, None, evidence)
            append_event(connection, event)

    def record_waiting(self, kind: str, version_id: str, reason: str, *, actor: str) -> None:
        """Write to the audit log, once a version, that it passed its gates and waits for a person."""
        with self.store.begin() as connection:
            current = read_alias(connection, _checked(kind), CHAMPION)
            if any(
                past.action == "waiting" and past.to_version == version_id for past in read_events(connection, kind)
            ):
                return
            champion = current.version_id if current else None
            append_event(connection, ModelEvent(kind, "waiting", actor, reason, None, champion, version_id))

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
        return served_model(self.store, self.models_dir, _checked(kind))

    def delete(self, version_id: str, *, actor: str, reason: str) -> None:
        """Remove a version that no alias points at; its history stays.

        Raises
        ------
        PromotionRefusedError
            If it is the champion or under another alias.
        ModelIntegrityError
            If it is not registered.
        """
        _said(reason)
        delete_version(self.store, self.models_dir, version_id, actor=actor, reason=reason)

    def _intact(self, kind: str, version_id: str) -> None:
        version = self.get(version_id)
        if version.kind != kind:
            raise ModelIntegrityError(f"version {version_id} is a {version.kind} model, not a {kind} model")
        verified_path(self.models_dir, version)

    def history(self, kind: str) -> list[ModelEvent]:
        """The audit log of a kind, oldest first."""
        with self.store.read() as connection:
            return read_events(connection, _checked(kind))


def _checked(kind: str) -> str:
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {', '.join(KINDS)}")
    return kind


def _said(reason: str) -> None:
    if not reason.strip():
        raise PromotionRefusedError("a reason is needed: the audit log keeps who and why")


def _pointer(alias: str) -> None:
    if alias not in POINTERS:
        raise ValueError(f"alias must be one of {', '.join(POINTERS)}; the champion moves by promote and rollback")
