"""The Parquet IO manager inside Dagster: days are written one a file, and a run replaces exactly its own."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pandas as pd
import pytest

from atmr_pipeline.jobs.schedules import range_tags
from atmr_pipeline.resources.io_manager import ParquetIOManager
from atmr_pipeline.resources.tables import Tables
from atmr_pipeline.resources.workspace import Workspace

DAYS = dg.DailyPartitionsDefinition(start_date="2026-03-01", end_date="2026-03-06", timezone="Europe/Zurich")
SINGLE_RUN = dg.BackfillPolicy.single_run()


@pytest.fixture
def tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tables:
    monkeypatch.setenv("ATMR_HOME", str(tmp_path))
    return Tables(tmp_path / "tables")


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.instance_for_test() as instance:
        yield instance


def _job(source: dict[str, list[int]]) -> dg.JobDefinition:
    """A chain of two partitioned assets, a whole table and a value over ``source``: numbers by service day."""

    @dg.asset(partitions_def=DAYS, backfill_policy=SINGLE_RUN)
    def numbers(context: dg.AssetExecutionContext) -> pd.DataFrame:
        rows = [(day, number) for day in context.partition_keys for number in source.get(day, [])]
        frame = pd.DataFrame(rows, columns=["service_day", "number"]).astype({"number": "int64"})
        return frame.assign(service_day=pd.to_datetime(frame["service_day"]).astype("datetime64[us]"))

    @dg.asset(partitions_def=DAYS, backfill_policy=SINGLE_RUN)
    def doubled(numbers: pd.DataFrame) -> pd.DataFrame:
        return numbers.assign(number=2 * numbers["number"])

    @dg.asset
    def everything(doubled: pd.DataFrame) -> pd.DataFrame:
        return doubled

    @dg.asset
    def total(everything: pd.DataFrame) -> dict[str, int]:
        return {"total": int(everything["number"].sum())}

    @dg.asset
    def again(total: dict[str, int]) -> dict[str, int]:
        return {"total": total["total"] + 1}

    workspace = Workspace()
    definitions = dg.Definitions(
        assets=[numbers, doubled, everything, total, again],
        jobs=[dg.define_asset_job("chain", selection="*")],
        resources={"workspace": workspace, "io_manager": ParquetIOManager(workspace=workspace)},
        executor=dg.in_process_executor,
    )
    return definitions.resolve_job_def("chain")


def _run(source: dict[str, list[int]], instance: dg.DagsterInstance, first: str, last: str) -> None:
    result = _job(source).execute_in_process(instance=instance, tags=range_tags(first, last))
    assert result.success


def test_a_range_of_days_comes_back_through_dagster(tables: Tables, instance: dg.DagsterInstance) -> None:
    _run({"2026-03-01": [1, 2], "2026-03-03": [5]}, instance, "2026-03-01", "2026-03-03")
    assert [day.isoformat() for day in tables.days("numbers")] == ["2026-03-01", "2026-03-02", "2026-03-03"]
    assert list(tables.read("doubled")["number"]) == [2, 4, 10]
    assert str(tables.read("doubled")["service_day"].dtype) == "datetime64[us]"
    assert list(tables.read("everything")["number"]) == [2, 4, 10]
    assert tables.read_value("total") == {"total": 16}
    assert tables.read_value("again") == {"total": 17}


def test_a_second_run_replaces_its_own_days_and_no_other(tables: Tables, instance: dg.DagsterInstance) -> None:
    _run({"2026-03-01": [1], "2026-03-02": [2], "2026-03-03": [3]}, instance, "2026-03-01", "2026-03-03")
    kept = (tables.root / "numbers" / "2026-03-01.parquet").read_bytes()
    changed = {"2026-03-01": [100], "2026-03-02": [7], "2026-03-03": []}
    _run(changed, instance, "2026-03-02", "2026-03-03")
    assert (tables.root / "numbers" / "2026-03-01.parquet").read_bytes() == kept
    assert list(tables.read("numbers")["number"]) == [1, 7]
    assert list(tables.read("everything")["number"]) == [2, 14]


def test_one_day_is_a_range_of_one(tables: Tables, instance: dg.DagsterInstance) -> None:
    _run({"2026-03-02": [4]}, instance, "2026-03-02", "2026-03-02")
    assert [day.isoformat() for day in tables.days("doubled")] == ["2026-03-02"]
    assert tables.read_value("total") == {"total": 8}


def test_no_hidden_file_is_left_behind(tables: Tables, instance: dg.DagsterInstance) -> None:
    _run({"2026-03-01": [1]}, instance, "2026-03-01", "2026-03-05")
    assert [path for path in tables.root.rglob("*") if path.name.startswith(".")] == []
