"""The evaluation of the delay model as people see it: metadata of ``delay_evaluation``, and the model card."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
import pandas as pd

from atmr_pipeline.assets.common import counts_table, frame_markdown, picture
from atmr_pipeline.resources.workspace import Workspace

if TYPE_CHECKING:
    from atmr_pipeline.models.delay.report import EvaluationReport

STORED = "delay_evaluation_report"
FLOOR_REPLAYS = 100
FIGURES = ["model", "n", "mae_min", "rmse_min", "r2", "bias_min", "brier", "auc", "coverage_pct", "width_min", "ece"]
WORST_CASE_COLUMNS = [
    "assignment_id", "booking_id", "driver_id", "service_day", "delay_min", "expected_delay_min", "low_min", "high_min",
    "p_late", "reasons",
]  # fmt: skip


def known_truth(workspace: Workspace, window: Mapping[str, str]) -> pd.DataFrame | None:
    """The perfect prediction of each held-out pickup, where the world is known: the demo company replays its days.

    None for a real company, whose days happen once.
    """
    if not workspace.settings.is_demo:
        return None
    from datetime import date

    from atmr_pipeline.simulation.truth import expected_delays

    first, last = (date.fromisoformat(window[f"holdout_{end}_day"]) for end in ("first", "last"))
    return expected_delays(workspace.settings.root, first, last, replays=FLOOR_REPLAYS)


def keep_report(workspace: Workspace, version: str, report: "EvaluationReport") -> None:
    """Store the report's tables, so that a later run that reuses the version can show them again."""
    workspace.tables.write_value(STORED, {"version_id": version, "report": report.to_dict()})


def kept_report(workspace: Workspace, version: str) -> "EvaluationReport | None":
    """The stored report; None if it is another version's, or there is none."""
    from atmr_pipeline.models.delay.report import EvaluationReport

    if not workspace.tables.has(STORED):
        return None
    stored: dict[str, Any] = workspace.tables.read_value(STORED)
    return EvaluationReport.from_dict(stored["report"]) if stored["version_id"] == version else None


def write_card(workspace: Workspace, version: str, report: "EvaluationReport") -> Path:
    """Write the model card of a registered version into the home's reports."""
    from atmr_pipeline.features.contract import FEATURES
    from atmr_pipeline.models.delay import DelayModel
    from atmr_pipeline.models.delay.report import model_card, write_model_card
    from atmr_pipeline.models.delay.report.card import CARDS_FOLDER

    manifest = DelayModel.load(workspace.registry.path(version)).manifest_
    commands = _commands(workspace, version)
    card = model_card(manifest, report, contract=FEATURES, version=version, reproduce=commands)
    return write_model_card(workspace.settings.reports_dir / CARDS_FOLDER, version, card)


def report_metadata(report: "EvaluationReport", holdout: pd.DataFrame, card: Path) -> dict[str, Any]:
    """Tables and pictures of a report; ids and figures, nothing personal."""
    from atmr_pipeline.models.delay.report.fairness import verdict
    from atmr_pipeline.models.delay.report.markdown import records
    from atmr_pipeline.models.delay.report.pictures import evaluation_pictures

    gaps = [verdict(line["by"].replace("_", " "), line) for line in records(report.gaps)]
    tables = {
        "comparison": report.comparison,
        "reliability_table": report.reliability,
        "interval_coverage_table": report.coverage,
        "learning_curve_table": report.learning_curve,
        "worst_cases": report.worst_cases[WORST_CASE_COLUMNS],
        **{f"figures_by_{name}": table for name, table in report.slices.items()},
        **{f"fairness_by_{name}": table for name, table in report.fairness.items()},
    }
    return {
        "model_card": dg.MetadataValue.path(card),
        "fairness": dg.MetadataValue.md("\n".join(f"- {gap}" for gap in gaps) or "fewer than two groups can be judged"),
        "not_cut_by": counts_table("cut", report.left_out),
        **{name: frame_markdown(table) for name, table in tables.items()},
        **{name: picture(png, name.replace("_", " ")) for name, png in evaluation_pictures(report, holdout).items()},
    }


def figures_metadata(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """The held-out figures of the model, its baselines and the floor."""
    table = [{"model": "challenger", **metrics["evaluation"]}]
    table += [{"model": name, **figures} for name, figures in metrics["baselines"].items()]
    if floor := metrics.get("floor"):
        table.append(
            {"model": "floor (replayed)", "mae_min": floor["mae"], "rmse_min": floor["rmse"], "r2": floor["r2"]}
        )
    frame = pd.DataFrame(table)
    return {
        "figures": frame_markdown(frame[[name for name in FIGURES if name in frame.columns]]),
        "all_figures": dg.MetadataValue.json(dict(metrics)),
    }


def _commands(workspace: Workspace, version: str) -> list[str]:
    """What leads to the same model on an empty home."""
    settings = workspace.settings
    commands = []
    if settings.is_demo:
        from atmr_pipeline.simulation import DemoManifest

        if (demo := DemoManifest.read(settings.root)) is not None:
            asked = demo.config
            commands = [
                f"# demo company with fingerprint {demo.fingerprint[:16]}, lived until {demo.last_day}",
                f"atmr demo build --months {asked['months']} --bookings-per-day {asked['bookings_per_day']} "
                f"--drivers {asked['drivers']} --seed {asked['seed']} --end {asked['end'] or demo.end}",
            ]
    return [
        *commands,
        f"ATMR_DELAY_HOLDOUT_DAYS={settings.delay_holdout_days} ATMR_SEED={settings.seed} atmr run",
        f"atmr model-card {version}",
    ]
