"""What the look at drift is made of: the champion's reference, the rows since, and the residuals of what was served."""

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

import pandas as pd

from atmr_pipeline.domain.errors import ModelIntegrityError, NotEnoughDataError, TableContractError
from atmr_pipeline.domain.wallclock import ALL_DAYS
from atmr_pipeline.resources.serving import Served, champion, predicted
from atmr_pipeline.resources.workspace import Workspace

if TYPE_CHECKING:
    from atmr_pipeline.monitoring.cusum import ResidualReference
    from atmr_pipeline.monitoring.residuals import ResidualStream


@dataclass(frozen=True)
class DriftInputs:
    """Inputs of one look.

    Parameters
    ----------
    served : Served
        The champion.
    reference, current : DataFrame
        Its training rows, and every labelled row.
    kinds : dict
        Watched features and their kinds.
    stream : ResidualStream
    reference_source : str
        Where the champion's own held-out residuals come from.
    as_of : date
        Last service day with a label.
    """

    served: Served
    reference: pd.DataFrame
    current: pd.DataFrame
    kinds: dict[str, str]
    stream: "ResidualStream"
    reference_source: str
    as_of: date


def drift_inputs(workspace: Workspace, training_set: pd.DataFrame) -> DriftInputs:
    """Read the champion and its predictions, and line up what a look compares.

    Raises
    ------
    NoChampionError
        If none was promoted yet.
    """
    from atmr_pipeline.features.contract import SLOW_FEATURES
    from atmr_pipeline.monitoring.drift import feature_kinds
    from atmr_pipeline.monitoring.residuals import residual_stream
    from atmr_pipeline.state.predictions import read_predictions

    served = champion(workspace, "delay")
    window = served.metrics["window"]
    days = training_set["service_day"]
    reference = training_set[days < pd.Timestamp(window["holdout_first_day"])]
    since = training_set[days >= pd.Timestamp(window["holdout_first_day"])]
    residuals = since[["assignment_id", "company_id", "service_day"]].assign(
        residual_min=since["delay_min"] - predicted(served.model, since, training_set)["expected_delay_min"]
    )
    held_out = residuals["service_day"] <= pd.Timestamp(window["holdout_last_day"])
    own, source = _champion_reference(served, residuals[held_out])
    predictions = read_predictions(workspace.state, *ALL_DAYS)
    watched = [name for name in served.model.feature_names_ if name not in SLOW_FEATURES]
    return DriftInputs(
        served,
        reference,
        training_set,
        {name: str(kind) for name, kind in feature_kinds(reference, watched).items()},
        residual_stream(
            predictions,
            _references(workspace, predictions["model_version"].unique()),
            champion=own,
            unscored=residuals[~held_out],
        ),
        source,
        days.max().date(),
    )


def _champion_reference(served: Served, held_out: pd.DataFrame) -> "tuple[ResidualReference | None, str]":
    from atmr_pipeline.monitoring.cusum import residual_reference
    from atmr_pipeline.monitoring.residuals import reference_of

    stored = reference_of(served.metrics)
    if stored is not None:
        return stored, "kept at training"
    try:
        return residual_reference(held_out), "predicted again on the held-out rows: none was kept at training"
    except (NotEnoughDataError, TableContractError) as error:
        return None, f"none: {error}"


def _references(workspace: Workspace, versions: Any) -> "dict[str, ResidualReference]":
    from atmr_pipeline.monitoring.residuals import reference_of

    metrics = version_metrics(workspace, versions)
    found = {version: reference_of(figures) for version, figures in metrics.items()}
    return {version: reference for version, reference in found.items() if reference is not None}


def version_metrics(workspace: Workspace, versions: Any) -> dict[str, dict[str, Any]]:
    """Registry metrics of some versions; one that was deleted since has none."""
    found = {}
    for version in versions:
        try:
            found[str(version)] = dict(workspace.registry.get(str(version)).metrics)
        except ModelIntegrityError:
            continue
    return found
