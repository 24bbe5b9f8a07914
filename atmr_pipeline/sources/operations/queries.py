"""The SQL files of this package, with their parameters, and their results as frames."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from functools import cache
from importlib.resources import files
from typing import Any

import pandas as pd
from sqlalchemy import Date, DateTime, bindparam, text
from sqlalchemy.engine import Connection

from atmr_pipeline.domain.wallclock import ALL_DAYS

# Days are bound as dates: SQLite compares text, and "2025-01-01" sorts before every time of that day.
_TYPES: dict[str, Any] = {"first_day": Date(), "after_day": Date(), "since": DateTime(timezone=True)}


def day_range(first_day: date, last_day: date) -> dict[str, Any]:
    """Parameters of the inclusive range of local days.

    Raises
    ------
    ValueError
        If it ends before it begins, or leaves :data:`~atmr_pipeline.domain.wallclock.ALL_DAYS`.
    """
    if last_day < first_day:
        raise ValueError(f"last_day {last_day} is before first_day {first_day}")
    if first_day < ALL_DAYS[0] or last_day > ALL_DAYS[1]:
        raise ValueError(f"days must lie between {ALL_DAYS[0]} and {ALL_DAYS[1]}")
    return {"first_day": first_day, "after_day": last_day + timedelta(days=1)}


def statement(name: str, parameters: dict[str, Any]) -> Any:
    """One SQL file as a statement that takes ``parameters``."""
    return text(_sql(name)).bindparams(*(bindparam(key, value, type_=_TYPES[key]) for key, value in parameters.items()))


def chunks(connection: Connection, name: str, parameters: dict[str, Any], rows: int) -> Iterator[pd.DataFrame]:
    """Stream one SQL file's result through a cursor of its own, ``rows`` at a time.

    On PostgreSQL the cursor is held by the server; several may be open in one transaction. Columns stay objects:
    letting pandas infer turns integers with a NULL into floats.
    """
    streamed = connection.execution_options(yield_per=rows)
    result = streamed.execute(statement(name, parameters))
    names = list(result.keys())
    partitions = result.partitions(rows)
    while True:
        with _collector_paused():
            fetched = next(partitions, None)
            if fetched is None:
                return
            columns = zip(*fetched, strict=True)
            frame = pd.DataFrame(
                {key: pd.Series(cells, dtype=object) for key, cells in zip(names, columns, strict=True)}
            )
        yield frame


def as_day(value: object) -> date | None:
    """A day as either database gives it, a datetime or ISO text; None if it is not one of ``ALL_DAYS``.

    PostgreSQL knows ``infinity`` and years beyond 9999, SQLite any text at all: such rows belong to no day.
    """
    try:
        day = value.date() if isinstance(value, datetime) else date.fromisoformat(str(value)[:10])
    except ValueError:
        return None
    return day if ALL_DAYS[0] <= day <= ALL_DAYS[1] else None


@contextmanager
def _collector_paused() -> Iterator[None]:
    # A chunk's tuples hold no cycles, but so many at once make the collector walk the whole heap again and again: a
    # third of the time of reading went there.
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


@cache
def _sql(name: str) -> str:
    return files("atmr_pipeline.sources.operations").joinpath("sql", f"{name}.sql").read_text(encoding="utf-8")
