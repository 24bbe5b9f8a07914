"""The speed profile of a company: road detour and speed by weekday and hour, with what it rests on."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from atmr_pipeline.domain.errors import TableContractError
from atmr_pipeline.domain.travel import FloatArray

DAYS, HOURS = 7, 24
FORMAT = 1
SLOWEST_KMH, FASTEST_KMH = 3.0, 120.0
"""A mean speed outside is no drive: the trips behind it are wrong."""
LARGEST_DETOUR = 5.0

_KEYS = (
    "format", "detour", "detour_pairs", "speed_kmh", "trips", "fixed_min", "fixed_sd_min", "first_day", "last_day",
    "source",
)  # fmt: skip


@dataclass(frozen=True)
class SpeedProfile:
    """How fast the company's own trips went.

    Parameters
    ----------
    detour : float
        Road distance over great-circle distance, 1 to 5.
    detour_pairs : int
        Trips whose road distance gave the detour; 0 where it is assumed.
    speed_kmh : ndarray of shape (7, 24)
        Road km over driving hours, Monday to Sunday, by local hour of the scheduled pickup; 3 to 120.
    trips : ndarray of int, shape (7, 24)
        Trips behind each speed. Few or none: the speed is mostly or wholly that of the hour on other days, of the day
        type, or of all hours.
    fixed_min : float
        Minutes of a trip that do not grow with its distance, >= 0: boarding, alighting, and whatever else is so.
    fixed_sd_min : float
        Its standard error; 5, that of the prior, where the trips say nothing about it.
    first_day, last_day : date
        Service days that it was fitted on.
    source : str
        In words, for people.

    Raises
    ------
    TableContractError
        A value outside its range or of the wrong shape; the message names the field.
    """

    detour: float
    detour_pairs: int
    speed_kmh: FloatArray
    trips: npt.NDArray[np.int64]
    fixed_min: float
    fixed_sd_min: float
    first_day: date
    last_day: date
    source: str

    def __post_init__(self) -> None:
        speeds, shape = self.speed_kmh, (DAYS, HOURS)
        rules = {
            "detour": 1.0 <= self.detour <= LARGEST_DETOUR,
            "detour_pairs": self.detour_pairs >= 0,
            "speed_kmh": speeds.shape == shape and bool(np.all((speeds >= SLOWEST_KMH) & (speeds <= FASTEST_KMH))),
            "trips": self.trips.shape == shape and bool(np.all(self.trips >= 0)),
            "fixed_min": 0.0 <= self.fixed_min < np.inf,
            "fixed_sd_min": 0.0 <= self.fixed_sd_min < np.inf,
            "last_day": self.first_day <= self.last_day,
        }
        broken = [name for name, holds in rules.items() if not holds]
        if broken:
            raise TableContractError(f"speed profile: out of range or of the wrong shape: {', '.join(broken)}")

    @property
    def any_day_kmh(self) -> FloatArray:
        """Speed by hour where the weekday is not known, (24,): the harmonic mean, weighted by trips if there are any.

        Weighted, because a way on a day that nobody names is most likely on a day when the company drives.
        """
        pace = 1.0 / self.speed_kmh
        weight = np.where(self.trips.sum(axis=0) > 0, self.trips, 1)
        return np.asarray(weight.sum(axis=0) / (weight * pace).sum(axis=0))

    def to_dict(self) -> dict[str, Any]:
        """JSON object that :meth:`from_dict` reads back to the same profile."""
        values = {name: getattr(self, name) for name in _KEYS[1:]}
        for name in ("speed_kmh", "trips"):
            values[name] = values[name].tolist()
        for name in ("first_day", "last_day"):
            values[name] = values[name].isoformat()
        return {"format": FORMAT, **values}

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> Self:
        """A profile from its JSON object.

        Raises
        ------
        TableContractError
            Missing or unknown keys, another format, wrong types, or a value outside its range.
        """
        if not isinstance(raw, Mapping) or set(raw) != set(_KEYS):
            raise TableContractError(f"speed profile: needs exactly the keys {', '.join(_KEYS)}")
        if raw["format"] != FORMAT:
            raise TableContractError(f"speed profile: written in another format than {FORMAT}; fit it again")
        try:
            counts = np.array(raw["trips"])
            if counts.dtype.kind != "i":
                raise TypeError
            values: dict[str, Any] = {
                "detour": float(raw["detour"]),
                "detour_pairs": int(raw["detour_pairs"]),
                "speed_kmh": np.array(raw["speed_kmh"], dtype=np.float64),
                "trips": counts.astype(np.int64),
                "fixed_min": float(raw["fixed_min"]),
                "fixed_sd_min": float(raw["fixed_sd_min"]),
                "first_day": date.fromisoformat(raw["first_day"]),
                "last_day": date.fromisoformat(raw["last_day"]),
                "source": str(raw["source"]),
            }
        except (TypeError, ValueError, OverflowError):
            raise TableContractError("speed profile: a value has the wrong type") from None
        return cls(**values)
