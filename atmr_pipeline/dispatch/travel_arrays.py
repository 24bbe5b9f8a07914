"""Coordinates to the travel arrays of a day, whoever answers for the travel times."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from atmr_pipeline.dispatch.problem import FloatArray
from atmr_pipeline.domain.travel import TravelMatrix, TravelProvider

MIN_PER_HOUR = 60.0

RIDES_AT_ONCE = 50
"""Only the diagonal of rides is needed: blocks of 50 by 50 keep a large day from asking for every pair of bookings."""


@dataclass(frozen=True)
class TravelArrays:
    """Travel of a day with D drivers and B bookings; NaN where the provider knows no way.

    Parameters
    ----------
    start_min, start_km : ndarray (D, B)
    deadhead_min, deadhead_km : ndarray (B, B)
    ride_min, ride_km : ndarray (B,)
    source : str
        Who answered; several joined by ``+``.
    fallback_reason : str, optional
        Why a second provider answered; several joined by ``+``, None if none did.
    fallback_pairs : int
        Pairs that a second provider answered, among all that were asked for the day.
    """

    start_min: FloatArray
    start_km: FloatArray
    deadhead_min: FloatArray
    deadhead_km: FloatArray
    ride_min: FloatArray
    ride_km: FloatArray
    source: str
    fallback_reason: str | None = None
    fallback_pairs: int = 0


def travel_arrays(
    travel: TravelProvider,
    starts: FloatArray,
    pickups: FloatArray,
    dropoffs: FloatArray,
    scheduled_min: FloatArray,
    *,
    weekday: int | None = None,
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
    weekday : int, optional
        Of the service day, 0 on Monday; None where the day is not known.
    """
    hour = scheduled_min / MIN_PER_HOUR % 24.0
    # One question for start points and drop-offs together: a remote provider answers by the request.
    to_pickup = travel.matrix(np.concatenate([starts, dropoffs]), pickups, hour, weekday=weekday)
    blocks = [slice(first, first + RIDES_AT_ONCE) for first in range(0, len(pickups), RIDES_AT_ONCE)]
    rides = [travel.matrix(pickups[block], dropoffs[block], hour[block], weekday=weekday) for block in blocks]
    drivers, answers = len(starts), [to_pickup, *rides]
    return TravelArrays(
        start_min=to_pickup.minutes[:drivers],
        start_km=to_pickup.km[:drivers],
        deadhead_min=to_pickup.minutes[drivers:],
        deadhead_km=to_pickup.km[drivers:],
        ride_min=np.concatenate([np.zeros(0), *(np.diagonal(ride.minutes) for ride in rides)]),
        ride_km=np.concatenate([np.zeros(0), *(np.diagonal(ride.km) for ride in rides)]),
        source=_joined([part for answer in answers for part in answer.source.split("+")]),
        fallback_reason=_joined([part for answer in answers for part in _reasons(answer)]) or None,
        fallback_pairs=sum(answer.fallback_pairs for answer in answers),
    )


def _reasons(answer: TravelMatrix) -> list[str]:
    return answer.fallback_reason.split("+") if answer.fallback_reason else []


def _joined(parts: Sequence[str]) -> str:
    return "+".join(dict.fromkeys(parts))
