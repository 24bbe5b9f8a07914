"""The model card (Mitchell et al., 2019): what the model is, what it learned from, what it is worth, what it is not."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from atmr_pipeline.models.delay.evaluation import Comparison

FIGURES = {
    "mae_min": "mean absolute error, min",
    "rmse_min": "root mean squared error, min",
    "bias_min": "bias (predicted - actual), min",
    "r2": "R2",
    "coverage_pct": "interval coverage, %",
    "width_min": "interval width, min",
    "brier": "Brier score of P(late)",
    "log_loss": "log-loss of P(late)",
    "auc": "AUC of P(late)",
    "ece": "calibration error of P(late)",
    "late_share": "share of late pickups",
    "n": "pickups",
}


def model_card(
    manifest: Mapping[str, Any],
    evaluation: Mapping[str, float | int | None],
    *,
    baselines: Mapping[str, Mapping[str, float | int | None]] | None = None,
    comparisons: Mapping[str, Comparison] | None = None,
    importance: pd.DataFrame | None = None,
    slices: Mapping[str, pd.DataFrame] | None = None,
) -> str:
    """The card as Markdown.

    It holds figures, column names and driver or hour labels that the caller cuts by; no patient, place or value of a
    category. The categories of a feature are counted and not listed.

    Parameters
    ----------
    manifest : mapping
        ``manifest_`` of a loaded model.
    evaluation : mapping
        Held-out figures of the model.
    baselines : mapping of mapping, optional
        The same figures of the baselines.
    comparisons : mapping of Comparison, optional
        The model against each baseline.
    importance : DataFrame, optional
        ``feature, mae_increase_min, sd_min``.
    slices : mapping of DataFrame, optional
        Name of the cut to the table of :func:`~atmr_pipeline.models.delay.evaluation.evaluate_slices`.
    """
    parts = [_identity(manifest), _features(manifest), _figures(evaluation, baselines or {})]
    if comparisons:
        parts.append(_comparisons(comparisons))
    if importance is not None:
        lines = [[str(row.feature), _number(row.mae_increase_min)] for row in importance.itertuples()]
        parts.append("## What it relies on\n\n" + _table(["feature", "rise of the error when shuffled, min"], lines))
    for name, table in (slices or {}).items():
        body = [[_number(value) for value in row] for row in table.itertuples(index=False)]
        parts.append(f"## By {name}\n\n" + _table([str(column) for column in table.columns], body))
    parts.append(_limits(manifest))
    return "\n\n".join(parts) + "\n"


def _identity(manifest: Mapping[str, Any]) -> str:
    blocks = [
        [block["block"], f"{block['rows']:,}", block["first_decided_at"], block["last_decided_at"]]
        for block in manifest["blocks"]
    ]
    params = manifest["params"]
    return "\n".join(
        [
            "# Model card: pickup delay",
            "",
            "Predicts, for a booking and a driver at decision time, the pickup delay in minutes, a "
            f"{100 * params['interval_coverage']:.0f} % interval and the probability of a pickup more than "
            f"{params['late_after_min']:g} min late.",
            "",
            f"- chosen candidate: `{manifest['candidate']}`, out of {', '.join(params['candidates'])}",
            f"- data hash: `{manifest['data_hash'] or 'not recorded'}`",
            f"- content hash: `{manifest['content_hash']}`",
            f"- libraries: {', '.join(f'{name} {version}' for name, version in manifest['libraries'].items())}",
            "",
            "## Training window",
            "",
            "Blocks follow each other in time; the evaluation below is on days after all of them.",
            "",
            _table(["block", "rows", "first decision", "last decision"], blocks),
        ]
    )


def _features(manifest: Mapping[str, Any]) -> str:
    rows = [
        [f"`{feature['name']}`", feature["kind"], feature["dtype"], str(len(feature["categories"]) or "")]
        for feature in manifest["features"]
    ]
    text = "## Features\n\n" + _table(["feature", "kind", "dtype", "categories"], rows)
    if manifest["null_features"]:
        text += f"\n\nWithout a single value in training: {', '.join(manifest['null_features'])}."
    return text


def _figures(
    evaluation: Mapping[str, float | int | None], baselines: Mapping[str, Mapping[str, float | int | None]]
) -> str:
    columns = {"model": evaluation, **baselines}
    rows = [
        [label, *(_number(figures.get(name)) for figures in columns.values())]
        for name, label in FIGURES.items()
        if name in evaluation
    ]
    return "## Held-out figures\n\n" + _table(["figure", *columns], rows)


def _comparisons(comparisons: Mapping[str, Comparison]) -> str:
    rows = [
        [name, _number(c.relative_mae_pct), f"{_number(c.low_pct)} to {_number(c.high_pct)}", str(c.days)]
        for name, c in comparisons.items()
    ]
    header = ["baseline", "difference in MAE, %", "95 % interval (paired, by day)", "days"]
    return "## Against the baselines\n\nNegative is better for the model.\n\n" + _table(header, rows)


def _limits(manifest: Mapping[str, Any]) -> str:
    return "\n".join(
        [
            "## Limits",
            "",
            "- It knows the delays of the training window; roadworks or another way of planning need a new fit.",
            "- Interval and probability hold on average over days like the calibration block, not for each patient.",
            "- The effects that explain a prediction describe the model, not causes.",
            f"- A driver's or zone's figures rest on few rows; bins of the calibration hold "
            f"{min(manifest['residuals']['chosen']['rows'])} rows or more.",
            "- It sees the features listed above and nothing else.",
        ]
    )


def _table(header: list[str], rows: list[list[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "/") for cell in line) + " |" for line in lines)


def _number(value: object) -> str:
    if value is None:
        return "not defined"
    if isinstance(value, float):
        return f"{value:.3f}"
    return str(value)
