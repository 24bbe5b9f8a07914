"""The Evidently report is drawn from features alone, whatever the columns hold."""

import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from atmr_pipeline.monitoring import evidently_report
from atmr_pipeline.monitoring.evidently_report import drift_report


@pytest.fixture
def odd(courses):
    """A frame with every kind of column that Evidently stumbles over, and some that must never be seen."""
    return lambda seed, **kw: courses(seed, 28, "2025-11-01", **kw).assign(
        booking_id=np.arange(28 * 12) + 987_000_000,
        patient_key="7d3a90c41f5be268aa07c5d19e3b4f60",
        customer_name="Patient Fictif 12",
        all_null=np.nan,
        all_null_text=pd.Series([None] * 336, dtype="object"),
        seen_at=pd.Timestamp("2025-11-01", tz="UTC"),
        priority=pd.array([1, 2, None] * 112, dtype="Int64"),
        confirmed=pd.array([True, None, False] * 112, dtype="boolean"),
        zone=pd.Categorical(["GE", "VD", None] * 112),
        speed=np.where(np.arange(336) % 50 == 0, np.inf, np.arange(336.0)),
    )


ODD_KINDS = {
    "distance_km": "numeric",
    "is_medical": "boolean",
    "delay_min": "numeric",
    "all_null": "numeric",
    "all_null_text": "categorical",
    "seen_at": "categorical",
    "priority": "numeric",
    "confirmed": "boolean",
    "zone": "categorical",
    "speed": "numeric",
    "booking_id": "numeric",
    "patient_key": "categorical",
    "customer_name": "categorical",
    "not_there": "numeric",
}


def test_report_is_written_whole_and_lists_what_it_left_out(odd, tmp_path: Path):
    path = tmp_path / "reports" / "drift.html"
    result = drift_report(odd(1), odd(2, longer=3.0), ODD_KINDS, path, threshold=0.0005)
    assert result.path == str(path)
    assert result.columns == ("distance_km", "is_medical", "delay_min", "priority", "confirmed", "zone", "speed")
    assert set(result.drifted) == {"distance_km"}
    assert result.dropped == {
        "all_null": "no known value in reference",
        "all_null_text": "no known value in reference",
        "seen_at": "a date, not a feature",
        "booking_id": "identifies someone or somewhere",
        "patient_key": "identifies someone or somewhere",
        "customer_name": "identifies someone or somewhere",
        "not_there": "missing in reference",
    }
    html = path.read_text(encoding="utf-8")
    assert "distance_km" in html
    for secret in ("booking_id", "patient_key", "customer_name", "987000", "7d3a90c41f5b", "Fictif"):
        assert secret not in html
    assert [item.name for item in path.parent.iterdir()] == ["drift.html"]
    assert len(result.to_json()) < 4000
    assert json.loads(result.to_json())["n_current"] == 336


def test_nothing_is_written_without_rows_or_columns(courses, tmp_path: Path):
    frame, path = courses(1, 10), tmp_path / "drift.html"
    kinds = {"distance_km": "numeric"}
    no_current = drift_report(frame, frame.iloc[:0], kinds, path, threshold=0.0005)
    assert (no_current.path, no_current.skipped_reason) == (None, "no rows in current")
    both = drift_report(frame.iloc[:0], frame.iloc[:0], kinds, path, threshold=0.0005)
    assert both.skipped_reason == "no rows in reference and current"
    no_columns = drift_report(frame, frame.assign(distance_km=np.nan), kinds, path, threshold=0.0005)
    assert no_columns.skipped_reason == "no column can be drawn"
    assert no_columns.dropped == {"distance_km": "no known value in current"}
    assert not path.exists()


def test_a_failed_write_keeps_the_old_report(courses, tmp_path: Path, monkeypatch):
    path = tmp_path / "drift.html"
    path.write_text("old", encoding="utf-8")

    def full_disk(_descriptor: int) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(evidently_report.os, "fsync", full_disk)
    with pytest.raises(OSError, match="no space"):
        drift_report(courses(1, 10), courses(2, 10), {"distance_km": "numeric"}, path, threshold=0.0005)
    assert path.read_text(encoding="utf-8") == "old"
    assert [item.name for item in tmp_path.iterdir()] == ["drift.html"]


def test_constant_and_single_value_columns_do_not_crash(courses, tmp_path: Path):
    old = courses(1, 10).assign(distance_km=4.0, is_medical=True)
    new = courses(2, 10).assign(distance_km=4.0, is_medical=True)
    new.loc[1:, "time_of_day"] = np.nan
    kinds = {"distance_km": "numeric", "is_medical": "boolean", "time_of_day": "numeric"}
    assert drift_report(old, new, kinds, tmp_path / "drift.html", threshold=0.0005).skipped_reason is None


def test_tracking_is_off():
    assert os.environ["DO_NOT_TRACK"] == "true"
