"""A trained dispatch policy: plans days, is saved with a manifest, and is loaded only when everything fits."""

import copy
import hashlib
import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import cache, cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from atmr_pipeline.dispatch.problem import DayProblem
from atmr_pipeline.dispatch.simulator import UNASSIGNED, CostWeights
from atmr_pipeline.dispatch.synthetic import synthetic_day
from atmr_pipeline.domain.errors import ModelIntegrityError, OutdatedModelError
from atmr_pipeline.models.dqn.determinism import one_thread
from atmr_pipeline.models.policy.bank import DayBank
from atmr_pipeline.models.policy.features import feature_contract
from atmr_pipeline.models.policy.learner import TrainedPolicy
from atmr_pipeline.models.policy.network import Architecture, QNetwork
from atmr_pipeline.models.policy.search import beam_search, best_actions

IntArray = npt.NDArray[np.int64]

WEIGHTS_FILE = "weights.safetensors"
MANIFEST_FILE = "manifest.json"
MANIFEST_KIND = "dispatch_policy"
MANIFEST_FORMAT = 1
MAX_DAYS_AT_ONCE = 256


class DispatchPolicy:
    """Plans a day with a Q-network.

    Every action is taken from the environment's legal ones, in double precision, so a plan never breaks a shift end or
    an absence; a booking that no driver can reach in time is left unassigned.

    Parameters
    ----------
    network : QNetwork
    weights : CostWeights
        The cost that the network was trained on.
    training : mapping, optional
        What the manifest tells about the training: settings, data hash, curve.
    """

    def __init__(self, network: QNetwork, weights: CostWeights, *, training: Mapping[str, Any] | None = None) -> None:
        self.network = network.requires_grad_(False).eval()
        self.weights = weights
        self.training: dict[str, Any] = dict(training or {})

    @cached_property
    def version(self) -> str:
        """First twelve digits of the SHA-256 of the weights."""
        return hashlib.sha256(self._bytes()).hexdigest()[:12]

    def _bytes(self) -> bytes:
        return save({name: value.contiguous() for name, value in self.network.state_dict().items()})

    @classmethod
    def from_training(cls, trained: TrainedPolicy) -> "DispatchPolicy":
        """The policy of a finished training run."""
        training = {
            "settings": asdict(trained.settings),
            "data_sha256": trained.data_sha256,
            "training_days": trained.n_training_days,
            "validation_days": trained.n_validation_days,
            "trust": asdict(trained.trust),
            "curve": [asdict(point) for point in trained.curve],
        }
        return cls(trained.network, trained.settings.weights, training=training)

    def untrained(self) -> "DispatchPolicy":
        """The same policy with every learned weight zero: what the prior and the search do without learning.

        Whatever this reaches is not a merit of the training, so a trained policy is held against it.
        """
        network = copy.deepcopy(self.network)
        for parameter in network.parameters():
            parameter.zero_()
        return DispatchPolicy(network, self.weights)

    def plan(self, problem: DayProblem, *, beam_width: int = 1) -> IntArray:
        """Assign a day's bookings.

        Parameters
        ----------
        problem : DayProblem
        beam_width : int
            1 takes the best action each time; more keeps that many partial plans and returns the cheapest whole one,
            never a dearer plan than width 1 gives.

        Returns
        -------
        ndarray of int64 (B,)
            Driver index of each booking, in the problem's order; -1 where nobody takes it.
        """
        return self.plan_batch([problem], beam_width=beam_width)[0]

    def warm_up(self) -> None:
        """Load or build the compiled code, once a process, so that the first plan's time is that of planning."""
        _warm_up(self)

    def plan_batch(self, problems: Sequence[DayProblem], *, beam_width: int = 1) -> list[IntArray]:
        """Like :meth:`plan`, for many days of any sizes at once."""
        if beam_width < 1:
            raise ValueError(f"beam_width must be >= 1, got {beam_width}")
        plans: list[IntArray] = []
        with one_thread():
            for first in range(0, len(problems), MAX_DAYS_AT_ONCE):
                chunk = problems[first : first + MAX_DAYS_AT_ONCE]
                bank = DayBank.from_problems(chunk, self.weights, dtype=torch.float64)
                if beam_width == 1:
                    actions = best_actions(self.network, bank)[0]
                else:
                    actions = beam_search(self.network, bank, beam_width)
                plans += [
                    _assignment(problem, row, bank.max_drivers) for problem, row in zip(chunk, actions, strict=True)
                ]
        return plans

    def save(self, directory: Path, *, metrics: Mapping[str, float] | None = None) -> dict[str, Any]:
        """Write the weights and their manifest.

        Parameters
        ----------
        directory : Path
            Made if missing. The same policy and metrics write the same bytes.
        metrics : mapping, optional
            Figures of an evaluation, kept in the manifest.

        Returns
        -------
        dict
            The manifest as written.
        """
        directory.mkdir(parents=True, exist_ok=True)
        (directory / WEIGHTS_FILE).write_bytes(self._bytes())
        manifest: dict[str, Any] = {
            "kind": MANIFEST_KIND,
            "format": MANIFEST_FORMAT,
            "weights_file": WEIGHTS_FILE,
            "weights_sha256": _sha256(directory / WEIGHTS_FILE),
            "feature_contract": feature_contract(),
            "architecture": asdict(self.network.architecture),
            "n_parameters": self.network.n_parameters(),
            "cost_weights": asdict(self.weights),
            "versions": {
                "python": platform.python_version(),
                **{package: version(package) for package in ("torch", "numpy", "safetensors", "atmr-pipeline")},
            },
            "training": self.training,
            "metrics": dict(metrics or {}),
        }
        text = json.dumps(manifest, indent=1, sort_keys=True, allow_nan=False)
        (directory / MANIFEST_FILE).write_text(text + "\n", encoding="utf-8")
        return json.loads(text)

    @classmethod
    def load(cls, directory: Path) -> "DispatchPolicy":
        """Read a saved policy and check that it is what its manifest says and what this code expects.

        Raises
        ------
        ModelIntegrityError
            If a file is missing or altered, or the feature contract or architecture does not fit this code.
        """
        manifest = _read_manifest(directory)
        path = directory / WEIGHTS_FILE
        if not path.is_file():
            raise ModelIntegrityError(f"{WEIGHTS_FILE} is missing beside the policy's manifest: restore it or retrain")
        if _sha256(path) != manifest["weights_sha256"]:
            raise ModelIntegrityError(f"{WEIGHTS_FILE} does not match the policy's manifest: restore it or retrain")
        if manifest["feature_contract"] != feature_contract():
            raise OutdatedModelError("the policy was trained on other features than this version makes: retrain it")
        try:
            network = QNetwork(Architecture(**manifest["architecture"]))
            network.load_state_dict(load_file(path))
            weights = CostWeights(**manifest["cost_weights"])
        except (SafetensorError, RuntimeError, TypeError, ValueError) as error:
            raise ModelIntegrityError("the policy's weights do not fit its manifest: restore it or retrain") from error
        return cls(network, weights, training=manifest["training"])


@cache
def _warm_up(policy: DispatchPolicy) -> None:
    policy.plan(synthetic_day(np.random.default_rng(0), n_bookings=1, n_drivers=1), beam_width=2)


def _assignment(problem: DayProblem, actions: Tensor, max_drivers: int) -> IntArray:
    assignment = np.full(problem.n_bookings, UNASSIGNED, dtype=np.int64)
    chosen = actions[: problem.n_bookings].numpy()
    assignment[problem.service_order] = np.where(chosen == max_drivers, UNASSIGNED, chosen)
    return assignment


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _read_manifest(directory: Path) -> dict[str, Any]:
    path = directory / MANIFEST_FILE
    if not path.is_file():
        raise ModelIntegrityError(f"no policy here: {MANIFEST_FILE} is missing")
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ModelIntegrityError(f"{MANIFEST_FILE} of the policy is not valid JSON: restore it or retrain") from error
    if not isinstance(manifest, dict) or manifest.get("kind") != MANIFEST_KIND:
        raise ModelIntegrityError(f"{MANIFEST_FILE} does not describe a dispatch policy")
    if manifest.get("format") != MANIFEST_FORMAT:
        raise ModelIntegrityError(f"the policy's manifest has format {manifest.get('format')}, not {MANIFEST_FORMAT}")
    missing = {"weights_sha256", "feature_contract", "architecture", "cost_weights", "training"} - manifest.keys()
    if missing:
        raise ModelIntegrityError(f"{MANIFEST_FILE} of the policy lacks {', '.join(sorted(missing))}")
    return manifest
