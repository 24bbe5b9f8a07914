"""The gateway to the operations database: one code path for SQLite and PostgreSQL, read-only."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cache
from importlib.resources import files
from typing import Any

import pandas as pd
import pandera.pandas as pa
from sqlalchemy import Date, DateTime, bindparam, inspect, text
from sqlalchemy.engine import Connection, make_url
from sqlalchemy.exc import SQLAlchemyError

from atmr_pipeline.domain.errors import SchemaDriftError, SourceError
from atmr_pipeline.domain.tables import ASSIGNMENTS, BOOKINGS, DISPATCH_RUNS, DRIVER_SHIFTS, DRIVERS, conform, empty
from atmr_pipeline.sources.operations.convert import instants
from atmr_pipeline.sources.operations.engine import assert_read_only, fault, read_only_engine
from atmr_pipeline.sources.operations.expected import KNOWN_VALUES, NEEDED_COLUMNS
from atmr_pipeline.sources.operations.reshape import Reshaper, driver_shifts

_TYPES: dict[str, Any] = {"first_day": Date(), "after_day": Date(), "since": DateTime(timezone=True)}


@dataclass(frozen=True)
class Extract:
    """A table as read, and what could not be used.

    Parameters
    ----------
    frame : DataFrame
        Matches its schema in :mod:`atmr_pipeline.domain.tables`.
    set_aside : dict of str to int
        Source rows left out, by reason code. Rows that belong to no day are counted over the whole source table.
    """

    frame: pd.DataFrame
    set_aside: dict[str, int] = field(default_factory=dict)


class OperationsDatabase:
    """Reads the dispatcher's database and cannot write to it.

    Parameters
    ----------
    url : str
        SQLAlchemy URL of a SQLite file or a PostgreSQL database.
    hash_key : bytes
        Secret of the patients' keyed hash; names are hashed chunk by chunk and never leave the gateway.
    chunk_rows : int
        Rows fetched at a time through a server-side cursor.
    connect_timeout_s : float
        How long to wait for a connection (at least 2 s on PostgreSQL), or for a lock on SQLite.

    Raises
    ------
    SourceError
        The URL is malformed, or names a SQLite file that does not exist. Every method raises it when the database
        cannot be reached or read, in one line that names the database without its password.
    """

    def __init__(self, url: str, *, hash_key: bytes, chunk_rows: int = 20_000, connect_timeout_s: float = 10) -> None:
        if not hash_key:
            raise ValueError("the hashing key is empty")
        if chunk_rows < 1:
            raise ValueError(f"chunk_rows must be at least 1, got {chunk_rows}")
        self._engine, self.name = read_only_engine(url, connect_timeout_s=connect_timeout_s)
        self._password = make_url(url).password
        self._chunk_rows = chunk_rows
        self._reshaper = Reshaper(hash_key=hash_key, naive_is_utc=self._engine.dialect.name == "sqlite")

    def __repr__(self) -> str:
        return f"OperationsDatabase({self.name})"

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """A connection that the server itself has confirmed to be read-only."""
        try:
            with self._engine.connect() as connection:
                assert_read_only(connection, self.name)
                yield connection
        except SQLAlchemyError as error:
            # "from None": the original may quote a row's value.
            reason = fault(error, self._password)
            raise SourceError(f"cannot read the operations database {self.name}: {reason}") from None

    def check_schema(self) -> None:
        """Check tables, columns, closed sets of values and required values, before anything is written.

        Raises
        ------
        SchemaDriftError
            Listing every ``table.column`` that is missing, holds unknown values or unexpected NULLs, with counts.
        """
        with self.connection() as connection:
            inspector = inspect(connection)
            tables = set(inspector.get_table_names()) | set(inspector.get_view_names())
            missing = [f"table {table}" for table in NEEDED_COLUMNS if table not in tables]
            for table, needed in NEEDED_COLUMNS.items():
                if table in tables:
                    present = {column["name"] for column in inspector.get_columns(table)}
                    missing += [f"{table}.{name}" for name in needed if name not in present]
            if missing:
                raise SchemaDriftError(f"the operations database {self.name} lacks {', '.join(missing)}")
            problems = _value_problems(connection)
        if problems:
            raise SchemaDriftError(f"the operations database {self.name} has {'; '.join(problems)}")

    def read_bookings(self, first_day: date, last_day: date) -> Extract:
        """Bookings scheduled in the local days ``first_day`` to ``last_day``, both included.

        Returns
        -------
        Extract
            BOOKINGS; ``scheduled_time_missing`` counts bookings that have no scheduled time and so no day.
        """
        frame = self._read("bookings", BOOKINGS, self._reshaper.bookings, **_days(first_day, last_day))
        return Extract(frame, self._counts("bookings_set_aside"))

    def read_assignments(self, first_day: date, last_day: date) -> Extract:
        """Assignments of the bookings scheduled in the local days ``first_day`` to ``last_day``, both included.

        Returns
        -------
        Extract
            ASSIGNMENTS; ``booking_missing`` and ``scheduled_time_missing`` count assignments that have no day.
        """
        frame = self._read("assignments", ASSIGNMENTS, self._reshaper.assignments, **_days(first_day, last_day))
        return Extract(frame, self._counts("assignments_set_aside"))

    def read_dispatch_runs(self, first_day: date, last_day: date) -> Extract:
        """Plans (DISPATCH_RUNS) of the local days ``first_day`` to ``last_day``, both included."""
        return Extract(
            self._read("dispatch_runs", DISPATCH_RUNS, self._reshaper.dispatch_runs, **_days(first_day, last_day))
        )

    def read_driver_shifts(self, first_day: date, last_day: date) -> Extract:
        """Shifts (DRIVER_SHIFTS) that start in the local days ``first_day`` to ``last_day``, both included.

        Returns
        -------
        Extract
            DRIVER_SHIFTS; shifts without a usable start, end or time zone are set aside by reason.
        """
        set_aside: Counter[str] = Counter(self._counts("driver_shifts_set_aside"))

        def reshape(rows: pd.DataFrame) -> pd.DataFrame:
            frame, reasons = driver_shifts(rows)
            set_aside.update(reasons)
            return frame

        frame = self._read("driver_shifts", DRIVER_SHIFTS, reshape, **_days(first_day, last_day))
        return Extract(frame, _nonzero(set_aside))

    def read_drivers(self) -> Extract:
        """The fleet (DRIVERS); of a driver's name only the initials leave the database."""
        return Extract(self._read("drivers", DRIVERS, self._reshaper.drivers))

    def span(self) -> tuple[date, date] | None:
        """First and last local day with a scheduled booking; None if there is none."""
        with self.connection() as connection:
            first, last = connection.execute(text(_sql("span"))).one()
        return None if first is None else (_as_day(first), _as_day(last))

    def changed_days(self, since: datetime | None, *, late_window: timedelta) -> list[date]:
        """Local days touched by bookings, assignments or plans that changed after ``since - late_window``, in order.

        Parameters
        ----------
        since : datetime with time zone, or None
            The high watermark of the last read; None for every day.
        late_window : timedelta
            How long a change may take to become visible: a transaction's rows carry the time at which it began.
        """
        if since is not None and since.tzinfo is None:
            raise ValueError("since needs a time zone")
        after = datetime.min.replace(tzinfo=UTC) if since is None else since.astimezone(UTC) - late_window
        with self.connection() as connection:
            rows = connection.execute(_statement("changed_days", {"since": after}), {"since": after})
            return sorted(_as_day(day) for (day,) in rows)

    def high_watermark(self) -> datetime | None:
        """The latest change in bookings, assignments and plans, UTC; None if all are empty."""
        with self.connection() as connection:
            values = [row[0] for row in connection.execute(text(_sql("high_watermark"))) if row[0] is not None]
        parsed = instants(
            pd.Series(values, dtype=object), "updated_at", naive_is_utc=self._engine.dialect.name == "sqlite"
        )
        return parsed.max().to_pydatetime() if len(parsed) else None

    def _read(
        self,
        query: str,
        schema: pa.DataFrameSchema,
        reshape: Callable[[pd.DataFrame], pd.DataFrame],
        **parameters: date,
    ) -> pd.DataFrame:
        frames = [reshape(rows) for rows in self._chunks(query, parameters)]
        key = next(iter(schema.columns))
        frame = pd.concat(frames, ignore_index=True).sort_values(key) if frames else empty(schema)
        return conform(frame, schema)

    def _chunks(self, query: str, parameters: dict[str, Any]) -> Iterator[pd.DataFrame]:
        with self.connection() as connection:
            streamed = connection.execution_options(yield_per=self._chunk_rows)
            result = streamed.execute(_statement(query, parameters), parameters)
            names = list(result.keys())
            for rows in result.partitions(self._chunk_rows):
                # Columns stay objects here: letting pandas infer turns integers with a NULL into floats.
                columns = zip(*rows, strict=True)
                yield pd.DataFrame(
                    {name: pd.Series(values, dtype=object) for name, values in zip(names, columns, strict=True)}
                )

    def _counts(self, query: str) -> dict[str, int]:
        with self.connection() as connection:
            return _nonzero(dict(connection.execute(text(_sql(query))).mappings().one()))


def _value_problems(connection: Connection) -> list[str]:
    unknown: Counter[str] = Counter()
    for column, value, count in connection.execute(text(_sql("enum_values"))):
        if value not in set(KNOWN_VALUES[column]):
            unknown[column] += int(count)
    nulls = connection.execute(text(_sql("required_nulls"))).mappings().one()
    return [f"unknown values in {column} ({count} rows)" for column, count in sorted(unknown.items())] + [
        f"NULL in {column.replace('__', '.')} ({count} rows)" for column, count in nulls.items() if count
    ]


def _nonzero(counts: dict[Any, Any] | Counter[str]) -> dict[str, int]:
    return {str(reason): int(count) for reason, count in counts.items() if count}


def _days(first_day: date, last_day: date) -> dict[str, date]:
    if last_day < first_day:
        raise ValueError(f"last_day {last_day} is before first_day {first_day}")
    return {"first_day": first_day, "after_day": last_day + timedelta(days=1)}


def _as_day(value: object) -> date:
    if isinstance(value, datetime):
        return value.date()
    return date.fromisoformat(str(value)[:10])


@cache
def _sql(name: str) -> str:
    return files("atmr_pipeline.sources.operations").joinpath("sql", f"{name}.sql").read_text(encoding="utf-8")


def _statement(name: str, parameters: dict[str, Any]) -> Any:
    # Days are bound as dates: SQLite compares text, and "2025-01-01" sorts before every time of that day.
    return text(_sql(name)).bindparams(*(bindparam(key, type_=_TYPES[key]) for key in parameters))
