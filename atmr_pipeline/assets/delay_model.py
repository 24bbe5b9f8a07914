"""Delay model: candidates, the challenger, and its evaluation on days that nothing has touched."""

import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import dagster as dg
import pandas as pd

from atmr_pipeline.assets.common import MACHINE_LEARNING, check_result, counts_table, frame_markdown, picture, rows
from atmr_pipeline.resources.fingerprints import code_fingerprint, fingerprint
from atmr_pipeline.resources.workspace import Workspace

GROUP = "delay_model"
FLOOR_REPLAYS = 100


def _out(description: str, kinds: set[str]) -> dg.AssetOut:
    return dg.AssetOut(description=description, owners=MACHINE_LEARNING, kinds=kinds)


@dg.multi_asset(
    name="train_delay_model",
    group_name=GROUP,
    outs={
        "delay_candidates": _out("Constant, spline-ridge, forest and XGBoost on the validation block.", {"python"}),
        "delay_model": _out("The challenger, registered under the hash of its content.", {"xgboost", "scikitlearn"}),
        "delay_evaluation": _out("Predictions of the held-out days, and every figure drawn from them.", {"parquet"}),
    },
    ins={"training_set": dg.AssetIn("delay_training_set")},
    internal_asset_deps={
        "delay_candidates": {dg.AssetKey("delay_training_set")},
        "delay_model": {dg.AssetKey("delay_candidates")},
        "delay_evaluation": {dg.AssetKey("delay_model")},
    },
)
def delay_models(
    context: dg.AssetExecutionContext, workspace: Workspace, training_set: pd.DataFrame
) -> Iterator[dg.Output[Any]]:
    from atmr_pipeline.features.contract import FEATURE_CONTRACT_VERSION, FEATURES
    from atmr_pipeline.features.fingerprint import frame_fingerprint
    from atmr_pipeline.models.delay import DelayParams
    from atmr_pipeline.models.delay.training import train_delay_model

    settings = workspace.settings
    params = DelayParams(seed=settings.seed)
    inputs = fingerprint(
        {
            "code": code_fingerprint("models/delay", "features"),
            "data": frame_fingerprint(training_set),
            "features": FEATURE_CONTRACT_VERSION,
            "params": asdict(params),
            "holdout_days": settings.delay_holdout_days,
        }
    )
    if (kept := _kept(workspace, inputs)) is not None:
        context.log.info(f"same data, features and settings: version {kept['version_id']} is reused")
        yield dg.Output(workspace.tables.read("delay_candidates"), "delay_candidates", metadata={"reused": True})
        yield dg.Output(kept, "delay_model", metadata={"version": kept["version_id"], "reused": True})
        holdout = workspace.tables.read("delay_evaluation")
        yield dg.Output(holdout, "delay_evaluation", metadata={"reused": True, **_figures(kept["metrics"])})
        return
    training = train_delay_model(
        training_set,
        [feature.name for feature in FEATURES],
        params=params,
        holdout_days=settings.delay_holdout_days,
        minimum_rows=settings.delay_minimum_rows,
        minimum_days=settings.delay_minimum_days,
    )
    yield dg.Output(
        training.candidates,
        "delay_candidates",
        metadata=rows(training.candidates, comparison=frame_markdown(training.candidates)),
    )
    metrics = training.metrics() | {"floor": _floor(workspace, training.window)}
    with tempfile.TemporaryDirectory() as folder:
        manifest = training.model.save(Path(folder), data_hash=training.data_hash, metrics=metrics)
        version = workspace.registry.register(
            "delay", Path(folder), manifest, training_fingerprint=inputs, metrics=metrics
        )
    chosen = str(training.candidates.loc[training.candidates["chosen"], "candidate"].iloc[0])
    record = {"version_id": version, "fingerprint": inputs, "candidate": chosen, "metrics": metrics}
    yield dg.Output(
        record,
        "delay_model",
        metadata={
            "version": version,
            "candidate": chosen,
            "reused": False,
            "rows": counts_table("rows", training.rows),
        },
    )
    holdout = training.holdout.assign(model_version=version)
    yield dg.Output(holdout, "delay_evaluation", metadata={**rows(holdout), **_figures(metrics), **_pictures(training)})


def _floor(workspace: Workspace, window: dict[str, str]) -> dict[str, float] | None:
    """What no model could beat on the held-out days, where the truth is known: the demo company replays them.

    None for a real company, whose days happen once.
    """
    if not workspace.settings.is_demo:
        return None
    from datetime import date

    from atmr_pipeline.simulation import irreducible_error

    first, last = (date.fromisoformat(window[f"holdout_{end}_day"]) for end in ("first", "last"))
    return dict(irreducible_error(workspace.settings.root, first, last, replays=FLOOR_REPLAYS))


def _kept(workspace: Workspace, inputs: str) -> dict[str, Any] | None:
    if not all(workspace.tables.has(name) for name in ("delay_candidates", "delay_model", "delay_evaluation")):
        return None
    record: dict[str, Any] = workspace.tables.read_value("delay_model")
    known = workspace.registry.find_by_fingerprint("delay", inputs)
    return record if known is not None and record.get("fingerprint") == inputs else None


def _figures(metrics: dict[str, Any]) -> dict[str, Any]:
    table = [{"model": "challenger", **metrics["evaluation"]}]
    table += [{"model": name, **figures} for name, figures in metrics["baselines"].items()]
    if floor := metrics.get("floor"):
        table.append(
            {"model": "floor (replayed)", "mae_min": floor["mae"], "rmse_min": floor["rmse"], "r2": floor["r2"]}
        )
    names = ["model", "n", "mae_min", "rmse_min", "r2", "bias_min", "brier", "auc", "coverage_pct", "width_min", "ece"]
    frame = pd.DataFrame(table)
    return {
        "figures": frame_markdown(frame[[name for name in names if name in frame.columns]]),
        "all_figures": dg.MetadataValue.json(metrics),
    }


def _pictures(training: Any) -> dict[str, Any]:
    from atmr_pipeline.models.delay import pictures

    drawn = pictures.holdout_pictures(training)
    return {name: picture(png, name.replace("_", " ")) for name, png in drawn.items()}


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
    again = model.predict(holdout[list(model.feature_names_)])["expected_delay_min"].to_numpy()
    gap = float(abs(again - holdout["expected_delay_min"].to_numpy()).max())
    return check_result(gap <= 1e-9, f"reloaded predictions differ by at most {gap:.1e} min", gap_min=gap)
