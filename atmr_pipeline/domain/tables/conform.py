"""Frames that match a schema exactly, or an error that names columns and counts, never a value."""

from typing import Any

import pandas as pd
import pandera.pandas as pa

from atmr_pipeline.domain.errors import TableContractError
from atmr_pipeline.domain.tables.columns import column_dtype


def empty(schema: pa.DataFrameSchema) -> pd.DataFrame:
    """An empty table with the schema's columns and dtypes."""
    return pd.DataFrame({name: pd.Series([], dtype=column_dtype(column)) for name, column in schema.columns.items()})


def conform(frame: pd.DataFrame, schema: pa.DataFrameSchema) -> pd.DataFrame:
    """Order the columns, fix the dtypes and validate.

    Parameters
    ----------
    frame : DataFrame
        Must have every column of the schema; others are dropped, so that nothing unplanned flows on.
    schema : DataFrameSchema
        One of this module's schemas.

    Returns
    -------
    DataFrame
        A new frame that matches the schema exactly.

    Raises
    ------
    TableContractError
        Naming the columns, the checks and how many rows fail; never a value.
    """
    missing = [name for name in schema.columns if name not in frame.columns]
    if missing:
        raise TableContractError(f"table {schema.name}: missing columns {', '.join(missing)}")
    result = pd.DataFrame(index=range(len(frame)))
    for name, column in schema.columns.items():
        try:
            result[name] = _cast(frame[name].reset_index(drop=True), column_dtype(column))
        except (TypeError, ValueError, OverflowError):
            raise TableContractError(
                f"table {schema.name}: column {name} cannot be read as {column_dtype(column)}"
            ) from None
    try:
        schema.validate(result, lazy=True)
    except pa.errors.SchemaErrors as error:
        counts = error.failure_cases.groupby(["column", "check"], dropna=False).size()
        parts = [f"{column} fails {check} in {count} rows" for (column, check), count in counts.items()]
        raise TableContractError(f"table {schema.name}: " + "; ".join(parts)) from None
    return result


def _cast(values: pd.Series, dtype: Any) -> pd.Series:
    # pandas casts some values without a word: NULL to True or False, 1.5 to 1, "no" to True, 5 to 1970-01-01, the key 1
    # beside a NULL to "1.0". Each would be a silent default, so each is refused here.
    if dtype in ("bool", "int64"):
        whole = values.astype("boolean" if dtype == "bool" else "Int64")
        if whole.isna().any():
            raise ValueError("NULL in a column that has none")
        return whole.astype(dtype)
    if dtype == "str" or dtype.startswith("datetime64"):
        is_number = pd.api.types.is_float_dtype(values) if dtype == "str" else pd.api.types.is_numeric_dtype(values)
        if is_number and values.notna().any():
            raise TypeError(f"numbers where {dtype} is expected")
    return values.astype(dtype)
