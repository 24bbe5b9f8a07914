"""How a table says what it holds."""

from collections.abc import Iterable
from typing import Any

import pandera.pandas as pa

UTC = "datetime64[us, UTC]"
LOCAL = "datetime64[us]"


def column(dtype: str, description: str, *, nullable: bool = False, isin: Iterable[Any] | None = None) -> pa.Column:
    """A column: its pandas dtype, meaning and unit, whether it may be NULL, and its closed set of values if any."""
    checks = [] if isin is None else [pa.Check.isin([str(value) for value in isin])]
    checked: str | None = dtype
    if dtype == LOCAL:
        # pandera reads every naive datetime64 as nanoseconds; the files hold microseconds, so the dtype is a check.
        checked, checks = None, [*checks, pa.Check(lambda series: series.dtype == LOCAL, name=f"dtype {LOCAL}")]
    return pa.Column(checked, checks, nullable=nullable, description=description, metadata={"dtype": dtype})


def schema(name: str, description: str, unique: list[str], columns: dict[str, pa.Column]) -> pa.DataFrameSchema:
    """A table: exactly these columns in this order, one row a key."""
    return pa.DataFrameSchema(columns, name=name, description=description, strict=True, ordered=True, unique=unique)


def column_dtype(column: pa.Column) -> str:
    """The pandas dtype of a column of this module's schemas."""
    return str((column.metadata or {})["dtype"])
