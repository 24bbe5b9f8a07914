"""What one gate says."""

from dataclasses import asdict, dataclass
from typing import Any

from atmr_pipeline.state import json_values


@dataclass(frozen=True)
class GateVerdict:
    """One gate's verdict with all that is needed to check it by hand.

    Parameters
    ----------
    name : str
        Stable name in snake case.
    passed : bool
    value : float
        What was measured; NaN if it could not be.
    threshold : float
        What it was held against.
    n : int
        Rows, or days where the gate is about days.
    detail : str
        One line for a person.
    blocking : bool
        False if it is reported but never refuses.
    """

    name: str
    passed: bool
    value: float
    threshold: float
    n: int
    detail: str
    blocking: bool = True

    def as_evidence(self) -> dict[str, Any]:
        """The verdict as JSON values; a figure that could not be measured is null."""
        figures: dict[str, Any] = json_values.to_json_value(asdict(self))
        return figures
