"""The ways in which held-out pickups are cut: hour, driver, leg and area."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from atmr_pipeline.models.delay.evaluation import MISSING_SLICE, SMALL_SLICES, evaluate_slices


@dataclass(frozen=True)
class Cut:
    """One way of cutting.

    Attributes
    ----------
    name : str
        ``hour``, ``driver`` and so on.
    column : str
        The held-out column it is made from.
    title : str
        What a reader calls it.
    label : callable
        From the column to one label a row; NULL stays NULL.
    """

    name: str
    column: str
    title: str
    label: Callable[[pd.Series], pd.Series]


def _hour(column: pd.Series) -> pd.Series:
    hours = pd.Series(np.floor(column.astype("float64")), index=column.index)
    return hours.map("{:02.0f}".format, na_action="ignore").astype(object)


def _leg(column: pd.Series) -> pd.Series:
    return column.map({True: "return", False: "outbound"}, na_action="ignore").astype(object)


def _as_is(column: pd.Series) -> pd.Series:
    return column.astype(object)


CUTS = (
    Cut("hour", "time_of_day", "hour of the scheduled pickup", _hour),
    Cut("driver", "driver_id", "driver", _as_is),
    Cut("leg", "is_return", "leg", _leg),
    Cut("patient_area", "patient_area", "area of the patient's end", _as_is),
    Cut("pickup_area", "pickup_area", "area of the pickup", _as_is),
)
FAIRNESS_CUTS = ("driver", "patient_area")


def labels(holdout: pd.DataFrame) -> tuple[dict[str, pd.Series], dict[str, str]]:
    """One label a row for every cut that can be made, and why the others cannot.

    Returns
    -------
    labels : dict of Series
        By the name of the cut.
    left_out : dict of str
        Name of the cut to the reason.
    """
    made = {cut.name: cut.label(holdout[cut.column]) for cut in CUTS if cut.column in holdout.columns}
    left_out = {cut.name: f"no column {cut.column}" for cut in CUTS if cut.name not in made}
    return made, left_out


def slice_table(holdout: pd.DataFrame, label: pd.Series, *, late_after_min: float) -> pd.DataFrame:
    """The figures of each slice, in the natural order of the labels, what was gathered or unknown last."""
    table = evaluate_slices(holdout["delay_min"], holdout, label, late_after_min=late_after_min)
    return table.sort_values("slice", key=lambda names: names.map(natural_order), ignore_index=True)


def natural_order(name: str) -> tuple[int, float, str]:
    """Key that sorts numbers as numbers, then words, then what was gathered or unknown."""
    if name in (SMALL_SLICES, MISSING_SLICE):
        return 2, 0.0, name
    return (0, float(name), name) if name.lstrip("-").isdigit() else (1, 0.0, name)
