"""Travel times without a road network: great-circle distance, a detour factor and a speed by weekday and hour."""

from dataclasses import dataclass, field
from typing import Self

import numpy as np

from atmr_pipeline.domain.geo import haversine_km
from atmr_pipeline.domain.travel import ASSUMED_DETOUR, PLANNING_SPEED_KMH, FloatArray, TravelMatrix
from atmr_pipeline.sources.travel.profile import DAYS, HOURS, SpeedProfile


@dataclass(frozen=True)
class HaversineTravel:
    """Great circle x detour, at a speed that depends on the hour and, where it is known, on the weekday.

    Parameters
    ----------
    detour : float
        Road distance over great-circle distance, >= 1.
    speed_kmh : ndarray of shape (24,) or (7, 24)
        Speed by local hour, on any day or from Monday to Sunday.
    any_day_kmh : ndarray of shape (24,), optional
        With seven days: the speed where the weekday is not known; the harmonic mean of the seven unless given.
    basis : {"assumed", "fitted"}
        What the speeds rest on; part of the matrix's source.

    Raises
    ------
    ValueError
        A detour below 1, wrong shapes, a speed that is not positive and finite, another basis.
    """

    detour: float = ASSUMED_DETOUR
    speed_kmh: FloatArray = field(default_factory=lambda: PLANNING_SPEED_KMH)
    any_day_kmh: FloatArray | None = None
    basis: str = "assumed"

    def __post_init__(self) -> None:
        if not 1.0 <= self.detour < np.inf:
            raise ValueError(f"detour must be >= 1, got {self.detour}")
        if self.speed_kmh.shape not in ((HOURS,), (DAYS, HOURS)):
            raise ValueError("speed_kmh needs 24 values, one an hour, or 7 x 24, Monday to Sunday")
        if self.any_day_kmh is not None and (self.speed_kmh.ndim == 1 or self.any_day_kmh.shape != (HOURS,)):
            raise ValueError("any_day_kmh needs 24 values, and goes with speeds of seven days")
        for speeds in (self.speed_kmh, self.any_day_kmh):
            if speeds is not None and not np.all((speeds > 0) & np.isfinite(speeds)):
                raise ValueError("every speed must be a positive, finite number")
        if self.basis not in ("assumed", "fitted"):
            raise ValueError("basis is neither assumed nor fitted")

    @classmethod
    def from_profile(cls, profile: SpeedProfile) -> Self:
        """Travel at the speeds of the company's own trips."""
        return cls(profile.detour, profile.speed_kmh, profile.any_day_kmh, basis="fitted")

    def matrix(
        self,
        origins: FloatArray,
        destinations: FloatArray,
        hour: FloatArray | float,
        *,
        weekday: int | None = None,
    ) -> TravelMatrix:
        """Minutes and km from each origin to each destination, as a ``TravelProvider`` must.

        Hours from 24 on are those of the next day's clock, at the speeds of the same weekday.

        Raises
        ------
        ValueError
            An hour that is not known, or a weekday outside 0 to 6.
        """
        hours = np.asarray(hour, dtype=np.float64)
        if not np.all(np.isfinite(hours)):
            raise ValueError("an hour of travel is not known")
        km = self.detour * haversine_km(
            origins[:, None, 0], origins[:, None, 1], destinations[None, :, 0], destinations[None, :, 1]
        )
        speed = self._speeds(weekday)[np.floor(hours).astype(np.int64) % HOURS]
        return TravelMatrix(minutes=60.0 * km / speed, km=km, source=f"haversine:{self.basis}")

    def _speeds(self, weekday: int | None) -> FloatArray:
        if weekday is not None and not 0 <= weekday < DAYS:
            raise ValueError("weekday must be 0 (Monday) to 6 (Sunday)")
        if self.speed_kmh.ndim == 1:
            return self.speed_kmh
        if weekday is not None:
            return np.asarray(self.speed_kmh[weekday])
        if self.any_day_kmh is not None:
            return self.any_day_kmh
        return np.asarray(1.0 / np.mean(1.0 / self.speed_kmh, axis=0))
