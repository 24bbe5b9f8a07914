"""Swiss and geographic coordinates, told apart by their range and turned into WGS84."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
from pyproj import Transformer

FloatArray = npt.NDArray[np.float64]
MOSTLY = 0.9
"""Share of a file's coordinates that must lie in a system's range for the file to be in it."""


@dataclass(frozen=True)
class CoordinateSystem:
    """A reference system and where Switzerland lies in it.

    Parameters
    ----------
    epsg : int
    east, north : tuple of float
        Lowest and highest value; metres, or degrees for WGS84.
    """

    epsg: int
    east: tuple[float, float]
    north: tuple[float, float]

    @property
    def name(self) -> str:
        """``EPSG:2056``."""
        return f"EPSG:{self.epsg}"

    def covers(self, east: FloatArray, north: FloatArray) -> npt.NDArray[np.bool_]:
        """Whether each point lies in the range; False for NaN."""
        return np.asarray(
            (east >= self.east[0]) & (east <= self.east[1]) & (north >= self.north[0]) & (north <= self.north[1])
        )

    def to_wgs84(self, east: FloatArray, north: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Latitudes and longitudes, degrees; to about 1 m from LV95, 2 m from LV03."""
        if self.epsg == WGS84.epsg:
            return north, east
        lon, lat = _transformer(self.epsg).transform(east, north)
        return np.asarray(lat), np.asarray(lon)


LV95 = CoordinateSystem(2056, (2_450_000, 2_850_000), (1_050_000, 1_320_000))
LV03 = CoordinateSystem(21781, (450_000, 850_000), (50_000, 320_000))
WGS84 = CoordinateSystem(4326, (5.0, 11.0), (45.0, 48.5))
SYSTEMS = (LV95, LV03, WGS84)
EXPECTED = "EPSG:2056 (metres, E 2.4-2.9 million), EPSG:21781 (metres, six figures) or degrees WGS84"


def detect(first: FloatArray, second: FloatArray) -> tuple[CoordinateSystem, bool] | None:
    """The system that most points lie in, and whether the two columns are north and east instead of east and north.

    The old Swiss convention calls the easting Y and the northing X; in both Swiss systems the two ranges do not meet,
    so the values tell. None if there is no such system.
    """
    known = np.isfinite(first) & np.isfinite(second) & ~((first == 0) & (second == 0))
    if not known.any():
        return None
    first, second = first[known], second[known]
    for system in SYSTEMS:
        for swapped in (False, True):
            east, north = (second, first) if swapped else (first, second)
            if system.covers(east, north).mean() >= MOSTLY:
                return system, swapped
    return None


def numbers(values: Sequence[Any]) -> FloatArray:
    """Figures as floats; NaN for what is none. A decimal comma and apostrophes between thousands are read."""
    try:
        return np.array(values, dtype=np.float64)
    except (TypeError, ValueError):
        return np.array([_number(value) for value in values], dtype=np.float64)


def _number(value: Any) -> float:
    text = str(value).strip().replace("'", "").replace("\u2019", "").replace(",", ".")
    try:
        return float(text)
    except ValueError:
        return float("nan")


@cache
def _transformer(epsg: int) -> Transformer:
    return Transformer.from_crs(epsg, WGS84.epsg, always_xy=True)
