"""Engines for the state database: SQLite (WAL) by default, PostgreSQL in production."""

import time
from functools import partial
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from atmr_pipeline.domain.errors import SettingsError
from atmr_pipeline.state import json_values

BUSY_TIMEOUT_S = 30.0
CONNECT_TIMEOUT_S = 10
READ_ONLY_OPTION = "state_read_only"


def parse_url(url: str) -> URL:
    """Read a database URL.

    Parameters
    ----------
    url : str
        ``sqlite:///path/to/state.db``, ``postgresql://...`` or ``postgresql+psycopg://...``.

    Raises
    ------
    SettingsError
        If it is none of these; the message never repeats the URL, which may hold a password.
    """
    wanted = "use sqlite:///path/to/file.db or postgresql://user:password@host:5432/database"
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise SettingsError(f"the state database URL cannot be read: {wanted}") from None
    if parsed.drivername in ("postgresql", "postgresql+psycopg"):
        return parsed.set(drivername="postgresql+psycopg")
    if parsed.drivername not in ("sqlite", "sqlite+pysqlite"):
        raise SettingsError(f"the state database cannot be a {parsed.drivername} database: {wanted}")
    if not parsed.database or parsed.database == ":memory:":
        raise SettingsError(f"the state database must outlive the process, so it cannot be in memory: {wanted}")
    return parsed.set(drivername="sqlite+pysqlite")


def describe_url(url: URL) -> str:
    """What a person may read of a URL: no user, password or query parameters."""
    if url.get_backend_name() == "sqlite":
        return f"SQLite file {url.database}"
    return f"PostgreSQL database {url.database} at {url.host or 'local socket'}:{url.port or 5432}"


def create_state_engine(url: URL, *, schema: str) -> sa.Engine:
    """An engine on a URL from :func:`parse_url`.

    ``hide_parameters`` keeps row values out of every log line and exception.
    """
    options: dict[str, Any] = {"json_serializer": json_values.dumps, "hide_parameters": True}
    if url.get_backend_name() == "sqlite":
        engine = sa.create_engine(url, connect_args={"timeout": BUSY_TIMEOUT_S}, **options)
        sa.event.listen(engine, "connect", _prepare_sqlite)
        sa.event.listen(engine, "begin", _begin_sqlite)
        return engine
    arguments = {} if "connect_timeout" in url.query else {"connect_timeout": CONNECT_TIMEOUT_S}
    engine = sa.create_engine(url, connect_args=arguments, pool_pre_ping=True, **options)
    sa.event.listen(engine, "connect", partial(_prepare_postgresql, schema), insert=True)
    return engine


def _prepare_sqlite(connection: Any, record: Any) -> None:
    # The driver's own transaction handling leaves DDL and reads outside; None hands BEGIN over to _begin_sqlite.
    connection.isolation_level = None
    connection.execute("PRAGMA foreign_keys = ON")
    deadline = time.monotonic() + BUSY_TIMEOUT_S
    while connection.execute("PRAGMA journal_mode").fetchone()[0].lower() != "wal":
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except connection.OperationalError:
            # Turning WAL on does not wait for other processes that open the same new file.
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def _begin_sqlite(connection: sa.Connection) -> None:
    # A writer takes the lock at once: a transaction that reads first and writes later fails when another wrote between.
    reads = connection.get_execution_options().get(READ_ONLY_OPTION, False)
    connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")


def _prepare_postgresql(schema: str, connection: Any, record: Any) -> None:
    autocommit = connection.autocommit
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('search_path', %s, false)", (schema,))
    connection.autocommit = autocommit
