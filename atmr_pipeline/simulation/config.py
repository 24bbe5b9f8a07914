"""What the demo company is asked to be: size, length, seed and drift scenarios."""

from dataclasses import asdict, dataclass
from datetime import date
from enum import StrEnum
from typing import Any

from atmr_pipeline.domain.errors import SettingsError

RANGES: dict[str, tuple[float, float]] = {
    "months": (1, 120),
    "bookings_per_day": (1, 2000),
    "drivers": (2, 200),
    "seed": (0, 2**32 - 1),
    "workbook_months": (0, 24),
}
"""Valid range of each number, both ends included."""

INTEGERS = ("months", "drivers", "seed", "workbook_months")


class ScenarioName(StrEnum):
    """A change of the world that a pipeline should notice."""

    ROADWORKS = "roadworks"
    """Every pickup takes 5 more minutes to reach, and is that much later."""
    RUSH_SHIFT = "rush_shift"
    """Appointments and traffic peaks move one hour later."""
    LONGER_TRIPS = "longer_trips"
    """Patients come from farther away: mean trip distance +40 %."""


@dataclass(frozen=True)
class Scenario:
    """A change that holds from a day on.

    Parameters
    ----------
    name : str
        One of :class:`ScenarioName`.
    start : date
        First day on which it holds.

    Raises
    ------
    SettingsError
        Unknown name.
    """

    name: str
    start: date

    def __post_init__(self) -> None:
        if self.name not in set(ScenarioName):
            raise SettingsError(f"scenario must be one of {', '.join(ScenarioName)}, got {self.name!r}")

    def to_json(self) -> dict[str, str]:
        """Name and ISO date."""
        return {"name": str(self.name), "start": self.start.isoformat()}


@dataclass(frozen=True)
class WorldConfig:
    """The demo company to build.

    Parameters
    ----------
    months : int
        Months in the operations database, 1 to 120.
    bookings_per_day : float
        Mean bookings (legs) on a working day, 1 to 2000.
    drivers : int
        Fleet size, 2 to 200; one in four, at least one, is an EMERGENCY driver.
    seed : int
        Two worlds with the same configuration are identical.
    end : date, optional
        First day that has not been lived yet (exclusive): the coming day is the first working day on or after it.
        None takes today, or the last working day before today if nobody works today.
    workbook_months : int
        Months before the database begins that exist only as Excel workbooks, 0 to 24.
    scenario : tuple of Scenario
        Changes of the world; their dates may lie after ``end`` and take effect as the company lives on.

    Raises
    ------
    SettingsError
        Naming the parameter and its valid range.
    """

    months: int = 12
    bookings_per_day: float = 11.5
    drivers: int = 4
    seed: int = 7
    end: date | None = None
    workbook_months: int = 2
    scenario: tuple[Scenario, ...] = ()

    def __post_init__(self) -> None:
        for name, (low, high) in RANGES.items():
            value = getattr(self, name)
            number = isinstance(value, int | float) and not isinstance(value, bool)
            whole = name not in INTEGERS or isinstance(value, int)
            if not number or not whole or not low <= value <= high:
                kind = "a whole number" if name in INTEGERS else "a number"
                raise SettingsError(f"{name} must be {kind} from {low:g} to {high:g}, got {value!r}")

    @property
    def emergency_drivers(self) -> int:
        """How many of the fleet are EMERGENCY drivers."""
        return max(1, round(self.drivers / 4))

    def to_json(self) -> dict[str, Any]:
        """Plain values, as the manifest holds them."""
        plain = asdict(self)
        plain["end"] = None if self.end is None else self.end.isoformat()
        plain["scenario"] = [scenario.to_json() for scenario in self.scenario]
        return plain

    @classmethod
    def from_json(cls, plain: dict[str, Any]) -> "WorldConfig":
        """Inverse of :meth:`to_json`."""
        scenarios = tuple(Scenario(item["name"], date.fromisoformat(item["start"])) for item in plain["scenario"])
        end = None if plain["end"] is None else date.fromisoformat(plain["end"])
        return cls(**{**plain, "end": end, "scenario": scenarios})
