"""A change of level: from a day on every pickup is some minutes later, and the history before it cannot know.

Roadworks in the centre make every pickup five minutes late from one day to the next. A model that is trained again on
a year of days before and two days since would not notice for weeks. What is known is *when* the level changed (an alarm
on the residuals); by how much is estimated from the pickups since, and added to what the model says (a step
intervention, Box and Tiao, 1975). Courses are still told apart by what a year of history taught.

The estimate is shrunk towards the level before (:data:`PRIOR_STD_MIN`), more so where it rests on few days. Where a
model is judged on past days, each decision is given what could have been said then: nothing until the alarm, and
afterwards the level that earlier pickups had shown.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise, zip_longest
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

FloatArray = npt.NDArray[np.float64]

DECIMALS = 4
"""Of a minute."""

PRIOR_STD_MIN = 3.0
"""How large changes of level are before anything is seen, minutes: the normal prior's standard deviation."""
DAY_STD_SHARE = 0.3
"""Standard deviation of a day's own luck over that of a course: courses of a day are not independent."""


@dataclass(frozen=True)
class LevelChange:
    """That the level changed, and when that was noticed.

    Parameters
    ----------
    since : date
        First service day of the new level.
    known_on : date
        Service day whose evening knew it; decisions for later days can use it.
    """

    since: date
    known_on: date

    def __post_init__(self) -> None:
        if self.known_on < self.since:
            raise ValueError(f"a change of level since {self.since} cannot be known on {self.known_on}")


@dataclass(frozen=True)
class LevelStep:
    """Minutes that are added from a change on, and how many pickups on how many days say so."""

    change: LevelChange
    shift_min: float
    rows: int
    days: int

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        dates = {"since": self.change.since.isoformat(), "known_on": self.change.known_on.isoformat()}
        return {**dates, "shift_min": self.shift_min, "rows": self.rows, "days": self.days}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """The inverse of :meth:`to_dict`."""
        change = LevelChange(date.fromisoformat(values["since"]), date.fromisoformat(values["known_on"]))
        return cls(change, float(values["shift_min"]), int(values["rows"]), int(values["days"]))


@dataclass(frozen=True)
class Levels:
    """The steps of a model in time order; none at all for a world that has not changed."""

    steps: tuple[LevelStep, ...] = ()

    def __post_init__(self) -> None:
        if any(earlier.change.since >= later.change.since for earlier, later in pairwise(self.steps)):
            raise ValueError("the steps of a level must be in time order, one a day")

    @property
    def latest_min(self) -> float:
        """What holds now, minutes."""
        return self.steps[-1].shift_min if self.steps else 0.0

    @property
    def changes(self) -> tuple[LevelChange, ...]:
        """When the level changed."""
        return tuple(step.change for step in self.steps)

    def on(self, service_days: pd.Series) -> FloatArray:
        """Minutes on each service day, as estimated now, shape (n_rows,)."""
        level = np.zeros(len(service_days))
        days = _days(service_days)
        for step in self.steps:
            level[days >= np.datetime64(step.change.since)] = step.shift_min
        return level

    def to_list(self) -> list[dict[str, Any]]:
        """Plain values for JSON."""
        return [step.to_dict() for step in self.steps]

    @classmethod
    def from_list(cls, values: Sequence[dict[str, Any]]) -> Self:
        """The inverse of :meth:`to_list`."""
        return cls(tuple(LevelStep.from_dict(value) for value in values))


def shrunk_level(
    residual_min: FloatArray, days: npt.NDArray[np.datetime64], std_min: float, *, before_min: float = 0.0
) -> float:
    """Posterior mean of a level, minutes, from residuals whose days share some luck.

    A day's mean has variance ``std^2 (share^2 + 1 / n)``; days are weighted by its inverse, and the prior is normal
    around the level before with :data:`PRIOR_STD_MIN`: an alarm about nothing moves little. The level before without
    residuals.

    Parameters
    ----------
    residual_min : ndarray, shape (n,)
        Actual minus expected without a level.
    days : ndarray of datetime64, shape (n,)
        Service day of each.
    std_min : float
        Of a course's residual when nothing changes.
    before_min : float
        The level until then, minutes.
    """
    if len(residual_min) == 0 or not std_min > 0.0:
        return before_min
    _, codes, sizes = np.unique(days, return_inverse=True, return_counts=True)
    means = np.bincount(codes, weights=residual_min) / sizes
    precision = 1.0 / (std_min**2 * (DAY_STD_SHARE**2 + 1.0 / sizes))
    prior = 1.0 / PRIOR_STD_MIN**2
    return float((prior * before_min + (precision * means).sum()) / (precision.sum() + prior))


def estimated_levels(
    residual_min: FloatArray, service_days: pd.Series, changes: Sequence[LevelChange], std_min: float
) -> Levels:
    """The level of each stretch between two changes, from all of its residuals.

    A change on or before the first day is no change within these rows, and one after the last has no rows yet: neither
    gives a step. Of several changes on one day the one known first counts.
    """
    if len(service_days) == 0:
        return Levels()
    days = _days(service_days)
    inside = [change for change in in_order(changes) if days.min() < np.datetime64(change.since) <= days.max()]
    steps: list[LevelStep] = []
    for change, following in zip_longest(inside, inside[1:]):
        since = days >= np.datetime64(change.since)
        rows = since if following is None else since & (days < np.datetime64(following.since))
        before_min = steps[-1].shift_min if steps else 0.0
        shift_min = round(shrunk_level(residual_min[rows], days[rows], std_min, before_min=before_min), DECIMALS)
        steps.append(LevelStep(change, shift_min, int(rows.sum()), len(np.unique(days[rows]))))
    return Levels(tuple(steps))


def level_as_known(
    decisions: pd.DataFrame,
    history: pd.DataFrame,
    residual_min: FloatArray,
    changes: Sequence[LevelChange],
    std_min: float,
) -> FloatArray:
    """The level that could have been said when each decision was taken, minutes, shape (n_decisions,).

    Parameters
    ----------
    decisions : DataFrame
        ``decided_at`` and ``service_day`` of the rows to be predicted.
    history : DataFrame
        Measured pickups: ``service_day`` and ``known_at``.
    residual_min : ndarray, shape (len(history),)
        Of these, without a level.
    changes : sequence of LevelChange
    std_min : float
        Of a course's residual when nothing changes.
    """
    level = np.zeros(len(decisions))
    known, history_days = _instants(history["known_at"]), _days(history["service_day"])
    at, days = _instants(decisions["decided_at"]), _days(decisions["service_day"])
    ordered = in_order(changes)
    for instant in np.unique(at):
        for day in np.unique(days[at == instant]):
            told = [change for change in ordered if np.datetime64(change.known_on) < day]
            before_min = 0.0
            for change, following in zip_longest(told, told[1:]):
                seen = (known < instant) & (history_days >= np.datetime64(change.since))
                if following is not None:
                    seen &= history_days < np.datetime64(following.since)
                before_min = shrunk_level(residual_min[seen], history_days[seen], std_min, before_min=before_min)
            level[(at == instant) & (days == day)] = before_min
    return level


def in_order(changes: Sequence[LevelChange]) -> list[LevelChange]:
    """One change a day, in time order; the one that was known first."""
    first: dict[date, LevelChange] = {}
    for change in sorted(changes, key=lambda change: (change.since, change.known_on)):
        first.setdefault(change.since, change)
    return list(first.values())


def _days(service_days: pd.Series) -> npt.NDArray[np.datetime64]:
    return service_days.to_numpy().astype("datetime64[D]")


def _instants(instants: pd.Series) -> npt.NDArray[np.datetime64]:
    return pd.to_datetime(instants, utc=True).dt.tz_localize(None).to_numpy().astype("datetime64[us]")
