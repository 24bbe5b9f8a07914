"""From ordered streams of rows to complete service days: one day and one chunk of each stream in memory."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise

import numpy as np
import pandas as pd
import pandera.pandas as pa

from atmr_pipeline.domain.errors import SchemaDriftError, TableContractError
from atmr_pipeline.domain.tables import ASSIGNMENTS, BOOKINGS, DISPATCH_RUNS, empty

_NO_BOOKINGS, _NO_ASSIGNMENTS, _NO_RUNS = empty(BOOKINGS), empty(ASSIGNMENTS), empty(DISPATCH_RUNS)


@dataclass(frozen=True)
class DayExtract:
    """One local day, complete, its three tables as they stood at one moment.

    Parameters
    ----------
    day : date
        Service day.
    bookings, assignments, dispatch_runs : DataFrame
        Match BOOKINGS, ASSIGNMENTS and DISPATCH_RUNS of :mod:`atmr_pipeline.domain.tables`, in the order of the
        scheduled pickup and then of their ids; empty where the day has none.
    """

    day: date
    bookings: pd.DataFrame
    assignments: pd.DataFrame
    dispatch_runs: pd.DataFrame


def joined(parts: list[pd.DataFrame], schema: pa.DataFrameSchema) -> pd.DataFrame:
    """Validated pieces of a table as one frame.

    Raises
    ------
    TableContractError
        If the key is not unique: each piece was validated, the whole was not.
    """
    if len(parts) == 1:
        return parts[0].reset_index(drop=True)
    whole = pd.concat(parts, ignore_index=True)
    key = [str(name) for name in schema.unique or ()]
    if twice := int(whole.duplicated(key).sum()):
        raise TableContractError(f"table {schema.name}: {', '.join(key)} is not unique in {twice} rows")
    return whole


def by_day(chunks: Iterable[pd.DataFrame], schema: pa.DataFrameSchema) -> Iterator[tuple[date, pd.DataFrame]]:
    """Cut chunks that are ordered by ``service_day`` into whole days, without the days that have no row.

    Raises
    ------
    SchemaDriftError
        If the chunks are not in order: a source whose times do not sort would give torn days.
    """
    parts: list[pd.DataFrame] = []
    current = np.datetime64("NaT", "us")
    for chunk in chunks:
        days = chunk["service_day"].to_numpy()
        starts = [0, *(np.flatnonzero(days[1:] != days[:-1]) + 1), len(days)]
        for start, end in pairwise(starts):
            if days[start] < current:
                raise SchemaDriftError(f"table {schema.name}: the times at the source do not sort by day")
            if parts and days[start] != current:
                # Popped, so that this generator holds no day while the next one is being read.
                whole, parts = [joined(parts, schema)], []
                yield current.astype("datetime64[D]").item(), whole.pop()
            current = days[start]
            parts.append(chunk.iloc[start:end])
        del chunk
    if parts:
        yield current.astype("datetime64[D]").item(), joined(parts, schema)


class _Stream:
    """One table's days, asked for day by day; the next day is not read before it is needed."""

    def __init__(self, chunks: Iterable[pd.DataFrame], schema: pa.DataFrameSchema, nothing: pd.DataFrame) -> None:
        self._days, self._name, self._nothing = by_day(chunks, schema), schema.name, nothing
        self._head: tuple[date, pd.DataFrame] | None = None
        self._ended = False

    def take(self, day: date) -> pd.DataFrame:
        if self._head is None and not self._ended:
            self._head = next(self._days, None)
            self._ended = self._head is None
        if self._head is None or self._head[0] > day:
            return self._nothing.copy()
        if self._head[0] < day:
            raise SchemaDriftError(f"table {self._name}: the source gave rows of a day before the days asked for")
        frame, self._head = self._head[1], None
        return frame


def merged_days(
    first_day: date,
    last_day: date,
    bookings: Iterable[pd.DataFrame],
    assignments: Iterable[pd.DataFrame],
    dispatch_runs: Iterable[pd.DataFrame],
) -> Iterator[DayExtract]:
    """Every day of the inclusive range, in order, from three streams of chunks that are ordered by ``service_day``."""
    streams = (
        _Stream(bookings, BOOKINGS, _NO_BOOKINGS),
        _Stream(assignments, ASSIGNMENTS, _NO_ASSIGNMENTS),
        _Stream(dispatch_runs, DISPATCH_RUNS, _NO_RUNS),
    )
    for offset in range((last_day - first_day).days + 1):
        day = first_day + timedelta(days=offset)
        yield DayExtract(day, *(stream.take(day) for stream in streams))
