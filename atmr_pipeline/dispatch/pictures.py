"""Small pictures of plans, as PNG bytes: they live in an event log, so each stays under 60 kB."""

import io

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from atmr_pipeline.dispatch.days import Places
from atmr_pipeline.dispatch.problem import DayProblem
from atmr_pipeline.dispatch.simulator import DayOutcome

DPI = 80
OUTBOUND_COLOUR, RETURN_COLOUR, LATE_COLOUR = "#3b6ea5", "#7aa874", "#c0392b"
IDLE_COLOUR, ABSENCE_COLOUR = "#eceff1", "#ffffff"
DRIVER_COLOURS = (
    "#3b6ea5", "#c77c2e", "#4f8f5b", "#8a5a9e", "#a0483f", "#2f8f8f", "#8c8c3a", "#c26a97", "#5b5b5b", "#6f4e37",
)  # fmt: skip
"""Of routes, in turn."""
KM_PER_DEGREE = 111.195
MAP_PALETTE = 200
MAP_GRID_KM = 1.0
"""Places are drawn on a grid this wide, and without coordinates: a map shows a plan. Who knows the depot's address can
still tell a quarter of a town from another, so it belongs to those who may see the day itself."""


def load_gap_histogram(
    before: npt.ArrayLike, after: npt.ArrayLike, *, labels: tuple[str, str] = ("before", "after")
) -> bytes:
    """Distribution of the load gap of the same days under two plans.

    Parameters
    ----------
    before, after : array of int (days,)
    labels : (str, str)
        What the two are.
    """
    samples = [np.asarray(values, dtype=np.int64) for values in (before, after)]
    largest = max([0, *(int(values.max()) for values in samples if values.size)])
    figure = Figure(figsize=(6.0, 3.2), dpi=DPI, layout="constrained")
    axes = figure.add_subplot()
    positions = np.arange(largest + 1)
    for side, (values, label, colour) in enumerate(zip(samples, labels, (IDLE_COLOUR, OUTBOUND_COLOUR), strict=True)):
        counts = np.bincount(values, minlength=largest + 1)
        mean = f"mean {values.mean():.2f}" if values.size else "no days"
        axes.bar(
            positions + 0.4 * (side - 0.5),
            counts,
            width=0.4,
            color=colour,
            edgecolor="#455a64",
            label=f"{label}: {mean}",
        )
    axes.set_xlabel("load gap: max - min bookings per driver on duty")
    axes.set_ylabel("days")
    axes.set_xticks(positions)
    axes.legend(frameon=False)
    return _png(figure, axes)


def plan_gantt(problem: DayProblem, outcome: DayOutcome, *, title: str = "") -> bytes:
    """A day's plan as a Gantt chart: a row a driver, a bar a booking from boarding to alighting.

    Parameters
    ----------
    problem : DayProblem
    outcome : DayOutcome
        Of a plan of this problem.
    title : str
    """
    rows = problem.n_drivers + 1
    figure = Figure(figsize=(8.0, min(1.2 + 0.32 * rows, 12.0)), dpi=DPI, layout="constrained")
    axes = figure.add_subplot()
    for driver in range(problem.n_drivers):
        start, end = problem.shift_start_min[driver] / 60.0, problem.shift_end_min[driver] / 60.0
        axes.barh(driver, end - start, left=start, height=0.8, color=IDLE_COLOUR)
    for driver, from_min, to_min in problem.absences:
        axes.barh(driver, (to_min - from_min) / 60.0, left=from_min / 60.0, height=0.8, color=ABSENCE_COLOUR)
    served = np.flatnonzero(outcome.served)
    start = outcome.start_min[served] / 60.0
    length = outcome.dropoff_end_min[served] / 60.0 - start
    leg = np.where(problem.is_outbound[served], OUTBOUND_COLOUR, RETURN_COLOUR)
    edge = np.where(outcome.late[served], LATE_COLOUR, "white")
    axes.barh(outcome.driver[served], length, left=start, height=0.6, color=leg, edgecolor=edge, linewidth=1.5)
    lost = np.flatnonzero(outcome.lost)
    axes.plot(problem.scheduled_min[lost] / 60.0, np.full(len(lost), problem.n_drivers), "x", color=LATE_COLOUR)
    labels = [f"{name} ({load})" for name, load in zip(problem.driver_ids, outcome.loads, strict=True)]
    axes.set_yticks(range(rows), [*labels, f"lost ({outcome.n_lost})"])
    axes.invert_yaxis()
    axes.set_xlabel("hour; blue: outbound, green: return, red edge: costly lateness")
    axes.set_title(title or outcome.summary(), fontsize=8)
    return _png(figure, axes)


def plan_map(problem: DayProblem, outcome: DayOutcome, places: Places, *, title: str = "") -> bytes:
    """A day's routes: rides in full lines, empty ways dashed, a colour a driver. No address, no name, no coordinate.

    Parameters
    ----------
    problem : DayProblem
    outcome : DayOutcome
        Of a plan of this problem.
    places : Places
        Of the same day.
    title : str
    """
    starts, pickups, dropoffs = _plane(places)
    figure = Figure(figsize=(6.0, 5.4), dpi=DPI, layout="constrained")
    axes = figure.add_subplot()
    last = starts.copy()
    for booking in problem.service_order[outcome.served[problem.service_order]].tolist():
        driver = int(outcome.driver[booking])
        colour = DRIVER_COLOURS[driver % len(DRIVER_COLOURS)]
        empty, ride = np.stack([last[driver], pickups[booking]]), np.stack([pickups[booking], dropoffs[booking]])
        axes.plot(*empty.T, color=colour, linewidth=0.8, linestyle="--", alpha=0.7)
        axes.plot(*ride.T, color=colour, linewidth=1.6)
        last[driver] = dropoffs[booking]
    axes.plot(*starts.T, "s", color="#263238", markersize=6, label="start")
    axes.plot(*pickups[outcome.served].T, "o", color="#263238", markersize=3, label="pickup")
    axes.plot(*pickups[outcome.lost].T, "x", color=LATE_COLOUR, label="lost")
    for driver, (name, load) in enumerate(zip(problem.driver_ids, outcome.loads, strict=True)):
        if driver < len(DRIVER_COLOURS):
            axes.plot([], [], color=DRIVER_COLOURS[driver], label=f"{name} ({load})")
    axes.set_aspect("equal", adjustable="datalim")
    axes.set_xlabel("km east")
    axes.set_ylabel("km north")
    axes.legend(frameon=False, fontsize=7, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    axes.set_title(title or outcome.summary(), fontsize=8)
    return _few_colours(_png(figure, axes))


def _plane(places: Places) -> tuple[npt.NDArray[np.float64], ...]:
    """Starts, pickups and drop-offs as (east, north) km from the middle of them all, on the grid."""
    every = np.concatenate([places.starts, places.pickups, places.dropoffs])
    if not len(every):
        return tuple(part.copy() for part in (places.starts, places.pickups, places.dropoffs))
    middle = np.median(every, axis=0)
    scale = np.array([KM_PER_DEGREE, KM_PER_DEGREE * np.cos(np.radians(middle[0]))])

    def flat(points: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return MAP_GRID_KM * np.round((points - middle) * scale / MAP_GRID_KM)[:, ::-1]

    return flat(places.starts), flat(places.pickups), flat(places.dropoffs)


def _few_colours(png: bytes) -> bytes:
    """The picture with a palette: many crossing lines would else take three times the room."""
    buffer = io.BytesIO()
    Image.open(io.BytesIO(png)).convert("RGB").quantize(MAP_PALETTE).save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()


def kpi_series(days: pd.DataFrame) -> bytes:
    """Weekly means of the company's KPIs.

    Parameters
    ----------
    days : DataFrame
        A row a day: ``service_day``, ``load_gap``, ``on_time_rate`` and ``completion_rate`` (shares); NULL is left out.
    """
    columns = ["load_gap", "on_time_rate", "completion_rate"]
    figure = Figure(figsize=(8.0, 4.8), dpi=DPI, layout="constrained")
    panels = figure.subplots(3, 1, sharex=True)
    values = days[columns].astype("float64").set_axis(pd.DatetimeIndex(days["service_day"]), axis=0)
    weekly = values.resample("W-MON", label="left", closed="left").mean()
    for axes, column in zip(panels, columns, strict=True):
        axes.plot(weekly.index, weekly[column], color=OUTBOUND_COLOUR, marker=".")
        axes.set_ylabel(column.replace("_", " "))
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylim(bottom=0.0)
    return _png(figure, panels[-1])


def _png(figure: Figure, axes: Axes) -> bytes:
    axes.spines[["top", "right"]].set_visible(False)
    buffer = io.BytesIO()
    FigureCanvasAgg(figure).print_png(buffer, pil_kwargs={"optimize": True})
    return buffer.getvalue()
