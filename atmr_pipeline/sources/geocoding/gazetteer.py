"""Offline geocoding: an address is looked up in a directory that lies on the machine, and sent nowhere."""

import csv
import gzip
import io
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from atmr_pipeline.domain.errors import SourceError
from atmr_pipeline.domain.geo import in_service_area
from atmr_pipeline.domain.vocabulary import AddressPrecision
from atmr_pipeline.sources.geocoding.directory import Directory, Entry
from atmr_pipeline.sources.geocoding.search import Finding, search

COLUMNS = ("kind", "name", "street", "number", "postcode", "locality", "commune", "lat", "lon", "precision", "source")


@dataclass(frozen=True)
class Answer:
    """Where an address is, how exactly, and who says so.

    Parameters
    ----------
    lat, lon : float or None
        Degrees WGS84; None if unresolved.
    precision : AddressPrecision
        ``street`` for a numbered address whose house the directory does not know.
    source : str or None
        The directory's source for the entry.
    score : float
        0 to 1; of the best candidate, also where it was refused.
    reason : str or None
        ``not_found`` or ``ambiguous`` if unresolved.
    entry_key : str or None
        The directory entry that matched, as 16 hex digits: two answers at one point are the same place only if they
        have the same entry, and a point without an entry would be a default in disguise.
    """

    lat: float | None
    lon: float | None
    precision: AddressPrecision
    source: str | None
    score: float
    reason: str | None
    entry_key: str | None


class Gazetteer:
    """An address directory.

    Parameters
    ----------
    entries : iterable of Entry
        Those outside the service area are left out and counted.
    """

    def __init__(self, entries: Iterable[Entry]) -> None:
        given = list(entries)
        inside = in_service_area([entry.lat for entry in given], [entry.lon for entry in given])
        kept = [entry for entry, is_inside in zip(given, inside, strict=True) if is_inside]
        self._left_out = len(given) - len(kept)
        self._directory = Directory(kept)

    @classmethod
    def load(cls, path: Path | None = None) -> "Gazetteer":
        """Read a directory: a CSV file, gzipped or not, with the columns of :data:`COLUMNS`; else the built-in one.

        Raises
        ------
        SourceError
            If the file cannot be read, lacks a column or has no usable row.
        """
        name = path.name if path else "built-in"
        try:
            entries = list(_entries(_text(path), name))
        except (OSError, EOFError, UnicodeDecodeError, csv.Error) as error:
            raise SourceError(
                f"gazetteer {name}: cannot be read ({type(error).__name__}); give a UTF-8 CSV file"
            ) from None
        if not entries:
            raise SourceError(f"gazetteer {name}: it has no row; give a directory of addresses")
        gazetteer = cls(entries)
        if not gazetteer._directory.entries:
            raise SourceError(
                f"gazetteer {name}: no row lies in the service area; check the columns lat and lon (WGS84)"
            )
        return gazetteer

    @property
    def entries(self) -> list[Entry]:
        """The directory's rows within the service area."""
        return self._directory.entries

    def info(self) -> dict[str, Any]:
        """Counts: ``entries``, ``kinds``, ``streets`` (names), ``sources``, ``outside_service_area`` (left out)."""
        directory = self._directory
        return {
            "entries": len(directory.entries),
            "kinds": directory.kinds(),
            "streets": len(directory.streets),
            "sources": dict(Counter(entry.source for entry in directory.entries).most_common()),
            "outside_service_area": self._left_out,
        }

    def locate(self, text: str) -> Answer:
        """Place one address.

        A street or place that is not known, or that several match, is unresolved: never the centre of its town.
        """
        finding = search(text, self._directory)
        if finding.entry is None:
            return _unresolved(finding)
        entry, score = finding.entry, round(finding.score, 4)
        return Answer(finding.lat, finding.lon, finding.precision, entry.source, score, None, entry.key)


def _unresolved(finding: Finding) -> Answer:
    reason = finding.reason or "not_found"
    return Answer(None, None, AddressPrecision.UNRESOLVED, None, round(finding.score, 4), reason, None)


def _text(path: Path | None) -> str:
    if path is None:
        return (resources.files("atmr_pipeline.sources.geocoding") / "builtin_gazetteer.csv").read_text("utf-8")
    data = path.read_bytes()
    return (gzip.decompress(data) if data.startswith(b"\x1f\x8b") else data).decode("utf-8-sig")


def _entries(text: str, name: str) -> Iterable[Entry]:
    reader = csv.DictReader(io.StringIO(text, newline=""))
    missing = [column for column in COLUMNS if column not in (reader.fieldnames or [])]
    if missing:
        raise SourceError(f"gazetteer {name}: missing columns {', '.join(missing)}")
    for number, row in enumerate(reader, start=2):
        try:
            lat, lon = float(row["lat"]), float(row["lon"])
        except (TypeError, ValueError):
            raise SourceError(f"gazetteer {name}: line {number} has no coordinates in lat and lon") from None
        texts = {column: (row[column] or "").strip() for column in COLUMNS[:7]}
        yield Entry(**texts, lat=lat, lon=lon, source=(row["source"] or "").strip() or name)
