"""Coordinates to the travel arrays of a day, whoever answers for the travel times."""

from dataclasses import dataclass

import numpy as np

from atmr_pipeline.dispatch.problem import FloatArray
from atmr_pipeline.domain.travel import TravelProvider

MIN_PER_HOUR = 60.0


@dataclass(frozen=True)
class TravelArrays:
    """Travel of a day with D drivers and B bookings; NaN where the provider knows no way.

    Parameters
    ----------
    start_min, start_km : ndarray (D, B)
    deadhead_min, deadhead_km : ndarray (B, B)
    ride_min, ride_km : ndarray (B,)
    source : str
        Who answered.
    """

    start_min: FloatArray
    start_km: FloatArray
    deadhead_min: FloatArray
    deadhead_km: FloatArray
    ride_min: FloatArray
    ride_km: FloatArray
    source: str


def travel_arrays(
    travel: TravelProvider, starts: FloatArray, pickups: FloatArray, dropoffs: FloatArray, scheduled_min: FloatArray
) -> TravelArrays:
    """Ask a provider for every way of a day, at the hour of the scheduled pickup that the way leads to or starts from.

    Parameters
    ----------
    travel : TravelProvider
    starts : ndarray (D, 2)
        Start points, (lat, lon) in degrees.
    pickups, dropoffs : ndarray (B, 2)
    scheduled_min : ndarray (B,)
        Minutes after local midnight.
    """
    hour = scheduled_min / MIN_PER_HOUR % 24.0
    # One question for start points and drop-offs together: a remote provider answers by the request.
    to_pickup = travel.matrix(np.concatenate([starts, dropoffs]), pickups, hour)
    ride = travel.matrix(pickups, dropoffs, hour)
    drivers = len(starts)
    return TravelArrays(
        start_min=to_pickup.minutes[:drivers],
        start_km=to_pickup.km[:drivers],
        deadhead_min=to_pickup.minutes[drivers:],
        deadhead_km=to_pickup.km[drivers:],
        ride_min=np.diagonal(ride.minutes).copy(),
        ride_km=np.diagonal(ride.km).copy(),
        source=to_pickup.source,
    )
