"""Rows of all inputs on disk, brought together by name."""

import sqlite3
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import groupby
from typing import Literal

from atmr_pipeline.sources.geocoding.directory import STREET_KINDS, TOWN_KINDS, Entry
from atmr_pipeline.sources.geocoding.evidence import plain_town
from atmr_pipeline.sources.geocoding.gazetteer_file import statement
from atmr_pipeline.sources.geocoding.imports.layouts import SourceRow
from atmr_pipeline.sources.geocoding.imports.merging import Given
from atmr_pipeline.sources.geocoding.imports.reading import PlacedRow
from atmr_pipeline.sources.geocoding.words import core, fold, number_key, words

RowClass = Literal["address", "place", "town"]
_INSERT = f"INSERT INTO staged VALUES (NULL, {', '.join('?' * 14)})"


class Staging:
    """A temporary table of rows: what is kept in memory does not grow with the inputs.

    Parameters
    ----------
    connection : sqlite3.Connection
        SQLite puts a temporary table into a file of its own.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        connection.executescript(statement("staging_schema"))

    def add(self, input_position: int, rows: Iterable[PlacedRow]) -> int:
        """Take in rows; those without any word in their name are left out and their count is returned."""
        nameless = 0
        values = []
        for placed in rows:
            row = placed.row
            row_class, group = _group(row)
            if not group:
                nameless += 1
                continue
            texts = (row.kind, row.name, row.street, row.number, row.postcode, row.locality, row.commune)
            number = number_key(row.number)
            values.append((input_position, row_class, group, number, *texts, placed.lat, placed.lon, row.source))
        self._connection.executemany(_INSERT, values)
        return nameless

    def addresses(self) -> Iterator[list[list[Given]]]:
        """Street by street: its rows in lists of one number each; those without a number come first."""
        for _, street in groupby(self._rows("address"), key=lambda item: item[0]):
            yield [[given for *_, given in rows] for _, rows in groupby(street, key=lambda item: item[1])]

    def others(self, row_class: Literal["place", "town"]) -> Iterator[list[Given]]:
        """Places or towns, in lists of one name each."""
        for _, rows in groupby(self._rows(row_class), key=lambda item: item[0]):
            yield [given for *_, given in rows]

    def _rows(self, row_class: RowClass) -> Iterator[tuple[str, str, Given]]:
        cursor = self._connection.execute(statement("staged_rows"), {"class": row_class})
        for group, number, input_position, *columns in cursor:
            yield group, number, Given(input_position, Entry(*columns))


def _group(row: SourceRow) -> tuple[RowClass, str]:
    """What rows of the same name have in common; empty if the name has no word."""
    if row.kind in STREET_KINDS:
        return "address", _street_key(row.street or row.name)
    if row.kind in TOWN_KINDS:
        name = plain_town(row.name)
        return "town", f"{row.kind} {row.postcode} {name}" if name else ""
    return "place", " ".join(core(words(fold(row.name))))


@lru_cache(maxsize=100_000)
def _street_key(name: str) -> str:
    return " ".join(words(fold(name)))
