"""A fitted model as data: a JSON manifest that holds the hash of every other file and of itself.

No pickle is written or read.
"""

import hashlib
import importlib.metadata
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from atmr_pipeline.domain.errors import ModelIntegrityError
from atmr_pipeline.models.delay.candidates import Candidate
from atmr_pipeline.models.delay.mlp import Perceptron
from atmr_pipeline.models.delay.registry import CANDIDATES
from atmr_pipeline.models.delay.spline_ridge import SplineRidge

if TYPE_CHECKING:
    from atmr_pipeline.models.delay.model import DelayModel

FORMAT = "atmr-delay-model/1"
MANIFEST = "manifest.json"
LIBRARIES = ("numpy", "pandas", "scikit-learn", "scipy", "xgboost", "safetensors")


def save(
    model: "DelayModel", directory: Path, *, data_hash: str | None, metrics: Mapping[str, Any] | None
) -> dict[str, Any]:
    """Write the model files, then the manifest; return the manifest.

    The manifest holds no time of day and no duration, so that the same fit always has the same hash.
    """
    directory.mkdir(parents=True, exist_ok=True)
    files = {}
    for role, calibrated in (("chosen", model.chosen_), ("baseline", model.baseline_)):
        data = calibrated.candidate.to_bytes()
        name = f"{role}.{calibrated.candidate.suffix}"
        _write(directory / name, data)
        files[role] = {"name": name, "sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
    manifest = {
        "format": FORMAT,
        "candidate": model.chosen_name_,
        "baseline": model.baseline_.candidate.name,
        "files": files,
        "features": model.contract_.to_list(),
        "null_features": model.null_features_,
        "params": model.params.to_dict(),
        "tuned": {
            name: value for name, value in model.params_.to_dict().items() if value != model.params.to_dict()[name]
        },
        "tuning": None if model.tuning_ is None else _records(model.tuning_.drop(columns="fit_s", errors="ignore")),
        "blocks": model.blocks_.to_dict(orient="records"),
        "candidates": model.candidates_.drop(columns="fit_s", errors="ignore").to_dict(orient="records"),
        "residuals": {"chosen": model.chosen_.residuals.to_dict(), "baseline": model.baseline_.residuals.to_dict()},
        "levels": model.levels_.to_list(),
        "data_hash": data_hash,
        "metrics": None if metrics is None else dict(metrics),
        "libraries": _versions([*LIBRARIES, "torch"] if model.chosen_name_ == Perceptron.name else LIBRARIES),
    }
    manifest["content_hash"] = content_hash(manifest)
    _write(directory / MANIFEST, _as_json(manifest))
    return manifest


def content_hash(manifest: Mapping[str, Any]) -> str:
    """SHA-256 of a manifest without its own hash: the identity of the model, since it holds every file's hash."""
    return hashlib.sha256(_as_json({key: manifest[key] for key in manifest if key != "content_hash"})).hexdigest()


def load(directory: Path) -> tuple[dict[str, Any], Candidate, Candidate]:
    """Read the manifest and the models it names, each checked against its hash.

    Raises
    ------
    ModelIntegrityError
        If anything is missing, altered or not understood.
    """
    data = _read(directory / MANIFEST)
    try:
        manifest: dict[str, Any] = json.loads(data)
        known_format = manifest["format"] == FORMAT
        intact = manifest.get("content_hash") == content_hash(manifest)
    except (ValueError, KeyError, TypeError):
        raise ModelIntegrityError(f"{directory / MANIFEST} is no manifest of a delay model") from None
    if not known_format:
        raise ModelIntegrityError(f"{directory / MANIFEST} has another format than {FORMAT}; train the model again")
    if not intact:
        raise ModelIntegrityError(
            f"{directory / MANIFEST} was altered: its hash does not fit; restore it or train again"
        )
    try:
        chosen = _load_candidate(directory, manifest["files"]["chosen"], "chosen", manifest["candidate"])
        baseline = _load_candidate(directory, manifest["files"]["baseline"], "baseline", SplineRidge.name)
    except (KeyError, TypeError):
        raise ModelIntegrityError(f"{directory / MANIFEST} lacks an entry; restore the model or train again") from None
    return manifest, chosen, baseline


def _load_candidate(directory: Path, entry: Mapping[str, Any], role: str, candidate: str) -> Candidate:
    model_class = CANDIDATES[candidate]
    # The name is built here and not read, so that a manifest cannot point outside its folder.
    path = directory / f"{role}.{model_class.suffix}"
    data = _read(path)
    if hashlib.sha256(data).hexdigest() != entry["sha256"]:
        raise ModelIntegrityError(f"{path} was altered: its hash is not the manifest's; restore it or train again")
    return model_class.from_bytes(data)


def trials_of(manifest: Mapping[str, Any]) -> pd.DataFrame | None:
    """The tuning trials a manifest holds; None if the model was not tuned."""
    trials = manifest.get("tuning")
    return None if trials is None else pd.DataFrame(trials)


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as plain values, NULL as None, since JSON knows no NaN."""
    plain = frame.astype(object).where(frame.notna(), None)
    return [dict(zip(plain.columns, values, strict=True)) for values in plain.itertuples(index=False)]


def _as_json(manifest: Mapping[str, Any]) -> bytes:
    return json.dumps(manifest, sort_keys=True, indent=1, allow_nan=False).encode()


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ModelIntegrityError(f"model file {path} cannot be read: {error.strerror}") from None


def _write(path: Path, data: bytes) -> None:
    """Write beside and rename, so that a reader finds the old file or the new one and nothing between."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.write_bytes(data)
    beside.replace(path)


def _versions(libraries: Sequence[str]) -> dict[str, str]:
    versions = {}
    for library in libraries:
        # XGBoost has two distributions on the index: the full one and the one for processors only.
        for name in (library, f"{library}-cpu"):
            try:
                versions[library] = importlib.metadata.version(name)
            except importlib.metadata.PackageNotFoundError:
                continue
            break
    return versions
