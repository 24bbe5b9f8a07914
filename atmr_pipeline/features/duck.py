"""Run the .sql files of this package over pandas tables, in an in-memory DuckDB."""

from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import duckdb
import pandas as pd


@dataclass(frozen=True)
class Statement:
    """One statement of a file, and the parameters (``$name``) that it takes."""

    text: str
    parameters: tuple[str, ...]


def connect() -> duckdb.DuckDBPyConnection:
    """A database of its own in memory: no lock, no shared file and nothing left behind.

    The session's time zone is UTC whatever the machine's is; a query that means the wall clock says so.
    """
    connection = duckdb.connect(":memory:")
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("SET python_enable_replacements = false")
    return connection


@cache
def read_sql(query: str) -> tuple[Statement, ...]:
    """The statements of ``sql/<query>.sql``."""
    text = files("atmr_pipeline.features").joinpath("sql", f"{query}.sql").read_text(encoding="utf-8")
    return tuple(
        Statement(statement.query, tuple(sorted(statement.named_parameters)))
        for statement in duckdb.extract_statements(text)
    )


def run_sql(query: str, tables: dict[str, pd.DataFrame], parameters: dict[str, object] | None = None) -> pd.DataFrame:
    """Run ``sql/<query>.sql``, one statement, in a database of its own.

    Parameters
    ----------
    query : str
        File name without ``.sql``.
    tables : dict of str to DataFrame
        The tables that the query names.
    parameters : dict, optional
        Values of the query's named parameters (``$name``).
    """
    (statement,) = read_sql(query)
    with connect() as connection:
        for name, table in tables.items():
            connection.register(name, table)
        return connection.execute(statement.text, parameters or {}).fetchdf()
