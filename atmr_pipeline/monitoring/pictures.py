"""Pictures of drift and performance as small PNG files, drawn without a display.

They are stored in an event log, so each stays below 60 kB.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.dates import date2num
from matplotlib.figure import Figure

from atmr_pipeline.drawing import png, say
from atmr_pipeline.monitoring.cusum import CusumResult
from atmr_pipeline.monitoring.performance import rolling_mae
from atmr_pipeline.monitoring.samples import FeatureKind, Sample, labels, numbers, why_not_numeric

PANELS_A_ROW = 4
MAX_PANELS = 12
MAX_CATEGORIES = 8
REFERENCE_COLOUR, CURRENT_COLOUR, ALARM_COLOUR = "#8a8f98", "#1f6fb2", "#b3261e"


def cusum_picture(result: CusumResult) -> bytes:
    """Both cumulative sums over time with the alarm limit, as a PNG."""
    figure = Figure(figsize=(8.0, 3.2), layout="constrained")
    axes = figure.subplots()
    if result.path.empty:
        say(axes, result.skipped_reason or "no residuals yet")
        return png(figure)
    days = result.path["service_day"].to_numpy()
    axes.plot(days, result.path["later"], color=ALARM_COLOUR, label="later than predicted")
    axes.plot(days, result.path["earlier"], color=CURRENT_COLOUR, label="earlier than predicted")
    axes.axhline(result.limit, color="black", linewidth=1.0, linestyle="--", label="alarm limit")
    if result.alarm_on is not None:
        axes.axvline(date2num(result.alarm_on), color=ALARM_COLOUR, linewidth=1.0, linestyle=":")
    axes.set_ylabel("cumulative sum (std)")
    axes.set_title(result.summary(), fontsize=9)
    axes.legend(fontsize=8, frameon=False, loc="upper left")
    _dates(figure, axes)
    return png(figure)


def distributions_picture(reference: pd.DataFrame, current: pd.DataFrame, kinds: Mapping[str, str]) -> bytes:
    """Small multiples of the features, reference against current, as a PNG; at most :data:`MAX_PANELS` features."""
    drawn = [name for name in kinds if name in reference.columns and name in current.columns][:MAX_PANELS]
    columns = min(PANELS_A_ROW, max(len(drawn), 1))
    rows = max(-(-len(drawn) // columns), 1)
    figure = Figure(figsize=(2.4 * columns + 0.4, 1.9 * rows + 0.3), layout="constrained")
    panels = np.atleast_1d(figure.subplots(rows, columns)).ravel()
    if not drawn:
        say(panels[0], "no feature in both periods")
    for axes, name in zip(panels, drawn, strict=False):
        _distribution(axes, _sample(reference[name]), _sample(current[name]), FeatureKind(kinds[name]))
        axes.set_title(name, fontsize=8)
        axes.tick_params(labelsize=6)
        axes.set_yticks([])
    for axes in panels[max(len(drawn), 1) :]:
        axes.set_axis_off()
    handles, names = panels[0].get_legend_handles_labels()
    if handles:
        figure.legend(handles, names, loc="outside lower center", ncols=2, fontsize=7, frameon=False)
    return png(figure)


def rolling_mae_picture(
    predictions: pd.DataFrame, validation_mae_min: float | None, windows: tuple[int, ...] = (7, 28)
) -> bytes:
    """Trailing mean absolute error against the validation figure, as a PNG."""
    figure = Figure(figsize=(8.0, 3.0), layout="constrained")
    axes = figure.subplots()
    paths = {days: rolling_mae(predictions, days) for days in windows}
    if all(path.empty for path in paths.values()):
        say(axes, "no measured pickup yet")
        return png(figure)
    for (days, path), colour in zip(paths.items(), (CURRENT_COLOUR, "#0b2f4e", REFERENCE_COLOUR), strict=False):
        axes.plot(path["service_day"].to_numpy(), path["mae"], color=colour, label=f"{days} days")
    if validation_mae_min is not None and np.isfinite(validation_mae_min):
        axes.axhline(validation_mae_min, color="black", linewidth=1.0, linestyle="--", label="validation")
    axes.set_ylim(bottom=0.0)
    axes.set_ylabel("MAE (min)")
    axes.legend(fontsize=8, frameon=False, ncols=3, loc="lower left")
    _dates(figure, axes)
    return png(figure)


def _distribution(axes: Axes, before: Sample, after: Sample, kind: FeatureKind) -> None:
    if not before.known.any() or not after.known.any():
        say(axes, "no known value")
    elif kind is FeatureKind.NUMERIC:
        if why_not_numeric(before.values) or why_not_numeric(after.values):
            say(axes, "not numeric")
            return
        old, new = numbers(before), numbers(after)
        low, high = np.quantile(np.concatenate([old, new]), [0.005, 0.995])
        edges = np.linspace(low, high if high > low else low + 1.0, 21)
        for values, colour, filled in ((old, REFERENCE_COLOUR, True), (new, CURRENT_COLOUR, False)):
            counts = np.histogram(np.clip(values, edges[0], edges[-1]), edges)[0] / len(values)
            axes.stairs(counts, edges, color=colour, fill=filled, label="reference" if filled else "current")
    else:
        shares = [pd.Series(labels(sample)).value_counts(normalize=True) for sample in (before, after)]
        names = shares[0].add(shares[1], fill_value=0.0).sort_values(ascending=False).index[:MAX_CATEGORIES]
        places = np.arange(len(names))
        axes.bar(places - 0.2, shares[0].reindex(names, fill_value=0.0), 0.4, color=REFERENCE_COLOUR, label="reference")
        axes.bar(places + 0.2, shares[1].reindex(names, fill_value=0.0), 0.4, color=CURRENT_COLOUR, label="current")
        axes.set_xticks(places, [str(name)[:8] for name in names])


def _sample(values: pd.Series) -> Sample:
    return Sample(values.reset_index(drop=True), np.zeros(len(values), dtype=np.int64))


def _dates(figure: Figure, axes: Axes) -> None:
    axes.tick_params(labelsize=8)
    figure.autofmt_xdate(rotation=0, ha="center")
