"""Why the database failed: in words without a row's value, and whether the fault may pass by itself."""

import re
import sqlite3

import psycopg
from psycopg.pq import PGconn, Ping
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from atmr_pipeline.domain.errors import SourceError

_SQLITE_FAULTS = {
    "SQLITE_BUSY": "it is locked by another process; try again when that has finished",
    "SQLITE_LOCKED": "it is locked by another process; try again when that has finished",
    "SQLITE_CANTOPEN": "the file cannot be opened; check the path and its permissions",
    "SQLITE_NOTADB": "the file is not a SQLite database",
    "SQLITE_CORRUPT": "the file is damaged",
}
_POSTGRESQL_FAULTS = {
    "25006": "a write was refused: the session is read-only",
    "25P03": "the server ended a session that waited too long in its transaction",
    "40001": "the replica needed to apply changes to rows being read",
    "42501": "permission denied; grant SELECT to the reading role",
    "42703": "a column is missing",
    "42P01": "a table is missing",
    "57014": "the statement was cancelled or timed out",
    "57P01": "the server ended the session (restart, or its administrator)",
    "57P02": "the server crashed and restarts",
    "57P03": "the server is starting or shutting down",
}
_PING_TIMEOUT_S = "2"
_LOST = "the connection was lost"
_PASSING_SQLITE = {"SQLITE_BUSY", "SQLITE_LOCKED"}
_PASSING_POSTGRESQL = {"25P03", "40001", "57P01", "57P02", "57P03", "57P05"}
"""Besides class 08, connection exceptions: sessions that the server ended, and reads that a replica gave up."""


class PassingSourceError(SourceError):
    """The source cannot be read now, for a reason that may pass by itself: worth another try."""


def fault(error: SQLAlchemyError, url_password: str | None) -> str:
    """Say why the database failed, with nothing that could be a row's value.

    A driver's message may quote data (``invalid input syntax ... "value"``), so only its code is used. The message
    of a connection that never opened holds host, role and database name alone, and is shown without the password.
    """
    original = _original(error)
    if isinstance(original, sqlite3.Error):
        code = _sqlite_code(original)
        return _SQLITE_FAULTS.get(code, f"{type(original).__name__} {code}; check that its schema is current")
    sqlstate = getattr(original, "sqlstate", None)
    if sqlstate:
        return _POSTGRESQL_FAULTS.get(str(sqlstate), f"{type(original).__name__}, SQLSTATE {sqlstate}")
    if original is not None and str(original).startswith("connection failed"):
        lines = str(original).splitlines() or [""]
        return lines[0].replace(url_password, "***") if url_password else lines[0]
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return _LOST
    if isinstance(original, psycopg.DataError):
        return "it holds a value that cannot be read, such as a timestamp that is infinite or after the year 9999"
    return f"{type(original or error).__name__}; check that it is reachable"


def may_pass(error: SQLAlchemyError, engine: Engine) -> bool:
    """Whether another try may succeed although nobody changed anything.

    Permission, authentication, schema and data errors may not. A connection that could not be opened comes without a
    code and with a message in the server's language, so the server is asked whether it answers at all: if it does, it
    refuses this client for a reason that stays.
    """
    original = _original(error)
    if isinstance(original, sqlite3.Error):
        return _sqlite_code(original) in _PASSING_SQLITE
    sqlstate = getattr(original, "sqlstate", None)
    if sqlstate:
        return str(sqlstate).startswith("08") or str(sqlstate) in _PASSING_POSTGRESQL
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    if not isinstance(original, psycopg.OperationalError):
        return False
    return isinstance(original, psycopg.errors.ConnectionTimeout) or not _answers(engine)


def _answers(engine: Engine) -> bool:
    url = engine.url.set(drivername="postgresql").update_query_dict({"connect_timeout": _PING_TIMEOUT_S})
    conninfo = url.render_as_string(hide_password=False)
    return Ping(PGconn.ping(conninfo.encode())) in (Ping.OK, Ping.NO_ATTEMPT)


def _original(error: SQLAlchemyError) -> BaseException | None:
    return error.orig if isinstance(error, DBAPIError) else None


def _sqlite_code(error: sqlite3.Error) -> str:
    code = str(getattr(error, "sqlite_errorname", "")) or "SQLITE_ERROR"
    return re.sub(r"^(SQLITE_[A-Z]+).*", r"\1", code)
