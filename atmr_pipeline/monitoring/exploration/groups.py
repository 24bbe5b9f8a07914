"""Quartiles by group: named groups, the small ones gathered into one, the unknown as a group of its own."""

from typing import Any

import numpy as np
import pandas as pd

from atmr_pipeline.monitoring.exploration.cases import DIMENSIONS, LEGS, URGENCIES, WEATHERS, WEEKDAYS
from atmr_pipeline.monitoring.exploration.figures import SAMPLE_FIGURES, mean_interval, sample_figures

NAMED, GATHERED, UNKNOWN = "named", "gathered", "unknown"
GROUP_COLUMNS = {
    "dimension": "str", "group": "str", "kind": "str", "gathered": "int64", "share": "float64", **SAMPLE_FIGURES,
}  # fmt: skip
TRAILING_WEEKS = 4
_TRAILING = ("trailing_mean_min", "trailing_low_min", "trailing_high_min")
_ORDERS = {"leg": LEGS, "weekday": WEEKDAYS, "urgency": URGENCIES, "weather": WEATHERS}
_SORTED = ("hour", "leg_and_hour", "month")


def delay_by_group(cases: pd.DataFrame, *, min_rows: int, seed: int = 0) -> pd.DataFrame:
    """Figures of the delay by every dimension.

    Parameters
    ----------
    cases : DataFrame
        Of :func:`~atmr_pipeline.monitoring.exploration.cases.measured_cases`.
    min_rows : int
        Known groups with fewer rows are gathered into one.
    seed : int
        Of the bootstrap.

    Returns
    -------
    DataFrame
        :data:`GROUP_COLUMNS`. ``kind`` is named, gathered (of ``gathered`` groups; may itself be small) or unknown;
        ``group`` is NULL for the last two. Within a dimension ``n`` adds up to the rows of ``cases``. The dimension
        company is there only where there are several.
    """
    records: list[dict[str, Any]] = []
    for dimension in DIMENSIONS:
        if dimension == "company" and cases["company"].nunique() < 2:
            continue
        records += _groups(cases, dimension, min_rows, seed)
    return pd.DataFrame({name: [row[name] for row in records] for name in GROUP_COLUMNS}).astype(GROUP_COLUMNS)


def _groups(cases: pd.DataFrame, dimension: str, min_rows: int, seed: int) -> list[dict[str, Any]]:
    values = cases[dimension]
    sizes = values.value_counts()
    small = sizes.index[sizes < min_rows]
    parts: list[tuple[str | None, str, int, pd.Series]] = [
        (str(name), NAMED, 0, values == name) for name in _in_order(dimension, sizes.drop(small))
    ]
    if len(small):
        parts.append((None, GATHERED, len(small), values.isin(small)))
    if values.isna().any():
        parts.append((None, UNKNOWN, 0, values.isna()))
    records = []
    for name, kind, gathered, chosen in parts:
        here = cases[chosen.to_numpy(dtype=bool)]
        figures = sample_figures(here["delay_min"].to_numpy(), here["service_day"].to_numpy(), seed)
        head = {"dimension": dimension, "group": name, "kind": kind, "gathered": gathered}
        records.append({**head, "share": len(here) / len(cases), **figures})
    return records


def _in_order(dimension: str, sizes: pd.Series) -> list[str]:
    names = [str(name) for name in sizes.index]
    if dimension in _ORDERS:
        return [name for name in _ORDERS[dimension] if name in names]
    if dimension in _SORTED:
        return sorted(names)
    return sorted(names, key=lambda name: (-int(sizes[name]), len(name), name))


def delay_by_hour_and_weekday(cases: pd.DataFrame) -> pd.DataFrame:
    """``weekday, hour, n, median_min`` of every combination that has rows; an hour that is not known is NULL."""
    grouped = cases.groupby(["weekday", "hour"], dropna=False)["delay_min"].agg(["size", "median"]).reset_index()
    grouped.columns = pd.Index(["weekday", "hour", "n", "median_min"])
    day_no = grouped["weekday"].map({name: number for number, name in enumerate(WEEKDAYS)})
    ordered = grouped.iloc[np.lexsort([grouped["hour"].fillna("~"), day_no])].reset_index(drop=True)
    return ordered.astype({"weekday": "str", "hour": "str", "n": "int64", "median_min": "float64"})


def delay_by_week(cases: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
    """Every calendar week from the first to the last, also the empty ones.

    Returns
    -------
    DataFrame
        ``week`` (its Monday), the figures of the week, and ``trailing_mean_min, trailing_low_min, trailing_high_min``
        of the :data:`TRAILING_WEEKS` weeks that end with it: a week has too few days for a useful interval of its own.
        Trailing figures start with the first full window.
    """
    monday = cases["service_day"] - pd.to_timedelta(cases["service_day"].dt.dayofweek, unit="D")
    weeks = pd.date_range(monday.min(), monday.max(), freq="7D") if len(cases) else pd.DatetimeIndex([])
    delay, days = cases["delay_min"].to_numpy(), cases["service_day"].to_numpy()
    records = []
    for number, week in enumerate(weeks):
        row = sample_figures(delay[here := (monday == week).to_numpy()], days[here], seed)
        row |= dict.fromkeys(_TRAILING, np.nan)
        window = (monday <= week).to_numpy() & (monday > week - pd.Timedelta(weeks=TRAILING_WEEKS)).to_numpy()
        if number + 1 >= TRAILING_WEEKS and window.any():
            row |= dict(
                zip(_TRAILING, (delay[window].mean(), *mean_interval(delay[window], days[window], seed)), strict=True)
            )
        records.append(row)
    columns = {**SAMPLE_FIGURES, **dict.fromkeys(_TRAILING, "float64")}
    figures = pd.DataFrame({name: [row[name] for row in records] for name in columns}).astype(columns)
    figures.insert(0, "week", pd.Series(weeks, dtype="datetime64[us]"))
    return figures
