"""Published directories into one gazetteer file."""

import hashlib
import sqlite3
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import Any

from atmr_pipeline.domain.errors import SourceError
from atmr_pipeline.domain.files import write_atomically
from atmr_pipeline.sources.geocoding.directory import STREET_KINDS, TOWN_KINDS, Entry
from atmr_pipeline.sources.geocoding.gazetteer_file import FORMAT_VERSION
from atmr_pipeline.sources.geocoding.imports.merging import CONFLICT, Given, LeftOut, merge, street_parts, towns
from atmr_pipeline.sources.geocoding.imports.reading import PlacedRow, Progress, Reading, read_rows
from atmr_pipeline.sources.geocoding.imports.staging import Staging
from atmr_pipeline.sources.geocoding.imports.writing import GazetteerWriter

BUILT_IN_PLACES = "built-in places"


@dataclass(frozen=True)
class InputReport:
    """What became of one input's rows: ``rows_read`` is ``rows_kept`` and all of ``left_out``.

    Parameters
    ----------
    file, sha256 : str
    layout, coordinates : str
        As recognised.
    attribution : str
        What to show where the gazetteer's points are published.
    rows_read, rows_kept : int
    left_out : dict of str to int
        Rows by reason: ``outside_service_area``, ``no_coordinates``, ``wrong_number_of_columns``, ``planned``,
        ``not_existing``, ``not_postal``, ``no_street``, ``no_name``, ``duplicate`` (again in the same input),
        ``merged`` (an earlier input has it), ``known_by_its_houses`` (a street's point that houses replace),
        ``conflict`` (more than 200 m from where an earlier input, or the houses, have it).
    """

    file: str
    sha256: str
    layout: str
    coordinates: str
    attribution: str
    rows_read: int
    rows_kept: int
    left_out: dict[str, int]


@dataclass(frozen=True)
class BuildReport:
    """A gazetteer that was built.

    Parameters
    ----------
    output : Path
    built_at : datetime
        UTC.
    inputs : tuple of InputReport
        In the order in which they are believed.
    streets, houses, places, towns : int
        Street names, house addresses, named places, localities and communes.
    conflicts : int
        Rows left out because an earlier input has the same address more than 200 m away.
    """

    output: Path
    built_at: datetime
    inputs: tuple[InputReport, ...]
    streets: int
    houses: int
    places: int
    towns: int
    conflicts: int

    def to_dict(self) -> dict[str, Any]:
        """The report for JSON."""
        return {**asdict(self), "output": str(self.output), "built_at": self.built_at.isoformat()}


def build_gazetteer(
    inputs: Sequence[Path],
    output: Path,
    *,
    on_progress: Progress | None = None,
    with_builtin_places: bool = True,
    now: datetime | None = None,
) -> BuildReport:
    """Read published address directories and write one gazetteer file.

    Each input is SITG ``CAD_ADRESSE`` (shapefile or CSV), the federal directory of building addresses (CSV), or a
    table with the columns of :data:`.directory.COLUMNS`; gzipped, in a zip or plain; recognised by what is in it. Where
    two give the same address the first is believed, and a house goes before its street's point.

    Parameters
    ----------
    inputs : sequence of Path
    output : Path
        Written whole or not at all.
    on_progress : callable, optional
        Called with an input's name and the rows read so far.
    with_builtin_places : bool
        Take the built-in public places (hospitals, clinics, stations) as the last input: the directories have none.
    now : datetime, optional
        Time of the build; all else in the file is the same for the same inputs.

    Raises
    ------
    SourceError
        No input, one that cannot be read or is of no known layout, no row in the service area, or an output that
        cannot be written.
    """
    if not inputs:
        raise SourceError("gazetteer: no input; give at least one directory of addresses")
    if output.resolve() in {path.resolve() for path in inputs}:
        raise SourceError(f"gazetteer {output.name}: it is an input, too; write to another file")
    reports: list[BuildReport] = []
    built_at = now or datetime.now(UTC)
    try:
        write_atomically(
            output,
            lambda hidden: reports.append(_build(inputs, hidden, output, on_progress, with_builtin_places, built_at)),
        )
    except (OSError, sqlite3.Error) as error:
        raise SourceError(f"gazetteer {output.name}: cannot be written ({type(error).__name__})") from None
    return reports[0]


def _build(
    inputs: Sequence[Path],
    hidden: Path,
    output: Path,
    on_progress: Progress | None,
    with_builtin_places: bool,
    built_at: datetime,
) -> BuildReport:
    with closing(sqlite3.connect(hidden)) as connection:
        # The file is new and hidden: a crash leaves nothing that a journal would have to mend.
        connection.execute("PRAGMA journal_mode = OFF")
        connection.execute("PRAGMA synchronous = OFF")
        staging, writer = Staging(connection), GazetteerWriter(connection)
        readings = list(_read(inputs, staging, on_progress))
        if with_builtin_places:
            readings.append(_read_builtin_places(len(readings), staging))
        left_out: LeftOut = Counter()
        parts = list(_write_addresses(staging, writer, left_out))
        places = [given.entry for rows in staging.others("place") for given in merge(rows, left_out)]
        listed = [given.entry for rows in staging.others("town") for given in merge(rows, left_out)]
        town_entries = listed + towns(parts, listed)
        if not parts and not places:
            raise SourceError("gazetteer: no row of any input lies in the service area; check the files")
        writer.add_entries([*parts, *town_entries, *places])
        reports = tuple(_report(position, reading, left_out) for position, reading in enumerate(readings))
        _write_provenance(writer, reports, built_at)
        connection.commit()
    conflicts = sum(count for (_, reason), count in left_out.items() if reason == CONFLICT)
    counts = (writer.streets, writer.houses, len(places), len(town_entries), conflicts)
    return BuildReport(output, built_at, reports, *counts)


def _read(inputs: Sequence[Path], staging: Staging, on_progress: Progress | None) -> Iterator[Reading]:
    for position, path in enumerate(inputs):
        reading = Reading(path.name)
        for batch in read_rows(path, reading, on_progress):
            reading.left_out["no_name"] += staging.add(position, batch)
        yield reading


def _read_builtin_places(position: int, staging: Staging) -> Reading:
    """The built-in directory without its streets and towns: those of an official directory are better."""
    reading = Reading(BUILT_IN_PLACES)
    resource = resources.files("atmr_pipeline.sources.geocoding") / "builtin_gazetteer.csv"
    with resources.as_file(resource) as path:
        for batch in read_rows(path, reading):
            places = [placed for placed in batch if not _is_street_or_town(placed)]
            reading.left_out["no_place"] += len(batch) - len(places)
            reading.left_out["no_name"] += staging.add(position, places)
    return reading


def _is_street_or_town(placed: PlacedRow) -> bool:
    return placed.row.kind in STREET_KINDS or placed.row.kind in TOWN_KINDS


def _write_addresses(staging: Staging, writer: GazetteerWriter, left_out: LeftOut) -> Iterator[Entry]:
    """Write all houses; gives the streets' points."""
    for numbers in staging.addresses():
        merged = [merge(rows, left_out) for rows in numbers]
        streets = [given for rows in merged for given in rows if not given.entry.number]
        houses = [given for rows in merged for given in rows if given.entry.number]
        name = _street_name([*houses, *streets])
        writer.add_houses(name, houses)
        yield from street_parts(streets, houses, left_out)


def _street_name(rows: Sequence[Given]) -> str:
    """The spelling of the input that is believed first."""
    entry = min(rows, key=lambda given: given.input).entry
    return entry.street or entry.name


def _report(position: int, reading: Reading, left_out: LeftOut) -> InputReport:
    reasons = reading.left_out + Counter({why: n for (where, why), n in left_out.items() if where == position})
    return InputReport(
        file=reading.file,
        sha256=reading.sha256,
        layout=reading.layout.name if reading.layout else "",
        coordinates=reading.coordinates,
        attribution=reading.layout.attribution if reading.layout else "",
        rows_read=reading.rows_read,
        rows_kept=reading.rows_read - reasons.total(),
        left_out=dict(sorted(reasons.items())),
    )


def _write_provenance(writer: GazetteerWriter, reports: Sequence[InputReport], built_at: datetime) -> None:
    fingerprints = ",".join(report.sha256 for report in reports)
    meta = {
        "built_at": built_at.isoformat(),
        "format_version": str(FORMAT_VERSION),
        "inputs_sha256": hashlib.sha256(fingerprints.encode()).hexdigest(),
    }
    inputs = []
    for position, report in enumerate(reports):
        values = asdict(report)
        del values["left_out"]
        inputs.append((position, *values.values()))
    left_out = [(at, why, n) for at, report in enumerate(reports) for why, n in report.left_out.items()]
    writer.finish(meta, inputs, left_out)
