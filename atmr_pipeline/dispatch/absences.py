"""When drivers are away although on shift, as minutes of a service day."""

import pandas as pd

from atmr_pipeline.dispatch.problem import MAX_DAY_MIN
from atmr_pipeline.domain.wallclock import to_local

Window = tuple[float, float]


def absence_windows(absences: pd.DataFrame, service_day: pd.Timestamp) -> dict[int, list[Window]]:
    """Absences that touch a service day, in order.

    Parameters
    ----------
    absences : DataFrame
        Table ``DRIVER_ABSENCES`` of :mod:`atmr_pipeline.domain.tables`. One may have begun days before and end days
        after.
    service_day : Timestamp
        Its local midnight.

    Returns
    -------
    dict of int to list of (from_min, to_min)
        By driver; minutes after local midnight, cut to 0 and 2880.
    """
    from_min = (to_local(absences["start_at"]) - service_day).dt.total_seconds() / 60.0
    to_min = (to_local(absences["end_at"]) - service_day).dt.total_seconds() / 60.0
    touches = (from_min < MAX_DAY_MIN) & (to_min > 0.0)
    windows: dict[int, list[Window]] = {}
    rows = zip(absences["driver_id"][touches], from_min[touches], to_min[touches], strict=True)
    for driver_id, start, end in sorted(rows):
        windows.setdefault(int(driver_id), []).append((max(float(start), 0.0), min(float(end), MAX_DAY_MIN)))
    return windows


def away_all_shift(shifts: pd.DataFrame, absences: pd.DataFrame) -> pd.Series:
    """Shifts during all of which their driver is away, by one absence; bool, indexed as ``shifts``.

    Parameters
    ----------
    shifts : DataFrame
        With ``driver_id``, ``start_at`` and ``end_at``; index unique.
    absences : DataFrame
        Table ``DRIVER_ABSENCES``.
    """
    spells = absences[["driver_id", "start_at", "end_at"]].rename(columns={"start_at": "from_at", "end_at": "to_at"})
    pairs = shifts[["driver_id", "start_at", "end_at"]].reset_index(names="shift").merge(spells, on="driver_id")
    covered = pairs.loc[(pairs["from_at"] <= pairs["start_at"]) & (pairs["to_at"] >= pairs["end_at"]), "shift"]
    return pd.Series(shifts.index.isin(covered), index=shifts.index)
