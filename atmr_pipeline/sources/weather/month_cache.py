"""Monthly Parquet files of what a weather service answered, each with whether it will ever answer more."""

import json
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

import pandas as pd
import pandera.pandas as pdr
import pyarrow as pa
import pyarrow.parquet as pq

from atmr_pipeline.domain.errors import SourceError
from atmr_pipeline.domain.files import write_atomically
from atmr_pipeline.domain.tables import column_dtype
from atmr_pipeline.sources.weather.answers import Reading

FORMAT = 1
"""Raised when measures or times of issue are computed differently: files of another format are read no more."""

_KEY = b"atmr_weather"


@dataclass(frozen=True)
class CachedMonth:
    """One month of one kind.

    Parameters
    ----------
    reading : Reading
        The rows, and what was counted when they were read.
    is_complete : bool
        The service will not be asked again.
    fetched_at : datetime
        UTC.
    """

    reading: Reading
    is_complete: bool
    fetched_at: datetime


class MonthCache:
    """The files of one point: ``<folder>/<lat>_<lon>/<kind>/<year>-<month>.parquet``.

    Parameters
    ----------
    folder : Path
        Made when first written.
    lat, lon : float
        Rounded as they are sent, so that another depot has files of its own.

    Attributes
    ----------
    unreadable : int
        Files met that could not be read.
    """

    def __init__(self, folder: Path, lat: float, lon: float) -> None:
        self._folder = folder / f"{lat:.2f}_{lon:.2f}"
        self.unreadable = 0

    def read(self, kind: str, month: date, schema: pdr.DataFrameSchema) -> CachedMonth | None:
        """The month, or None if it is not there.

        A damaged file, or one of another format, is set aside under another name (kept forecasts exist nowhere else),
        counted, and then not there.

        Raises
        ------
        SourceError
            If the file may not be read.
        """
        path = self._path(kind, month)
        if not path.exists():
            return None
        try:
            table = pq.read_table(path)
            return _cached(table, schema)
        except PermissionError:
            raise SourceError(f"the weather cache may not be read: check the rights of {self._folder.parent}") from None
        except (OSError, KeyError, TypeError, ValueError, pa.ArrowException):
            self.unreadable += 1
            path.replace(path.with_suffix(".unreadable"))
            return None

    def write(self, kind: str, month: date, cached: CachedMonth) -> None:
        """Replace the month."""
        about = {
            "format": FORMAT,
            "is_complete": cached.is_complete,
            "fetched_at": cached.fetched_at.isoformat(),
            "counts": cached.reading.counts,
        }
        table = pa.Table.from_pandas(cached.reading.frame, preserve_index=False)
        table = table.replace_schema_metadata({**(table.schema.metadata or {}), _KEY: json.dumps(about).encode()})
        write_atomically(self._path(kind, month), lambda path: pq.write_table(table, path))

    def _path(self, kind: str, month: date) -> Path:
        return self._folder / kind / f"{month:%Y-%m}.parquet"


def _cached(table: pa.Table, schema: pdr.DataFrameSchema) -> CachedMonth:
    about = json.loads((table.schema.metadata or {})[_KEY])
    fetched_at = datetime.fromisoformat(about["fetched_at"])
    frame = table.to_pandas()
    dtypes = {name: str(dtype) for name, dtype in frame.dtypes.items()}
    if about["format"] != FORMAT or fetched_at.tzinfo is None or dtypes != _dtypes(schema):
        raise ValueError("another format")
    counts = {name: int(about["counts"][name]) for name in ("implausible", "contradictory")}
    return CachedMonth(Reading(frame, counts), bool(about["is_complete"]), fetched_at)


def _dtypes(schema: pdr.DataFrameSchema) -> dict[str, str]:
    # Rows were validated when they were written, and are again in the result; here one look at the columns is enough.
    return {name: column_dtype(column) for name, column in schema.columns.items()}


def months_between(first: date, last: date) -> list[date]:
    """First days of the months from the one of ``first`` to the one of ``last``."""
    return [timestamp.date() for timestamp in pd.date_range(first.replace(day=1), last, freq="MS")]


def next_month(month: date) -> date:
    """First day of the month after."""
    return date(month.year + month.month // 12, month.month % 12 + 1, 1)
