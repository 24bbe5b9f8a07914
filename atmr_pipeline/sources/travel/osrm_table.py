"""The OSRM table service, version 1: one request, its answer checked, and what to do about points off the map.

https://project-osrm.org/docs/v5.24.0/api/#table-service
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from atmr_pipeline.domain.travel import FloatArray
from atmr_pipeline.sources.services.errors import BadRequestError, BadResponseError
from atmr_pipeline.sources.services.gateway import JsonGateway

LONGEST_H = 24.0
FARTHEST_KM = 3_000.0
"""Longer or farther is not a drive but an error of the service; its overflow value is 59,652 hours."""

MOST_PROBES = 64
"""Requests spent on finding the points of one table that are off the map; more means that the map is the wrong one.
What was found stays known, so that asking again gets farther."""

_CODES = ("InvalidUrl", "InvalidService", "InvalidVersion", "InvalidOptions", "InvalidQuery", "InvalidValue", "TooBig",
          "DisabledDataset", "NotImplemented")  # fmt: skip


class OsrmTable:
    """Tables of one OSRM server.

    Parameters
    ----------
    gateway : JsonGateway
    profile : str
        The profile in the URL. A server answers for the one it was built with, whatever this says.
    """

    def __init__(self, gateway: JsonGateway, profile: str) -> None:
        self._gateway, self._profile = gateway, profile
        self._off_road: set[str] = set()

    def ask(self, sources: Sequence[str], destinations: Sequence[str]) -> FloatArray:
        """Minutes and km between points.

        One point that the server cannot place on a road makes it refuse the whole table. Such points are found by
        halving and not sent again; the table is asked once more without them.

        Parameters
        ----------
        sources, destinations : sequence of str
            ``lat,lon`` in degrees.

        Returns
        -------
        ndarray of shape (2, sources, destinations)
            Minutes, km; both NaN where there is no way, or where a point is off the map.

        Raises
        ------
        ServiceError
            See :mod:`atmr_pipeline.sources.services.errors`.
        """
        for _ in range(2):
            rows, columns = self._on_road(sources), self._on_road(destinations)
            table = np.full((2, len(sources), len(destinations)), np.nan)
            if not len(rows) or not len(columns):
                return table
            asked = [sources[row] for row in rows], [destinations[column] for column in columns]
            answer = self._request(*asked)
            if answer is not None:
                table[:, rows[:, None], columns] = answer
                return table
            self._find_off_road(list(dict.fromkeys([*asked[0], *asked[1]])))
        raise self._bad_request("NoSegment")

    def _on_road(self, points: Sequence[str]) -> npt.NDArray[np.int64]:
        places = [index for index, point in enumerate(points) if point not in self._off_road]
        return np.array(places, dtype=np.int64)

    def _find_off_road(self, points: list[str]) -> None:
        """Remember those of the points that are off the map; at least one is."""
        # The whole was refused already; a lone point needs no further question.
        parts, probes = _halves(points), 0
        if not parts:
            self._off_road.update(points)
        while parts:
            part, probes = parts.pop(), probes + 1
            if probes > MOST_PROBES:
                raise self._bad_request("NoSegment")
            if self._request(part, part) is None:
                if len(part) == 1:
                    self._off_road.add(part[0])
                parts += _halves(part)

    def _request(self, sources: Sequence[str], destinations: Sequence[str]) -> FloatArray | None:
        """The table, or None if a point is off the map."""
        # A point on both sides is sent once.
        places = {point: index for index, point in enumerate(dict.fromkeys([*sources, *destinations]))}
        coordinates = ";".join(",".join(reversed(point.split(","))) for point in places)
        params = {
            "sources": ";".join(str(places[point]) for point in sources),
            "destinations": ";".join(str(places[point]) for point in destinations),
            "annotations": "duration,distance",
        }
        status, body = self._gateway.get_or_error(f"/table/v1/{self._profile}/{coordinates}", params)
        code = body.get("code") if isinstance(body, dict) else None
        shape = len(sources), len(destinations)
        if status == 200 and code == "Ok":
            return np.stack(
                [
                    self._numbers(body.get("durations"), shape, 3600.0 * LONGEST_H) / 60.0,
                    self._numbers(body.get("distances"), shape, 1000.0 * FARTHEST_KM) / 1000.0,
                ]
            )
        if status == 400 and code == "NoSegment":
            return None
        if status == 400 and code == "NoTable":
            return np.full((2, *shape), np.nan)
        if status == 400:
            raise self._bad_request(code)
        raise BadResponseError(self._gateway.service, "the answer is not a table of OSRM")

    def _numbers(self, rows: Any, shape: tuple[int, int], limit: float) -> FloatArray:
        # Cell by cell, because numpy would take a text, a truth value or a short row for a number or a shape.
        if not isinstance(rows, list) or len(rows) != shape[0]:
            raise BadResponseError(self._gateway.service, "the table has the wrong shape")
        for row in rows:
            if not isinstance(row, list) or len(row) != shape[1]:
                raise BadResponseError(self._gateway.service, "the table has the wrong shape")
            for value in row:
                if value is not None and (type(value) not in (int, float) or not 0 <= value <= limit):
                    raise BadResponseError(
                        self._gateway.service, f"the table holds something else than numbers from 0 to {limit:g}"
                    )
        return np.array(rows, dtype=np.float64).reshape(shape)

    def _bad_request(self, code: Any) -> BadRequestError:
        # Only words that we know: what a server says may quote the coordinates.
        said = code if code in (*_CODES, "NoSegment") else "another code"
        hint = {
            "TooBig": "; ask for fewer coordinates a request",
            "NoSegment": "; its map does not cover the points",
        }.get(said, "; check its URL and profile")
        return BadRequestError(self._gateway.service, f"does not accept the table ({said}){hint}", status=400)


def _halves(points: list[str]) -> list[list[str]]:
    middle = len(points) // 2
    return [part for part in (points[:middle], points[middle:]) if part] if len(points) > 1 else []
