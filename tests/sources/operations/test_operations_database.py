"""The gateway cannot write, says in one line what fails, and lets nothing private out."""

import hashlib
import logging
import sqlite3
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from operations_source import PRIVATE, change_source, extract, utc, write_source

from atmr_pipeline.domain.errors import SourceError
from atmr_pipeline.sources.operations import OperationsDatabase
from atmr_pipeline.sources.operations.expected import EXPECTED

KEY = b"a test key"
FIRST, LAST = date(2025, 3, 29), date(2025, 10, 27)
WRITES = (
    "INSERT INTO booking (id) VALUES (999)",
    "UPDATE booking SET status = 'CANCELED'",
    "DELETE FROM assignment",
    "DROP TABLE booking",
    "CREATE TABLE stowaway (id INTEGER)",
)


def gateway(url: str, chunk_rows: int = 100) -> OperationsDatabase:
    return OperationsDatabase(url, hash_key=KEY, chunk_rows=chunk_rows)


def everything(database: OperationsDatabase) -> list[str]:
    """Call every method; what came out, as text."""
    outputs = [frame.to_csv() for frame in extract(database, FIRST, LAST).values()]
    for whole in (
        database.read_drivers(), database.read_companies(), database.read_driver_absences(),
        database.read_driver_shifts(FIRST, LAST),
    ):  # fmt: skip
        outputs.append(whole.frame.to_csv() + str(whole.set_aside))
    database.check_schema()
    days = database.changed_days(utc(2025, 1, 1), late_window=timedelta(0))
    return [*outputs, str(days), str(database.set_aside()), database.day_digests().to_csv(), str(database.span()),
            str(database.high_watermark()), repr(database), repr(database._reshaper)]  # fmt: skip


@pytest.fixture
def reader_url(postgresql_source: str) -> Iterator[str]:
    """A role that may select the columns that are read, and nothing else."""
    write_source(postgresql_source)
    change_source(
        postgresql_source,
        "CREATE ROLE reader LOGIN",
        *(f'GRANT SELECT ({", ".join(columns)}) ON "{table}" TO reader' for table, columns in EXPECTED.items()),
    )
    yield sa.make_url(postgresql_source).set(username="reader").render_as_string(hide_password=False)
    change_source(postgresql_source, "DROP OWNED BY reader", "DROP ROLE reader")


@pytest.mark.integration
def test_a_role_with_the_listed_columns_alone_is_enough(reader_url: str, postgresql_source: str) -> None:
    """Addresses, notes and reasons are not even asked for: this role could not have them."""
    assert everything(gateway(reader_url)) == [
        text.replace(gateway(postgresql_source).name, gateway(reader_url).name)
        for text in everything(gateway(postgresql_source))
    ]
    with pytest.raises(SourceError, match="permission denied"), gateway(reader_url).connection() as connection:
        connection.execute(sa.text("SELECT pickup_location FROM booking"))


@pytest.mark.integration
@pytest.mark.parametrize("statement", WRITES)
def test_the_reading_role_cannot_write_even_without_the_session_guard(reader_url: str, statement: str) -> None:
    with pytest.raises(SourceError, match="the session is read-only"), gateway(reader_url).connection() as connection:
        connection.execute(sa.text(statement))
    with pytest.raises(SourceError, match="permission denied"), gateway(reader_url).connection() as connection:
        connection.exec_driver_sql("SET TRANSACTION READ WRITE; " + statement)


@pytest.mark.integration
def test_a_revoked_table_is_said_in_one_line(reader_url: str, postgresql_source: str) -> None:
    change_source(postgresql_source, "REVOKE SELECT (status) ON assignment FROM reader")
    for use in (OperationsDatabase.inspect_schema, lambda database: extract(database, FIRST, LAST)):
        with pytest.raises(SourceError, match=r"permission denied; grant SELECT to the reading role$"):
            use(gateway(reader_url))


@pytest.mark.parametrize("snapshot", [False, True])
@pytest.mark.parametrize("statement", WRITES)
def test_no_write_passes(source_url: str, statement: str, snapshot: bool) -> None:
    database = gateway(source_url)
    with pytest.raises(SourceError), database.connection(snapshot=snapshot) as connection:
        connection.execute(sa.text(statement))
    assert int(database.day_digests()["bookings"].sum()) == 9
    assert int(database.day_digests()["assignments"].sum()) == 3


def test_a_session_that_can_write_is_refused(source_url: str) -> None:
    database = gateway(source_url)

    @sa.event.listens_for(database._engine, "connect")
    def undo(connection: object, _record: object) -> None:
        if database._engine.dialect.name == "sqlite":
            connection.execute("PRAGMA query_only = OFF")  # type: ignore[attr-defined]
        else:
            connection.execute("SET default_transaction_read_only = off")  # type: ignore[attr-defined]
            connection.commit()  # type: ignore[attr-defined]

    with pytest.raises(SourceError, match="not read-only"):
        database.read_drivers()
    with pytest.raises(SourceError, match="not read-only"):
        next(database.extract_days(FIRST, LAST))


def test_missing_file_is_one_line_and_nothing_is_created(tmp_path: Path) -> None:
    missing = tmp_path / "nothing" / "here.db"
    with pytest.raises(SourceError, match=r"here\.db does not exist") as error:
        gateway(f"sqlite:///{missing}")
    assert "\n" not in str(error.value)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(SourceError):
        gateway("sqlite://")


def test_reading_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "odd name #1?.db"
    write_source(f"sqlite:///{tmp_path / 'operations.db'}")
    (tmp_path / "operations.db").rename(path)
    before = hashlib.sha256(path.read_bytes()).hexdigest()
    database = gateway(sa.URL.create("sqlite", database=str(path)).render_as_string())
    assert len(extract(database, FIRST, LAST)["bookings"]) == 9
    assert hashlib.sha256(path.read_bytes()).hexdigest() == before
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def test_file_that_is_no_database(tmp_path: Path) -> None:
    path = tmp_path / "operations.db"
    path.write_text("Patient Fictif " * 100)
    with pytest.raises(SourceError, match="not a SQLite database") as error:
        gateway(f"sqlite:///{path}").check_schema()
    assert "Fictif" not in str(error.value)


def test_locked_file(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'operations.db'}"
    write_source(url)
    writer = sqlite3.connect(tmp_path / "operations.db")
    writer.execute("BEGIN EXCLUSIVE")
    try:
        with pytest.raises(SourceError, match="locked by another process"):
            OperationsDatabase(url, hash_key=KEY, connect_timeout_s=0.1).read_drivers()
    finally:
        writer.close()


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("not a url", "cannot be parsed"),
        ("postgresql://someone:hunter2@localhost:port/db", "cannot be parsed"),
        ("mysql://someone:hunter2@localhost/db", "neither SQLite nor PostgreSQL"),
    ],
)
def test_unusable_urls(url: str, says: str) -> None:
    with pytest.raises(SourceError, match=says) as error:
        gateway(url)
    assert "hunter2" not in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("query", ["", "?password=hunter3"])
def test_unreachable_server_is_named_without_its_password(query: str) -> None:
    database = gateway(f"postgresql://someone:hunter2@127.0.0.1:1/dispatch{query}")
    with pytest.raises(SourceError) as error:
        database.check_schema()
    message = str(error.value)
    assert "127.0.0.1:1/dispatch" in message
    assert "hunter" not in message + repr(database)
    assert "\n" not in message


def test_nothing_private_leaves(source_url: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    database = gateway(source_url)
    outputs = everything(database)
    # psycopg and SQLAlchemy quote values in errors: here a cast that fails on the name itself.
    with pytest.raises(SourceError) as error, database.connection() as connection:
        connection.execute(sa.text("SELECT CAST(customer_name AS INTEGER) + missing_column FROM booking"))
    outputs += [caplog.text, str(error.value), repr(error.value.__cause__)]
    for text in outputs:
        assert not [private for private in PRIVATE if private in text]
        assert KEY.decode() not in text


@pytest.mark.integration
def test_error_of_the_server_that_quotes_a_value_is_not_passed_on(postgresql_source: str) -> None:
    write_source(postgresql_source)
    with pytest.raises(SourceError) as error, gateway(postgresql_source).connection() as connection:
        connection.execute(sa.text("SELECT CAST(customer_name AS INTEGER) FROM booking"))
    assert "SQLSTATE 22P02" in str(error.value)
    assert "Fictif" not in str(error.value)
