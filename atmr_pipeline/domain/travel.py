"""What every provider of travel times answers: minutes and kilometres, with their source."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

ASSUMED_DETOUR = 1.35
"""Road distance over great-circle distance where no trip says better: an assumption."""

PLANNING_SPEED_KMH = np.array(
    [40, 40, 40, 40, 40, 40, 34, 25, 25, 30, 32, 31, 29, 30, 31, 30, 26, 24, 27, 32, 36, 38, 40, 40], dtype=float
)
"""Planning speed by local hour, km/h: an assumption (urban Geneva, two rush hours), never a measurement."""


@dataclass(frozen=True)
class TravelMatrix:
    """Travel between origins and destinations.

    Parameters
    ----------
    minutes, km : ndarray of shape (origins, destinations)
        NaN where either end has no known coordinates, or where the provider knows no way: never a constant instead.
    source : str
        Who answered, for instance ``"haversine:assumed"``, ``"osrm"`` or, where a second provider answered for some
        pairs, ``"osrm+haversine:assumed"``; recorded with every plan.
    fallback_reason : str, optional
        Why a second provider answered; None if none did.
    fallback_pairs : int
        Pairs that a second provider answered.
    """

    minutes: FloatArray
    km: FloatArray
    source: str
    fallback_reason: str | None = None
    fallback_pairs: int = 0


class TravelProvider(Protocol):
    """Anything that can say how long and how far it is between points."""

    def matrix(
        self,
        origins: FloatArray,
        destinations: FloatArray,
        hour: FloatArray | float,
        *,
        weekday: int | None = None,
    ) -> TravelMatrix:
        """Answer for ``origins`` (n, 2) and ``destinations`` (m, 2), both (lat, lon) in degrees.

        ``hour`` is the local hour of day of travel (0 to 24), a scalar or one value a destination (m,). ``weekday`` is
        0 on Monday to 6 on Sunday; None where it is not known: the answer is then for no day in particular.
        """
        ...
