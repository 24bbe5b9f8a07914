"""What the drift scenarios do to a day."""

from dataclasses import dataclass
from datetime import date

from atmr_pipeline.simulation.config import Scenario, ScenarioName

ROADWORKS_MIN = 5.0
RUSH_SHIFT_H = 1


@dataclass(frozen=True)
class Effects:
    """The scenarios in force on one day.

    Parameters
    ----------
    extra_delay_min : float
        Added to every approach and to the time at which the driver means to arrive.
    rush_shift_h : int
        Hours by which appointments and traffic peaks lie later.
    longer_trips : bool
        Patients come from farther away.
    """

    extra_delay_min: float = 0.0
    rush_shift_h: int = 0
    longer_trips: bool = False


def effects_on(scenarios: tuple[Scenario, ...], day: date) -> Effects:
    """The effects of the scenarios that have begun by a day."""
    names = {scenario.name for scenario in scenarios if scenario.start <= day}
    return Effects(
        extra_delay_min=ROADWORKS_MIN if ScenarioName.ROADWORKS in names else 0.0,
        rush_shift_h=RUSH_SHIFT_H if ScenarioName.RUSH_SHIFT in names else 0,
        longer_trips=ScenarioName.LONGER_TRIPS in names,
    )
