"""The model card (Mitchell et al., 2019): what the model is, what it learned from, what it is worth, what it is not."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from atmr_pipeline.domain.errors import TableContractError
from atmr_pipeline.domain.files import write_atomically
from atmr_pipeline.models.delay.report import card_data, card_results
from atmr_pipeline.models.delay.report.build import EvaluationReport
from atmr_pipeline.models.delay.report.card_data import FeatureMeaning
from atmr_pipeline.models.delay.report.markdown import wrapped

CARDS_FOLDER = "model-cards"
"""Below the home's reports."""
VERSION_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def model_card(
    manifest: Mapping[str, Any],
    report: EvaluationReport,
    *,
    contract: Sequence[FeatureMeaning] = (),
    version: str | None = None,
    reproduce: Sequence[str] = (),
) -> str:
    """The card as Markdown.

    It holds figures, column names, driver numbers and names of coarse areas; no patient, no address, no single trip and
    no value of a categorical feature. Same model and report, same text: there is no time of day in it.

    Parameters
    ----------
    manifest : mapping
        ``manifest_`` of a loaded model, or what :meth:`DelayModel.save` returned; its ``metrics`` are those of
        :meth:`DelayTraining.metrics`, and ``floor`` and ``alerts`` where they were measured.
    report : EvaluationReport
        Of the same training.
    contract : sequence of FeatureMeaning
        What the features mean (``atmr_pipeline.features.contract.FEATURES``); one that is not described is named so.
    version : str, optional
        Under which the model is registered.
    reproduce : sequence of str
        Commands that lead to the same model, in order.

    Raises
    ------
    TableContractError
        If the manifest holds no held-out figures.
    """
    metrics = manifest.get("metrics")
    if not metrics or not {"evaluation", "baselines", "window", "rows"} <= set(metrics):
        raise TableContractError("the model was stored without its held-out figures; train it again for a model card")
    parts = [
        card_data.identity(manifest, version),
        card_data.intended_use(manifest["params"]),
        card_data.training_data(manifest, metrics),
        card_data.features(manifest, contract),
        card_results.figures(metrics, report),
        card_results.against_baselines(report),
        card_results.floor(metrics.get("floor")),
        card_results.calibration(report),
        card_results.alerts(metrics.get("alerts")),
        card_results.learning_curve(report, manifest["candidate"]),
        card_results.errors(report),
        card_results.fairness(report),
        card_results.importance(report),
        card_data.limits(manifest, metrics),
        card_data.reproduction(manifest, metrics, reproduce),
    ]
    return wrapped("\n\n".join(parts)) + "\n"


def card_path(folder: Path, version: str) -> Path:
    """Where the card of a version lies.

    Raises
    ------
    TableContractError
        If the version is no version, so that none can point outside the folder.
    """
    if not VERSION_PATTERN.fullmatch(version):
        raise TableContractError("a version has letters, digits, dots, dashes and underscores only")
    return folder / f"{version}.md"


def write_model_card(folder: Path, version: str, card: str) -> Path:
    """Write a card as ``<version>.md``, whole or not at all; returns its path."""
    path = card_path(folder, version)
    write_atomically(path, lambda hidden: hidden.write_text(card, encoding="utf-8"))
    return path
