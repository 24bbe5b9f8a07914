"""The policy of the running day: decides one booking at a time, is saved with a manifest, and loaded if all fits."""

import hashlib
import json
import platform
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.torch import load_file, save

from atmr_pipeline.dispatch.problem import DayProblem
from atmr_pipeline.dispatch.running.features import feature_contract
from atmr_pipeline.dispatch.running.methods import RunningMethod, RunningOutcome, hybrid_method, run_day
from atmr_pipeline.dispatch.running.noise import Noise, Realisation
from atmr_pipeline.dispatch.running.view import View
from atmr_pipeline.dispatch.weights import CostWeights
from atmr_pipeline.domain.errors import ModelIntegrityError
from atmr_pipeline.models.policy.running.learner import TrainedResidual
from atmr_pipeline.models.policy.running.network import ResidualNetwork

WEIGHTS_FILE = "weights.safetensors"
MANIFEST_FILE = "manifest.json"
MANIFEST_KIND = "running_day_policy"
MANIFEST_FORMAT = 1


class RunningDayPolicy:
    """Risk-aware local search at every decision, plus a learned residual.

    A driver is chosen among those who may legally take the booking as far as is known; nobody is always possible.

    Parameters
    ----------
    network : ResidualNetwork
    noise : Noise
        The uncertainty it was trained for; the search reckons with it.
    weights : CostWeights
        The cost it was trained for.
    training : mapping, optional
        What the manifest tells about the training.
    """

    def __init__(
        self,
        network: ResidualNetwork,
        noise: Noise,
        weights: CostWeights,
        *,
        training: Mapping[str, Any] | None = None,
    ) -> None:
        self.network = network.requires_grad_(False).eval()
        self.noise, self.weights = noise, weights
        self.training: dict[str, Any] = dict(training or {})
        self.method: RunningMethod = hybrid_method(network.exported(), noise)

    @classmethod
    def from_training(cls, trained: TrainedResidual) -> "RunningDayPolicy":
        """The policy of a finished training run."""
        training = {
            "settings": asdict(trained.settings),
            "training_days": trained.n_training_days,
            "decisions": trained.n_decisions,
            "explained": list(trained.explained),
            "kept_share": trained.kept_share,
            "held_out_gain": trained.held_out_gain,
        }
        return cls(trained.network, trained.settings.noise, trained.settings.weights, training=training)

    def decide(self, view: View) -> tuple[int, npt.NDArray[np.int64]]:
        """Who takes the first booking of the view.

        Parameters
        ----------
        view : View
            As :func:`~atmr_pipeline.dispatch.running.view.look` makes it with ``method.beliefs``.

        Returns
        -------
        (int, ndarray of int (n,))
            Index of the driver, -1 for nobody; and who is meant to take each visible booking, to be remembered.
        """
        return self.method.decide(view)

    def run(self, problem: DayProblem, realisation: Realisation) -> RunningOutcome:
        """A whole day, as it turns out under one realisation."""
        return run_day(problem, realisation, self.noise, self.method, weights=self.weights)

    def save(self, directory: Path, *, metrics: Mapping[str, float] | None = None) -> dict[str, Any]:
        """Write the weights and their manifest; the same policy and metrics write the same bytes.

        Returns
        -------
        dict
            The manifest as written.
        """
        directory.mkdir(parents=True, exist_ok=True)
        state = {name: value.contiguous() for name, value in self.network.state_dict().items()}
        (directory / WEIGHTS_FILE).write_bytes(save(state))
        manifest: dict[str, Any] = {
            "kind": MANIFEST_KIND,
            "format": MANIFEST_FORMAT,
            "weights_file": WEIGHTS_FILE,
            "weights_sha256": _sha256(directory / WEIGHTS_FILE),
            "feature_contract": feature_contract(),
            "hidden": self.network.hidden,
            "noise": asdict(self.noise),
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
    def load(cls, directory: Path) -> "RunningDayPolicy":
        """Read a saved policy and check that it is what its manifest says and what this code expects.

        Raises
        ------
        ModelIntegrityError
            If a file is missing or altered, or the feature contract or the sizes do not fit this code.
        """
        manifest = _read_manifest(directory)
        path = directory / WEIGHTS_FILE
        if not path.is_file():
            raise ModelIntegrityError(f"{WEIGHTS_FILE} is missing beside the policy's manifest: restore it or retrain")
        if _sha256(path) != manifest["weights_sha256"]:
            raise ModelIntegrityError(f"{WEIGHTS_FILE} does not match the policy's manifest: restore it or retrain")
        if manifest["feature_contract"] != feature_contract():
            raise ModelIntegrityError("the policy was trained on other features than this version makes: retrain it")
        try:
            network = ResidualNetwork(manifest["hidden"])
            network.load_state_dict(load_file(path))
            leads = ("cancelled_lead_min", "revealed_lead_min")
            noise = Noise(**{**manifest["noise"], **{name: tuple(manifest["noise"][name]) for name in leads}})
            weights = CostWeights(**manifest["cost_weights"])
        except (SafetensorError, RuntimeError, TypeError, ValueError, KeyError) as error:
            raise ModelIntegrityError("the policy's weights do not fit its manifest: restore it or retrain") from error
        return cls(network, noise, weights, training=manifest["training"])


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
        raise ModelIntegrityError(f"{MANIFEST_FILE} does not describe a policy of the running day")
    if manifest.get("format") != MANIFEST_FORMAT:
        raise ModelIntegrityError(f"the policy's manifest has format {manifest.get('format')}, not {MANIFEST_FORMAT}")
    needed = {"weights_sha256", "feature_contract", "hidden", "noise", "cost_weights", "training"}
    missing = needed - manifest.keys()
    if missing:
        raise ModelIntegrityError(f"{MANIFEST_FILE} of the policy lacks {', '.join(sorted(missing))}")
    return manifest
