"""Writing the demo company's rows into a database: all of them, or none."""

from pathlib import Path

from sqlalchemy import Connection, Engine, create_engine, inspect, select
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from atmr_pipeline.domain.errors import SourceError
from atmr_pipeline.simulation.rows import DEMO_COMPANY_PREFIX, Rows
from atmr_pipeline.simulation.schema import COMPANY, METADATA


def sqlite_url(path: Path) -> str:
    """URL of a SQLite file."""
    return URL.create("sqlite", database=str(path)).render_as_string()


def safe_url(database_url: str) -> str:
    """The URL with its password masked."""
    return make_url(database_url).render_as_string(hide_password=True)


def open_engine(database_url: str) -> Engine:
    """An engine; PostgreSQL URLs without a driver use psycopg 3.

    Raises
    ------
    SourceError
        The URL cannot be read.
    """
    try:
        url = make_url(database_url)
    except ArgumentError:
        raise SourceError("the database URL is not a SQLAlchemy URL, such as postgresql://user@host/name") from None
    if url.drivername == "postgresql":
        url = url.set(drivername="postgresql+psycopg")
    return create_engine(url)


def create_company(database_url: str, rows: Rows, *, replace: bool) -> None:
    """Create the tables and fill them, in one transaction.

    Raises
    ------
    SourceError
        The database cannot be reached, holds a demo company already and ``replace`` is False, or holds such tables that
        are not a demo company's: those are never replaced.
    """
    engine = open_engine(database_url)
    try:
        with engine.begin() as connection:
            _refuse_foreign_tables(connection, safe_url(database_url), replace=replace)
            METADATA.drop_all(connection)
            METADATA.create_all(connection)
            for table in METADATA.sorted_tables:
                if rows.get(table.name):
                    connection.execute(table.insert(), rows[table.name])
    except SQLAlchemyError as error:
        raise SourceError(f"{safe_url(database_url)} cannot be written ({type(error).__name__})") from None
    finally:
        engine.dispose()


def _refuse_foreign_tables(connection: Connection, url: str, *, replace: bool) -> None:
    existing = set(inspect(connection).get_table_names()) & set(METADATA.tables)
    if not existing:
        return
    names = list(connection.scalars(select(COMPANY.c.name))) if COMPANY.name in existing else []
    is_demo = bool(names) and all(str(name).startswith(DEMO_COMPANY_PREFIX) for name in names)
    if not is_demo:
        raise SourceError(
            f"{url} already holds operations tables that are not a demo company's: name an empty database"
        )
    if not replace:
        raise SourceError(f"{url} already holds a demo company: name an empty database, or ask to replace it")


def merge_rows(database_url: str, rows: Rows) -> None:
    """Put rows in place by their ids, in one transaction; doing it twice changes nothing.

    Raises
    ------
    SourceError
        The database cannot be written.
    """
    engine = open_engine(database_url)
    try:
        with engine.begin() as connection:
            for table in METADATA.sorted_tables:
                new = rows.get(table.name, [])
                if not new:
                    continue
                ids = [row["id"] for row in new]
                known = set(connection.scalars(select(table.c.id).where(table.c.id.in_(ids))))
                fresh = [row for row in new if row["id"] not in known]
                if fresh:
                    connection.execute(table.insert(), fresh)
                for row in new:
                    if row["id"] in known:
                        connection.execute(table.update().where(table.c.id == row["id"]).values(row))
    except SQLAlchemyError as error:
        raise SourceError(f"{safe_url(database_url)} cannot be written ({type(error).__name__})") from None
    finally:
        engine.dispose()
