"""Between pandas frames and SQL rows, with NULL for every kind of missing value and no lost time zone."""

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any

import pandas as pd
import sqlalchemy as sa

from atmr_pipeline.domain.errors import TableContractError
from atmr_pipeline.domain.tables import LOCAL, UTC
from atmr_pipeline.state.types import UtcDateTime


def require_columns(frame: pd.DataFrame, columns: Sequence[str], what: str) -> None:
    """Refuse a frame that lacks columns, naming them.

    Raises
    ------
    TableContractError
    """
    missing = [name for name in columns if name not in frame.columns]
    if missing:
        raise TableContractError(f"{what}: missing columns {', '.join(missing)}")


def require_known(frame: pd.DataFrame, columns: Sequence[str], what: str) -> None:
    """Refuse a frame with missing values in columns where they have no meaning.

    Raises
    ------
    TableContractError
    """
    counts = frame[list(columns)].isna().sum()
    if counts.any():
        parts = [f"{name} in {count} rows" for name, count in counts.items() if count]
        raise TableContractError(f"{what}: unknown values: {', '.join(parts)}")


def to_rows(frame: pd.DataFrame, table: sa.Table) -> list[dict[str, Any]]:
    """Rows of a frame as parameters for a table: the columns that both have, days as dates, missing as None."""
    shared = [column for column in table.columns if column.name in frame.columns]
    values = {column.name: _parameters(frame[column.name], column) for column in shared}
    return [dict(zip(values, row, strict=True)) for row in zip(*values.values(), strict=True)]


def to_frame(rows: Iterable[Sequence[Any]], columns: Sequence[sa.Column[Any]]) -> pd.DataFrame:
    """A frame of selected columns whose dtypes do not depend on the rows: also right when there are none."""
    data = pd.DataFrame([tuple(row) for row in rows], columns=[column.name for column in columns], dtype=object)
    dtypes: dict[str, str] = {}
    for column in columns:
        if isinstance(column.type, UtcDateTime):
            data[column.name] = pd.to_datetime(data[column.name], utc=True)
            dtypes[column.name] = UTC
        elif isinstance(column.type, sa.Date):
            data[column.name] = pd.to_datetime(data[column.name])
            dtypes[column.name] = LOCAL
        elif isinstance(column.type, sa.Integer):
            dtypes[column.name] = "Int64" if column.nullable else "int64"
        elif isinstance(column.type, sa.Float):
            dtypes[column.name] = "float64"
        elif isinstance(column.type, sa.String):
            dtypes[column.name] = "str"
    return data.astype(dtypes)


def _parameters(series: pd.Series, column: sa.Column[Any]) -> list[Any]:
    values = [None if missing else value for value, missing in zip(series.tolist(), series.isna(), strict=True)]
    if isinstance(column.type, sa.Date):
        return [_day(value) for value in values]
    if isinstance(column.type, UtcDateTime):
        return [None if value is None else pd.Timestamp(value).to_pydatetime() for value in values]
    return values


def _day(value: Any) -> date | None:
    return None if value is None else pd.Timestamp(value).date()


def count_values(values: pd.Series) -> dict[str, int]:
    """How often each known value stands in a column, the most frequent first; NULL is not counted."""
    return {str(value): int(count) for value, count in values.dropna().value_counts().items()}
