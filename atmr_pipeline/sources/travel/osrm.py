"""Travel times by road from an OSRM server: few requests, every pair of points asked once."""

import hashlib
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt

from atmr_pipeline.domain.travel import FloatArray, TravelMatrix
from atmr_pipeline.sources.services.gateway import JsonGateway
from atmr_pipeline.sources.travel.osrm_table import OsrmTable
from atmr_pipeline.state.store import StateStore
from atmr_pipeline.state.travel_cache import CachedTravel, read_travel, write_travel
from atmr_pipeline.state.types import utc_now

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

SOURCE = "osrm"


class OsrmTravel:
    """Minutes and km from the ``/table`` service of an OSRM server.

    OSRM's minutes are those of free-flowing roads: they do not know the hour, nor the weekday.

    Parameters
    ----------
    gateway : JsonGateway
        With the server's base URL. Retries, request limit, breaker and time limits are the gateway's.
    profile : str
        Profile in the URL, letters, digits and hyphens.
    cache : StateStore, optional
        Migrated. Answers are kept there by server, profile and pair of snapped points; the way back is another pair.
    batch : int
        Coordinates a request, at least 2; a server accepts 100 unless configured otherwise.
    snap_decimals : int
        Decimals of the degrees that are asked, 3 to 6; 4 is 11 m. Points are asked as they are snapped.
    expiry_days : float
        How long an answer is kept.
    unknown_expiry_days : float
        How long "no way" is kept: maps are corrected.
    now : callable
        For tests.

    Raises
    ------
    ValueError
        A parameter outside its range.
    """

    def __init__(
        self,
        gateway: JsonGateway,
        *,
        profile: str = "driving",
        cache: StateStore | None,
        batch: int = 100,
        snap_decimals: int = 4,
        expiry_days: float = 90.0,
        unknown_expiry_days: float = 7.0,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        if batch < 2 or not 3 <= snap_decimals <= 6 or not 0 < unknown_expiry_days <= expiry_days:
            raise ValueError("batch must be >= 2, snap_decimals 3 to 6, and 0 < unknown_expiry_days <= expiry_days")
        if not profile.replace("-", "").isalnum() or not profile.isascii() or len(profile) > 32:
            raise ValueError("profile must be up to 32 letters, digits and hyphens")
        self._table = OsrmTable(gateway, profile)
        self._cache, self._batch, self._decimals = cache, batch, snap_decimals
        self._expiry, self._unknown_expiry = timedelta(days=expiry_days), timedelta(days=unknown_expiry_days)
        self._now = now
        # Servers with different maps or vehicles may bear the same profile in their URL.
        server = hashlib.sha256(str(gateway.base_url).rstrip("/").encode()).hexdigest()[:12]
        self._provider = f"{SOURCE}:{profile}:{server}"

    def matrix(
        self,
        origins: FloatArray,
        destinations: FloatArray,
        hour: FloatArray | float,
        *,
        weekday: int | None = None,
    ) -> TravelMatrix:
        """Minutes and km, as a ``TravelProvider`` must; ``hour`` and ``weekday`` change nothing.

        NaN where there is no way by road; points that are NaN, or nowhere on Earth, are not asked.

        Raises
        ------
        ServiceError
            The server cannot answer; what it answered before is kept.
        """
        starts, start_of = self._distinct(origins)
        ends, end_of = self._distinct(destinations)
        answers = self._answers(starts, ends)
        table = np.full((2, len(origins), len(destinations)), np.nan)
        rows, columns = np.flatnonzero(start_of >= 0), np.flatnonzero(end_of >= 0)
        table[:, rows[:, None], columns] = answers[:, start_of[rows][:, None], end_of[columns]]
        # One without the other is no answer.
        table[:, np.isnan(table).any(axis=0)] = np.nan
        return TravelMatrix(minutes=table[0], km=table[1], source=SOURCE)

    def _distinct(self, points: FloatArray) -> tuple[list[str], IntArray]:
        """Snapped points, each once, and where each given point is among them; -1 for one that cannot be asked."""
        within = np.abs(points) <= np.array([90.0, 180.0])
        place = np.full(len(points), -1, dtype=np.int64)
        usable = np.flatnonzero(within.all(axis=1))
        # Adding zero turns -0.0 into 0.0: one point, one text.
        snapped = np.round(points[usable], self._decimals) + 0.0
        distinct, place[usable] = np.unique(snapped, axis=0, return_inverse=True)
        return [f"{lat:.{self._decimals}f},{lon:.{self._decimals}f}" for lat, lon in distinct], place

    def _answers(self, starts: list[str], ends: list[str]) -> FloatArray:
        """Minutes and km between distinct points, (2, starts, ends): kept answers, and the server's for the rest."""
        table = np.full((2, len(starts), len(ends)), np.nan)
        missing = np.ones((len(starts), len(ends)), dtype=bool)
        if self._cache is not None:
            row_of = {point: row for row, point in enumerate(starts)}
            column_of = {point: column for column, point in enumerate(ends)}
            for start, end, minutes, km in read_travel(self._cache, self._provider, starts, ends, now=self._now()):
                cell = row_of[start], column_of[end]
                table[:, *cell], missing[cell] = (minutes, km), False
        for rows, columns in requests_for(missing, self._batch):
            sources, destinations = [starts[row] for row in rows], [ends[column] for column in columns]
            part = self._table.ask(sources, destinations)
            table[:, rows[:, None], columns] = part
            # Kept at once: an outage in the middle of a large matrix loses nothing that was answered.
            self._keep(sources, destinations, part)
        return table

    def _keep(self, sources: list[str], destinations: list[str], part: FloatArray) -> None:
        if self._cache is None:
            return
        at = self._now()
        rows = []
        for row, start in enumerate(sources):
            for column, end in enumerate(destinations):
                minutes, km = part[:, row, column].tolist()
                known = not np.isnan(minutes) and not np.isnan(km)
                if not known:
                    minutes, km = None, None
                expires_at = at + (self._expiry if known else self._unknown_expiry)
                rows.append(CachedTravel(self._provider, start, end, minutes, km, at, expires_at))
        write_travel(self._cache, rows)


def requests_for(missing: BoolArray, batch: int) -> list[tuple[IntArray, IntArray]]:
    """Tables that cover every missing pair with at most ``batch`` rows and columns together.

    Rows that miss the same columns are asked together, which asks for nothing that is known. Where that takes more than
    twice the requests of whole blocks, blocks are asked: a request costs far more than a pair.

    Parameters
    ----------
    missing : ndarray of bool (starts, ends)
    batch : int
        At least 2.

    Returns
    -------
    list of (ndarray of int, ndarray of int)
        Rows and columns of each request.
    """
    patterns, group = np.unique(missing, axis=0, return_inverse=True)
    exact = [
        tile
        for number, pattern in enumerate(patterns)
        for tile in _tiles(np.flatnonzero(group == number), np.flatnonzero(pattern), batch)
    ]
    blocks = list(_tiles(np.flatnonzero(missing.any(axis=1)), np.flatnonzero(missing.any(axis=0)), batch))
    trimmed = []
    for rows, columns in blocks:
        block = missing[np.ix_(rows, columns)]
        if block.any():
            trimmed.append((rows[block.any(axis=1)], columns[block.any(axis=0)]))
    return exact if len(exact) <= 2 * len(trimmed) else trimmed


def _tiles(rows: IntArray, columns: IntArray, batch: int) -> Iterator[tuple[IntArray, IntArray]]:
    """The fewest tables of at most ``batch`` points that cover a full rectangle."""
    if not len(rows) or not len(columns):
        return
    height = min(range(1, batch), key=lambda high: -(-len(rows) // high) * -(-len(columns) // (batch - high)))
    for top in range(0, len(rows), height):
        for left in range(0, len(columns), batch - height):
            yield rows[top : top + height], columns[left : left + batch - height]
