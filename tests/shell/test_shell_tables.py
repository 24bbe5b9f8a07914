"""Tables: written whole or not at all, read back as they were."""

from datetime import date
from pathlib import Path

import pandas as pd
import pytest

from atmr_pipeline.domain.errors import TableContractError
from atmr_pipeline.domain.files import write_atomically
from atmr_pipeline.domain.tables import DISPATCH_RUNS, conform
from atmr_pipeline.resources.tables import Tables


def _runs(*days: str) -> pd.DataFrame:
    stamps = pd.to_datetime(list(days)).astype("datetime64[us]")
    return pd.DataFrame(
        {
            "dispatch_run_id": range(1, len(days) + 1),
            "company_id": 1,
            "service_day": stamps,
            "status": "COMPLETED",
            "started_at": pd.Series(stamps).dt.tz_localize("UTC"),
            "completed_at": pd.Series([pd.NaT] * len(days), dtype="datetime64[us, UTC]"),
        }
    )


def test_days_come_back_as_they_were_written(tmp_path: Path) -> None:
    tables = Tables(tmp_path)
    days = [date(2026, 3, 2), date(2026, 3, 3), date(2026, 3, 4)]
    tables.write_days("dispatch_runs", _runs("2026-03-02", "2026-03-04"), days)
    assert tables.days("dispatch_runs") == days
    back = tables.read("dispatch_runs")
    assert list(back["dispatch_run_id"]) == [1, 2]
    assert back.dtypes.astype(str).to_dict()["started_at"] == "datetime64[us, UTC]"
    assert len(tables.read("dispatch_runs", first_day=date(2026, 3, 3))) == 1


def test_a_day_without_a_column_of_todays_schema_is_not_readable(tmp_path: Path) -> None:
    tables, day = Tables(tmp_path), date(2025, 3, 10)
    tables.write_days("dispatch_runs", _runs("2025-03-10"), [day])
    assert tables.is_readable("dispatch_runs", day)
    assert not tables.is_readable("dispatch_runs", date(2025, 3, 11))
    (file,) = (tmp_path / "dispatch_runs").glob("*.parquet")
    pd.read_parquet(file).drop(columns="status").to_parquet(file)
    assert not tables.is_readable("dispatch_runs", day), "a later version reads it from the source again"


def test_a_row_outside_the_days_being_written_is_refused_and_nothing_is_lost(tmp_path: Path) -> None:
    tables = Tables(tmp_path)
    tables.write_days("dispatch_runs", _runs("2026-03-02"), [date(2026, 3, 2)])
    with pytest.raises(TableContractError, match="1 rows lie outside"):
        tables.write_days("dispatch_runs", _runs("2026-03-02", "2026-03-09"), [date(2026, 3, 2)])
    assert len(tables.read("dispatch_runs")) == 1


def test_a_rewritten_day_replaces_its_rows_and_no_other(tmp_path: Path) -> None:
    tables = Tables(tmp_path)
    tables.write_days("dispatch_runs", _runs("2026-03-02", "2026-03-03"), [date(2026, 3, 2), date(2026, 3, 3)])
    tables.write_days("dispatch_runs", _runs("2026-03-03").iloc[:0], [date(2026, 3, 3)])
    back = tables.read("dispatch_runs")
    assert list(back["service_day"].dt.day) == [2]


def test_a_kill_in_the_middle_of_a_write_keeps_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "table.parquet"
    target.write_text("old")

    def killed(path: Path) -> None:
        path.write_text("half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_atomically(target, killed)
    assert target.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["table.parquet"]


def test_a_table_that_was_never_written_is_empty_with_its_columns_or_says_so(tmp_path: Path) -> None:
    tables = Tables(tmp_path)
    assert list(tables.read("dispatch_runs").columns) == list(DISPATCH_RUNS.columns)
    with pytest.raises(TableContractError, match="not materialised yet"):
        tables.read("delay_training_set")
    with pytest.raises(TableContractError, match="not materialised yet"):
        tables.read_value("delay_model")


def test_a_table_that_breaks_its_schema_is_not_written(tmp_path: Path) -> None:
    tables = Tables(tmp_path)
    wrong = _runs("2026-03-02").assign(status="DANCING")
    with pytest.raises(TableContractError) as error:
        tables.write_days("dispatch_runs", wrong, [date(2026, 3, 2)])
    assert "DANCING" not in str(error.value)
    assert not tables.has("dispatch_runs")


def test_days_written_one_by_one_leave_nothing_behind_on_other_days(tmp_path: Path) -> None:
    tables = Tables(tmp_path)
    old, new = date(2026, 3, 2), date(2026, 3, 9)
    tables.write_day("dispatch_runs", old, conform(_runs("2026-03-02"), DISPATCH_RUNS))
    tables.write_day("dispatch_runs", new, conform(_runs("2026-03-09"), DISPATCH_RUNS))
    tables.leave_other_days("dispatch_runs", [new])
    assert list(tables.read("dispatch_runs")["service_day"].dt.day) == [9]
    assert tables.days("dispatch_runs") == [old, new]


def test_a_day_with_a_row_of_another_day_or_another_column_is_refused(tmp_path: Path) -> None:
    tables = Tables(tmp_path)
    frame = conform(_runs("2026-03-02"), DISPATCH_RUNS)
    with pytest.raises(TableContractError, match="1 rows lie outside"):
        tables.write_day("dispatch_runs", date(2026, 3, 3), frame)
    with pytest.raises(TableContractError, match="not the schema's"):
        tables.write_day("dispatch_runs", date(2026, 3, 2), frame.assign(more=1))
    assert tables.days("dispatch_runs") == []
