"""The state database: one engine, migrations, and transactions that end in one clear line when they fail."""

import importlib.resources
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from psycopg.errors import InsufficientPrivilege, UndefinedTable
from sqlalchemy.exc import DatabaseError, DBAPIError, InterfaceError, OperationalError
from sqlalchemy.schema import CreateSchema

from atmr_pipeline.domain.errors import SettingsError, SourceError
from atmr_pipeline.state.engine import READ_ONLY_OPTION, create_state_engine, describe_url, parse_url

MIGRATION_LOCK_ID = 4_121_072_018
"""Advisory lock on PostgreSQL: any constant of our own, so that one process migrates at a time."""


def upgrade(connection: sa.Connection, revision: str = "head") -> None:
    """Run the migrations on a connection that is already in a transaction.

    Raises
    ------
    alembic.util.CommandError
        If the database is at a revision that this version of the package does not have.
    """
    command.upgrade(migration_config(connection), revision)


def migration_config(connection: sa.Connection) -> Config:
    """Alembic's configuration for the migrations inside this package, without any .ini file."""
    config = Config()
    location = importlib.resources.files("atmr_pipeline.state") / "migrations"
    config.set_main_option("script_location", str(location).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


class StateStore:
    """Transactional state on SQLite or PostgreSQL.

    Parameters
    ----------
    url : str
        ``sqlite:///path``, ``postgresql://...`` or ``postgresql+psycopg://...``.
    schema : str
        PostgreSQL schema that holds the tables, so that the state can share a database server with others without
        touching their tables. SQLite ignores it.

    Raises
    ------
    SettingsError
        If the URL or the schema name cannot be used.
    """

    def __init__(self, url: str, *, schema: str = "atmr_pipeline") -> None:
        if not re.fullmatch(r"[a-z_][a-z0-9_]{0,62}", schema):
            raise SettingsError("the state schema must be lower-case letters, digits and underscores")
        self.url = parse_url(url)
        self.schema = schema
        self.engine = create_state_engine(self.url, schema=schema)

    def __repr__(self) -> str:
        return f"StateStore({describe_url(self.url)})"

    def migrate(self) -> None:
        """Bring the tables to this version of the package; safe to call again and from several processes at once.

        All or nothing: the whole upgrade is one transaction on both databases, under a lock.

        Raises
        ------
        SourceError
            If the database cannot be reached or written.
        """
        if self.engine.dialect.name == "sqlite":
            self._make_folder()
        with self.begin() as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(MIGRATION_LOCK_ID)))
                # A role that may not create schemas can still use one that an administrator made.
                if not sa.inspect(connection).has_schema(self.schema):
                    connection.execute(CreateSchema(self.schema))
            try:
                upgrade(connection)
            except CommandError:
                raise SourceError(
                    f"{describe_url(self.url)} was migrated by a newer version of this package: install that version"
                ) from None

    @contextmanager
    def begin(self) -> Iterator[sa.Connection]:
        """A writing transaction: commits at the end, rolls back on any error.

        On SQLite it takes the write lock at once and waits up to 30 s for it.

        Raises
        ------
        SourceError
            If the database cannot be reached, is locked, or was never migrated.
        """
        with self._explained(), self.engine.begin() as connection:
            yield connection

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """A reading transaction: sees one state of the database and never waits for a writer.

        Raises
        ------
        SourceError
            If the database cannot be reached or was never migrated.
        """
        with self._explained(), self.engine.connect() as connection:
            reader = connection.execution_options(**{READ_ONLY_OPTION: True})
            with reader.begin():
                yield reader

    def close(self) -> None:
        """Close every pooled connection."""
        self.engine.dispose()

    def _make_folder(self) -> None:
        folder = Path(str(self.url.database)).parent
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SourceError(
                f"{describe_url(self.url)} cannot be created: {error.strerror}; check the state database URL"
            ) from None

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            # A broken rule (IntegrityError) or a wrong statement is a fault of the caller's, not of the database.
            outside = isinstance(error, OperationalError | InterfaceError) or type(error) is DatabaseError
            if not outside and not isinstance(error.orig, UndefinedTable | InsufficientPrivilege):
                raise
            raise SourceError(self._explain(error)) from None

    def _explain(self, error: DBAPIError) -> str:
        lines = str(error.orig).strip().splitlines() or [type(error.orig).__name__]
        cause = lines[0]
        if isinstance(error.orig, UndefinedTable) or "no such table" in cause:
            return f"{describe_url(self.url)} has no state tables yet: migrate it first"
        if self.url.password:
            cause = cause.replace(str(self.url.password), "***")
        return f"{describe_url(self.url)} cannot be used: {cause}; check the state database URL and that it is running"
