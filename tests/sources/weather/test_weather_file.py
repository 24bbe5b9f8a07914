"""Forecast files: instants say their time zone, unknown measures stay unknown."""

from pathlib import Path

import pandas as pd
import pytest

from atmr_pipeline.domain.errors import SourceError
from atmr_pipeline.sources.weather import read_weather_forecast, read_weather_observed

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


@pytest.mark.parametrize("stamp", ["2025-07-15", "2025-07-15T06:00:00", "2025-07-15 06:00", "20250715T0600"])
def test_one_instant_without_a_time_zone_is_enough_to_refuse(tmp_path: Path, stamp: str) -> None:
    path = tmp_path / "forecast.csv"
    path.write_text(f"issued_at,valid_at\n2025-01-15T06:00:00Z,2025-01-15T07:00:00+01\n2025-01-15T06:00:00Z,{stamp}\n")
    with pytest.raises(SourceError, match="valid_at has no time zone"):
        read_weather_forecast(path)


def test_a_year_of_local_time_with_its_offsets_is_read(tmp_path: Path) -> None:
    path = tmp_path / "forecast.csv"
    path.write_text(
        "issued_at,valid_at\n2025-01-15T06:00+01:00,2025-01-15T07:00+01:00\n2025-07-15T06:00+0200,2025-07-15T07:00Z\n"
    )
    frame = read_weather_forecast(path)
    assert frame["issued_at"].tolist() == [pd.Timestamp("2025-01-15T05:00Z"), pd.Timestamp("2025-07-15T04:00Z")]
    path.write_text("issued_at,valid_at\n20250115,2025-01-15T07:00Z\n")
    with pytest.raises(SourceError, match="issued_at"):
        read_weather_forecast(path)


OBSERVED = """valid_at,rain_mm,snow_cm,temperature_c,quality
2025-01-16T09:00:00+01:00,1.5,,3.0,good
2025-01-16T08:00:00+01:00,0.5,0.0,,good
"""


def test_observed_weather_from_a_file(tmp_path: Path) -> None:
    csv, parquet = tmp_path / "station.csv", tmp_path / "station.parquet"
    csv.write_text(OBSERVED)
    frame = read_weather_observed(csv)
    assert list(frame.columns) == ["valid_at", "rain_mm", "snow_cm", "temperature_c", "source"]
    assert frame["valid_at"].tolist() == list(pd.date_range("2025-01-16 07:00", periods=2, freq="h", tz="UTC"))
    assert frame["rain_mm"].tolist() == [0.5, 1.5]
    assert frame["snow_cm"].isna().tolist() == [False, True]
    assert set(frame["source"]) == {"station.csv"}, "without a source, the file is the source"
    frame.assign(source="MeteoSwiss GVE").to_parquet(parquet)
    assert set(read_weather_observed(parquet)["source"]) == {"MeteoSwiss GVE"}


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("rain_mm\n1\n", "lacks the columns valid_at"),
        ("valid_at,rain_mm\n2025-01-15T06:00:00,1\n", "no time zone"),
        (OBSERVED + "2025-01-16T08:00:00Z,9,9,9,x\n", "fails"),
        ("valid_at,source\n2025-01-15T06:00:00Z,\n", "source"),
    ],
)
def test_unusable_observations(tmp_path: Path, content: str, says: str) -> None:
    path = tmp_path / "station.csv"
    path.write_text(content)
    with pytest.raises(SourceError, match=says):
        read_weather_observed(path)
