"""Data quality: the default point that no one saw, and the other figures of a table."""

from datetime import date

import numpy as np
import pandas as pd
import pytest

from atmr_pipeline.domain.errors import TableContractError
from atmr_pipeline.monitoring.data_quality import QualityLimits, coordinates_share_check, table_quality
from atmr_pipeline.monitoring.kpi_report import quality_markdown


def honest(n: int = 300) -> pd.DataFrame:
    """Courses over 60 fictitious addresses, each at its own point."""
    place = np.arange(n) % 60
    return pd.DataFrame(
        {"lat": 46.20 + place * 0.001, "lon": 6.10 + place * 0.001, "address_key": [f"address-{p:02d}" for p in place]}
    )


def test_courses_to_one_address_may_share_its_point():
    result = coordinates_share_check(honest().assign(lat=46.2, lon=6.1, address_key="address-01"))
    assert result.passed
    assert result.shared_share == 0.0
    assert coordinates_share_check(honest()).passed


def test_a_default_point_is_found():
    frame = honest()
    frame.loc[: int(0.8 * len(frame)), ["lat", "lon"]] = 46.2044, 6.1432
    result = coordinates_share_check(frame)
    assert result.passed is False
    assert result.largest_point_share > 0.7
    assert result.largest_point_addresses == 60
    assert "46.2" not in result.summary()


def test_the_limit_counts_courses_that_share_without_an_address_in_common():
    frame = honest(300)
    frame.loc[[1, 2, 3, 4, 5, 6], ["lat", "lon"]] = frame.loc[0, ["lat", "lon"]].to_list()
    assert coordinates_share_check(frame).shared_share == pytest.approx(0.02)
    assert coordinates_share_check(frame).passed
    frame.loc[7, ["lat", "lon"]] = frame.loc[0, ["lat", "lon"]].to_list()
    assert coordinates_share_check(frame).passed is False


def test_coarse_points_say_so_but_cannot_hide_a_default():
    frame = honest(300).assign(precision="house")
    street = frame.index % 60 < 3
    frame.loc[street, ["lat", "lon"]] = 46.19, 6.15
    assert coordinates_share_check(frame).passed is False
    frame.loc[street, "precision"] = "street"
    assert coordinates_share_check(frame).passed
    frame.loc[frame.index % 60 < 30, ["lat", "lon"]] = 46.19, 6.15
    frame.loc[frame.index % 60 < 30, "precision"] = "postcode"
    hidden = coordinates_share_check(frame)
    assert hidden.passed is False
    assert hidden.shared_share == 0.0


def test_unlocated_courses_are_not_a_point():
    frame = honest()
    frame.loc[:200, ["lat", "lon"]] = np.nan
    result = coordinates_share_check(frame)
    assert result.passed
    assert (result.rows, result.located) == (300, 99)
    nothing = coordinates_share_check(frame.assign(lat=np.nan))
    assert nothing.passed is None
    assert "cannot be checked" in nothing.summary()
    assert coordinates_share_check(frame.iloc[:0]).passed is None
    with pytest.raises(TableContractError, match="address_key"):
        coordinates_share_check(frame.drop(columns="address_key"))


def figures(frame: pd.DataFrame, **arguments) -> pd.DataFrame:
    table = table_quality("bookings", frame, key=["booking_id"], as_of=date(2025, 11, 10), **arguments)
    return table.set_index(["check", "column"])


def bookings() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "booking_id": [1, 2, 3, 3],
            "distance_km": [1.0, None, None, None],
            "updated_at": pd.to_datetime(["2025-11-01", "2025-11-02", "2025-11-03", None], utc=True),
        }
    )


def test_figures_of_a_table():
    limits = QualityLimits(minimum_rows=5, null_share={"distance_km": 0.5, "gone": 0.0}, age_days=7)
    table = figures(bookings(), newest_column="updated_at", limits=limits)
    assert table.loc[("rows", ""), "value"] == 4
    assert not table.loc[("rows", ""), "passed"]
    assert table.loc[("null_share", "distance_km"), "value"] == 0.75
    assert not table.loc[("null_share", "distance_km"), "passed"]
    assert pd.isna(table.loc[("null_share", "booking_id"), "passed"])
    assert table.loc[("null_share", "gone"), "skipped_reason"] == "column missing"
    assert table.loc[("duplicate_share", "booking_id"), "value"] == 0.25
    assert not table.loc[("duplicate_share", "booking_id"), "passed"]
    assert table.loc[("age_days", "updated_at"), "value"] == 7
    assert table.loc[("age_days", "updated_at"), "passed"]


def test_empty_and_odd_tables_are_said():
    table = figures(bookings().iloc[:0], newest_column="updated_at", limits=QualityLimits(age_days=7))
    assert not table.loc[("rows", ""), "passed"]
    assert table.loc[("duplicate_share", "booking_id"), "skipped_reason"] == "empty table"
    assert table.loc[("age_days", "updated_at"), "skipped_reason"] == "no known value"
    without_key = figures(bookings().drop(columns="booking_id"), newest_column="missing_at")
    assert without_key.loc[("duplicate_share", "booking_id"), "skipped_reason"] == "key column missing: booking_id"
    assert without_key.loc[("age_days", "missing_at"), "skipped_reason"] == "column missing"


def test_markdown_shows_failures_only():
    good = table_quality("bookings", bookings().iloc[:3], key=["booking_id"], as_of=date(2025, 11, 10))
    assert quality_markdown(good) == "2 of 2 checks passed"
    bad = table_quality("bookings", bookings(), key=["booking_id"], as_of=date(2025, 11, 10))
    assert "duplicate_share" in quality_markdown(bad)
