"""Forecast files: instants say their time zone, unknown measures stay unknown."""

from pathlib import Path

import pandas as pd
import pytest

from atmr_pipeline.domain.errors import SourceError
from atmr_pipeline.sources.weather import read_weather_forecast

CSV = """issued_at,valid_at,rain_mm,snow_cm,temperature_c,station
2025-01-15T18:00:00Z,2025-01-16T07:00:00Z,1.5,,3.0,Genève
2025-01-15T06:00:00Z,2025-01-16T07:00:00Z,0.5,0.0,,Genève
"""


def test_csv_and_parquet_agree(tmp_path: Path) -> None:
    csv, parquet = tmp_path / "forecast.csv", tmp_path / "forecast.parquet"
    csv.write_text(CSV)
    from_csv = read_weather_forecast(csv)
    from_csv.to_parquet(parquet)
    pd.testing.assert_frame_equal(read_weather_forecast(parquet), from_csv)
    assert from_csv["issued_at"].is_monotonic_increasing
    assert from_csv["rain_mm"].tolist() == [0.5, 1.5]
    assert pd.isna(from_csv.loc[1, "snow_cm"])
    assert from_csv.loc[0, "valid_at"] == pd.Timestamp("2025-01-16T07:00:00Z")


def test_other_time_zones_become_utc(tmp_path: Path) -> None:
    path = tmp_path / "forecast.csv"
    path.write_text("issued_at,valid_at,rain_mm\n2025-01-15T07:00:00+01:00,2025-01-16T08:00:00+01:00,1\n")
    frame = read_weather_forecast(path)
    assert frame.loc[0, "issued_at"] == pd.Timestamp("2025-01-15T06:00:00Z")
    assert frame[["snow_cm", "temperature_c"]].isna().all(axis=None)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("valid_at,rain_mm\n2025-01-15T06:00:00Z,1\n", "lacks the columns issued_at"),
        ("issued_at,valid_at\n2025-01-15T06:00:00,2025-01-15T07:00:00\n", "no time zone"),
        ("issued_at,valid_at\nyesterday,2025-01-15T07:00:00Z\n", "not ISO 8601"),
        (CSV + "2025-01-15T06:00:00Z,2025-01-16T07:00:00Z,9,9,9,x\n", "fails"),
        ("issued_at,valid_at,rain_mm\n2025-01-15T06:00:00Z,2025-01-15T07:00:00Z,heavy\n", "rain_mm"),
        ("issued_at,valid_at\n2025-01-15T06:00:00Z,\n", "valid_at"),
        ("", "cannot be read"),
    ],
)
def test_unusable_files(tmp_path: Path, content: str, says: str) -> None:
    path = tmp_path / "forecast.csv"
    path.write_text(content)
    with pytest.raises(SourceError, match=says):
        read_weather_forecast(path)


def test_wrong_file(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="does not exist"):
        read_weather_forecast(tmp_path / "forecast.parquet")
    with pytest.raises(SourceError, match="must end in"):
        read_weather_forecast(tmp_path / "forecast.txt")
    (tmp_path / "forecast.parquet").write_text("not parquet")
    with pytest.raises(SourceError, match="cannot be read"):
        read_weather_forecast(tmp_path / "forecast.parquet")
