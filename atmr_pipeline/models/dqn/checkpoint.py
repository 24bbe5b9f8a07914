"""A training run on disk: one safetensors file with everything that the next step depends on.

Tensors are the body of the file, the rest is JSON in its header: one file, renamed into place once it is whole and
flushed, so that a kill at any moment leaves the last good checkpoint. Nothing is pickled.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from atmr_pipeline.domain.errors import ModelIntegrityError
from atmr_pipeline.domain.files import write_atomically

FORMAT = 1
KIND = "dqn_checkpoint"


def save_checkpoint(path: Path, tensors: Mapping[str, Tensor], facts: Mapping[str, Any], *, fingerprint: str) -> None:
    """Write a checkpoint, whole or not at all.

    Parameters
    ----------
    path : Path
    tensors : mapping of str to Tensor
    facts : mapping
        Anything JSON can hold; floats come back as the very same floats.
    fingerprint : str
        Of the run: only the same run can go on from here.
    """
    header = {
        "kind": KIND,
        "format": str(FORMAT),
        "fingerprint": fingerprint,
        "facts": json.dumps(facts, sort_keys=True),
    }
    # Tensors that share memory are refused by the format, so each is written as its own.
    body = {name: tensor.detach().contiguous().clone() for name, tensor in tensors.items()}
    write_atomically(path, lambda partial: save_file(body, partial, metadata=header))


def load_checkpoint(path: Path, *, fingerprint: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read a checkpoint of the same run.

    Raises
    ------
    ModelIntegrityError
        If the file cannot be read, is no checkpoint of this format, or belongs to a run with other settings or data.
    """
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            if header.get("kind") != KIND or header.get("format") != str(FORMAT):
                raise ModelIntegrityError(f"{path.name} is not a training checkpoint of this version: remove it")
            if header["fingerprint"] != fingerprint:
                raise ModelIntegrityError(
                    f"{path.name} belongs to a training run with other settings or data: remove it or name another file"
                )
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
            return tensors, json.loads(header["facts"])
    except (OSError, SafetensorError, KeyError, ValueError):
        raise ModelIntegrityError(f"{path.name} cannot be read as a training checkpoint: remove it") from None
