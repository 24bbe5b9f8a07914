"""Pictures of a delay model as PNG bytes, small enough for an event log (under 60 kB each)."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from atmr_pipeline.drawing import ACCENT, INK, PALE, QUIET, canvas, png, say
from atmr_pipeline.models.delay.evaluation import slice_labels
from atmr_pipeline.models.delay.report.build import EvaluationReport
from atmr_pipeline.models.delay.report.comparison import FLOOR, MODEL
from atmr_pipeline.models.delay.report.cuts import CUTS, labels, natural_order
from atmr_pipeline.models.delay.report.markdown import records

MOST_POINTS = 1500
MOST_GROUPS = 16
SHOWN_SHARE = (0.5, 99.5)
"""Percentiles between which the scatter is drawn: one pickup two hours late would press all others into a corner."""
NOTHING = "no held-out pickup to draw"


def evaluation_pictures(
    report: EvaluationReport, holdout: pd.DataFrame, *, coverage_pct: float = 90.0
) -> dict[str, bytes]:
    """Every picture of a training's held-out days by name.

    Parameters
    ----------
    holdout : DataFrame
        The rows that the report was made from.
    coverage_pct : float
        What the interval promises.

    Returns
    -------
    dict of bytes
        ``predicted_against_actual, against_baselines, reliability, interval_coverage, learning_curve,
        permutation_importance`` and ``residuals_by_...`` for every cut that can be made.
    """
    drawn = {
        "predicted_against_actual": predicted_against_actual(holdout["delay_min"], holdout),
        "against_baselines": against_baselines(report.comparison),
        "reliability": reliability_diagram(report.reliability),
        "interval_coverage": interval_coverage(report.coverage, promised_pct=coverage_pct),
        "learning_curve": learning_curve_picture(report.learning_curve, floor_min=_floor(report.comparison)),
        "permutation_importance": feature_importance(report.importance),
    }
    made, _ = labels(holdout)
    for cut in CUTS:
        if cut.name in made:
            drawn[f"residuals_by_{cut.name}"] = residual_boxes(holdout, made[cut.name], title=cut.title)
    return drawn


def predicted_against_actual(delay_min: pd.Series, predictions: pd.DataFrame) -> bytes:
    """Scatter of actual against expected delay with the line of perfect prediction; at most 1,500 points are drawn."""
    actual = delay_min.to_numpy(dtype=np.float64)
    expected = predictions["expected_delay_min"].to_numpy(dtype=np.float64)
    figure, axes = canvas("Predicted against actual delay", "expected delay (min)", "actual delay (min)")
    if not len(actual):
        say(axes, NOTHING)
        return png(figure)
    shown = np.random.default_rng(0).permutation(len(actual))[:MOST_POINTS]
    axes.scatter(expected[shown], actual[shown], s=9, alpha=0.45, color=INK, edgecolors="none")
    low, high = float(expected.min()), float(expected.max())
    axes.plot([low, high], [low, high], color=ACCENT, linewidth=1.2, label="perfect prediction")
    bottom, top = np.percentile(actual, SHOWN_SHARE)
    axes.set_ylim(min(bottom, low) - 2.0, max(top, high) + 2.0)
    outside = int(((actual < axes.get_ylim()[0]) | (actual > axes.get_ylim()[1])).sum())
    if outside:
        _note(axes, f"{outside} of {len(actual):,} pickups lie outside")
    axes.legend(frameon=False, loc="upper left")
    return png(figure)


def against_baselines(comparison: pd.DataFrame) -> bytes:
    """Mean absolute error of the model and each baseline with its band, and the floor as a line."""
    figure, axes = canvas("Model, baselines and floor", "mean absolute error (min), 95 % by drawing days", "")
    models = comparison[comparison["model"] != FLOOR].iloc[::-1].reset_index(drop=True)
    for height, row in enumerate(records(models)):
        colour = ACCENT if row["model"] == MODEL else INK
        axes.plot([row["low"], row["high"]], [height] * 2, color=colour, linewidth=2.0)
        axes.plot(row["mae_min"], height, "o", color=colour, markersize=7)
        axes.annotate(_against(row), (row["mae_min"], height), xytext=(0, 9), textcoords="offset points",
                      ha="center", fontsize=8, color=colour)  # fmt: skip
    axes.set_yticks(models.index, [str(name).replace("_", "-") for name in models["model"]])
    axes.set_ylim(-0.5, len(models) - 0.2)
    floor = _floor(comparison)
    if floor is not None:
        axes.axvline(floor, color=QUIET, linestyle="--", linewidth=1.2, label=f"floor {floor:.2f} min")
        axes.legend(frameon=False, loc="lower right")
    return png(figure)


def reliability_diagram(table: pd.DataFrame) -> bytes:
    """Observed against predicted share of late pickups with its band; the number beside a dot is its rows.

    Pale dots have too few rows for a band.
    """
    figure, axes = canvas("Reliability of P(late)", "predicted probability", "observed share of late pickups")
    axes.plot([0, 1], [0, 1], color=ACCENT, linewidth=1.2, label="perfect calibration")
    axes.plot(table["mean_p_late"], table["late_share"], color=INK, linewidth=1.0)
    colours = [PALE if few else INK for few in table["low"].isna()]
    axes.scatter(table["mean_p_late"], table["late_share"], color=colours, s=36, zorder=3)
    axes.vlines(table["mean_p_late"], table["low"], table["high"], color=PALE, linewidth=2.0, zorder=1)
    box = {"facecolor": "white", "edgecolor": "none", "pad": 0.5}
    text: dict[str, Any] = {"fontsize": 7, "color": INK, "bbox": box}
    for row in records(table):
        axes.annotate(
            f"{row['n']}", (row["mean_p_late"], row["late_share"]), (8, -12), textcoords="offset points", **text
        )
    axes.set(xlim=(0, 1), ylim=(-0.02, 1.02))
    axes.legend(frameon=False, loc="upper left")
    return png(figure)


def interval_coverage(table: pd.DataFrame, *, promised_pct: float) -> bytes:
    """Share of delays inside the interval in bins of the expected delay, against what the interval promises."""
    title = f"Coverage of the {promised_pct:.0f} % interval"
    figure, axes = canvas(title, "expected delay (min), mean of the bin", "delays inside (%)")
    axes.axhline(promised_pct, color=ACCENT, linewidth=1.2, label=f"promised {promised_pct:.0f} %")
    axes.vlines(table["expected_min"], table["low"], table["high"], color=PALE, linewidth=2.0, zorder=1)
    axes.plot(table["expected_min"], table["coverage_pct"], "o", color=INK, markersize=6)
    axes.set_ylim(min(60.0, float(table["low"].min()) - 3.0), 102.0)
    axes.legend(frameon=False, loc="lower left")
    return png(figure)


def learning_curve_picture(table: pd.DataFrame, *, floor_min: float | None = None) -> bytes:
    """Held-out error after so many rows, and the floor where it is known.

    The model's band is filled, spline-ridge's dotted.
    """
    figure, axes = canvas("Learning curve", "training rows (oldest first)", "held-out mean absolute error (min)")
    fitted = table.dropna(subset=["model_mae_min"])
    axes.fill_between(fitted["rows"], fitted["model_low"], fitted["model_high"], color=INK, alpha=0.13, linewidth=0)
    for end in ("low", "high"):
        axes.plot(fitted["rows"], fitted[f"spline_ridge_{end}"], ":", color=QUIET, linewidth=1.0)
    axes.plot(fitted["rows"], fitted["spline_ridge_mae_min"], "s-", color=QUIET, markersize=5, label="spline-ridge")
    axes.plot(fitted["rows"], fitted["model_mae_min"], "o-", color=INK, label="model")
    if floor_min is not None:
        axes.axhline(floor_min, color=ACCENT, linestyle="--", linewidth=1.2, label=f"floor {floor_min:.2f} min")
    axes.set_xscale("log")
    axes.set_xticks(fitted["rows"], [f"{rows:,}" for rows in fitted["rows"]])
    axes.minorticks_off()
    axes.legend(frameon=False)
    return png(figure)


def feature_importance(importance: pd.DataFrame, *, top: int = 15) -> bytes:
    """Bars of the table that :func:`~atmr_pipeline.models.delay.importance.permutation_importance` returns."""
    shown = importance.head(top).iloc[::-1]
    title = "Permutation importance" + (f" (first {top} of {len(importance)})" if len(importance) > top else "")
    figure, axes = canvas(title, "rise of the mean absolute error (min)", "")
    axes.barh(shown["feature"].astype(str), shown["mae_increase_min"], xerr=shown["sd_min"], color=INK, ecolor=ACCENT)
    axes.axvline(0.0, color="black", linewidth=0.8)
    axes.tick_params(axis="y", labelsize=8)
    return png(figure)


def residual_boxes(holdout: pd.DataFrame, label: pd.Series, *, title: str) -> bytes:
    """Box plots of actual - expected delay by group, the 16 largest; small groups are gathered.

    Whiskers reach to the 5th and 95th percentile; what lies beyond is not drawn.
    """
    figure, axes = canvas(f"Residuals by {title}", "actual - expected delay (min)", "")
    if not len(holdout):
        say(axes, NOTHING)
        return png(figure)
    residual = (holdout["delay_min"] - holdout["expected_delay_min"]).to_numpy(dtype=np.float64)
    names = slice_labels(label)
    found, counts = np.unique(names.astype(str), return_counts=True)
    largest = found[np.argsort(-counts, kind="stable")[:MOST_GROUPS]]
    shown = sorted(largest, key=natural_order, reverse=True)
    axes.boxplot(
        [residual[names == name] for name in shown],
        tick_labels=[f"{name} (n {int((names == name).sum())})" for name in shown],
        orientation="horizontal",
        widths=min(0.6, 0.12 * len(shown)),
        whis=(5, 95),
        showfliers=False,
        patch_artist=True,
        boxprops={"facecolor": PALE, "edgecolor": INK},
        medianprops={"color": ACCENT},
        whiskerprops={"color": INK},
        capprops={"color": INK},
    )
    axes.axvline(0.0, color="black", linewidth=0.8)
    axes.tick_params(axis="y", labelsize=8)
    left_out = len(found) - len(shown)
    more = f"; {left_out} groups with fewer pickups are not drawn" if left_out else ""
    _note(axes, f"box: quartiles; whiskers: 5th to 95th percentile{more}")
    return png(figure)


def _floor(comparison: pd.DataFrame) -> float | None:
    known = comparison.loc[comparison["model"] == FLOOR, "mae_min"]
    return float(known.iloc[0]) if len(known) else None


def _against(row: dict[str, Any]) -> str:
    """What the model does against this one, in percent."""
    text = f"{row['mae_min']:.2f}"
    if pd.isna(row["model_against_it_pct"]):
        return text
    between = f"{row['against_low']:+.1f} to {row['against_high']:+.1f}"
    return f"{text}  (model {row['model_against_it_pct']:+.1f} %, {between})"


def _note(axes: Axes, text: str) -> None:
    figure = axes.get_figure()
    if isinstance(figure, Figure):
        figure.supxlabel(text, fontsize=7, color=QUIET, x=0.99, ha="right")
