"""Travel times without a road network: great-circle distance, a detour factor and an hourly speed profile."""

from dataclasses import dataclass, field

import numpy as np

from atmr_pipeline.domain.geo import haversine_km
from atmr_pipeline.domain.travel import FloatArray, TravelMatrix

PLANNING_SPEED_KMH = np.array(
    [40, 40, 40, 40, 40, 40, 34, 25, 25, 30, 32, 31, 29, 30, 31, 30, 26, 24, 27, 32, 36, 38, 40, 40], dtype=float
)
"""Planning speed by local hour, km/h: an assumption (urban Geneva, two rush hours), never a measurement."""


@dataclass(frozen=True)
class HaversineTravel:
    """Great circle x detour, at a speed that depends on the hour.

    Parameters
    ----------
    detour : float
        Road distance over great-circle distance, >= 1.
    speed_kmh : ndarray of shape (24,)
        Speed by local hour.
    """

    detour: float = 1.35
    speed_kmh: FloatArray = field(default_factory=lambda: PLANNING_SPEED_KMH)

    def __post_init__(self) -> None:
        if self.detour < 1.0:
            raise ValueError(f"detour must be >= 1, got {self.detour}")
        if self.speed_kmh.shape != (24,) or not np.all(self.speed_kmh > 0):
            raise ValueError("speed_kmh needs 24 positive values, one an hour")

    def matrix(self, origins: FloatArray, destinations: FloatArray, hour: FloatArray | float) -> TravelMatrix:
        """Minutes and km from each origin to each destination, as a ``TravelProvider`` must."""
        km = self.detour * haversine_km(
            origins[:, None, 0], origins[:, None, 1], destinations[None, :, 0], destinations[None, :, 1]
        )
        speed = self.speed_kmh[np.floor(np.asarray(hour, dtype=float)).astype(int) % 24]
        return TravelMatrix(minutes=60.0 * km / speed, km=km, source="haversine")
