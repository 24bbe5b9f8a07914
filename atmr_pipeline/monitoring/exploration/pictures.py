"""Pictures of the exploratory report, drawn from its tables alone; each is a PNG under 60 kB."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, TwoSlopeNorm
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure

from atmr_pipeline.domain.vocabulary import LATE_AFTER_MIN
from atmr_pipeline.drawing import ACCENT, INK, PALE, QUIET, canvas, png, say
from atmr_pipeline.monitoring.exploration.cases import WEEKDAYS
from atmr_pipeline.monitoring.exploration.explore import DelayExploration
from atmr_pipeline.monitoring.exploration.groups import GATHERED, NAMED, TRAILING_WEEKS
from atmr_pipeline.monitoring.exploration.texts import DELAY, DIMENSIONS, Text, group_name, word

DOTS_PER_INCH = 100
SIZE = (8.0, 3.6)
BOXED = ("leg", "hour", "weekday", "month", "driver", "patient_area", "pickup_area")
MOST_BOXES = 30
ROOM, HALF_ROOM = 104, 62
"""Characters that fit in a line below a whole and a half picture."""

MOST_BARS = 24
MOST_PANELS = 6
FEW_IN_CELL = 5
"""A cell of the heat map with fewer pickups is counted and not coloured."""

_BOX = {
    "med": "median_min", "q1": "q1_min", "q3": "q3_min", "whislo": "whisker_low_min", "whishi": "whisker_high_min",
    "mean": "mean_min",
}  # fmt: skip
COUNTED = Text("en parenthèses : nombre", "in brackets: number")
NOTHING = Text("aucune prise en charge mesurée", "no measured pickup yet")
LATE = Text(f"en retard : plus de {LATE_AFTER_MIN:.0f} min", f"late: more than {LATE_AFTER_MIN:.0f} min")


def exploration_pictures(tables: DelayExploration) -> dict[str, bytes]:
    """Every picture by name; a dimension of which nothing is known is not drawn, its table says so."""
    drawn = {"histogram": histogram_picture(tables)}
    known = tables.groups.loc[tables.groups["kind"] != "unknown", "dimension"]
    drawn |= {f"by_{name}": boxes_picture(tables.groups, name) for name in BOXED if (known == name).any()}
    drawn["by_leg_and_hour"] = leg_and_hour_picture(tables.groups)
    drawn["hour_weekday"] = hour_weekday_picture(tables.hour_weekday)
    drawn["weeks"] = weeks_picture(tables.weeks)
    drawn["missing"] = missing_picture(tables.missing)
    if len(tables.features):
        drawn["features"] = features_picture(tables.features)
    return drawn


def histogram_picture(tables: DelayExploration) -> bytes:
    """Minutes of delay with the quartiles and the limit of lateness; the outer 0.5 % on each side are hatched bars."""
    figure, axes = canvas("Répartition des retards / distribution of delays", str(DELAY), "n", size=SIZE)
    bins = tables.histogram
    if not tables.n:
        return _nothing(figure, axes)
    low, high = bins["to_min"].iloc[0], bins["from_min"].iloc[-1]
    left = np.where(np.isinf(bins["from_min"]), low - 1.0, bins["from_min"])
    colours = np.where(left >= LATE_AFTER_MIN, ACCENT, PALE)
    hatches = ["//" if open_end else "" for open_end in np.isinf(bins["from_min"]) | np.isinf(bins["to_min"])]
    axes.bar(left, bins["n"], width=1.0, align="edge", color=colours, edgecolor="white", hatch=hatches, linewidth=0.4)
    for name, style in (("q1_min", ":"), ("median_min", "-"), ("q3_min", "--")):
        value = tables.figure(name)
        label = {"q1_min": "Q1", "median_min": "médiane / median", "q3_min": "Q3"}[name]
        axes.axvline(value, color=INK, linestyle=style, linewidth=1.4, label=f"{label} {value:.1f}")
    late = f"{LATE} ({100 * tables.figure('late_share'):.0f} %)"
    axes.axvline(LATE_AFTER_MIN, color=ACCENT, linewidth=1.4, label=late)
    axes.set_xlim(low - 1.5, high + 1.5)
    axes.legend(frameon=False, fontsize=8)
    return png(figure, dpi=DOTS_PER_INCH)


def boxes_picture(groups: pd.DataFrame, dimension: str) -> bytes:
    """Box plots of one dimension; unknown and gathered groups come last. Outliers are in the table, not in the plot."""
    rows = groups[groups["dimension"] == dimension]
    title = f"Retard par / delay by: {DIMENSIONS[dimension]}"
    figure, axes = canvas(title, str(COUNTED), str(DELAY), size=SIZE)
    axes.xaxis.label.set_fontsize(8)
    if rows.empty:
        return _nothing(figure, axes)
    shown = rows.tail(MOST_BOXES) if dimension == "month" else rows.head(MOST_BOXES)
    if len(rows) > len(shown):
        rest = len(rows) - len(shown)
        more = Text(f"{rest} autres dans le tableau", f"{rest} more in the table")
        axes.set_xlabel(f"{COUNTED}; {more}")
    _boxes(axes, shown, ROOM)
    return png(figure, dpi=DOTS_PER_INCH)


def leg_and_hour_picture(groups: pd.DataFrame) -> bytes:
    """Box plots by hour, outbound and return legs apart: they have different hours."""
    figure = Figure(figsize=(8.0, 4.2), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    every = groups[groups["dimension"] == "leg_and_hour"]
    rows = every[every["kind"] == NAMED]
    for axes, leg in zip(panels, ("outbound", "return"), strict=True):
        here = rows[rows["group"].str.startswith(leg)]
        axes.set_title(str(word(leg)), fontsize=10)
        if here.empty:
            say(axes, str(NOTHING))
            continue
        axes.spines[["top", "right"]].set_visible(False)
        _boxes(axes, here.assign(group=here["group"].str.removeprefix(f"{leg} "), dimension="hour"), HALF_ROOM)
        axes.set_xlabel(str(DIMENSIONS["hour"]), fontsize=9)
    panels[0].set_ylabel(str(DELAY))
    rest = int(every["n"].sum() - rows["n"].sum())
    if rest:
        not_drawn = Text(
            f"petits groupes et inconnus, non dessinés : {rest}", f"small groups and unknown, not drawn: {rest}"
        )
        figure.supxlabel(str(not_drawn), fontsize=8)
    return png(figure, dpi=DOTS_PER_INCH)


def _boxes(axes: Axes, rows: pd.DataFrame, room: int) -> None:
    """Boxes with their means; ``room`` is how many characters fit below the axis on one line."""
    boxes, names = [], []
    for row in rows.to_dict("records"):
        name = group_name(row["dimension"], row["group"], row["kind"], row["gathered"])
        names.append(f"+{row['gathered']}" if row["kind"] == GATHERED else "\n".join(dict.fromkeys(name)))
        boxes.append({key: row[column] for key, column in _BOX.items()})
    places = np.arange(len(boxes))
    axes.bxp(
        boxes,
        positions=places,
        widths=0.6,
        showfliers=False,
        showmeans=True,
        patch_artist=True,
        boxprops={"facecolor": PALE, "edgecolor": INK},
        medianprops={"color": ACCENT, "linewidth": 1.6},
        meanprops={"marker": "D", "markersize": 4, "markerfacecolor": "white", "markeredgecolor": INK},
    )
    _name_boxes(axes, names, [str(count) for count in rows["n"]], room)
    axes.axhline(0.0, color=QUIET, linewidth=0.8)
    axes.axhline(LATE_AFTER_MIN, color=ACCENT, linewidth=0.9, linestyle="--")


def _name_boxes(axes: Axes, names: list[str], counts: list[str], room: int) -> None:
    """Names and counts below the boxes; where they would run into each other, on one turned line."""
    lines = [line for name in names for line in name.splitlines()] + [f"({count})" for count in counts]
    if max(len(line) for line in lines) + 1 <= room / len(names):
        labels = [f"{name}\n({count})" for name, count in zip(names, counts, strict=True)]
        axes.set_xticks(range(len(names)), labels, fontsize=8, parse_math=False)
        return
    labels = [f"{name.replace(chr(10), ' / ')} ({count})" for name, count in zip(names, counts, strict=True)]
    axes.set_xticks(
        range(len(names)), labels, fontsize=7, rotation=45, ha="right", rotation_mode="anchor", parse_math=False
    )


def hour_weekday_picture(cells: pd.DataFrame) -> bytes:
    """Median delay by weekday and hour, with the number of pickups in small print."""
    figure, axes = canvas("Retard médian (min) et nombre / median delay (min) and count", "", "", size=(8.0, 3.8))
    known = cells.dropna(subset=["hour"])
    if known.empty:
        return _nothing(figure, axes)
    days = [name for name in WEEKDAYS if (known["weekday"] == name).any()]
    hours = [f"{hour:02d}" for hour in range(int(known["hour"].min()), int(known["hour"].max()) + 1)]
    grid = np.full((len(days), len(hours)), np.nan)
    for row in known.to_dict("records"):
        place = days.index(row["weekday"]), hours.index(row["hour"])
        enough = row["n"] >= FEW_IN_CELL
        grid[place] = row["median_min"] if enough else np.nan
        if enough:
            axes.text(place[1], place[0] - 0.12, f"{row['median_min']:.1f}", ha="center", va="center", fontsize=8)
        axes.text(place[1], place[0] + 0.26, f"{row['n']}", ha="center", va="center", fontsize=6)
    reach = max(float(np.nanmax(np.abs(grid))) if np.isfinite(grid).any() else 1.0, 1.0)
    colours = LinearSegmentedColormap.from_list("delay", [PALE, "#ffffff", ACCENT])
    axes.imshow(grid, cmap=colours, norm=TwoSlopeNorm(0.0, -reach, reach), aspect="auto")
    axes.set_xticks(range(len(hours)), hours)
    axes.set_yticks(range(len(days)), [str(word(name)) for name in days])
    axes.set_xlabel(str(DIMENSIONS["hour"]))
    axes.spines[:].set_visible(False)
    unplaced = int(cells["n"].sum() - known["n"].sum())
    note = f"; heure inconnue / hour unknown: n={unplaced}" if unplaced else ""
    axes.set_title(f"{axes.get_title()}{note}", fontsize=11)
    return png(figure, dpi=DOTS_PER_INCH)


def weeks_picture(weeks: pd.DataFrame) -> bytes:
    """Weekly mean and median, the mean of four weeks with its interval, and the number of pickups below."""
    figure = Figure(figsize=(8.0, 4.2), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    if weeks.empty:
        lower.set_axis_off()
        return _nothing(figure, upper)
    week = weeks["week"].to_numpy()
    low, high = weeks["trailing_low_min"].to_numpy(), weeks["trailing_high_min"].to_numpy()
    weekly = Text("moyenne de la semaine", "mean of the week")
    trailing = Text(f"{TRAILING_WEEKS} semaines, 95 %", f"{TRAILING_WEEKS} weeks, 95 %")
    upper.fill_between(week, low, high, color=PALE, alpha=0.5, linewidth=0.0)
    upper.plot(week, weeks["trailing_mean_min"], color=INK, label=str(trailing))
    upper.plot(week, weeks["mean_min"], color=INK, marker="o", markersize=3, linestyle="none", label=str(weekly))
    upper.plot(week, weeks["median_min"], color=ACCENT, linewidth=1.0, label="médiane / median")
    upper.set_ylabel(str(DELAY))
    upper.set_title("Retard par semaine / delay by week")
    upper.legend(frameon=False, fontsize=8, ncols=3, loc="upper left")
    upper.set_ylim(top=upper.get_ylim()[1] * 1.15)
    lower.bar(week, weeks["n"], width=np.timedelta64(6, "D"), color=PALE)
    lower.set_ylabel("n")
    locator = AutoDateLocator(maxticks=12)
    lower.xaxis.set_major_locator(locator)
    lower.xaxis.set_major_formatter(ConciseDateFormatter(locator, show_offset=False))
    for axes in (upper, lower):
        axes.spines[["top", "right"]].set_visible(False)
    return png(figure, dpi=DOTS_PER_INCH)


def missing_picture(missing: pd.DataFrame) -> bytes:
    """Share of rows in which a feature is not known; features that always are known are counted in the title."""
    holed = missing[missing["unknown"] > 0]
    shown = holed.head(MOST_BARS).iloc[::-1]
    size = (8.0, 1.1 + 0.24 * max(len(shown), 3))
    known = len(missing) - len(holed)
    complete = Text(f"% inconnu ; toujours connues : {known}", f"% unknown; always known: {known}")
    figure, axes = canvas("Valeurs inconnues / unknown values", str(complete), "", size=size)
    if shown.empty:
        return _nothing(figure, axes, Text("rien n'est inconnu", "nothing is unknown") if known else NOTHING)
    places = np.arange(len(shown))
    axes.barh(places, 100.0 * shown["unknown_share"], color=PALE)
    for place, (share, count) in enumerate(zip(shown["unknown_share"], shown["unknown"], strict=True)):
        axes.text(100.0 * share, place, f" {count:,}", va="center", fontsize=8)
    axes.set_yticks(places, shown["feature"], fontsize=8, parse_math=False)
    axes.set_xlim(0.0, max(1.0, 112.0 * float(shown["unknown_share"].max())))
    return png(figure, dpi=DOTS_PER_INCH)


def features_picture(features: pd.DataFrame) -> bytes:
    """Median and quartiles of the delay in each bin of some features; unknown values are in the table."""
    names = list(dict.fromkeys(features.loc[features["kind"] == NAMED, "feature"]))[:MOST_PANELS]
    columns = min(3, max(len(names), 1))
    rows = max(-(-len(names) // columns), 1)
    figure = Figure(figsize=(8.0, 0.4 + 2.3 * rows), layout="constrained")
    panels = np.atleast_1d(figure.subplots(rows, columns, sharey=True)).ravel()
    if not names:
        return _nothing(figure, panels[0])
    for axes, name in zip(panels, names, strict=False):
        bins = features[(features["feature"] == name) & (features["kind"] == NAMED)]
        places = np.arange(len(bins))
        axes.fill_between(places, bins["q1_min"], bins["q3_min"], color=PALE, alpha=0.5, linewidth=0.0)
        axes.plot(places, bins["median_min"], color=ACCENT, marker=".")
        axes.plot(places, bins["mean_min"], color=INK, linewidth=1.0, marker="D", markersize=3)
        axes.set_xticks(places, [f"{value:.3g}" for value in bins["to_value"]], fontsize=7)
        axes.set_title(name, fontsize=9, parse_math=False)
        axes.spines[["top", "right"]].set_visible(False)
    for axes in panels[len(names) :]:
        axes.set_axis_off()
    for axes in panels[::columns]:
        axes.set_ylabel(str(DELAY), fontsize=8)
    figure.suptitle("Retard selon la valeur (borne haute) / delay by value (upper end of the bin)", fontsize=10)
    return png(figure, dpi=DOTS_PER_INCH)


def _nothing(figure: Figure, axes: Axes, text: Text = NOTHING) -> bytes:
    say(axes, str(text))
    return png(figure, dpi=DOTS_PER_INCH)
