"""Schema drift of every kind is found before anything is read, and named by column."""

from pathlib import Path

import pytest
import sqlalchemy as sa
from operations_source import PRIVATE, change_source, write_source

from atmr_pipeline.domain.errors import SchemaDriftError
from atmr_pipeline.simulation.schema import METADATA
from atmr_pipeline.sources.operations import OperationsDatabase, SchemaProblem
from atmr_pipeline.sources.operations.expected import EXPECTED


def gateway(url: str) -> OperationsDatabase:
    return OperationsDatabase(url, hash_key=b"a test key")


def found(url: str) -> list[tuple[str, str, int | None]]:
    return [(problem.where, problem.kind, problem.rows) for problem in gateway(url).inspect_schema()]


def test_schema_is_accepted_as_it_is(source_url: str) -> None:
    assert gateway(source_url).inspect_schema() == []
    gateway(source_url).check_schema()


def test_the_demo_company_is_accepted(empty_url: str) -> None:
    engine = sa.create_engine(empty_url.replace("postgresql://", "postgresql+psycopg://"))
    with engine.begin() as connection:
        for name in METADATA.tables:
            connection.exec_driver_sql(f'DROP TABLE IF EXISTS "{name}"' + (" CASCADE" * ("psycopg" in engine.driver)))
        METADATA.create_all(connection)
    try:
        assert gateway(empty_url).inspect_schema() == []
    finally:
        METADATA.drop_all(engine)
        engine.dispose()


def test_missing_tables_and_columns(source_url: str) -> None:
    change_source(
        source_url,
        "ALTER TABLE booking DROP COLUMN is_urgent",
        "ALTER TABLE booking DROP COLUMN status",
        "ALTER TABLE driver DROP COLUMN weekly_hours",
        "DROP TABLE driver_shift",
    )
    assert found(source_url) == [
        ("booking.status", "missing_column", None),
        ("booking.is_urgent", "missing_column", None),
        ("driver.weekly_hours", "missing_column", None),
        ("driver_shift", "missing_table", None),
    ]
    with pytest.raises(SchemaDriftError) as error:
        gateway(source_url).check_schema()
    message = str(error.value)
    for part in ("booking.is_urgent: column is missing", "driver_shift: table is missing"):
        assert part in message
    assert "\n" not in message


def test_every_table_and_column_is_looked_at(source_url: str) -> None:
    renamed = [(table, name) for table, columns in EXPECTED.items() for name in columns]
    change_source(source_url, *(f'ALTER TABLE "{table}" RENAME COLUMN {name} TO {name}_x' for table, name in renamed))
    assert found(source_url) == [(f"{table}.{name}", "missing_column", None) for table, name in renamed]


def test_values_are_looked_at_although_another_column_is_missing(source_url: str) -> None:
    change_source(
        source_url,
        "ALTER TABLE booking DROP COLUMN is_urgent",
        "UPDATE booking SET status = 'POSTPONED' WHERE id < 3",
    )
    assert found(source_url) == [("booking.is_urgent", "missing_column", None), ("booking.status", "unknown_value", 2)]


def test_unknown_values_and_nulls_are_counted_and_never_shown(source_url: str) -> None:
    change_source(
        source_url,
        "UPDATE booking SET status = 'Patient Fictif' WHERE id < 4",
        "UPDATE assignment SET status = NULL WHERE id = 1",
        "UPDATE booking SET is_urgent = NULL, created_at = NULL WHERE id < 3",
        "UPDATE dispatch_run SET day = NULL WHERE id = 1",
        "UPDATE driver SET driver_type = 'REGULAR ' WHERE id = 1",
        "UPDATE driver_shift SET driver_id = NULL WHERE id = 1",
    )
    assert found(source_url) == [
        ("booking.status", "unknown_value", 3),
        ("booking.is_urgent", "unexpected_null", 2),
        ("booking.created_at", "unexpected_null", 2),
        ("assignment.status", "unexpected_null", 1),
        ("dispatch_run.day", "unexpected_null", 1),
        ("driver.driver_type", "unknown_value", 1),
        ("driver_shift.driver_id", "unexpected_null", 1),
    ]
    with pytest.raises(SchemaDriftError) as error:
        gateway(source_url).check_schema()
    message = str(error.value)
    assert "booking.status: value that is not known in 3 rows" in message
    assert "assignment.status: NULL where a value is required in 1 row;" in message
    assert not [private for private in PRIVATE if private in message]


@pytest.mark.integration
def test_changed_types_on_postgresql(postgresql_source: str) -> None:
    write_source(postgresql_source)
    change_source(
        postgresql_source,
        "ALTER TABLE booking ALTER COLUMN scheduled_time TYPE timestamptz",
        "ALTER TABLE booking ALTER COLUMN created_at TYPE timestamp",
        "ALTER TABLE booking ALTER COLUMN is_urgent TYPE integer USING is_urgent::integer",
        "ALTER TABLE booking ALTER COLUMN pickup_lat TYPE text",
        "ALTER TABLE booking ALTER COLUMN customer_name TYPE bytea USING customer_name::bytea",
        "ALTER TABLE assignment ALTER COLUMN booking_id TYPE text",
        "ALTER TABLE dispatch_run ALTER COLUMN day TYPE timestamp",
        "ALTER TABLE driver_unavailability ALTER COLUMN start_local TYPE timestamptz",
    )
    assert found(postgresql_source) == [
        ("booking.customer_name", "wrong_type", None),
        ("booking.scheduled_time", "wrong_type", None),
        ("booking.is_urgent", "wrong_type", None),
        ("booking.pickup_lat", "wrong_type", None),
        ("booking.created_at", "wrong_type", None),
        ("assignment.booking_id", "wrong_type", None),
        ("dispatch_run.day", "wrong_type", None),
        ("driver_unavailability.start_local", "wrong_type", None),
    ]
    with pytest.raises(SchemaDriftError, match=r"booking.scheduled_time: .* must be timestamp without time zone"):
        gateway(postgresql_source).check_schema()


@pytest.mark.integration
def test_kindred_types_are_accepted_on_postgresql(postgresql_source: str) -> None:
    write_source(postgresql_source)
    change_source(
        postgresql_source,
        "CREATE TYPE life AS ENUM ('PENDING', 'COMPLETED', 'RETURN_COMPLETED', 'CANCELED')",
        "CREATE DOMAIN degrees AS double precision CHECK (VALUE BETWEEN -180 AND 180)",
        "CREATE DOMAIN moment AS timestamptz",
        "ALTER TABLE booking ALTER COLUMN status TYPE life USING status::life",
        "ALTER TABLE booking ALTER COLUMN pickup_lat TYPE degrees",
        "ALTER TABLE booking ALTER COLUMN pickup_lon TYPE numeric(9, 6)",
        "ALTER TABLE booking ALTER COLUMN created_at TYPE moment",
        "ALTER TABLE booking ALTER COLUMN scheduled_time TYPE timestamp(0)",
        "ALTER TABLE booking ALTER COLUMN company_id TYPE smallint",
        "ALTER TABLE booking ALTER COLUMN hospital_service TYPE varchar(30)",
        "CREATE TABLE renamed AS TABLE driver_shift",
        "DROP TABLE driver_shift",
        "CREATE VIEW driver_shift AS TABLE renamed",
    )
    try:
        assert gateway(postgresql_source).inspect_schema() == []
        change_source(postgresql_source, "ALTER TYPE life ADD VALUE 'POSTPONED'")
        assert gateway(postgresql_source).inspect_schema() == [], "a value that no row has is no problem yet"
        change_source(postgresql_source, "UPDATE booking SET status = 'POSTPONED' WHERE id = 1")
        assert found(postgresql_source) == [("booking.status", "unknown_value", 1)]
    finally:
        change_source(
            postgresql_source,
            "DROP VIEW driver_shift",
            "DROP TABLE renamed",
            "DROP TABLE booking",
            "DROP TYPE life",
            "DROP DOMAIN degrees",
            "DROP DOMAIN moment",
        )


def test_types_are_not_looked_at_on_sqlite(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'operations.db'}"
    write_source(url)
    change_source(
        url,
        "ALTER TABLE company RENAME TO old",
        "CREATE TABLE company (id, latitude, longitude, dispatch_enabled)",
        "INSERT INTO company SELECT id, latitude, longitude, dispatch_enabled FROM old",
    )
    assert gateway(url).inspect_schema() == []


@pytest.mark.parametrize(
    ("problem", "line"),
    [
        (SchemaProblem("booking", "missing_table"), "booking: table is missing"),
        (SchemaProblem("booking.is_urgent", "missing_column"), "booking.is_urgent: column is missing"),
        (SchemaProblem("booking.id", "wrong_type"), "booking.id: type has changed, it must be integer"),
        (SchemaProblem("booking.status", "unknown_value", 1), "booking.status: value that is not known in 1 row"),
        (
            SchemaProblem("booking.created_at", "unexpected_null", 1200),
            "booking.created_at: NULL where a value is required in 1,200 rows",
        ),
    ],
)
def test_a_problem_is_one_line(problem: SchemaProblem, line: str) -> None:
    assert str(problem) == line
