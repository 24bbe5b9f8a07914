"""What each day holds, in a few numbers: how the source and what was stored are compared without reading either.

A change that leaves no trace in ``updated_at`` of the day it touches shows here: a deleted booking, one that moved to
another day or lost its time, rows that appeared with an old time of change. So does the latest change of a day itself,
whoever read the day and whenever.
"""

from collections.abc import Iterable
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from atmr_pipeline.sources.operations.convert import instants
from atmr_pipeline.sources.operations.queries import as_day

IntArray = npt.NDArray[np.int64]

_KEYS = {"booking": "booking_id", "assignment": "assignment_id", "dispatch_run": "dispatch_run_id"}
DIGEST_COLUMNS = [name for table in _KEYS for name in (f"{table}s", f"{table}_id_sum", f"{table}_changed_us")]
"""Of each table the number of rows, the sum over their ids, and the latest change in microseconds since 1970, UTC."""

_FOLD, _PRIME = 2_147_483_647, 2_147_483_629


def digests_of(bookings: pd.DataFrame, assignments: pd.DataFrame, dispatch_runs: pd.DataFrame) -> pd.DataFrame:
    """Digests of tables as extracted; their key, ``service_day`` and times of change are enough.

    Returns
    -------
    DataFrame
        As :meth:`OperationsDatabase.day_digests` gives it.
    """
    parts = []
    for (table, key), frame in zip(_KEYS.items(), (bookings, assignments, dispatch_runs), strict=True):
        # The remainder has the sign of the id, as in SQL; squared it has none.
        folded = np.fmod(frame[key].to_numpy(dtype="int64"), _FOLD)
        values = pd.DataFrame({"square": folded * folded % _PRIME, "changed_us": _changed_us(frame)})
        days = values.groupby(frame["service_day"].to_numpy())
        part = pd.DataFrame(
            {
                f"{table}s": days.size(),
                f"{table}_id_sum": days["square"].sum(),
                f"{table}_changed_us": days["changed_us"].max(),
            }
        )
        parts.append(part.rename_axis("service_day"))
    return _as_digests(pd.concat(parts, axis=1).reset_index())


def from_counts(rows: Iterable[Any], *, naive_is_utc: bool) -> pd.DataFrame:
    """Digests from rows of table name, day, number of rows, sum over ids and latest change."""
    records = pd.DataFrame(list(rows), columns=["table", "day", "count", "id_sum", "changed_at"], dtype=object)
    changed_at = instants(records["changed_at"], "updated_at", naive_is_utc=naive_is_utc)
    days: dict[date, dict[str, int]] = {}
    for table, text, count, id_sum, changed_us in zip(
        records["table"], records["day"], records["count"], records["id_sum"], _microseconds(changed_at), strict=True
    ):
        if (day := as_day(text)) is not None:
            digest = {f"{table}s": int(count), f"{table}_id_sum": int(id_sum), f"{table}_changed_us": int(changed_us)}
            days.setdefault(day, {}).update(digest)
    return _as_digests(pd.DataFrame([{"service_day": day, **values} for day, values in days.items()]))


def changed_by_digest(source: pd.DataFrame, stored: pd.DataFrame) -> list[date]:
    """Days whose digests differ, in order.

    Parameters
    ----------
    source, stored : DataFrame
        ``service_day`` and the columns of :data:`DIGEST_COLUMNS`. A day or a column that is absent on one side counts
        as holding nothing there.
    """
    left, right = (_as_digests(side).set_index("service_day") for side in (source, stored))
    days = left.index.union(right.index)
    differ = (left.reindex(days, fill_value=0) != right.reindex(days, fill_value=0)).any(axis=1)
    return [pd.Timestamp(day).date() for day in days[differ.to_numpy()]]


def _as_digests(frame: pd.DataFrame) -> pd.DataFrame:
    whole = frame.reindex(columns=["service_day", *DIGEST_COLUMNS])
    whole[DIGEST_COLUMNS] = whole[DIGEST_COLUMNS].fillna(0).astype("int64")
    return whole.astype({"service_day": "datetime64[us]"}).sort_values("service_day", ignore_index=True)


def _changed_us(frame: pd.DataFrame) -> IntArray:
    """When each row last changed; a plan has no ``updated_at``, it changes when it starts and when it ends."""
    if "updated_at" in frame.columns:
        return _microseconds(frame["updated_at"])
    return _microseconds(frame["completed_at"].fillna(frame["started_at"]))


def _microseconds(at: pd.Series) -> IntArray:
    """Microseconds since 1970, UTC; 0 where the time is not known, on both sides of a comparison."""
    naive = at.dt.tz_convert("UTC").dt.tz_localize(None).astype("datetime64[us]")
    return np.where(naive.isna(), 0, naive.to_numpy().astype("int64"))
