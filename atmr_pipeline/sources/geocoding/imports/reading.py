"""An input file as placed rows: its layout, its coordinates, and a count of every row that is left out."""

import csv
import hashlib
import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import shapefile

from atmr_pipeline.domain.errors import SourceError
from atmr_pipeline.domain.geo import in_service_area
from atmr_pipeline.sources.geocoding.imports.containers import Table, files_of, open_table
from atmr_pipeline.sources.geocoding.imports.coordinates import EXPECTED, CoordinateSystem, detect, numbers
from atmr_pipeline.sources.geocoding.imports.layouts import Layout, SourceRow, recognise, text_of

BATCH_ROWS = 20_000
BROKEN = (
    OSError,
    EOFError,
    UnicodeError,
    csv.Error,
    zlib.error,
    struct.error,
    zipfile.BadZipFile,
    NotImplementedError,
    shapefile.ShapefileException,
)
Progress = Callable[[str, int], None]
"""Called with the file's name and the rows read so far."""


@dataclass(frozen=True, slots=True)
class PlacedRow:
    """A row with its point, degrees WGS84."""

    row: SourceRow
    lat: float
    lon: float


@dataclass
class Reading:
    """What was found in an input file while it was read.

    Parameters
    ----------
    file, sha256 : str
        Name without folder; fingerprint, over all parts of a shapefile in the order shp, dbf, shx, cpg.
    layout : Layout or None
    coordinates : str
        Reference system of its coordinates, ``EPSG:2056`` for instance.
    rows_read : int
    left_out : Counter
        Rows that were left out, by reason.
    """

    file: str
    sha256: str = ""
    layout: Layout | None = None
    coordinates: str = ""
    rows_read: int = 0
    left_out: Counter[str] = field(default_factory=Counter)


def read_rows(path: Path, reading: Reading, on_progress: Progress | None = None) -> Iterator[list[PlacedRow]]:
    """Rows within the service area, in batches; memory stays flat however long the file is.

    Parameters
    ----------
    path : Path
    reading : Reading
        Filled as the rows are read.
    on_progress : callable, optional

    Raises
    ------
    SourceError
        The file cannot be read, has no known layout, or its coordinates are in no known system.
    """
    try:
        reading.sha256 = _fingerprint(path)
        with open_table(path) as table:
            reading.layout = recognise(table.columns)
            yield from _batches(table, reading.layout, reading, on_progress)
    except BROKEN as error:
        raise SourceError(
            f"gazetteer input {reading.file}: cannot be read ({type(error).__name__}); it may be damaged or cut short, "
            "get it again"
        ) from None
    except SourceError as error:
        raise SourceError(f"gazetteer input {reading.file}: {error}") from None


def _batches(table: Table, layout: Layout, reading: Reading, on_progress: Progress | None) -> Iterator[list[PlacedRow]]:
    place = {name: index for index, name in reversed(list(enumerate(table.columns)))}
    east, north = (place[next(name for name in names if name in place)] for names in (layout.east, layout.north))
    cells = {name: _first(place, aliases) for name, aliases in (layout.needed | layout.optional).items()}
    system: tuple[CoordinateSystem, bool] | None = None
    while batch := list(islice(table.rows, BATCH_ROWS)):
        reading.rows_read += len(batch)
        rows = [row for row in batch if row is not None]
        reading.left_out["wrong_number_of_columns"] += len(batch) - len(rows)
        points = numbers([row[east] for row in rows]), numbers([row[north] for row in rows])
        system = system or detect(*points)
        if system is None and np.isfinite(points[0]).any():
            raise SourceError(f"its coordinates are in no known system; expected {EXPECTED}")
        if system is None:
            reading.left_out["no_coordinates"] += len(rows)
        else:
            reading.coordinates = system[0].name
            yield list(_placed(rows, points, system, cells, layout, reading))
        if on_progress:
            on_progress(reading.file, reading.rows_read)


def _placed(
    rows: Sequence[Sequence[Any]],
    points: tuple[Any, Any],
    system: tuple[CoordinateSystem, bool],
    cells: dict[str, int | None],
    layout: Layout,
    reading: Reading,
) -> Iterator[PlacedRow]:
    reference, is_swapped = system
    east, north = reversed(points) if is_swapped else points
    known = reference.covers(east, north)
    lat, lon = reference.to_wgs84(np.where(known, east, np.nan), np.where(known, north, np.nan))
    inside = in_service_area(lat, lon) & known
    reading.left_out["no_coordinates"] += int((~known).sum())
    reading.left_out["outside_service_area"] += int((known & ~inside).sum())
    for index in np.flatnonzero(inside).tolist():
        row = rows[index]
        texts = {name: "" if at is None else text_of(row[at]) for name, at in cells.items()}
        read = layout.read(texts, layout.source or reading.file)
        if isinstance(read, str):
            reading.left_out[read] += 1
        else:
            yield PlacedRow(read, float(lat[index]), float(lon[index]))


def _first(place: dict[str, int], aliases: Sequence[str]) -> int | None:
    return next((place[alias] for alias in aliases if alias in place), None)


def _fingerprint(path: Path) -> str:
    digest = hashlib.sha256()
    for part in files_of(path):
        with part.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()
