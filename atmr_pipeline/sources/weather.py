"""Hourly weather forecasts from a file that another tool exports."""

from pathlib import Path

import pandas as pd
import pyarrow as pa

from atmr_pipeline.domain.errors import SourceError, TableContractError
from atmr_pipeline.domain.tables import WEATHER_FORECAST, conform

_INSTANTS = ("issued_at", "valid_at")


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
    frame = _read_file(path)
    missing = [name for name in _INSTANTS if name not in frame.columns]
    if missing:
        raise SourceError(f"weather file {path.name} lacks the columns {', '.join(missing)}")
    result = frame.reindex(columns=list(WEATHER_FORECAST.columns))
    for name in _INSTANTS:
        result[name] = _instants(frame[name], f"{path.name}: {name}")
    try:
        return conform(result.sort_values(list(_INSTANTS)), WEATHER_FORECAST)
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
    try:
        parsed = pd.to_datetime(values, format="ISO8601", utc=False)
    except (TypeError, ValueError):
        raise SourceError(f"{where} holds values that are not ISO 8601 instants of one time zone") from None
    if len(parsed) and not isinstance(parsed.dtype, pd.DatetimeTZDtype):
        raise SourceError(f"{where} has no time zone; write it as in 2025-01-15T06:00:00Z")
    return pd.to_datetime(parsed, utc=True).astype("datetime64[us, UTC]")
