"""The card's sections on what the model is worth."""

from collections.abc import Mapping
from typing import Any

from atmr_pipeline.models.delay.report.build import EvaluationReport
from atmr_pipeline.models.delay.report.comparison import FLOOR, MODEL
from atmr_pipeline.models.delay.report.cuts import CUTS
from atmr_pipeline.models.delay.report.fairness import MINIMUM_DAYS, MINIMUM_ROWS, verdict
from atmr_pipeline.models.delay.report.markdown import band, frame, number, records, table

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
SLICE_COLUMNS = {
    "slice": "slice",
    "n": "pickups",
    "mae_min": "MAE, min",
    "bias_min": "bias, min",
    "coverage_pct": "coverage, %",
    "late_share": "late, share",
    "mean_p_late": "mean P(late)",
}
ALERT_COLUMNS = ("threshold", "recall", "precision", "alert_rate", "alerts", "late", "n")
TITLES = {cut.name: cut.title for cut in CUTS}


def figures(metrics: Mapping[str, Any], report: EvaluationReport) -> str:
    """Every held-out figure of the model and its baselines."""
    columns = {"model": metrics["evaluation"], **metrics["baselines"]}
    lines = [
        [label, *(number(values.get(name)) for values in columns.values())]
        for name, label in FIGURES.items()
        if name in metrics["evaluation"]
    ]
    left_out = [f"- {TITLES[name]}: {reason}" for name, reason in report.left_out.items()]
    text = "## Held-out figures\n\n" + table(["figure", *columns], lines)
    return text + ("\n\nNot cut by, since it is not known:\n\n" + "\n".join(left_out) if left_out else "")


def against_baselines(report: EvaluationReport) -> str:
    """The model's error against each baseline's, paired by day."""
    lines = [
        [
            row["model"],
            number(row["mae_min"]),
            band(row["low"], row["high"]),
            *_against(row),
            number(row["mae_over_floor"]),
        ]
        for row in records(report.comparison)
    ]
    header = ["", "MAE, min", "95 %", "model against it, %", "95 % (paired)", "MAE over floor"]
    note = "Intervals draw whole days, the same for both. A negative difference is better for the model."
    return f"## Against the baselines\n\n{note}\n\n" + table(header, lines)


def floor(figures: Mapping[str, Any] | None) -> str:
    """What nobody could beat."""
    text = "## Floor\n\n"
    if figures is None:
        return text + "Not known: a company's days happen once. How far the model is from the best possible is open."
    text += (
        "The demo company's world is known: its held-out days were replayed and the mean delay of each pickup over the "
        f"replays is the best prediction there is. Its MAE is {number(figures['mae'])} min, its RMSE "
        f"{number(figures['rmse'])} min, R2 {number(figures['r2'])}, Brier {number(figures['p_late_brier'])} "
        f"on {figures['n']:,.0f} pickups."
    )
    if "model_over_floor" in figures:
        interval = band(figures["model_over_floor_low"], figures["model_over_floor_high"])
        text += f"\n\nThe model's MAE is {number(figures['model_over_floor'])} times the floor's (95 % {interval})."
    if missing := figures.get("rows_without_truth"):
        text += f" {missing:,.0f} held-out pickups have no known truth and are left out of this section."
    return text


def calibration(report: EvaluationReport) -> str:
    """Reliability of the probability, coverage of the interval."""
    share = {"n": "pickups", "mean_p_late": "predicted", "late_share": "observed", "low": "from", "high": "to"}
    cover = {
        "n": "pickups",
        "expected_min": "expected delay, min",
        "coverage_pct": "inside, %",
        "low": "from",
        "high": "to",
        "width_min": "width, min",
        "bias_min": "bias, min",
    }
    return "\n\n".join(
        [
            "## Does it keep its word?",
            "P(late) against the observed share, 95 % bands by drawing days:",
            frame(report.reliability, share),
            "Interval by size of the prediction:",
            frame(report.coverage, cover),
        ]
    )


def alerts(measured: Mapping[str, Any] | None) -> str:
    """The alert threshold and what alerting from it on gives."""
    text = "## Alerts\n\n"
    if not measured:
        return text + "No alert threshold was measured with this model."
    if measured.get("threshold") is None:
        text += f"No threshold was chosen: {measured.get('reason')}."
    else:
        text += (
            f"Alert from P(late) = {number(measured['threshold'])} on: chosen on the calibration block for a recall of "
            f"at least {number(measured.get('target_recall'))} at the best precision, measured on the held-out days."
        )
    ceiling = measured.get("floor") or {}
    rows = {
        "calibration block (where it was chosen)": measured.get("calibration"),
        "held-out days": measured.get("holdout"),
        **{f"company level {name}, held-out": part for name, part in (measured.get("company") or {}).items()},
        "the model's best threshold in hindsight": ceiling.get("model_hindsight"),
        "perfect predictor, expected": ceiling.get("expected"),
        "perfect predictor, in hindsight": ceiling.get("hindsight"),
    }
    lines = [[name, *(number(part.get(column)) for column in ALERT_COLUMNS)] for name, part in rows.items() if part]
    header = ["", "P(late) from", "recall", "precision", "share alerted", "alerts", "late", "pickups"]
    return text + "\n\n" + table(header, lines)


def learning_curve(report: EvaluationReport, candidate: str) -> str:
    """What more history is worth."""
    lines = [
        [
            number(int(row["rows"])),
            row["last_decided_at"][:10],
            number(row["model_mae_min"]),
            band(row["model_low"], row["model_high"]),
            number(row["spline_ridge_mae_min"]),
            band(row["spline_ridge_low"], row["spline_ridge_high"]),
        ]
        for row in records(report.learning_curve)
    ]
    header = ["training rows", "up to", f"MAE of {candidate}, min", "95 %", "MAE of spline-ridge, min", "95 %"]
    note = "Fitted on the oldest rows only, judged on the same held-out days; a short piece is also an old one."
    return f"## Learning curve\n\n{note}\n\n" + table(header, lines)


def errors(report: EvaluationReport) -> str:
    """Figures by hour, driver, leg and area, and what the worst cases have in common."""
    parts = ["## Where it errs"]
    for name, slices in report.slices.items():
        parts += [f"### By {TITLES[name]}", frame(slices, SLICE_COLUMNS)]
    worst = report.worst_cases
    size = worst["error_min"].abs()
    inside = ((worst["low_min"] <= worst["delay_min"]) & (worst["delay_min"] <= worst["high_min"])).sum()
    parts += [
        "### Worst cases",
        f"The {len(worst)} largest errors are {number(float(size.min()))} to {number(float(size.max()))} min; "
        f"{int((worst['error_min'] < 0).sum())} of them were later than expected and {int(inside)} lay inside the "
        "interval. The cases are listed with the evaluation and not here.",
    ]
    return "\n\n".join(parts)


def fairness(report: EvaluationReport) -> str:
    """Figures by driver and patient area, and whether the groups differ beyond noise."""
    parts = [
        "## Fairness",
        f"By driver and by area of the patient's end. Groups under {MINIMUM_ROWS} pickups are gathered; gathered "
        f"groups and those seen on fewer than {MINIMUM_DAYS} days are shown and not judged. All pairs are looked at, "
        "so the p values are adjusted for that.",
    ]
    told = [f"- {verdict(TITLES[line['by']], line)}" for line in records(report.gaps)]
    parts.append("\n".join(told) if told else "Fewer than two groups can be judged: nothing is said about gaps.")
    judged = set(report.gaps["by"])
    parts += [
        f"By {TITLES[name]} fewer than two groups can be judged." for name in report.fairness if name not in judged
    ]
    for name, groups in report.fairness.items():
        lines = [
            [
                str(row["group"]),
                number(int(row["n"])),
                number(int(row["days"])),
                _with_band(row, "mae_min"),
                _with_band(row, "bias_min"),
                _with_band(row, "coverage_pct"),
                number(row["floor_mae_min"]),
            ]
            for row in records(groups)
        ]
        header = ["group", "pickups", "days", "MAE, min (95 %)", "bias, min (95 %)", "coverage, % (95 %)", "floor MAE"]
        parts += [f"### By {TITLES[name]}", table(header, lines)]
    parts.append(
        "A group with a high floor is hard to predict for anybody; only what lies above the floor is the model's."
    )
    return "\n\n".join(parts)


def importance(report: EvaluationReport) -> str:
    """What it relies on."""
    columns = {"feature": "feature", "mae_increase_min": "rise of the error when shuffled, min", "sd_min": "spread"}
    return "## What it relies on\n\n" + frame(report.importance, columns)


def _against(row: Mapping[str, Any]) -> tuple[str, str]:
    """The model against this line; against itself and the floor there is nothing to say."""
    if row["model"] in (MODEL, FLOOR):
        return "", ""
    return number(row["model_against_it_pct"]), band(row["against_low"], row["against_high"])


def _with_band(row: Mapping[str, Any], name: str) -> str:
    return f"{number(row[name])} ({band(row[f'{name}_low'], row[f'{name}_high'])})"
