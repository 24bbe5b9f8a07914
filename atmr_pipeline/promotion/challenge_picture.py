"""The sequential comparison as a picture: the interval of each day, and the lines that end it."""

import numpy as np
from matplotlib.dates import date2num
from matplotlib.ticker import PercentFormatter

from atmr_pipeline.drawing import ACCENT, INK, PALE, QUIET, canvas, png, say
from atmr_pipeline.promotion.sequential import Comparison, SequentialRules

LIMIT = 0.5
"""Relative differences beyond this are cut off: the first days' intervals are wider than any picture."""


def comparison_picture(comparison: Comparison, rules: SequentialRules | None = None, *, note: str = "") -> bytes:
    """Estimate and confidence sequence over days as a PNG.

    Parameters
    ----------
    comparison : Comparison
    rules : SequentialRules, optional
        Those it was made with.
    note : str
        Put before the verdict in the title, such as that the data is simulated.
    """
    rules = rules or SequentialRules()
    figure, axes = canvas(f"{note}{comparison.summary()}", "", "MAE, challenger against served", size=(8.0, 3.4))
    axes.title.set_fontsize(9)
    path = comparison.path
    if path.empty:
        say(axes, "no course compared yet")
        return png(figure)
    days = path["service_day"].to_numpy()
    lower, upper, relative = (np.clip(path[name].to_numpy(), -LIMIT, LIMIT) for name in ("lower", "upper", "relative"))
    axes.axhspan(-rules.margin, rules.margin, color=QUIET, alpha=0.18, linewidth=0.0, label="as good as")
    axes.fill_between(
        days, lower, upper, color=PALE, alpha=0.6, linewidth=0.0, label=f"{1 - rules.alpha:.0%} at all days"
    )
    axes.plot(days, relative, color=INK, linewidth=1.6, label="estimate")
    axes.axhline(0.0, color=INK, linewidth=0.8, linestyle="--")
    if comparison.decided_on is not None:
        axes.axvline(date2num(comparison.decided_on), color=ACCENT, linewidth=1.4, label="decided")
    axes.set_ylim(-LIMIT, LIMIT)
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axes.legend(fontsize=8, frameon=False, ncols=4, loc="upper right")
    axes.tick_params(labelsize=8)
    figure.autofmt_xdate(rotation=0, ha="center")
    return png(figure)
