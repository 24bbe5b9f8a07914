"""What one gate says."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, Self

from atmr_pipeline.state import json_values

State = Literal["judged", "not_judged", "off"]


@dataclass(frozen=True)
class GateVerdict:
    """One gate's verdict with all that is needed to check it by hand.

    Parameters
    ----------
    name : str
        Stable name in snake case.
    passed : bool
        A gate that could not or need not judge passes; ``state`` and ``detail`` say why.
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
    state : {"judged", "not_judged", "off"}
        Whether there was anything to judge, and whether a setting leaves the gate out.
    table : tuple of dict
        What the figure is made of, for the UI: codes and numbers only.
    """

    name: str
    passed: bool
    value: float
    threshold: float
    n: int
    detail: str
    blocking: bool = True
    state: State = "judged"
    table: tuple[dict[str, Any], ...] = ()

    @property
    def verdict(self) -> str:
        """In a word: ``passed``, ``refused``, ``noted`` (failed without blocking), ``not judged`` or ``off``."""
        if self.state != "judged":
            return self.state.replace("_", " ")
        return "passed" if self.passed else "refused" if self.blocking else "noted"

    @classmethod
    def not_judged(cls, name: str, threshold: float, detail: str, *, blocking: bool = True) -> Self:
        """A gate without anything to hold the challenger against."""
        return cls(name, True, math.nan, threshold, 0, detail, blocking, "not_judged")

    def as_evidence(self) -> dict[str, Any]:
        """The verdict as JSON values; a figure that could not be measured is null."""
        figures: dict[str, Any] = json_values.to_json_value(asdict(self))
        return figures

    @classmethod
    def from_evidence(cls, figures: Mapping[str, Any]) -> Self:
        """The verdict that :meth:`as_evidence` wrote."""
        unknown = {name: math.nan for name in ("value", "threshold") if figures[name] is None}
        return cls(**{**figures, **unknown, "table": tuple(figures.get("table", ()))})
