"""Does the challenger serve some group of courses surely worse, although it is as good over all of them?"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import t as student_t

from atmr_pipeline.promotion.verdict import GateVerdict

UNKNOWN = "(unknown)"
SMALL = "(few rows)"
HOUR_EDGES = (0, 9, 12, 14, 17, 24)
WEEKDAYS = (
    "Monday or Friday", "Tuesday to Thursday", "Tuesday to Thursday", "Tuesday to Thursday", "Monday or Friday",
    "weekend", "weekend",
)  # fmt: skip
"""Groups, from Monday on: a held-out month has only four days of each weekday."""


@dataclass(frozen=True)
class SliceLimits:
    """Limits of the slice gate.

    Parameters
    ----------
    margin : float
        Relative MAE against the reference that a slice must not surely exceed.
    alpha : float
        Probability that any slice at all is refused by chance where none is worse by more than the margin.
    min_rows, min_days : int
        Slices below are shown and not judged: their days say too little about how days differ.
    shown_rows : int
        Slices below are gathered, so that no line speaks of a handful of courses.
    """

    margin: float = 0.10
    alpha: float = 0.05
    min_rows: int = 50
    min_days: int = 8
    shown_rows: int = 20


def _hour_group(hours: pd.Series) -> pd.Series:
    names = [f"{first:02d} to {last:02d} h" for first, last in pairwise(HOUR_EDGES)]
    return pd.cut(hours.astype("float64"), HOUR_EDGES, right=False, labels=names).astype(object)


def _leg(is_return: pd.Series) -> pd.Series:
    return is_return.map({True: "return", False: "outbound"}, na_action="ignore").astype(object)


def _wheelchair(carried: pd.Series) -> pd.Series:
    return carried.map({True: "wheelchair", False: "no wheelchair"}, na_action="ignore").astype(object)


def _weekday(number: pd.Series) -> pd.Series:
    return number.map(dict(enumerate(WEEKDAYS)), na_action="ignore").astype(object)


CUTS: Mapping[str, tuple[str, Callable[[pd.Series], pd.Series]]] = {
    "leg": ("is_return", _leg),
    "hour": ("time_of_day", _hour_group),
    "weekday": ("day_of_week", _weekday),
    "wheelchair": ("is_wheelchair", _wheelchair),
    "pickup_area": ("pickup_area", lambda column: column.astype(object)),
    "company": ("company_id", lambda column: column.astype(object)),
    "driver": ("driver_id", lambda column: column.astype(object)),
}
"""Name of a cut to the held-out column that it is made from, and how."""


def slice_labels(holdout: pd.DataFrame) -> dict[str, pd.Series]:
    """The slice of each row, for every cut of :data:`CUTS` whose column is there; not known is a slice of its own."""
    return {
        name: label(holdout[column]).astype(object).where(holdout[column].notna(), UNKNOWN)
        for name, (column, label) in CUTS.items()
        if column in holdout.columns
    }


def judge_slices(
    days: pd.Series,
    challenger: pd.Series,
    reference: pd.Series,
    labels: Mapping[str, pd.Series],
    *,
    against: str,
    limits: SliceLimits | None = None,
) -> GateVerdict:
    """No slice surely worse than the reference by more than the margin.

    Of each slice and day ``d`` is the challenger's absolute errors less ``1 + margin`` times the reference's, summed;
    a one-sided t test over days asks whether its mean is above zero (days are the clusters; no ratio is formed, as in
    Fieller's test). The p-values are multiplied by the number of slices judged (Bonferroni), because one slice is
    enough to refuse and many are looked at.

    Parameters
    ----------
    days, challenger, reference : Series
        Day and absolute errors (min) of each held-out row.
    labels : mapping of str to Series
        Of :func:`slice_labels`, on the same rows.
    against : str
        What the reference is, for the reader.
    limits : SliceLimits, optional

    Returns
    -------
    GateVerdict
        Its value is the smallest adjusted p-value, its table one line a slice.
    """
    limits = limits or SliceLimits()
    left_out = [name for name in CUTS if name not in labels]
    lines = [line for cut, label in labels.items() for line in _lines(cut, label, days, challenger, reference, limits)]
    judged = [line for line in lines if not math.isnan(line["p_value"])]
    for line in judged:
        line["p_value"] = min(1.0, line["p_value"] * len(judged))
        line["verdict"] = "surely worse" if line["p_value"] < limits.alpha else "passed"
    worst = sorted((line for line in judged if line["verdict"] != "passed"), key=lambda line: line["p_value"])
    told = [f"{line['cut']} {line['slice']} {line['difference_pct']:+.0f} %" for line in worst]
    detail = (
        f"{len(worst)} of {len(judged)} slices surely more than {limits.margin:.0%} worse than {against}"
        f"{': ' + ', '.join(told) if told else ''}; {len(lines) - len(judged)} with too few rows or days not judged"
        f"{'; no column for ' + ', '.join(left_out) if left_out else ''}"
    )
    threshold, table = limits.alpha, tuple(_shown(line) for line in lines)
    if not judged:
        return GateVerdict("slices", True, math.nan, threshold, 0, detail, state="not_judged", table=table)
    smallest = min(line["p_value"] for line in judged)
    return GateVerdict("slices", not worst, smallest, threshold, len(judged), detail, table=table)


def _lines(
    cut: str, label: pd.Series, days: pd.Series, ours: pd.Series, theirs: pd.Series, limits: SliceLimits
) -> list[dict[str, Any]]:
    names = label.astype(str).to_numpy()
    known, counts = np.unique(names, return_counts=True)
    names = np.where(np.isin(names, known[counts < limits.shown_rows]), SMALL, names)
    day, errors = pd.factorize(days)[0], (ours.to_numpy(), theirs.to_numpy())
    lines = []
    for name in sorted(set(names)):
        here = names == name
        seen = np.unique(day[here], return_inverse=True)[1]
        ours_by_day, theirs_by_day = (np.bincount(seen, weights=one[here]) for one in errors)
        rows, n_days, total = int(here.sum()), len(ours_by_day), float(theirs_by_day.sum())
        few = name == SMALL or rows < limits.min_rows or n_days < limits.min_days
        lines.append(
            {
                "cut": cut,
                "slice": name,
                "n": rows,
                "days": n_days,
                "mae_min": float(ours_by_day.sum()) / rows,
                "reference_mae_min": total / rows,
                "difference_pct": 100.0 * (float(ours_by_day.sum()) / total - 1.0) if total > 0 else math.nan,
                "p_value": math.nan if few else _p_worse(ours_by_day - (1.0 + limits.margin) * theirs_by_day),
                "verdict": "not judged",
            }
        )
    return lines


def _p_worse(excess: np.ndarray) -> float:
    """One-sided p-value of daily sums that are zero or less on average."""
    error = float(excess.std(ddof=1)) / math.sqrt(len(excess))
    if error == 0.0:
        return 0.0 if excess.mean() > 0 else 1.0
    return float(student_t.sf(excess.mean() / error, len(excess) - 1))


def _shown(line: Mapping[str, Any]) -> dict[str, Any]:
    return {name: None if isinstance(value, float) and math.isnan(value) else value for name, value in line.items()}
