"""Delay model: candidates, the challenger, and its evaluation on days that nothing has touched."""

import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
import pandas as pd

from atmr_pipeline.assets.common import MACHINE_LEARNING, check_result, counts_table, frame_markdown, rows
from atmr_pipeline.assets.delay_evaluation_report import (
    figures_metadata,
    keep_report,
    kept_report,
    known_truth,
    report_metadata,
    write_card,
)
from atmr_pipeline.resources.drift_answers import level_changes
from atmr_pipeline.resources.fingerprints import code_fingerprint, fingerprint
from atmr_pipeline.resources.serving import predicted
from atmr_pipeline.resources.training_sets import (
    TRAINING_CODE,
    keep_training_set,
    prune_training_sets,
    train_as_recorded,
    training_record,
)
from atmr_pipeline.resources.workspace import Workspace

if TYPE_CHECKING:
    from atmr_pipeline.models.delay.report import EvaluationReport
    from atmr_pipeline.models.delay.training import DelayTraining
    from atmr_pipeline.settings import Settings

GROUP = "delay_model"
MOST_HOLDOUTS = 3
"""Where pickups are few, at most so many times the usual days are held out."""


def _out(description: str, kinds: set[str]) -> dg.AssetOut:
    return dg.AssetOut(description=description, owners=MACHINE_LEARNING, kinds=kinds)


@dg.multi_asset(
    name="train_delay_model",
    group_name=GROUP,
    outs={
        "delay_candidates": _out(
            "Constant, spline-ridge, XGBoost, forest, perceptron on the validation block.", {"python"}
        ),
        "delay_model": _out("The challenger, registered under the hash of its content.", {"xgboost", "scikitlearn"}),
        "delay_evaluation": _out("Predictions of the held-out days, and every figure drawn from them.", {"parquet"}),
    },
    ins={"training_set": dg.AssetIn("delay_training_set")},
    internal_asset_deps={
        "delay_candidates": {dg.AssetKey("delay_training_set")},
        "delay_model": {dg.AssetKey("delay_candidates")},
        "delay_evaluation": {dg.AssetKey("delay_model")},
    },
    pool="delay_training",
)
def delay_models(
    context: dg.AssetExecutionContext, workspace: Workspace, training_set: pd.DataFrame
) -> Iterator[dg.Output[Any]]:
    from atmr_pipeline.features.contract import FEATURE_CONTRACT_VERSION
    from atmr_pipeline.features.fingerprint import frame_fingerprint
    from atmr_pipeline.models.delay import DelayParams
    from atmr_pipeline.models.delay.report import evaluation_report, floor_figures
    from atmr_pipeline.models.delay.splitting import holdout_days_for

    settings = workspace.settings
    params = DelayParams(seed=settings.seed)
    changes = level_changes(workspace.state)
    holdout_days = holdout_days_for(
        training_set,
        least_days=settings.delay_holdout_days,
        least_rows=settings.delay_holdout_rows,
        most_days=MOST_HOLDOUTS * settings.delay_holdout_days,
    )
    inputs = fingerprint(
        {
            "code": code_fingerprint(*TRAINING_CODE),
            "data": frame_fingerprint(training_set),
            "features": FEATURE_CONTRACT_VERSION,
            "params": asdict(params),
            "holdout_days": holdout_days,
            "alerts": [settings.alert_recall, *_levels(settings)],
            "level_changes": [[change.since, change.known_on] for change in changes],
        }
    )
    if (kept := _kept(workspace, inputs)) is not None:
        record, report, holdout = kept
        context.log.info(f"same data, features and settings: version {record['version_id']} is reused")
        yield dg.Output(workspace.tables.read("delay_candidates"), "delay_candidates", metadata={"reused": True})
        yield dg.Output(record, "delay_model", metadata={"version": record["version_id"], "reused": True})
        yield _evaluation(workspace, record, report, holdout, reused=True)
        return
    kept_set = keep_training_set(workspace, training_set)
    recipe = _recipe(settings, kept_set, params=params, holdout_days=holdout_days, level_changes=changes)
    training = train_as_recorded(training_set, recipe)
    yield dg.Output(
        training.candidates,
        "delay_candidates",
        metadata=rows(training.candidates, comparison=frame_markdown(training.candidates)),
    )
    truth = known_truth(workspace, training.window)
    floor = None if truth is None else floor_figures(training.holdout, truth, late_after_min=params.late_after_min)
    metrics = training.metrics() | {
        "floor": floor,
        "alerts": _alerts(workspace, training, truth),
        "residual_reference": _residual_reference(training.holdout),
    }
    record = _register(workspace, training, metrics, inputs, recipe)
    prune_training_sets(workspace)
    yield dg.Output(
        record,
        "delay_model",
        metadata={
            "version": record["version_id"],
            "candidate": record["candidate"],
            "reused": False,
            "rows": counts_table("rows", training.rows),
        },
    )
    report = evaluation_report(training, training_set, holdout_days=holdout_days, truth=truth, floor=floor)
    keep_report(workspace, record["version_id"], report)
    yield _evaluation(workspace, record, report, training.holdout.assign(model_version=record["version_id"]))


def _recipe(settings: "Settings", training_set: str, **more: Any) -> dict[str, Any]:
    from atmr_pipeline.features.contract import FEATURES

    return training_record(
        training_set,
        features=[feature.name for feature in FEATURES],
        minimum_rows=settings.delay_minimum_rows,
        minimum_days=settings.delay_minimum_days,
        **more,
    )


def _levels(settings: "Settings") -> tuple[float, float, float]:
    return settings.alert_high, settings.alert_critical, settings.alert_impossible


def _alerts(workspace: Workspace, training: "DelayTraining", truth: pd.DataFrame | None) -> dict[str, Any]:
    """The threshold of this model's alerts, chosen on the calibration block, and what it does on the held-out days."""
    from atmr_pipeline.monitoring.risk_alerts import RiskThresholds, alert_summary

    holdout, settings = training.holdout, workspace.settings
    true_p_late = None
    if truth is not None:
        known = truth.set_index("assignment_id")["p_late"].reindex(holdout["assignment_id"])
        true_p_late = None if known.isna().any() else known
    return alert_summary(
        (training.calibration["p_late"], training.calibration["is_late"]),
        (holdout["p_late"], holdout["is_late"]),
        true_p_late=true_p_late,
        recall=settings.alert_recall,
        levels=RiskThresholds(*_levels(settings)),
    )


def _residual_reference(holdout: pd.DataFrame) -> dict[str, Any] | None:
    """What the residuals look like when nothing has changed; None where they are too few, or do not vary."""
    from atmr_pipeline.domain.errors import NotEnoughDataError, TableContractError
    from atmr_pipeline.monitoring.cusum import residual_reference

    residual_min = holdout["delay_min"] - holdout["expected_delay_min"]
    try:
        reference = residual_reference(holdout[["service_day"]].assign(residual_min=residual_min))
    except (NotEnoughDataError, TableContractError):
        return None
    return asdict(reference)


def _register(
    workspace: Workspace,
    training: "DelayTraining",
    metrics: dict[str, Any],
    inputs: str,
    recipe: dict[str, Any],
) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        manifest = training.model.save(Path(folder), data_hash=training.data_hash, metrics=metrics)
        version = workspace.registry.register(
            "delay",
            Path(folder),
            manifest,
            training_fingerprint=inputs,
            # Beside the files and not in them: other code that gives the same model is no new version.
            metrics={**metrics, "training": recipe},
        )
    chosen = str(training.candidates.loc[training.candidates["chosen"], "candidate"].iloc[0])
    return {"version_id": version, "fingerprint": inputs, "candidate": chosen, "metrics": metrics}


def _evaluation(
    workspace: Workspace, record: dict[str, Any], report: "EvaluationReport", holdout: pd.DataFrame, **more: Any
) -> dg.Output[pd.DataFrame]:
    card = write_card(workspace, record["version_id"], report)
    shown = {**rows(holdout), **figures_metadata(record["metrics"]), **report_metadata(report, holdout, card)}
    return dg.Output(holdout, "delay_evaluation", metadata={**shown, **more})


def _kept(workspace: Workspace, inputs: str) -> "tuple[dict[str, Any], EvaluationReport, pd.DataFrame] | None":
    """Record, report and held-out rows of the version that these inputs gave; None unless all are that version's."""
    if not all(workspace.tables.has(name) for name in ("delay_candidates", "delay_model", "delay_evaluation")):
        return None
    record: dict[str, Any] = workspace.tables.read_value("delay_model")
    known = workspace.registry.find_by_fingerprint("delay", inputs)
    if known is None or record.get("fingerprint") != inputs:
        return None
    # A run that died between the outputs leaves the evaluation of another version behind.
    report, holdout = kept_report(workspace, record["version_id"]), workspace.tables.read("delay_evaluation")
    if report is None or set(holdout["model_version"]) != {record["version_id"]}:
        return None
    return record, report, holdout


@dg.asset_check(asset="delay_candidates", description="More than one candidate was fitted, and one was chosen.")
def delay_candidates_compared(workspace: Workspace) -> dg.AssetCheckResult:
    frame = workspace.tables.read("delay_candidates")
    chosen = int(frame["chosen"].sum())
    return check_result(
        len(frame) > 1 and chosen == 1, f"{len(frame)} candidates, {chosen} chosen", blocking=False, n=len(frame)
    )


@dg.asset_check(asset="delay_model", description="The registered files are intact and predict as they did.")
def delay_model_reloads(workspace: Workspace) -> dg.AssetCheckResult:
    from atmr_pipeline.models.delay import DelayModel

    record = workspace.tables.read_value("delay_model")
    model = DelayModel.load(workspace.registry.path(record["version_id"]))
    holdout = workspace.tables.read("delay_evaluation")
    history = workspace.tables.read("delay_training_set")
    again = predicted(model, holdout, history)["expected_delay_min"].to_numpy()
    gap = float(abs(again - holdout["expected_delay_min"].to_numpy()).max())
    return check_result(gap <= 1e-9, f"reloaded predictions differ by at most {gap:.1e} min", gap_min=gap)
