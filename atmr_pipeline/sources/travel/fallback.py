"""A second travel provider for what the first cannot answer, and never in silence."""

import logging
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from atmr_pipeline.domain.travel import FloatArray, TravelMatrix, TravelProvider
from atmr_pipeline.sources.services.errors import ServiceError

log = logging.getLogger(__name__)

NO_WAY = "no_way"
"""Fallback reason of pairs between which the first provider knows no way."""


class FallbackTravel:
    """Asks ``first``; ``second`` answers all during an outage, and single pairs that ``first`` does not know.

    An outage is a :class:`~atmr_pipeline.sources.services.errors.ServiceError` of the first provider: its kind is then
    the matrix's ``fallback_reason``. The whole matrix comes from the second provider, so that the drivers of one plan
    are compared by one measure. Any other error, of the cache for instance, is raised.

    Parameters
    ----------
    first, second : TravelProvider
    """

    def __init__(self, first: TravelProvider, second: TravelProvider) -> None:
        self.first, self.second = first, second
        self._logged: str | None = None

    def matrix(
        self,
        origins: FloatArray,
        destinations: FloatArray,
        hour: FloatArray | float,
        *,
        weekday: int | None = None,
    ) -> TravelMatrix:
        """Minutes and km, as a ``TravelProvider`` must, and what the second provider answered, counted, with why."""
        try:
            matrix = self.first.matrix(origins, destinations, hour, weekday=weekday)
        except ServiceError as error:
            self._log(error)
            matrix = self.second.matrix(origins, destinations, hour, weekday=weekday)
            return replace(matrix, fallback_reason=error.kind, fallback_pairs=int(_known(matrix).sum()))
        self._logged = None
        if _known(matrix).all():
            return matrix
        return _filled(matrix, self.second.matrix(origins, destinations, hour, weekday=weekday))

    def _log(self, error: ServiceError) -> None:
        # Each day asks again: one line an outage is enough.
        if error.kind != self._logged:
            log.warning("%s; travel times come from the fallback", error)
        self._logged = error.kind


def _filled(matrix: TravelMatrix, other: TravelMatrix) -> TravelMatrix:
    known = _known(matrix)
    taken = ~known & _known(other)
    if not taken.any():
        return matrix
    return TravelMatrix(
        minutes=np.where(taken, other.minutes, matrix.minutes),
        km=np.where(taken, other.km, matrix.km),
        source=f"{matrix.source}+{other.source}" if known.any() else other.source,
        fallback_reason=NO_WAY,
        fallback_pairs=int(taken.sum()),
    )


def _known(matrix: TravelMatrix) -> npt.NDArray[np.bool_]:
    return np.asarray(np.isfinite(matrix.minutes) & np.isfinite(matrix.km))
