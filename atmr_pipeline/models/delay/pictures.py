"""Pictures of a delay model as PNG bytes, small enough for an event log (under 60 kB each)."""

import io

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from atmr_pipeline.models.delay.evaluation import reliability
from atmr_pipeline.models.delay.importance import permutation_importance
from atmr_pipeline.models.delay.training import DelayTraining

HOUR_COLUMN = "time_of_day"
INK = "#1f3a5f"
ACCENT = "#c8553d"
PALE = "#8fa6c0"
MOST_POINTS = 1500
DOTS_PER_INCH = 80


def holdout_pictures(training: DelayTraining) -> dict[str, bytes]:
    """Every picture of a training's held-out days by name; the one by hour only if there is a ``time_of_day``."""
    held_out = training.holdout
    importance = permutation_importance(
        training.model, held_out[training.model.feature_names_], held_out["delay_min"], seed=training.model.params.seed
    )
    drawn = {
        "predicted_against_actual": predicted_against_actual(held_out["delay_min"], held_out),
        "feature_importance": feature_importance(importance),
        "reliability": reliability_diagram(held_out["is_late"], held_out["p_late"]),
    }
    if HOUR_COLUMN in held_out.columns:
        drawn["residuals_by_hour"] = residuals_by_hour(held_out["delay_min"], held_out, held_out[HOUR_COLUMN])
    return drawn


def predicted_against_actual(delay_min: pd.Series, predictions: pd.DataFrame) -> bytes:
    """Scatter of actual against expected delay with the line of perfect prediction; at most 1,500 points are drawn."""
    actual = delay_min.to_numpy(dtype=np.float64)
    expected = predictions["expected_delay_min"].to_numpy(dtype=np.float64)
    figure, axes = _canvas("Predicted against actual delay", "expected delay (min)", "actual delay (min)")
    if len(actual):
        shown = np.random.default_rng(0).permutation(len(actual))[:MOST_POINTS]
        axes.scatter(expected[shown], actual[shown], s=8, alpha=0.45, color=INK, edgecolors="none")
        ends = [float(min(expected.min(), actual.min())), float(max(expected.max(), actual.max()))]
        axes.plot(ends, ends, color=ACCENT, linewidth=1.2, label="perfect prediction")
        axes.legend(frameon=False)
    return _png(figure)


def feature_importance(importance: pd.DataFrame, *, top: int = 15) -> bytes:
    """Bars of the table that :func:`~atmr_pipeline.models.delay.importance.permutation_importance` returns."""
    shown = importance.head(top).iloc[::-1]
    figure, axes = _canvas("Permutation importance", "rise of the mean absolute error (min)", "")
    axes.barh(shown["feature"].astype(str), shown["mae_increase_min"], xerr=shown["sd_min"], color=INK, ecolor=ACCENT)
    axes.axvline(0.0, color="black", linewidth=0.8)
    return _png(figure)


def reliability_diagram(is_late: pd.Series, p_late: pd.Series) -> bytes:
    """Observed against predicted share of late pickups; the area of a dot is its number of rows."""
    figure, axes = _canvas("Reliability of P(late)", "predicted probability", "observed share of late pickups")
    if len(is_late):
        table = reliability(is_late.to_numpy(dtype=bool), p_late.to_numpy(dtype=np.float64))
        area = 20.0 + 380.0 * table["n"] / table["n"].max()
        axes.scatter(table["mean_p_late"], table["late_share"], s=area, color=INK, alpha=0.6, edgecolors="none")
        axes.plot(table["mean_p_late"], table["late_share"], color=INK, linewidth=1.0)
    axes.plot([0, 1], [0, 1], color=ACCENT, linewidth=1.2, label="perfect calibration")
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    axes.legend(frameon=False)
    return _png(figure)


def residuals_by_hour(delay_min: pd.Series, predictions: pd.DataFrame, hour: pd.Series) -> bytes:
    """Box plots of actual - expected delay for each hour of the day (whole hours of ``hour``; NULL is left out)."""
    residual = delay_min.to_numpy(dtype=np.float64) - predictions["expected_delay_min"].to_numpy(dtype=np.float64)
    hours = np.floor(hour.to_numpy(dtype=np.float64, na_value=np.nan))
    figure, axes = _canvas("Residuals by hour", "hour of the scheduled pickup", "actual - expected delay (min)")
    present = np.unique(hours[np.isfinite(hours)])
    if len(present):
        axes.boxplot(
            [residual[hours == value] for value in present],
            positions=present,
            widths=0.6,
            showfliers=False,
            patch_artist=True,
            boxprops={"facecolor": PALE, "edgecolor": INK},
            medianprops={"color": ACCENT},
        )
        axes.set_xticks(present, [f"{value:.0f}" for value in present])
    axes.axhline(0.0, color="black", linewidth=0.8)
    return _png(figure)


def _canvas(title: str, x_label: str, y_label: str) -> tuple[Figure, Axes]:
    """A figure of its own, without pyplot: nothing global is touched and nothing has to be closed."""
    figure = Figure(figsize=(6.0, 4.2), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.set(title=title, xlabel=x_label, ylabel=y_label)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(
        buffer,
        format="png",
        dpi=DOTS_PER_INCH,
        metadata={"Software": None},
        pil_kwargs={"optimize": True},
    )
    return buffer.getvalue()
