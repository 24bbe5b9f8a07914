"""The gateway to the operations database: one code path for SQLite and PostgreSQL, read-only."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any

import pandas as pd
import pandera.pandas as pa
from sqlalchemy.engine import Connection, make_url
from sqlalchemy.exc import SQLAlchemyError

from atmr_pipeline.domain.errors import SchemaDriftError, SourceError
from atmr_pipeline.domain.tables import COMPANIES, DRIVER_ABSENCES, DRIVER_SHIFTS, DRIVERS, empty
from atmr_pipeline.domain.wallclock import ALL_DAYS
from atmr_pipeline.sources.operations import fleet
from atmr_pipeline.sources.operations.convert import instants
from atmr_pipeline.sources.operations.days import DayExtract, merged_days
from atmr_pipeline.sources.operations.digests import from_counts
from atmr_pipeline.sources.operations.drift import SchemaProblem, find_problems
from atmr_pipeline.sources.operations.engine import assert_read_only, begin_snapshot, read_only_engine
from atmr_pipeline.sources.operations.faults import PassingSourceError, fault, may_pass
from atmr_pipeline.sources.operations.queries import as_day, chunks, day_range, statement
from atmr_pipeline.sources.operations.reshape import Reshaper
from atmr_pipeline.sources.operations.resume import Retry, RetryPolicy, resumed_days

_SET_ASIDE = ("bookings", "assignments", "dispatch_runs")


@dataclass(frozen=True)
class Extract:
    """A table as read, and what could not be used.

    Parameters
    ----------
    frame : DataFrame
        Matches its schema in :mod:`atmr_pipeline.domain.tables`.
    set_aside : dict of str to int
        Source rows left out, by reason code.
    """

    frame: pd.DataFrame
    set_aside: dict[str, int]


class OperationsDatabase:
    """Reads the dispatcher's database and cannot write to it.

    Parameters
    ----------
    url : str
        SQLAlchemy URL of a SQLite file or a PostgreSQL database.
    hash_key : bytes
        Secret of the patients' keyed hash; names are hashed chunk by chunk and never leave the gateway.
    chunk_rows : int
        Rows fetched at a time through each server-side cursor.
    connect_timeout_s : float
        How long to wait for a connection (at least 2 s on PostgreSQL), or for a lock on SQLite.
    retry_attempts, retry_wait_s, retry_max_wait_s
        How :meth:`extract_days` meets a lost connection: attempts in a row without a day read, first and longest pause.
    sleep : callable
        How to pause, seconds.

    Raises
    ------
    SourceError
        The URL is malformed, or names a SQLite file that does not exist. Every method raises it when the database
        cannot be reached or read, in one line that names the database without its password.
    """

    def __init__(
        self,
        url: str,
        *,
        hash_key: bytes,
        chunk_rows: int = 20_000,
        connect_timeout_s: float = 10,
        retry_attempts: int = 6,
        retry_wait_s: float = 1.0,
        retry_max_wait_s: float = 30.0,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        if not hash_key:
            raise ValueError("the hashing key is empty")
        if chunk_rows < 1:
            raise ValueError(f"chunk_rows must be at least 1, got {chunk_rows}")
        self._retries = RetryPolicy(retry_attempts, retry_wait_s, retry_max_wait_s, sleep)
        self._engine, self.name = read_only_engine(url, connect_timeout_s=connect_timeout_s)
        self._password = make_url(url).password
        self._chunk_rows = chunk_rows
        self._naive_is_utc = self._engine.dialect.name == "sqlite"
        self._reshaper = Reshaper(hash_key=hash_key, naive_is_utc=self._naive_is_utc)

    def __repr__(self) -> str:
        return f"OperationsDatabase({self.name})"

    @contextmanager
    def connection(self, *, snapshot: bool = False) -> Iterator[Connection]:
        """A connection that the server itself has confirmed to be read-only.

        Parameters
        ----------
        snapshot : bool
            Whether every query through it sees the database at one moment.
        """
        try:
            with self._engine.connect() as connection:
                if snapshot:
                    begin_snapshot(connection)
                assert_read_only(connection, self.name)
                yield connection
        except SQLAlchemyError as error:
            passing = snapshot and may_pass(error, self._engine)
            # "from None": the original may quote a row's value.
            raise (PassingSourceError if passing else SourceError)(
                f"cannot read the operations database {self.name}: {fault(error, self._password)}"
            ) from None

    def inspect_schema(self) -> list[SchemaProblem]:
        """Everything in which the source differs from what the pipeline relies on; empty if nothing does.

        Tables, columns and (PostgreSQL) types from the catalogue; closed sets of values and required values in one
        pass over each table.
        """
        with self.connection() as connection:
            return find_problems(connection)

    def check_schema(self) -> None:
        """Refuse to go on with a source that has changed.

        Raises
        ------
        SchemaDriftError
            Listing every problem of :meth:`inspect_schema`.
        """
        problems = self.inspect_schema()
        if problems:
            raise SchemaDriftError(f"the operations database {self.name} has changed: {'; '.join(map(str, problems))}")

    def extract_days(
        self, first_day: date, last_day: date, *, on_retry: Callable[[Retry], None] | None = None
    ) -> Iterator[DayExtract]:
        """Bookings, assignments and plans of every local day of the inclusive range, in order, empty days too.

        All come from one snapshot, through one server-side cursor a table: memory holds the largest day and one chunk
        of each table, however long the range. A day is handed out when it is complete.

        A lost connection is retried with exponential backoff and jitter, and reading goes on at the first day that was
        not handed out, in a fresh snapshot: a day is never half, but days before and after the loss may have been read
        at two moments. Whoever compares days should then look again at :meth:`day_digests`.

        Parameters
        ----------
        first_day, last_day : date
            Service days; an assignment's is its booking's.
        on_retry : callable, optional
            Told of each lost connection before the pause; None logs it.

        Raises
        ------
        SourceError
            At once for what does not pass by itself (permission, authentication, schema); otherwise after the last
            attempt.
        SchemaDriftError
            The source holds values that it must not; :meth:`check_schema` finds them beforehand.
        """
        day_range(first_day, last_day)
        return resumed_days(
            lambda day: self._days_in_one_snapshot(day, last_day), first_day, last_day, self._retries, on_retry
        )

    def set_aside(self) -> dict[str, dict[str, int]]:
        """Rows of the whole source that belong to no day, by table and reason.

        ``scheduled_time_missing`` and ``scheduled_time_out_of_range`` (of the booking), ``booking_missing``,
        ``day_out_of_range``; only what occurs.
        """
        parameters = day_range(*ALL_DAYS)
        with self.connection() as connection:
            return {table: self._counts(connection, f"{table}_set_aside", parameters) for table in _SET_ASIDE}

    def day_digests(self) -> pd.DataFrame:
        """What each local day holds, over the whole source; see :func:`changed_by_digest`.

        Returns
        -------
        DataFrame
            ``service_day`` (datetime64[us]), then as int64 for each of ``booking``, ``assignment`` and ``dispatch_run``
            the rows (``bookings``), ``booking_id_sum`` and ``booking_changed_us``, the latest change in microseconds
            since 1970 (0 if none is known). A sum is over ``r * r % 2147483629`` where ``r`` is ``id % 2147483647``.
            Days with no row are absent.
        """
        with self.connection() as connection:
            counted = connection.execute(statement("day_digests", day_range(*ALL_DAYS)))
            return from_counts(counted, naive_is_utc=self._naive_is_utc)

    def read_companies(self) -> Extract:
        """The companies (COMPANIES) with their depots."""
        return self._whole("companies", COMPANIES, fleet.companies)

    def read_drivers(self) -> Extract:
        """The fleet (DRIVERS); of a driver's name only the initials leave the database."""
        return self._whole("drivers", DRIVERS, partial(fleet.drivers, naive_is_utc=self._naive_is_utc))

    def read_driver_absences(self) -> Extract:
        """When drivers are away (DRIVER_ABSENCES); why is not read.

        Returns
        -------
        Extract
            Absences without driver, usable start or usable end, and repeated ones, are set aside by reason.
        """
        return self._whole("driver_absences", DRIVER_ABSENCES, fleet.driver_absences)

    def read_driver_shifts(self, first_day: date, last_day: date) -> Extract:
        """Shifts (DRIVER_SHIFTS) that start in the local days ``first_day`` to ``last_day``, both included.

        Returns
        -------
        Extract
            DRIVER_SHIFTS; shifts without a usable start, end or time zone are set aside by reason. Those that belong to
            no day are counted over the whole source table.
        """
        read = self._whole("driver_shifts", DRIVER_SHIFTS, fleet.driver_shifts, **day_range(first_day, last_day))
        with self.connection() as connection:
            without_day = self._counts(connection, "driver_shifts_set_aside", day_range(*ALL_DAYS))
        return Extract(read.frame, {**without_day, **read.set_aside})

    def span(self) -> tuple[date, date] | None:
        """First and last local day with a scheduled booking; None if there is none."""
        with self.connection() as connection:
            first, last = (as_day(value) for value in connection.execute(statement("span", day_range(*ALL_DAYS))).one())
        return None if first is None or last is None else (first, last)

    def changed_days(self, since: datetime | None, *, late_window: timedelta) -> list[date]:
        """Local days touched by bookings, assignments or plans that changed after ``since - late_window``, in order.

        A day that a booking has left is not among them: :meth:`day_digests` tells it.

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
            days = [as_day(day) for (day,) in connection.execute(statement("changed_days", {"since": after}))]
        return sorted(day for day in days if day is not None)

    def high_watermark(self) -> datetime | None:
        """The latest change in bookings, assignments and plans, UTC; None if all are empty."""
        with self.connection() as connection:
            values = [value for (value,) in connection.execute(statement("high_watermark", {})) if value is not None]
        parsed = instants(pd.Series(values, dtype=object), "updated_at", naive_is_utc=self._naive_is_utc)
        return parsed.max().to_pydatetime() if len(parsed) else None

    def _days_in_one_snapshot(self, first_day: date, last_day: date) -> Iterator[DayExtract]:
        parameters = day_range(first_day, last_day)
        with self.connection(snapshot=True) as connection:
            reshaped = {
                name: map(getattr(self._reshaper, name), chunks(connection, name, parameters, self._chunk_rows))
                for name in ("bookings", "assignments", "dispatch_runs")
            }
            yield from merged_days(first_day, last_day, **reshaped)

    def _whole(
        self,
        query: str,
        schema: pa.DataFrameSchema,
        reshape: Callable[[pd.DataFrame], tuple[pd.DataFrame, dict[str, int]]],
        **parameters: Any,
    ) -> Extract:
        with self.connection() as connection:
            read = list(chunks(connection, query, parameters, self._chunk_rows))
        return Extract(*reshape(pd.concat(read, ignore_index=True))) if read else Extract(empty(schema), {})

    @staticmethod
    def _counts(connection: Connection, query: str, parameters: dict[str, Any]) -> dict[str, int]:
        counts = connection.execute(statement(query, parameters)).mappings().one()
        return {str(reason): int(count) for reason, count in counts.items() if count}
