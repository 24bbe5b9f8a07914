"""Hourly weather from files that another tool exports: forecasts, and weather as it was."""

from pathlib import Path

import pandas as pd
import pandera.pandas as pdr
import pyarrow as pa

from atmr_pipeline.domain.errors import SourceError, TableContractError
from atmr_pipeline.domain.tables import WEATHER_FORECAST, WEATHER_OBSERVED, conform

_WITH_TIME_ZONE = r".*\d{2}:\d{2}.*(?:Z|[+-]\d{2}(?::?\d{2})?)"


def read_weather_forecast(path: Path) -> pd.DataFrame:
    """Read a Parquet or CSV file of hourly forecasts.

    Parameters
    ----------
    path : Path
        ``.parquet`` or ``.csv`` with the columns of WEATHER_FORECAST. Instants must say their time zone
        (``2025-01-15T06:00:00Z``); a measure may be empty, and a measure column may be left out: both mean not known.

    Returns
    -------
    DataFrame
        WEATHER_FORECAST, sorted by ``issued_at`` and ``valid_at``.

    Raises
    ------
    SourceError
        The file is missing, unreadable, lacks the instants, repeats a forecast, or has instants without a time zone.
    """
    return _read(path, WEATHER_FORECAST, ("issued_at", "valid_at"))


def read_weather_observed(path: Path) -> pd.DataFrame:
    """Read a Parquet or CSV file of hourly weather as it was.

    Parameters
    ----------
    path : Path
        As for :func:`read_weather_forecast`, with the columns of WEATHER_OBSERVED; ``valid_at`` is the start of the
        hour. Where the column ``source`` is left out, the file is the source.

    Returns
    -------
    DataFrame
        WEATHER_OBSERVED, sorted by ``valid_at``.

    Raises
    ------
    SourceError
        As for :func:`read_weather_forecast`; the instant is ``valid_at``, and each may occur once.
    """
    return _read(path, WEATHER_OBSERVED, ("valid_at",), {"source": path.name})


def _read(
    path: Path, schema: pdr.DataFrameSchema, instants: tuple[str, ...], defaults: dict[str, str] | None = None
) -> pd.DataFrame:
    frame = _read_file(path)
    missing = [name for name in instants if name not in frame.columns]
    if missing:
        raise SourceError(f"weather file {path.name} lacks the columns {', '.join(missing)}")
    result = frame.reindex(columns=list(schema.columns))
    for name, value in (defaults or {}).items():
        if name not in frame.columns:
            result[name] = value
    for name in instants:
        result[name] = _instants(frame[name], f"{path.name}: {name}")
    try:
        return conform(result.sort_values(list(instants)), schema)
    except TableContractError as error:
        raise SourceError(f"weather file {path.name}: {error}") from None


def _read_file(path: Path) -> pd.DataFrame:
    suffix = path.suffix.lower()
    if suffix not in (".parquet", ".csv"):
        raise SourceError(f"weather file {path.name} must end in .parquet or .csv")
    try:
        return pd.read_parquet(path) if suffix == ".parquet" else pd.read_csv(path)
    except FileNotFoundError:
        raise SourceError(f"weather file {path} does not exist") from None
    except (OSError, ValueError, pa.ArrowException) as error:
        raise SourceError(f"weather file {path.name} cannot be read ({type(error).__name__})") from None


def _instants(values: pd.Series, where: str) -> pd.Series:
    if isinstance(values.dtype, pd.DatetimeTZDtype):
        return values.dt.tz_convert("UTC").astype("datetime64[us, UTC]")
    given = values.dropna()
    try:
        if pd.api.types.is_numeric_dtype(given.dtype) and len(given):
            raise TypeError("numbers are no instants")
        parsed = pd.to_datetime(values, format="ISO8601", utc=True)
    except (TypeError, ValueError):
        raise SourceError(f"{where} holds values that are not ISO 8601 instants") from None
    if not given.astype(str).str.fullmatch(_WITH_TIME_ZONE).all():
        raise SourceError(f"{where} has no time zone; write it as in 2025-01-15T06:00:00Z")
    return parsed.astype("datetime64[us, UTC]")
