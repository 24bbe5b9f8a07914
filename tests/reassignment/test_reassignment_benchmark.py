"""The benchmark asks with what was known at the moment, and changes nothing but the drivers."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pandas as pd
import pytest
from reassignment_day import DAY, LATE, NOW, PUNCTUAL, Scene

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "reassignment.py"


@pytest.fixture(scope="module")
def benchmark() -> ModuleType:
    spec = importlib.util.spec_from_file_location("reassignment_benchmark", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_nothing_of_later_is_known(benchmark: ModuleType) -> None:
    tables = Scene([(8.0, LATE, 0.0), (12.0, PUNCTUAL, 3.0)]).tables()
    moment = NOW - pd.Timedelta(days=3, hours=10)
    known = benchmark.as_known_at(tables, moment, {}).sources
    assert (known.assignments["created_at"] <= moment).all()
    assert (known.bookings["created_at"] <= moment).all()
    for table in (known.assignments, known.bookings):
        assert (table["updated_at"] <= moment).all()
    for name in ("actual_pickup_at", "actual_dropoff_at"):
        assert not (known.assignments[name] > moment).any()
    ended = known.assignments["actual_dropoff_at"].notna()
    assert 0 < ended.sum() < len(tables.sources.assignments)
    assert (known.assignments["status"] == "COMPLETED").sum() >= ended.sum()


def test_changes_made_before_are_part_of_what_is_known(benchmark: ModuleType) -> None:
    tables = Scene([(8.0, LATE, 0.0), (12.0, PUNCTUAL, 3.0)]).tables()
    known = benchmark.as_known_at(tables, NOW, {10: PUNCTUAL}).sources.assignments
    today = known[known["service_day"] == DAY].set_index("assignment_id")["driver_id"]
    assert today.to_dict() == {10: PUNCTUAL, 20: PUNCTUAL}
