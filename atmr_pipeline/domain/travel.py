"""What every provider of travel times answers: minutes and kilometres, with their source."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class TravelMatrix:
    """Travel between origins and destinations.

    Parameters
    ----------
    minutes, km : ndarray of shape (origins, destinations)
        NaN where either end has no known coordinates: never a constant in its place.
    source : str
        Who answered, for instance ``"haversine"`` or ``"osrm"``; recorded with every plan.
    """

    minutes: FloatArray
    km: FloatArray
    source: str


class TravelProvider(Protocol):
    """Anything that can say how long and how far it is between points."""

    def matrix(self, origins: FloatArray, destinations: FloatArray, hour: FloatArray | float) -> TravelMatrix:
        """Answer for ``origins`` (n, 2) and ``destinations`` (m, 2), both (lat, lon) in degrees.

        ``hour`` is the local hour of day of travel (0 to 24), a scalar or one value a destination (m,).
        """
        ...
