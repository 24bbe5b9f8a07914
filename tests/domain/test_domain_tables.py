"""conform: a table matches its schema exactly or is refused, and no value is changed without a word."""

import numpy as np
import pandas as pd
import pandera.pandas as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pandera.errors import SchemaErrors

from atmr_pipeline.domain.errors import TableContractError
from atmr_pipeline.domain.tables import TABLES, conform, empty

DRIVERS, FORECAST, RUNS = TABLES["drivers"], TABLES["weather_forecast"], TABLES["dispatch_runs"]


def drivers(**changes: object) -> pd.DataFrame:
    columns = {
        "driver_id": [1, 2], "company_id": [1, 1], "initials": ["AB", None], "driver_type": ["REGULAR", "EMERGENCY"],
        "is_active": [True, False], "is_available": [True, True], "weekly_hours": [42.0, None], "lat": [46.2, None],
        "lon": [6.1, None], "position_at": pd.to_datetime(["2025-01-01T08:00:00Z", None]),
    }  # fmt: skip
    return pd.DataFrame({**columns, **changes})


@pytest.mark.parametrize("name", sorted(TABLES))
def test_an_empty_table_conforms(name: str) -> None:
    frame = empty(TABLES[name])
    pd.testing.assert_frame_equal(conform(frame, TABLES[name]), frame)
    assert TABLES[name].description
    assert all(column.description for column in TABLES[name].columns.values())


def test_columns_are_ordered_and_others_dropped() -> None:
    frame = drivers(customer_name="Patient Fictif")[["customer_name", *reversed(list(DRIVERS.columns))]]
    frame.index = pd.Index([5, 5])
    result = conform(frame, DRIVERS)
    assert list(result.columns) == list(DRIVERS.columns)
    assert result.index.tolist() == [0, 1]
    assert result["driver_id"].tolist() == [1, 2]
    assert frame.index.tolist() == [5, 5], "the argument is left alone"
    assert result["initials"].isna().tolist() == [False, True]
    assert str(result["position_at"].dtype) == "datetime64[us, UTC]"


def test_conforming_twice_changes_nothing() -> None:
    once = conform(drivers(), DRIVERS)
    pd.testing.assert_frame_equal(conform(once, DRIVERS), once)


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("driver_id", [1.5, 2]),
        ("driver_id", [1, None]),
        ("driver_id", ["one", "two"]),
        ("driver_id", [2**63, 1]),
        ("is_active", [True, None]),
        ("is_active", [1.0, np.nan]),
        ("is_active", ["no", "yes"]),
        ("is_active", [2, 0]),
        ("initials", [1.5, None]),
        ("weekly_hours", ["many", "few"]),
        ("position_at", [5, 6]),
        ("position_at", pd.to_datetime(["2025-01-01", "2025-01-02"])),
        ("position_at", ["soon", "later"]),
    ],
)
def test_values_that_would_change_are_refused(column: str, values: object) -> None:
    with pytest.raises(TableContractError, match=f"column {column} cannot be read"):
        assert len(conform(drivers(**{column: values}), DRIVERS)) == len(values)


@pytest.mark.parametrize(
    ("column", "values"),
    [("driver_id", [1.0, 2.0]), ("is_active", [1, 0]), ("initials", [None, None]), ("position_at", [np.nan, np.nan]),
     ("weekly_hours", [40, 20]), ("is_active", pd.array([True, False], dtype="boolean"))],
)  # fmt: skip
def test_harmless_dtypes_are_accepted(column: str, values: object) -> None:
    assert len(conform(drivers(**{column: values}), DRIVERS)) == len(values)


def test_a_wall_clock_takes_no_instant() -> None:
    frame = pd.DataFrame(
        {"dispatch_run_id": [1], "company_id": [1], "service_day": pd.to_datetime(["2025-01-01T00:00:00Z"]),
         "status": ["COMPLETED"], "started_at": [None], "completed_at": [None]}
    )  # fmt: skip
    with pytest.raises(TableContractError, match="service_day"):
        conform(frame, RUNS)
    frame["service_day"] = pd.to_datetime(["2025-01-01"]).as_unit("ns")
    assert str(conform(frame, RUNS)["service_day"].dtype) == "datetime64[us]"


def test_missing_columns_are_all_named() -> None:
    with pytest.raises(TableContractError, match="drivers: missing columns company_id, lon"):
        conform(drivers().drop(columns=["company_id", "lon"]), DRIVERS)


def test_failures_name_column_check_and_count_but_no_value() -> None:
    with pytest.raises(TableContractError) as error:
        conform(drivers(driver_id=[7001, 7001], driver_type=["Patient Fictif", "REGULAR"]), DRIVERS)
    message = str(error.value)
    assert "driver_type fails" in message
    assert "in 1 rows" in message
    assert "uniqueness" in message
    assert "Fictif" not in message
    assert "7001" not in message
    assert "\n" not in message
    assert error.value.__cause__ is None
    assert error.value.__suppress_context__
    with pytest.raises(TableContractError) as error:
        conform(drivers(driver_id=["Patient Fictif", 1]), DRIVERS)
    assert "Fictif" not in str(error.value)


instants = st.datetimes(pd.Timestamp("2000-01-01").to_pydatetime(), pd.Timestamp("2050-01-01").to_pydatetime())
measures = st.one_of(st.none(), st.floats(allow_nan=False, allow_infinity=False))


@given(st.lists(st.tuples(instants, instants, measures, measures), max_size=15, unique_by=lambda row: row[:2]))
def test_conform_keeps_every_value(rows: list[tuple]) -> None:
    frame = pd.DataFrame(rows, columns=["issued_at", "valid_at", "rain_mm", "snow_cm"], dtype=object)
    for name in ("issued_at", "valid_at"):
        frame[name] = pd.to_datetime(frame[name]).dt.tz_localize("UTC")
    result = conform(frame.assign(temperature_c=None), FORECAST)
    validated: pa.DataFrameSchema = FORECAST
    validated.validate(result)
    assert result["issued_at"].tolist() == frame["issued_at"].tolist()
    for name in ("rain_mm", "snow_cm"):
        assert [None if np.isnan(value) else value for value in result[name]] == list(frame[name])


def test_the_schemas_refuse_what_conform_would_have_fixed() -> None:
    with pytest.raises(SchemaErrors):
        DRIVERS.validate(drivers().assign(extra=1), lazy=True)
