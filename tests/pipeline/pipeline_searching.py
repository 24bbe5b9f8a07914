"""Where patients, addresses and notes are looked for: every byte that a run writes, in whatever format hides it.

Left out are the demo company itself, the inbox of the clerks, and the private tables, which only their owner can read.
"""

import json
import sqlite3
import zlib
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
from pipeline_home import Home

MEANT_TO_HOLD_THEM = {"demo", "inbox", "private"}


def searched_files(home: Home) -> Iterator[Path]:
    for path in sorted(home.root.rglob("*")):
        if path.is_file() and path.relative_to(home.root).parts[0] not in MEANT_TO_HOLD_THEM:
            yield path


def contents(path: Path) -> bytes:
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


def spellings(text: str) -> set[bytes]:
    """As UTF-8, and as JSON escapes it."""
    return {text.encode(), json.dumps(text)[1:-1].encode()}
