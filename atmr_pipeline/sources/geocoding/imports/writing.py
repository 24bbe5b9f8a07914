"""Rows of the gazetteer file."""

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any

from atmr_pipeline.sources.geocoding.directory import Entry, area_of
from atmr_pipeline.sources.geocoding.gazetteer_file import APPLICATION_ID, FORMAT_VERSION, statement
from atmr_pipeline.sources.geocoding.imports.merging import Given
from atmr_pipeline.sources.geocoding.words import number_key


class GazetteerWriter:
    """Writes a gazetteer into an empty database; the same rows in the same order give the same file.

    Parameters
    ----------
    connection : sqlite3.Connection
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._areas: dict[tuple[str, str, str], int] = {}
        self._sources: dict[str, int] = {}
        self.streets = self.houses = 0
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {FORMAT_VERSION}")
        connection.executescript(statement("gazetteer_schema"))

    def add_houses(self, name: str, houses: Sequence[Given]) -> None:
        """The houses of one street."""
        self.streets += 1
        self.houses += len(houses)
        self._insert("street", [(self.streets, name)])
        rows = []
        for position, given in enumerate(houses):
            house = given.entry
            number = number_key(house.number)
            place = (self._area(house), house.lat, house.lon, self._source(house))
            rows.append((self.streets, number, position, house.number, *place))
        self._insert("house", rows)

    def add_entries(self, entries: Iterable[Entry]) -> None:
        """Streets' points, towns and places."""
        rows = []
        for item in entries:
            place = (self._area(item), item.lat, item.lon, self._source(item))
            rows.append((None, item.kind, item.name, item.street, item.number, *place))
        self._insert("entry", rows)

    def finish(
        self, meta: dict[str, str], inputs: Iterable[tuple[Any, ...]], left_out: Iterable[tuple[Any, ...]]
    ) -> None:
        """Where the rows come from, and the tables that the others point to."""
        self._insert("area", [(identity, *area) for area, identity in self._areas.items()])
        self._insert("source", [(identity, name) for name, identity in self._sources.items()])
        self._insert("meta", list(meta.items()))
        self._insert("input", list(inputs))
        self._insert("left_out", list(left_out))

    def _area(self, entry: Entry) -> int:
        return self._areas.setdefault(area_of(entry), len(self._areas) + 1)

    def _source(self, entry: Entry) -> int:
        return self._sources.setdefault(entry.source, len(self._sources) + 1)

    def _insert(self, table: str, rows: Sequence[tuple[Any, ...]]) -> None:
        if rows:
            marks = ", ".join("?" * len(rows[0]))
            self._connection.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)
