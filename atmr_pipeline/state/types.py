"""Column types that behave alike on SQLite and PostgreSQL."""

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator


class UtcDateTime(TypeDecorator[datetime]):
    """An instant: aware on the way in (any zone), aware UTC on the way out.

    SQLite has no time zones and drops the offset in silence, so the value is turned to UTC before it is written and
    marked as UTC when it is read.
    """

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Turn an aware instant to UTC; a naive one is refused, since nobody knows which zone it means."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("an instant without a time zone cannot be stored")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Mark what SQLite returns as UTC; turn what PostgreSQL returns (session's zone) to UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def json_column_type() -> sa.types.TypeEngine[Any]:
    """JSON, binary (indexable, normalised) on PostgreSQL."""
    return sa.JSON().with_variant(JSONB(), "postgresql")


def row_id_type() -> sa.types.TypeEngine[int]:
    """A 64-bit counter; SQLite counts by itself only in a column declared INTEGER."""
    return sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def utc_now() -> datetime:
    """The present instant, aware UTC."""
    return datetime.now(UTC)
