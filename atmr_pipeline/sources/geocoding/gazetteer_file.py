"""The built gazetteer: one read-only SQLite file, streets in memory, houses fetched when an address asks for one.

``PRAGMA application_id`` says that the file is ours, ``PRAGMA user_version`` is the format's version.
"""

import os
import sqlite3
import struct
import threading
from collections import defaultdict
from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from atmr_pipeline.domain.errors import SourceError
from atmr_pipeline.sources.geocoding.directory import Entry
from atmr_pipeline.sources.geocoding.words import fold, words

FORMAT_VERSION = 1
APPLICATION_ID = 0x61746D72
MAGIC = b"SQLite format 3\x00"
HEADER_BYTES = 100


class GazetteerFile:
    """A built gazetteer file.

    Each thread of each process has a connection of its own, opened at its first question: the object may be used
    after a fork and from several threads.

    Parameters
    ----------
    path : Path

    Raises
    ------
    SourceError
        The file is no gazetteer, of a newer format, or cut short.
    """

    def __init__(self, path: Path) -> None:
        self._path = path.resolve()
        self._local = threading.local()
        _check_header(path)
        self._meta = self._read_meta()
        self._streets: dict[str, list[int]] = defaultdict(list)
        for identity, name in self._rows("SELECT id, name FROM street ORDER BY id"):
            self._streets[" ".join(words(fold(name)))].append(identity)

    def entries(self) -> list[Entry]:
        """Streets' points, towns and places."""
        return [Entry(*row) for row in self._rows(statement("gazetteer_entries"))]

    def find(self, street: str, number: str) -> list[Entry]:
        """Houses of a street (its words, folded) with a number (as ``number_key`` writes it)."""
        query = statement("gazetteer_house")
        return [
            Entry("house", name, name, *rest)
            for identity in self._streets.get(street, ())
            for name, *rest in self._rows(query, (identity, number))
        ]

    def house_sources(self) -> dict[str, int]:
        """Houses by source."""
        return dict(self._rows(statement("gazetteer_house_sources")))

    def provenance(self) -> dict[str, Any]:
        """What the file was built from: ``format_version``, ``built_at`` (ISO, UTC) and the ``inputs``."""
        left_out: dict[int, dict[str, int]] = defaultdict(dict)
        for position, reason, count in self._rows(statement("gazetteer_left_out")):
            left_out[position][reason] = count
        names = ("file", "sha256", "layout", "coordinates", "attribution", "rows_read", "rows_kept")
        inputs = [
            {**dict(zip(names, values, strict=True)), "left_out": left_out[position]}
            for position, *values in self._rows(statement("gazetteer_inputs"))
        ]
        return {"format_version": FORMAT_VERSION, "built_at": self._meta["built_at"], "inputs": inputs}

    def _read_meta(self) -> dict[str, str]:
        return dict(self._rows("SELECT key, value FROM meta"))

    def _rows(self, query: str, values: Iterable[Any] = ()) -> list[tuple[Any, ...]]:
        try:
            return self._connection().execute(query, tuple(values)).fetchall()
        except sqlite3.Error as error:
            raise SourceError(
                f"gazetteer {self._path.name}: cannot be read ({type(error).__name__}); build it again"
            ) from None

    def _connection(self) -> sqlite3.Connection:
        if getattr(self._local, "process", None) != os.getpid():
            uri = f"{self._path.as_uri()}?mode=ro&immutable=1"
            self._local.connection = sqlite3.connect(uri, uri=True)
            self._local.process = os.getpid()
            # Streets' numbers are those of the file that was loaded, not of one built over it since.
            if getattr(self, "_meta", None) not in (None, self._read_meta()):
                self._local.process = None
                raise SourceError(f"gazetteer {self._path.name}: it was built anew meanwhile; start again")
        return self._local.connection


def is_gazetteer_file(path: Path) -> bool:
    """Whether a file is a SQLite database, and so cannot be a table of addresses."""
    with path.open("rb") as stream:
        return stream.read(len(MAGIC)) == MAGIC


def _check_header(path: Path) -> None:
    """Refuse another database, a newer format and a file that is shorter than it says (SQLite file format, 1.3)."""
    with path.open("rb") as stream:
        header = stream.read(HEADER_BYTES)
        size = stream.seek(0, os.SEEK_END)
    if len(header) < HEADER_BYTES:
        raise SourceError(f"gazetteer {path.name}: it is cut short; build it again")
    page_bytes = struct.unpack(">H", header[16:18])[0]
    pages, version, application = (struct.unpack(">I", header[at : at + 4])[0] for at in (28, 60, 68))
    if application != APPLICATION_ID:
        raise SourceError(f"gazetteer {path.name}: it is a database of something else; give one that was built here")
    if version > FORMAT_VERSION:
        raise SourceError(
            f"gazetteer {path.name}: format {version} is newer than this program's {FORMAT_VERSION}; "
            "update the program or build the gazetteer again"
        )
    if size < pages * (65536 if page_bytes == 1 else page_bytes):
        raise SourceError(f"gazetteer {path.name}: it is cut short; build it again")


@cache
def statement(name: str) -> str:
    """The text of ``sql/<name>.sql``."""
    return files("atmr_pipeline.sources.geocoding").joinpath("sql", f"{name}.sql").read_text(encoding="utf-8")
