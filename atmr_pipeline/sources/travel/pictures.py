"""The speed profile as a small PNG (under 60 kB: it lives in an event log), drawn without a display."""

import io

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from atmr_pipeline.domain.travel import PLANNING_SPEED_KMH, FloatArray
from atmr_pipeline.sources.travel.fitting import CONSTANT_KMH, FITTED, SpeedProfileFit
from atmr_pipeline.sources.travel.profile import HOURS, SpeedProfile
from atmr_pipeline.sources.travel.regression import IntArray

DPI = 80
INK, ACCENT, PALE = "#1f3a5f", "#c8553d", "#8fa6c0"
DAY_TYPES = {"Monday to Friday": (slice(0, 5), INK), "Saturday": (slice(5, 6), ACCENT), "Sunday": (slice(6, 7), PALE)}


def profile_picture(fit: SpeedProfileFit) -> bytes:
    """Speed by hour and day type, and the error on held-out trips beside simpler assumptions.

    A dot stands where there were trips, and grows with them; a line without dots is what other hours suggest.
    """
    figure = Figure(figsize=(10.0, 3.6), layout="constrained")
    speeds, errors = figure.subplots(1, 2, width_ratios=[1.7, 1.0])
    _speeds(speeds, fit.profile)
    _errors(errors, fit)
    buffer = io.BytesIO()
    FigureCanvasAgg(figure).print_figure(buffer, format="png", dpi=DPI, pil_kwargs={"optimize": True})
    return buffer.getvalue()


def _speeds(axes: Axes, profile: SpeedProfile) -> None:
    hours, most = np.arange(HOURS), profile.trips.sum(axis=0).max()
    axes.plot(hours, PLANNING_SPEED_KMH, color="#8a8f98", linewidth=1.0, linestyle=":", label="planning assumption")
    axes.axhline(CONSTANT_KMH, color="#8a8f98", linewidth=1.0, linestyle="--", label=f"{CONSTANT_KMH:.0f} km/h")
    for name, (days, colour) in DAY_TYPES.items():
        trips = profile.trips[days]
        speed = _mean_speed(profile.speed_kmh[days], trips)
        count = trips.sum(axis=0)
        axes.plot(hours, speed, color=colour, linewidth=1.2, label=f"{name} ({count.sum():,} trips)")
        axes.scatter(hours, speed, s=np.where(count > 0, 8.0 + 60.0 * count / most, 0.0), color=colour)
    axes.set(xlabel="local hour of the scheduled pickup", ylabel="speed (km/h)", xlim=(0, HOURS - 1), ylim=(0, None))
    axes.set_xticks(range(0, HOURS, 3))
    axes.legend(fontsize=8, frameon=False, loc="lower left", ncols=2)
    axes.spines[["top", "right"]].set_visible(False)


def _mean_speed(speed_kmh: FloatArray, trips: IntArray) -> FloatArray:
    weight = np.where(trips.sum(axis=0) > 0, trips, 1)
    return np.asarray(weight.sum(axis=0) / (weight / speed_kmh).sum(axis=0))


def _errors(axes: Axes, fit: SpeedProfileFit) -> None:
    table = fit.errors.iloc[::-1]
    axes.barh(table["method"], table["mae_min"], color=[INK if name == FITTED else PALE for name in table["method"]])
    for place, row in enumerate(table.itertuples()):
        interval = f"{row.difference_low_min:+.2f} to {row.difference_high_min:+.2f}"
        text = f"{row.mae_min:.2f}" + ("" if row.method == FITTED else f"  ({row.difference_min:+.2f}; {interval})")
        axes.text(0.1, place, text, va="center", fontsize=8, color="white" if row.method == FITTED else "black")
    axes.set_xlabel("mean absolute error (min)\nin brackets: profile - this (95 % interval)")
    axes.set_title(f"{fit.held_out:,} held-out trips of {fit.held_out_days} days", fontsize=9)
    axes.tick_params(labelsize=8)
    axes.xaxis.label.set_fontsize(8)
    axes.spines[["top", "right"]].set_visible(False)
