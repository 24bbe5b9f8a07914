"""How monitored columns become numbers: what is known, what is NULL, and on which day."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd
from pandas.api.types import is_bool_dtype, is_datetime64_dtype, is_numeric_dtype

from atmr_pipeline.domain.errors import TableContractError
from atmr_pipeline.monitoring.two_sample import FloatArray, IntArray

DAY_COLUMN = "service_day"


class FeatureKind(StrEnum):
    """What a feature's values are, which decides its test: KS for numbers, chi-squared for the others."""

    NUMERIC = "numeric"
    CATEGORICAL = "categorical"
    BOOLEAN = "boolean"


@dataclass(frozen=True)
class Sample:
    """A column of one period.

    Parameters
    ----------
    values : Series of shape (n,)
        NULL and infinite values are both unknown.
    days : ndarray of shape (n,)
        Number of each row's day.
    """

    values: pd.Series
    days: IntArray

    @cached_property
    def known(self) -> npt.NDArray[np.bool_]:
        """Which rows have a value, shape (n,)."""
        known = self.values.notna().to_numpy(dtype=bool)
        if is_numeric_dtype(self.values.dtype) and not is_bool_dtype(self.values.dtype):
            return known & np.isfinite(self.values.to_numpy(dtype=np.float64, na_value=np.nan))
        return known


def day_number(day: date) -> int:
    """Days since 1970-01-01."""
    return day.toordinal() - date(1970, 1, 1).toordinal()


def day_numbers(frame: pd.DataFrame) -> IntArray:
    """The service day of each row in days since 1970-01-01, shape (n,)."""
    return service_days(frame).to_numpy().astype("datetime64[D]").astype(np.int64)


def service_days(frame: pd.DataFrame) -> pd.Series:
    """The service day of each row as midnight timestamps.

    Raises
    ------
    TableContractError
        When the column is missing, is not a date, or holds NULL.
    """
    if DAY_COLUMN not in frame.columns:
        raise TableContractError(f"monitoring needs the column {DAY_COLUMN}; add the service day to the frame")
    try:
        values = frame[DAY_COLUMN].reset_index(drop=True)
        if not is_datetime64_dtype(values.dtype):
            values = pd.to_datetime(values, format="ISO8601", cache=False)
        days = values.astype("datetime64[us]").dt.normalize()
    except (TypeError, ValueError):
        raise TableContractError(f"column {DAY_COLUMN} cannot be read as dates; pass local calendar days") from None
    if days.isna().any():
        raise TableContractError(f"column {DAY_COLUMN} is NULL in {int(days.isna().sum()):,} rows; drop or date them")
    return days


def numbers(sample: Sample) -> FloatArray:
    """The known values of a numeric sample, shape (known,)."""
    return sample.values[sample.known].to_numpy(dtype=np.float64)


def labels(sample: Sample) -> npt.NDArray[np.object_]:
    """The known values of a categorical sample as text, shape (known,), so that 1, 1.0 and True compare equal."""
    values = sample.values[sample.known].infer_objects()
    if is_bool_dtype(values.dtype) or is_numeric_dtype(values.dtype):
        values = values.astype("float64")
    return values.astype(str).to_numpy(dtype=object)


def feature_kinds(frame: pd.DataFrame, names: Sequence[str]) -> dict[str, str]:
    """Kinds by dtype: boolean, numeric, or categorical for everything else.

    Raises
    ------
    TableContractError
        Naming the columns that the frame does not have.
    """
    missing = [name for name in names if name not in frame.columns]
    if missing:
        raise TableContractError(f"features to monitor: missing columns {', '.join(missing)}")
    kinds = {}
    for name in names:
        if is_bool_dtype(frame[name].dtype):
            kinds[name] = str(FeatureKind.BOOLEAN)
        else:
            kinds[name] = str(FeatureKind.NUMERIC if is_numeric_dtype(frame[name].dtype) else FeatureKind.CATEGORICAL)
    return kinds


def why_not_numeric(values: pd.Series) -> str | None:
    """Why a column cannot be compared as numbers; None if it can. A column without any value passes here."""
    if is_numeric_dtype(values.dtype) or is_bool_dtype(values.dtype) or values.notna().sum() == 0:
        return None
    return f"not numeric ({values.dtype})"
