"""Training a version again from what was kept of its training, and saying whether it is the same to the last bit."""

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from atmr_pipeline.domain.errors import ModelIntegrityError
from atmr_pipeline.resources.training_days import POLICY_CODE, read_training_days, train_policy_as_recorded
from atmr_pipeline.resources.training_sets import TRAINING_CODE, environment, read_training_set, train_as_recorded
from atmr_pipeline.resources.workspace import Workspace

if TYPE_CHECKING:
    from atmr_pipeline.promotion.versions import ModelVersion

MANIFEST = "manifest.json"
CODE = {"delay": TRAINING_CODE, "policy": POLICY_CODE}


@dataclass(frozen=True)
class RetrainResult:
    """What came of training a version again.

    Parameters
    ----------
    version_id : str
    content_hash_before, content_hash_after : str
        Of the registered files, and of those that this training wrote.
    identical : bool
        Both hashes are equal.
    differences : tuple of str
        What is not as it was: first code, libraries and machine, which may differ without changing the model, then the
        entries of the manifest that came out otherwise.
    """

    version_id: str
    content_hash_before: str
    content_hash_after: str
    identical: bool
    differences: tuple[str, ...]


def retrain_version(workspace: Workspace, version_id: str) -> RetrainResult:
    """Train a version again from its kept training set and its record, and compare the content.

    Figures that need more than the training set (the floor of a demo company, alert thresholds) are copied from the
    version's manifest. Nothing is registered.

    Raises
    ------
    ModelIntegrityError
        If the version is not registered, its files are damaged, or it was registered without a record.
    TableContractError
        If its training set is not kept any more, or was altered.
    """
    from atmr_pipeline.promotion.files import content_hash

    version = workspace.registry.get(version_id)
    stored = _manifest(workspace.registry.path(version_id))
    record = version.metrics.get("training")
    if record is None:
        raise ModelIntegrityError(
            f"{version.kind}/{version_id} was registered without a record of its training: it cannot be had again"
        )
    with tempfile.TemporaryDirectory() as folder:
        written = _trained_again(workspace, version, record, stored, Path(folder))
        after = content_hash(version.kind, Path(folder))
    identical = after == version.content_hash
    differences = [*_changed_surroundings(record, environment(CODE[version.kind])), *_changed_entries(stored, written)]
    return RetrainResult(version_id, version.content_hash, after, identical, tuple(differences))


def _trained_again(
    workspace: Workspace, version: "ModelVersion", record: Mapping[str, Any], stored: Mapping[str, Any], folder: Path
) -> dict[str, Any]:
    """Write the model that the record gives now; return its manifest."""
    if version.kind == "delay":
        training = train_as_recorded(read_training_set(workspace, record["training_set"]), record)
        metrics = {**(stored["metrics"] or {}), **training.metrics()}
        training.model.save(folder, data_hash=training.data_hash, metrics=metrics)
    else:
        from atmr_pipeline.models.policy import DispatchPolicy

        days = read_training_days(workspace, record["training_set"])
        DispatchPolicy.from_training(train_policy_as_recorded(days, record)).save(folder)
    return _manifest(folder)


def _changed_surroundings(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Code, versions and machine that are not those of the first training."""
    before, after = ({**part, **part.get("libraries", {})} for part in (then, now))
    names = [name for name in after if name != "libraries"]
    return [f"{name}: {before.get(name)} then, {after[name]} now" for name in names if before.get(name) != after[name]]


def _changed_entries(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Names of the manifests' entries that differ, one level deep where both are mappings."""
    names = []
    for name in sorted({*before, *after} - {"content_hash"}):
        old, new = before.get(name), after.get(name)
        if old == new:
            continue
        if isinstance(old, dict) and isinstance(new, dict):
            inner = sorted(key for key in {*old, *new} if old.get(key) != new.get(key))
            names += [f"manifest: {name}.{key}" for key in inner]
        else:
            names.append(f"manifest: {name}")
    return names


def _manifest(directory: Path) -> dict[str, Any]:
    try:
        manifest: dict[str, Any] = json.loads((directory / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise ModelIntegrityError(f"model {directory.name} has no readable manifest") from None
    return manifest
