"""INSERT with a conflict clause, which SQLAlchemy spells per dialect."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite


def insert(connection: sa.Connection, table: sa.Table) -> Any:
    """An INSERT that has ``on_conflict_do_nothing`` and ``on_conflict_do_update`` on this connection's dialect."""
    return postgresql.insert(table) if connection.dialect.name == "postgresql" else sqlite.insert(table)


def wrote_row(connection: sa.Connection, statement: Any) -> bool:
    """Run a one-row INSERT with a conflict clause; True if it inserted or changed the row.

    The row count is no answer: psycopg's is not kept for an INSERT.
    """
    return connection.execute(statement.returning(sa.literal(1))).first() is not None
