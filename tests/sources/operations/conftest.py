import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from operations_source import write_source


@pytest.fixture(scope="session")
def postgresql_source(postgresql_url: str) -> Iterator[str]:
    """A database of its own on the session's server."""
    name = f"operations_{uuid.uuid4().hex}"
    engine = sa.create_engine(sa.make_url(postgresql_url).set(drivername="postgresql+psycopg"))
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
        yield sa.make_url(postgresql_url).set(database=name).render_as_string(hide_password=False)
        connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")
    engine.dispose()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.integration)])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database without a row, once of each kind; on SQLite a reader and a writer do not wait for each other."""
    if request.param == "sqlite":
        path = tmp_path / "operations.db"
        with sa.create_engine(f"sqlite:///{path}").connect() as connection:
            connection.exec_driver_sql("PRAGMA journal_mode = WAL")
        return f"sqlite:///{path}"
    return str(request.getfixturevalue("postgresql_source"))


@pytest.fixture
def source_url(empty_url: str) -> str:
    """A freshly written small database, once of each kind."""
    write_source(empty_url)
    return empty_url
