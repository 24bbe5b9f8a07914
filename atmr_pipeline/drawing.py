"""What every picture shares: colours, a canvas without global state, PNG bytes small enough for an event log.

matplotlib's object interface is used: pyplot keeps global state, which leaks in a long-lived process.
"""

import io

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

INK, ACCENT, PALE, QUIET = "#1f3a5f", "#c8553d", "#8fa6c0", "#8a8f98"
DPI = 80
COLOURS = 128


def canvas(title: str, x_label: str, y_label: str, *, size: tuple[float, float] = (6.0, 4.2)) -> tuple[Figure, Axes]:
    """A figure of one panel without upper and right border; ``size`` is its width and height in inches."""
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.add_subplot()
    axes.set(title=title, xlabel=x_label, ylabel=y_label)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def say(axes: Axes, text: str) -> None:
    """A sentence in place of a drawing."""
    axes.set_axis_off()
    axes.text(0.5, 0.5, text, ha="center", va="center", fontsize=8, transform=axes.transAxes, wrap=True)


def png(figure: Figure, *, dpi: int = DPI) -> bytes:
    """A figure as PNG bytes of at most :data:`COLOURS` colours, which divides the size by two to three.

    Without the name and version of the library that drew it: the same figure gives the same bytes.
    """
    drawn = FigureCanvasAgg(figure)
    figure.set_dpi(dpi)
    drawn.draw()
    pixels = Image.fromarray(np.asarray(drawn.buffer_rgba())).convert("RGB")
    buffer = io.BytesIO()
    pixels.quantize(COLOURS, dither=Image.Dither.NONE).save(buffer, format="png", optimize=True)
    return buffer.getvalue()
