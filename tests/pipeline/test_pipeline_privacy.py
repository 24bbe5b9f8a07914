"""No patient, no address and no medical note leaves the places that are meant to hold them.

Searched: every byte that a run writes and prints, except the demo company itself, the inbox of the clerks, and the
private tables, which only their owner can read.
"""

import json
import sqlite3
import stat
import zlib
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from pipeline_home import Home, Snapshot

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

MEANT_TO_HOLD_THEM = {"demo", "inbox", "private"}


def _searched(home: Home) -> Iterator[Path]:
    for path in sorted(home.root.rglob("*")):
        if path.is_file() and path.relative_to(home.root).parts[0] not in MEANT_TO_HOLD_THEM:
            yield path


def _contents(path: Path) -> bytes:
    """A file's bytes, and its text where a format hides it: Parquet's pages, SQLite's cells, compressed values."""
    raw = path.read_bytes()
    if path.suffix == ".parquet":
        table = pq.read_table(path)
        return raw + str(table.schema.metadata).encode() + table.to_pandas().to_csv().encode()
    if raw.startswith(b"SQLite format 3"):
        return raw + b"\n".join(_cells(path))
    return raw


def _cells(path: Path) -> Iterator[bytes]:
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as connection:
        tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        for (table,) in tables:
            for row in connection.execute(f'SELECT * FROM "{table}"'):
                for value in row:
                    if isinstance(value, bytes):
                        yield zlib.decompress(value) if value[:1] == b"x" else value
                    elif isinstance(value, str):
                        yield value.encode()


@pytest.fixture(scope="session")
def secrets(home: Home, first: Snapshot) -> dict[str, set[str]]:
    """What must stay where it is, by kind."""
    notes = {row[0] for row in home.operations("SELECT DISTINCT notes_medical FROM booking") if row[0]}
    addresses = {
        row[0]
        for row in home.operations("SELECT pickup_location FROM booking UNION SELECT dropoff_location FROM booking")
        if row[0]
    }
    names = {row[0] for row in home.operations("SELECT DISTINCT customer_name FROM booking")}
    assert min(len(notes), len(addresses), len(names)) > 10
    assert all("Fictif" in name for name in names)
    # A name or a note is found by the word that all of them share, an address by its street and number.
    return {
        "patient": {"Patient Fictif", "Fictif "},
        "note": {"Note fictive"},
        "address": {address.rsplit(",", 1)[0] for address in addresses},
    }


def _spellings(text: str) -> set[bytes]:
    """As UTF-8, and as JSON escapes it."""
    return {text.encode(), json.dumps(text)[1:-1].encode()}


def test_nothing_that_a_run_writes_names_a_patient_an_address_or_a_note(
    home: Home, secrets: dict[str, set[str]], corrected: Snapshot
) -> None:
    needles = {needle: kind for kind, texts in secrets.items() for text in texts for needle in _spellings(text)}
    searched, found = 0, set()
    for path in _searched(home):
        content = _contents(path)
        searched += 1
        found |= {
            (path.relative_to(home.root).as_posix(), kind) for needle, kind in needles.items() if needle in content
        }
    assert found == set()
    assert searched > 100


def test_the_search_would_find_them(home: Home, secrets: dict[str, set[str]], first: Snapshot) -> None:
    content = _contents(home.root / "demo" / "operations.db")
    for kind, texts in secrets.items():
        assert any(needle in content for text in texts for needle in _spellings(text)), kind
    addresses = _contents(home.root / "private" / "workbook_addresses" / "table.parquet")
    assert sum(text.encode() in addresses for text in secrets["address"]) > 10


def test_nothing_that_a_run_prints_names_a_patient_an_address_or_a_note(
    secrets: dict[str, set[str]], first: Snapshot, second: Snapshot, with_workbooks: Snapshot, corrected: Snapshot
) -> None:
    printed = "\n".join(shot.out + shot.err for shot in (first, second, with_workbooks, corrected))
    assert {kind for kind, texts in secrets.items() if any(text in printed for text in texts)} == set()


def test_the_private_tables_are_readable_by_their_owner_only(home: Home, first: Snapshot) -> None:
    files = [path for path in (home.root / "private").rglob("*") if path.is_file()]
    assert files
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
