"""From driver values to typed columns: SQLite's text and integers, PostgreSQL's datetimes and booleans alike."""

from datetime import datetime
from typing import Literal

import pandas as pd

from atmr_pipeline.domain.errors import SchemaDriftError


def instants(values: pd.Series, column: str, *, naive_is_utc: bool) -> pd.Series:
    """Instants in UTC.

    Parameters
    ----------
    values : Series of object
        Aware datetimes, ISO 8601 text, or None.
    column : str
        ``table.column`` at the source, for the error.
    naive_is_utc : bool
        SQLite has no time zones: its text is UTC by convention. PostgreSQL has, so a naive value there is drift.

    Raises
    ------
    SchemaDriftError
        Values that are not timestamps, or that say no time zone where they must.
    """
    first = _first(values)
    if isinstance(first, datetime) and first.tzinfo is None and not naive_is_utc:
        raise SchemaDriftError(f"{column} has no time zone; it must be timestamp with time zone")
    return _parse(values, column, utc=True).astype("datetime64[us, UTC]")


def wall_clock(values: pd.Series, column: str) -> pd.Series:
    """Wall-clock times or days, without time zone.

    Raises
    ------
    SchemaDriftError
        Values that are not timestamps, or that carry a time zone.
    """
    parsed = _parse(values, column, utc=False)
    if isinstance(parsed.dtype, pd.DatetimeTZDtype):
        raise SchemaDriftError(f"{column} carries a time zone; it must be a wall clock without one")
    try:
        return parsed.astype("datetime64[us]")
    except (TypeError, ValueError):
        raise SchemaDriftError(f"{column} holds wall clocks and instants mixed") from None


def numbers(values: pd.Series, column: str, dtype: Literal["Int64", "boolean", "float64"]) -> pd.Series:
    """Numbers or booleans of a nullable pandas dtype; SQLite's 0 and 1 are booleans too.

    Raises
    ------
    SchemaDriftError
        Values of another kind.
    """
    try:
        return values.astype(dtype)
    except (TypeError, ValueError):
        raise SchemaDriftError(f"{column} holds values that are not {dtype}") from None


def _parse(values: pd.Series, column: str, *, utc: bool) -> pd.Series:
    try:
        # Without the cache: looking the values up in it costs more than parsing them.
        if isinstance(_first(values), str):
            return pd.to_datetime(values, format="ISO8601", utc=utc, cache=False)
        return pd.to_datetime(values, utc=utc, cache=False)
    except (TypeError, ValueError, OverflowError):
        raise SchemaDriftError(f"{column} holds values that are not timestamps") from None


def _first(values: pd.Series) -> object:
    return next((value for value in values.array if value is not None), None)
