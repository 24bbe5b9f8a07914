"""Two pictures of a policy, small enough to live in an event log."""

from collections.abc import Sequence
from io import BytesIO

import numpy as np
import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from atmr_pipeline.models.policy.evaluate import costs_by_day, paired_bootstrap_over_days
from atmr_pipeline.models.policy.learner import CurvePoint

INK, ACCENT, QUIET = "#22313f", "#1f77b4", "#9aa5b1"
RESAMPLES = 2000
LABEL_ROOM = 1.45
"""The longest bar leaves this much room for its interval and label."""


def learning_curve(curve: Sequence[CurvePoint]) -> bytes:
    """Loss, mean cost of a validation day and exploration over gradient steps, as PNG (under 60 kB)."""
    steps = [point.step for point in curve]
    figure = Figure(figsize=(6.4, 4.2), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    upper.plot(steps, [point.mean_cost for point in curve], color=ACCENT, marker="o", markersize=3)
    upper.set_ylabel("mean cost of a\nvalidation day")
    upper.set_title("Dispatch policy: learning curve", loc="left", color=INK)
    lower.plot(steps, [point.loss for point in curve], color=INK, label="loss")
    lower.set_ylabel("loss")
    lower.set_xlabel("gradient steps")
    right = lower.twinx()
    right.plot(steps, [point.epsilon for point in curve], color=QUIET, linestyle="--", label="epsilon")
    right.set_ylim(0.0, 1.0)
    right.set_ylabel("epsilon")
    handles = [*lower.get_lines(), *right.get_lines()]
    lower.legend(handles, [str(line.get_label()) for line in handles], frameon=False, loc="upper right")
    for axes in (upper, lower):
        axes.grid(alpha=0.25)
    return _png(figure)


def cost_by_method(results: pd.DataFrame, *, reference: str = "greedy", seed: int = 0) -> bytes:
    """Mean cost of a held-out day by method, with the 95 % interval of the paired difference to the reference, as PNG.

    Without intervals where there is one day only, or the reference costs nothing.

    Parameters
    ----------
    results : DataFrame
        Of :func:`atmr_pipeline.models.policy.evaluate.evaluate_policies`; ``day`` may be replaced by other columns that
        tell days apart.
    reference : str
        Method that the intervals are measured against.
    seed : int
        Of the bootstrap.
    """
    costs = costs_by_day(results)
    order = costs.mean().sort_values().index
    base = float(costs[reference].mean())
    figure = Figure(figsize=(6.4, 0.9 + 0.45 * len(order)), layout="constrained")
    axes = figure.subplots()
    for place, method in enumerate(order):
        mean = float(costs[method].mean())
        if len(costs) < 2 or base <= 0.0:
            axes.barh(place, mean, color=QUIET if method == reference else ACCENT)
            axes.text(mean, place, f"  {mean:.1f}", va="center", color=INK)
            continue
        share, low, high = paired_bootstrap_over_days(costs[method], costs[reference], n=RESAMPLES, seed=seed)
        spread = base / 100.0 * np.array([[max(0.0, share - low)], [max(0.0, high - share)]])
        axes.barh(place, mean, xerr=spread, color=QUIET if method == reference else ACCENT, ecolor=INK, capsize=3)
        label = f"  {mean:.1f}" if method == reference else f"  {mean:.1f} ({share:+.1f} %)"
        axes.text(mean + float(spread[1, 0]), place, label, va="center", color=INK)
    axes.set_yticks(range(len(order)), list(order))
    axes.invert_yaxis()
    axes.set_xlim(right=LABEL_ROOM * float(costs.mean().max()))
    axes.set_xlabel(f"mean cost of a held-out day ({len(costs)} days; difference to {reference})")
    axes.set_title("Dispatch: cost by method", loc="left", color=INK)
    axes.grid(alpha=0.25, axis="x")
    return _png(figure)


def _png(figure: Figure) -> bytes:
    buffer = BytesIO()
    FigureCanvasAgg(figure).print_png(buffer)
    return buffer.getvalue()
