"""An SQLAlchemy engine that can read one database and write none."""

import sqlite3
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import Engine, Row, create_engine, event
from sqlalchemy.engine import URL, Connection, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from atmr_pipeline.domain.errors import SourceError

_ALIVE = {"keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3, "tcp_user_timeout": 60_000}
"""A network that fell silent is noticed after about a minute, not after the two hours of a system's default."""


def read_only_engine(url: str, *, connect_timeout_s: float) -> tuple[Engine, str]:
    """Open nothing yet: an engine whose connections cannot write, and the database's name without its password.

    Parameters
    ----------
    url : str
        SQLAlchemy URL of a SQLite file or a PostgreSQL database. Any PostgreSQL driver is replaced by psycopg v3.
    connect_timeout_s : float
        How long to wait for a connection, and for SQLite for a lock.

    Raises
    ------
    SourceError
        The URL is malformed or of another kind, or the SQLite file does not exist.
    """
    try:
        parsed = make_url(url)
        backend = parsed.get_backend_name()
    except (ArgumentError, ValueError):
        raise SourceError(
            "the operations database URL cannot be parsed; write it as postgresql://user:password@host/name "
            "or sqlite:///path/to/file.db"
        ) from None
    name = database_name(parsed)
    if backend == "sqlite":
        return _sqlite_engine(parsed, name, connect_timeout_s), name
    if backend in ("postgresql", "postgres"):
        return _postgresql_engine(parsed, connect_timeout_s), name
    raise SourceError(f"the operations database {name} is neither SQLite nor PostgreSQL")


def database_name(url: URL) -> str:
    """Where the database is, for people: no password, no options (which may hold one)."""
    return url.set(query={}).render_as_string(hide_password=True)


def _sqlite_engine(url: URL, name: str, timeout_s: float) -> Engine:
    path = Path(url.database) if url.database and url.database != ":memory:" else None
    if path is None or not path.is_file():
        raise SourceError(f"the operations database {name} does not exist; check the path (nothing was created)")
    target = f"file:{quote(str(path.absolute()))}?mode=ro"

    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(target, uri=True, timeout=timeout_s, check_same_thread=False)
        connection.execute("PRAGMA query_only = ON")
        return connection

    return create_engine("sqlite://", creator=connect, poolclass=NullPool, hide_parameters=True)


def _postgresql_engine(url: URL, timeout_s: float) -> Engine:
    options = {"connect_timeout": max(2, round(timeout_s)), "application_name": "atmr_pipeline", **_ALIVE}
    # NullPool: a run may fork or spawn workers, and a connection must never be shared between them.
    try:
        engine = create_engine(
            url.set(drivername="postgresql+psycopg"),
            poolclass=NullPool,
            hide_parameters=True,
            connect_args={name: value for name, value in options.items() if name not in url.query},
        )
    except (SQLAlchemyError, ImportError):
        raise SourceError(f"no PostgreSQL driver for {database_name(url)}; install psycopg[binary]") from None

    @event.listens_for(engine, "connect")
    def make_read_only(connection: Any, _record: Any) -> None:
        connection.execute("SET default_transaction_read_only = on")
        connection.execute("SET TIME ZONE 'UTC'")
        connection.execute("SET DateStyle = 'ISO, YMD'")
        connection.commit()

    return engine


def begin_snapshot(connection: Connection) -> None:
    """Begin a transaction in which every query sees the database at one moment, the moment of the first one.

    REPEATABLE READ READ ONLY on PostgreSQL, a deferred read transaction on SQLite. It lasts as long as the connection:
    on PostgreSQL it keeps old row versions from being cleaned up, on SQLite without WAL it keeps writers waiting.
    """
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("BEGIN DEFERRED")
    else:
        connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)


def assert_read_only(connection: Connection, name: str) -> None:
    """Refuse to go on unless the server itself says that this session cannot write.

    Raises
    ------
    SourceError
        A pooler or a server setting undid the read-only session.
    """
    query = "PRAGMA query_only" if connection.dialect.name == "sqlite" else "SHOW default_transaction_read_only"
    row: Row[Any] | None = connection.exec_driver_sql(query).first()
    if row is None or str(row[0]) not in ("1", "on"):
        raise SourceError(f"the session on {name} is not read-only; nothing was read")
