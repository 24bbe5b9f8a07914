"""Run a .sql file of this package over pandas tables, in an in-memory DuckDB of its own."""

from functools import cache
from importlib.resources import files

import duckdb
import pandas as pd


def run_sql(query: str, tables: dict[str, pd.DataFrame], parameters: dict[str, object] | None = None) -> pd.DataFrame:
    """Run ``sql/<query>.sql``.

    Parameters
    ----------
    query : str
        File name without ``.sql``.
    tables : dict of str to DataFrame
        The tables that the query names.
    parameters : dict, optional
        Values of the query's named parameters (``$name``).

    Notes
    -----
    The session's time zone is UTC whatever the machine's is; a query that means the wall clock says so. A connection
    a call means no lock, no shared file and nothing left behind.
    """
    with duckdb.connect(":memory:") as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute("SET python_enable_replacements = false")
        for name, table in tables.items():
            connection.register(name, table)
        return connection.execute(_sql(query), parameters or {}).fetchdf()


@cache
def _sql(query: str) -> str:
    return files("atmr_pipeline.features").joinpath("sql", f"{query}.sql").read_text(encoding="utf-8")
