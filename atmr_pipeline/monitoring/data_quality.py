"""Checks of a table's content: rows, NULLs, duplicates, freshness, and default points in disguise.

A geocoder that falls back in silence to the city centre leaves a trace: courses with different addresses and one
pair of coordinates. The check counts exactly those.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from atmr_pipeline.domain.errors import TableContractError

QUALITY_COLUMNS = {
    "table": "str",
    "check": "str",
    "column": "str",
    "value": "float64",
    "limit": "float64",
    "passed": "boolean",
    "skipped_reason": "str",
}
COORDINATE_DECIMALS = 5
"""About one metre: finer digits are noise of the source."""

COARSE_PRECISIONS = ("street", "postcode")
"""Precisions at which two addresses share a point by construction, and say so."""


@dataclass(frozen=True)
class QualityLimits:
    """What a table may hold; a limit left at None makes the figure informative only.

    Parameters
    ----------
    minimum_rows : int
    null_share : mapping, optional
        Highest NULL share per column, 0 to 1.
    duplicate_share : float, optional
        Highest share of rows that repeat an earlier row's key.
    age_days : int, optional
        Highest age of the newest row, in days.
    """

    minimum_rows: int = 1
    null_share: Mapping[str, float] | None = None
    duplicate_share: float | None = 0.0
    age_days: int | None = None


@dataclass(frozen=True)
class SharedCoordinates:
    """How many courses share a point without sharing an address.

    Parameters
    ----------
    rows, located : int
        All courses, and those with coordinates.
    shared_share : float
        Share of precisely located courses at another address's point; NaN without any.
    largest_point_share : float
        Share of all located courses, whatever their precision, that one single point holds beyond its most frequent
        address; NaN without any.
    largest_point_addresses : int
        Distinct addresses at that point.
    passed : bool or None
        None when nothing is located.
    """

    rows: int
    located: int
    shared_share: float
    largest_point_share: float
    largest_point_addresses: int
    passed: bool | None

    def summary(self) -> str:
        """One line without coordinates or addresses."""
        if self.passed is None:
            return f"none of {self.rows:,} courses is located: default points cannot be checked"
        return (
            f"{self.shared_share:.1%} of {self.located:,} located courses share coordinates without an address in "
            f"common; the largest such point holds {self.largest_point_share:.1%} "
            f"from {self.largest_point_addresses} addresses"
        )

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready copy."""
        return asdict(self)


def coordinates_share_check(
    frame: pd.DataFrame, *, max_shared_share: float = 0.02, max_point_share: float = 0.05
) -> SharedCoordinates:
    """Look for default points.

    Parameters
    ----------
    frame : DataFrame
        ``lat``, ``lon`` (degrees, NULL if unknown) and ``address_key``, one row a course and end of it. With a
        column ``precision``, rows placed at street or postcode level do not count as sharing (they say that they
        are coarse), but do count towards the largest point.
    max_shared_share : float
        Highest passing share of courses at another address's point.
    max_point_share : float
        Highest passing share of courses from other addresses at one single point, whatever the precision.

    Raises
    ------
    TableContractError
        When a column is missing.
    """
    missing = [name for name in ("lat", "lon", "address_key") if name not in frame.columns]
    if missing:
        raise TableContractError(f"coordinates check: missing columns {', '.join(missing)}")
    located = frame[frame["lat"].notna() & frame["lon"].notna()]
    if located.empty:
        return SharedCoordinates(len(frame), 0, float("nan"), float("nan"), 0, None)
    precise = located
    if "precision" in located.columns:
        precise = located[~located["precision"].isin(COARSE_PRECISIONS)]
    strangers = _strangers(located)
    worst = int(strangers["strangers"].to_numpy().argmax())
    point_share = float(strangers["strangers"].iloc[worst]) / len(located)
    shared = float(_strangers(precise)["strangers"].sum()) / len(precise) if len(precise) else float("nan")
    passed = point_share <= max_point_share and not shared > max_shared_share
    addresses = int(strangers["addresses"].iloc[worst])
    return SharedCoordinates(len(frame), len(located), shared, point_share, addresses, bool(passed))


def _strangers(located: pd.DataFrame) -> pd.DataFrame:
    """Per point: distinct addresses, and courses that do not belong to the point's most frequent address."""
    points = pd.DataFrame(
        {
            "lat": located["lat"].astype("float64").round(COORDINATE_DECIMALS),
            "lon": located["lon"].astype("float64").round(COORDINATE_DECIMALS),
            "address_key": located["address_key"].astype("str").fillna("unknown"),
        }
    )
    per_address = points.groupby(["lat", "lon", "address_key"]).size()
    per_point = per_address.groupby(level=["lat", "lon"]).agg(["sum", "max", "size"]).reset_index()
    return pd.DataFrame({"strangers": per_point["sum"] - per_point["max"], "addresses": per_point["size"]})


def table_quality(
    table: str,
    frame: pd.DataFrame,
    *,
    key: Sequence[str],
    as_of: date,
    newest_column: str | None = None,
    limits: QualityLimits | None = None,
) -> pd.DataFrame:
    """Measure one table.

    Parameters
    ----------
    table : str
        Its name, for the report.
    frame : DataFrame
    key : sequence of str
        Columns that must identify a row.
    as_of : date
        The day freshness is counted from.
    newest_column : str, optional
        Instant or day whose maximum says how fresh the table is.
    limits : QualityLimits, optional

    Returns
    -------
    DataFrame
        ``table, check, column, value, limit, passed, skipped_reason`` with the checks ``rows``, ``null_share`` (one
        row a column), ``duplicate_share`` and ``age_days``. ``passed`` is NULL where there is no limit or, with a
        reason, where the check could not be made.
    """
    limits = limits or QualityLimits()
    allowed = dict(limits.null_share or {})
    rows = [_check(table, "rows", "", float(len(frame)), limits.minimum_rows, len(frame) >= limits.minimum_rows)]
    for column in frame.columns:
        share = float(frame[column].isna().mean()) if len(frame) else float("nan")
        limit = allowed.pop(str(column), None)
        rows.append(_limited(table, "null_share", str(column), share, limit))
    rows += [
        _check(table, "null_share", column, float("nan"), limit, None, "column missing")
        for column, limit in allowed.items()
    ]
    rows.append(_duplicates(table, frame, key, limits.duplicate_share))
    if newest_column is not None:
        rows.append(_age(table, frame, newest_column, as_of, limits.age_days))
    return pd.DataFrame({name: pd.Series([row[name] for row in rows], dtype=t) for name, t in QUALITY_COLUMNS.items()})


def _duplicates(table: str, frame: pd.DataFrame, key: Sequence[str], limit: float | None) -> dict[str, Any]:
    missing = [name for name in key if name not in frame.columns]
    if missing or not key:
        reason = f"key column missing: {', '.join(missing)}" if missing else "no key given"
        return _check(table, "duplicate_share", ",".join(key), float("nan"), limit, None, reason)
    share = float(frame.duplicated(subset=list(key)).mean()) if len(frame) else float("nan")
    return _limited(table, "duplicate_share", ",".join(key), share, limit)


def _age(table: str, frame: pd.DataFrame, column: str, as_of: date, limit: int | None) -> dict[str, Any]:
    if column not in frame.columns:
        return _check(table, "age_days", column, float("nan"), limit, None, "column missing")
    newest = pd.to_datetime(frame[column]).max()
    if pd.isna(newest):
        return _check(table, "age_days", column, float("nan"), limit, None, "no known value")
    return _limited(table, "age_days", column, float((as_of - newest.date()).days), limit)


def _limited(table: str, check: str, column: str, value: float, limit: float | None) -> dict[str, Any]:
    if np.isnan(value):
        return _check(table, check, column, value, limit, None, "empty table")
    return _check(table, check, column, value, limit, None if limit is None else value <= limit)


def _check(
    table: str,
    check: str,
    column: str,
    value: float,
    limit: float | None,
    passed: bool | None,
    reason: str | None = None,
) -> dict[str, Any]:
    bound = float("nan") if limit is None else float(limit)
    return dict(zip(QUALITY_COLUMNS, (table, check, column, value, bound, passed, reason), strict=True))
