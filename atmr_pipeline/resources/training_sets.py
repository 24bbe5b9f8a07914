"""The rows that models were trained on, kept under the hash of their bytes, so that any version can be had again."""

import hashlib
import importlib.metadata
import io
import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa

from atmr_pipeline import __version__
from atmr_pipeline.domain.errors import TableContractError
from atmr_pipeline.domain.files import write_atomically
from atmr_pipeline.resources.fingerprints import code_fingerprint
from atmr_pipeline.resources.workspace import Workspace

if TYPE_CHECKING:
    from atmr_pipeline.models.delay import DelayParams
    from atmr_pipeline.models.delay.level import LevelChange
    from atmr_pipeline.models.delay.training import DelayTraining

TRAINING_CODE = ("models/delay", "features", "monitoring/risk_alerts")
"""Subpackages that a delay model depends on."""

LIBRARIES = ("numpy", "pandas", "scikit-learn", "scipy", "xgboost", "torch")

OWNER_ONLY = 0o600


def keep_training_set(workspace: Workspace, frame: pd.DataFrame) -> str:
    """Keep what a delay model is trained on; the same rows in the same order are kept once.

    Only identifiers, times, features and the label are kept: no area, and nothing that names a patient or a place.

    Parameters
    ----------
    frame : DataFrame
        Of the layout of the table ``delay_training_set``.

    Returns
    -------
    str
        SHA-256 of the file, 64 hex digits: its name.

    Raises
    ------
    TableContractError
        If a column is missing, or a column would not be read back as it is.
    """
    columns = _columns()
    missing = [name for name in columns if name not in frame.columns]
    if missing:
        raise TableContractError(f"the training set lacks {', '.join(missing)}")
    kept = frame[columns].reset_index(drop=True)
    stream = io.BytesIO()
    kept.to_parquet(stream, index=False)
    again = _parsed(stream.getvalue())
    changed = [name for name in columns if again[name].dtype != kept[name].dtype or not again[name].equals(kept[name])]
    if changed:
        raise TableContractError(f"the training set cannot be kept exactly: {', '.join(changed)}")
    return keep_bytes(workspace, stream.getvalue(), ".parquet")


def read_training_set(workspace: Workspace, training_set: str) -> pd.DataFrame:
    """Read a kept training set.

    Raises
    ------
    TableContractError
        If it is not kept any more, or was altered.
    """
    return _parsed(read_bytes(workspace, training_set, ".parquet"))


def training_record(
    training_set: str,
    *,
    params: "DelayParams",
    features: Sequence[str],
    holdout_days: int,
    minimum_rows: int,
    minimum_days: int,
    level_changes: Iterable["LevelChange"] = (),
) -> dict[str, Any]:
    """Everything besides the rows that a training depends on, as JSON values for the model's manifest.

    Parameters
    ----------
    training_set : str
        From :func:`keep_training_set`.
    params, features, holdout_days, minimum_rows, minimum_days, level_changes
        See :func:`~atmr_pipeline.models.delay.training.train_delay_model`.
    """
    changes = [{name: day.isoformat() for name, day in asdict(change).items()} for change in level_changes]
    return {
        "training_set": training_set,
        "params": params.to_dict(),
        "features": list(features),
        "holdout_days": holdout_days,
        "minimum_rows": minimum_rows,
        "minimum_days": minimum_days,
        "level_changes": changes,
        **environment(TRAINING_CODE),
    }


def environment(code: Sequence[str]) -> dict[str, Any]:
    """What a training depends on besides data and settings: code, package, Python, libraries and processor."""
    from threadpoolctl import threadpool_info

    # Linear algebra has other kernels, and other last digits, for each generation of processors.
    kernels = {
        str(library.get("architecture")) for library in threadpool_info() if library["internal_api"] == "openblas"
    }
    return {
        "code": code_fingerprint(*code),
        "package_version": __version__,
        "python": platform.python_version(),
        "libraries": {name: _version(name) for name in LIBRARIES},
        "machine": " ".join([platform.machine(), *sorted(kernels)]),
    }


def train_as_recorded(frame: pd.DataFrame, record: Mapping[str, Any]) -> "DelayTraining":
    """Train a delay model as its record says: the one way, for the first training and for every repetition.

    Raises
    ------
    NotEnoughDataError, TableContractError
        As :func:`~atmr_pipeline.models.delay.training.train_delay_model`.
    """
    from threadpoolctl import threadpool_limits

    from atmr_pipeline.models.delay import DelayParams
    from atmr_pipeline.models.delay.level import LevelChange
    from atmr_pipeline.models.delay.training import train_delay_model

    changes = [
        LevelChange(**{name: date.fromisoformat(day) for name, day in change.items()})
        for change in record["level_changes"]
    ]
    # Sums split over threads are rounded otherwise: two threads give another model than one.
    with threadpool_limits(limits=1):
        return train_delay_model(
            frame,
            record["features"],
            params=DelayParams.from_dict(record["params"]),
            holdout_days=record["holdout_days"],
            minimum_rows=record["minimum_rows"],
            minimum_days=record["minimum_days"],
            level_changes=changes,
        )


def prune_training_sets(workspace: Workspace) -> int:
    """Remove old training sets: kept are those of versions under an alias, and the newest ones.

    The newest are those last kept, whether or not their version was registered yet: a training in progress keeps its
    own. Their number is the setting ``training_sets_keep``.

    Returns
    -------
    int
        Files removed.
    """
    folder = _folder(workspace)
    files = sorted(folder.glob("[0-9a-f]*.*"), key=lambda file: (file.stat().st_mtime_ns, file.name), reverse=True)
    needed = _under_alias(workspace)
    old = [file for file in files[workspace.settings.training_sets_keep :] if file.stem not in needed]
    for file in old:
        file.unlink(missing_ok=True)
    return len(old)


def keep_bytes(workspace: Workspace, data: bytes, suffix: str) -> str:
    """Keep a file under the SHA-256 of its bytes, readable by the owner only; on disk before it has its name."""
    digest = hashlib.sha256(data).hexdigest()
    path = _folder(workspace) / f"{digest}{suffix}"
    if path.exists() and hashlib.sha256(path.read_bytes()).hexdigest() == digest:
        os.utime(path)
    else:
        write_atomically(path, lambda hidden: hidden.write_bytes(data), mode=OWNER_ONLY)
    return digest


def read_bytes(workspace: Workspace, digest: str, suffix: str) -> bytes:
    """The bytes that were kept under a hash.

    Raises
    ------
    TableContractError
        If they are not kept any more, or were altered.
    """
    try:
        data = (_folder(workspace) / f"{digest}{suffix}").read_bytes()
    except OSError:
        raise TableContractError(
            f"training set {digest[:16]} is not kept: raise ATMR_TRAINING_SETS_KEEP to keep more, or restore a backup"
        ) from None
    if hashlib.sha256(data).hexdigest() != digest:
        raise TableContractError(f"training set {digest[:16]} was altered: restore it from a backup")
    return data


def _columns() -> list[str]:
    from atmr_pipeline.features.contract import FEATURES
    from atmr_pipeline.models.delay.splitting import TIME_COLUMNS
    from atmr_pipeline.models.delay.training import ID_COLUMNS

    names = (feature.name for feature in FEATURES)
    return list(dict.fromkeys([*ID_COLUMNS, *TIME_COLUMNS, *names, "delay_min"]))


def _parsed(data: bytes) -> pd.DataFrame:
    try:
        return pd.read_parquet(io.BytesIO(data))
    except (pa.ArrowInvalid, OSError):
        raise TableContractError("a kept training set is no Parquet file") from None


def _under_alias(workspace: Workspace) -> set[str]:
    from atmr_pipeline.promotion.registry import KINDS

    registry = workspace.registry
    versions = [registry.get(state.version_id) for kind in KINDS for state in registry.aliases(kind).values()]
    records = [version.metrics.get("training", {}) for version in versions]
    return {record["training_set"] for record in records if "training_set" in record}


def _version(library: str) -> str | None:
    # XGBoost has two distributions on the index: the full one and the one for processors only.
    for name in (library, f"{library}-cpu"):
        try:
            return importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return None


def _folder(workspace: Workspace) -> Path:
    return workspace.settings.root / "training_sets"
