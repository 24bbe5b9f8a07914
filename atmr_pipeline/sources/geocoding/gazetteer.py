"""Offline geocoding: an address is looked up in a directory that lies on the machine, and sent nowhere."""

import csv
import gzip
import io
import zlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Protocol

from atmr_pipeline.domain.errors import SourceError
from atmr_pipeline.domain.geo import in_service_area
from atmr_pipeline.domain.vocabulary import AddressPrecision
from atmr_pipeline.sources.geocoding.directory import COLUMNS, Directory, Entry
from atmr_pipeline.sources.geocoding.gazetteer_file import GazetteerFile, is_gazetteer_file
from atmr_pipeline.sources.geocoding.search import Finding, search

__all__ = ["COLUMNS", "Answer", "Gazetteer", "OnlineGeocoder"]


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
        Why it is unresolved: ``not_found``, ``ambiguous``, or the code of an online service.
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


class OnlineGeocoder(Protocol):
    """A service that is asked for addresses which the directory does not place."""

    def locate_many(self, pairs: Sequence[tuple[str, str]]) -> dict[str, Answer]:
        """One answer for each (address key, address text), by key.

        An answer without a point has a reason; ``service_unavailable`` where nobody could be heard.
        """
        ...


class Gazetteer:
    """An address directory.

    Parameters
    ----------
    entries : iterable of Entry
        Those outside the service area are left out and counted.
    name : str
        What it was read from, for :meth:`info`.
    houses : GazetteerFile, optional
        A file with further houses.
    """

    def __init__(self, entries: Iterable[Entry], *, name: str = "entries", houses: GazetteerFile | None = None) -> None:
        given = list(entries)
        inside = in_service_area([entry.lat for entry in given], [entry.lon for entry in given])
        kept = [entry for entry, is_inside in zip(given, inside, strict=True) if is_inside]
        self._name = name
        self._left_out = len(given) - len(kept)
        self._file = houses
        self._directory = Directory(kept, houses)

    @classmethod
    def load(cls, path: Path | None = None) -> "Gazetteer":
        """Read a directory.

        Parameters
        ----------
        path : Path, optional
            A file of :func:`.build.build_gazetteer`, or a CSV file, gzipped or not, with the columns of
            :data:`COLUMNS`; recognised by what is in it. The built-in directory by default.

        Raises
        ------
        SourceError
            If the file cannot be read, is cut short, of a newer format or a database of something else, lacks a
            column or has no usable row.
        """
        name = path.name if path else "built-in"
        try:
            if path and is_gazetteer_file(path):
                file = GazetteerFile(path)
                return cls(file.entries(), name=name, houses=file)
            entries = list(_entries(_text(path), name))
        except (OSError, EOFError, zlib.error, UnicodeDecodeError, csv.Error) as error:
            raise SourceError(
                f"gazetteer {name}: cannot be read ({type(error).__name__}); give a UTF-8 CSV file or a built gazetteer"
            ) from None
        if not entries:
            raise SourceError(f"gazetteer {name}: it has no row; give a directory of addresses")
        gazetteer = cls(entries, name=name)
        if not gazetteer._directory.entries:
            raise SourceError(
                f"gazetteer {name}: no row lies in the service area; check the columns lat and lon (WGS84)"
            )
        return gazetteer

    @property
    def entries(self) -> list[Entry]:
        """The directory's rows within the service area; houses of a built file stay in the file."""
        return self._directory.entries

    def info(self) -> dict[str, Any]:
        """Counts and provenance.

        Returns
        -------
        dict
            ``file``; ``entries`` (houses included), ``kinds``, ``streets`` (names), ``sources``,
            ``outside_service_area`` (left out when loaded); ``format_version``, ``built_at`` and ``inputs`` of a
            built file (see :class:`.build.InputReport`), else None, None and an empty list.
        """
        directory = self._directory
        house_sources = self._file.house_sources() if self._file else {}
        houses = sum(house_sources.values())
        kinds = Counter(directory.kinds()) + Counter({"house": houses})
        sources = Counter(entry.source for entry in directory.entries) + Counter(house_sources)
        built = self._file.provenance() if self._file else {"format_version": None, "built_at": None, "inputs": []}
        return {
            "file": self._name,
            "entries": len(directory.entries) + houses,
            "kinds": dict(sorted(kinds.items())),
            "streets": len(directory.streets),
            "sources": dict(sources.most_common()),
            "outside_service_area": self._left_out,
            **built,
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
