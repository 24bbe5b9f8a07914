"""The truth of each day as Parquet tables: what a replay needs, kept apart from what the pipeline may read."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from atmr_pipeline.domain.errors import SourceError
from atmr_pipeline.simulation.effects import Effects
from atmr_pipeline.simulation.execution import DayPlan

LEG_COLUMNS = (
    "assignment_ids", "booking_ids", "driver_index", "scheduled_min", "is_outbound", "is_urgent", "is_wheelchair",
    "no_show", "pickup_kind",
)  # fmt: skip
DRIVER_COLUMNS = ("driver_ids", "shift_start_min", "shift_end_min", "is_emergency", "punctuality_min")
POINT_COLUMNS = {"home": DRIVER_COLUMNS, "pickup": LEG_COLUMNS, "dropoff": LEG_COLUMNS}
EFFECT_COLUMNS = ("extra_delay_min", "rush_shift_h", "longer_trips")


@dataclass(frozen=True)
class TruthTables:
    """Truth of many days, one Parquet file a table; ``legs`` also has what happened, ``delay_min``."""

    legs: pd.DataFrame
    drivers: pd.DataFrame
    days: pd.DataFrame

    def write(self, folder: Path) -> None:
        """Write the three files into an existing folder."""
        for name in ("legs", "drivers", "days"):
            getattr(self, name).to_parquet(folder / f"{name}.parquet", index=False)

    @classmethod
    def read(cls, folder: Path) -> "TruthTables":
        """Read them back.

        Raises
        ------
        SourceError
            A file is missing or unreadable.
        """
        try:
            return cls(*(pd.read_parquet(folder / f"{name}.parquet") for name in ("legs", "drivers", "days")))
        except (OSError, ValueError) as error:
            raise SourceError(f"the truth under {folder} cannot be read ({type(error).__name__})") from None

    def append(self, other: "TruthTables") -> "TruthTables":
        """Both, ``other``'s days taking the place of the same days here."""
        parts = []
        for name in ("legs", "drivers", "days"):
            mine, theirs = getattr(self, name), getattr(other, name)
            parts.append(pd.concat([mine[~mine["day"].isin(theirs["day"])], theirs], ignore_index=True))
        return TruthTables(*parts)

    def plans(self) -> dict[date, DayPlan]:
        """The plan of each day that had executed bookings."""
        drivers = {pd.Timestamp(str(day)): group for day, group in self.drivers.groupby("day")}
        days = self.days.set_index("day")
        facts = {day: dict(zip(days.columns, values, strict=True)) for day, *values in days.itertuples()}
        groups = [(pd.Timestamp(str(day)), group) for day, group in self.legs.groupby("day")]
        return {day.date(): _plan(day.date(), group, drivers[day], facts[day]) for day, group in groups}


def to_tables(plans: Sequence[DayPlan], delays: Sequence[npt.NDArray[np.float64]]) -> TruthTables:
    """Tables of at least one day plan and of the delays that happened (NaN for a no-show), one array (B,) a plan."""
    legs, drivers, days = [], [], []
    for plan, delay_min in zip(plans, delays, strict=True):
        day = pd.Timestamp(plan.day)
        legs.append(_frame(plan, LEG_COLUMNS, day).assign(delay_min=delay_min))
        drivers.append(_frame(plan, DRIVER_COLUMNS, day))
        weather = {f"weather_factor_{hour:02d}": value for hour, value in enumerate(plan.weather_factor)}
        days.append({"day": day, **{name: getattr(plan.effects, name) for name in EFFECT_COLUMNS}, **weather})
    return TruthTables(pd.concat(legs, ignore_index=True), pd.concat(drivers, ignore_index=True), pd.DataFrame(days))


def _frame(plan: DayPlan, columns: tuple[str, ...], day: pd.Timestamp) -> pd.DataFrame:
    frame = pd.DataFrame({name: getattr(plan, name) for name in columns})
    for point, owner in POINT_COLUMNS.items():
        if owner is columns:
            frame[f"{point}_lat"], frame[f"{point}_lon"] = getattr(plan, point).T
    frame.insert(0, "day", day)
    return frame


def _plan(day: date, legs: pd.DataFrame, drivers: pd.DataFrame, facts: dict[str, Any]) -> DayPlan:
    tables = {LEG_COLUMNS: legs, DRIVER_COLUMNS: drivers}
    values = {name: frame[name].to_numpy() for columns, frame in tables.items() for name in columns}
    points = {
        name: tables[owner][[f"{name}_lat", f"{name}_lon"]].to_numpy(dtype=float)
        for name, owner in POINT_COLUMNS.items()
    }
    weather = np.array([facts[f"weather_factor_{hour:02d}"] for hour in range(24)], dtype=float)
    effects = Effects(float(facts["extra_delay_min"]), int(facts["rush_shift_h"]), bool(facts["longer_trips"]))
    return DayPlan(day=day, **values, **points, weather_factor=weather, effects=effects)
