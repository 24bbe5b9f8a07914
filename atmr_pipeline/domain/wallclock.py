"""From the wall clock of Europe/Zurich to the UTC line, on the two odd days too.

On the last Sunday of October the wall clock shows 02:00 to 03:00 twice; on the last Sunday of March it never shows
them. A time that happened twice is placed at its earlier instant and says so; a time that never happened has no
instant. Neither is guessed in silence.
"""

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from atmr_pipeline.domain.vocabulary import LOCAL_TIMEZONE, WallClockStatus

ALL_DAYS = (date(1970, 1, 1), date(9998, 12, 31))
"""First and last day of an inclusive range that leaves nothing out, one day short of what a date can hold."""


def to_utc(local: pd.Series, timezone: str = LOCAL_TIMEZONE) -> pd.DataFrame:
    """Place wall-clock times on the UTC line.

    Parameters
    ----------
    local : Series of datetime64 without time zone
        Wall-clock times; NaT where unknown.

    Returns
    -------
    DataFrame
        ``scheduled_at`` (UTC, microseconds) and ``scheduled_status`` (:class:`WallClockStatus`), on ``local``'s index.
    """
    naive = pd.to_datetime(local, cache=False).astype("datetime64[us]")
    earlier = naive.dt.tz_localize(timezone, ambiguous=np.ones(len(naive), dtype=bool), nonexistent="NaT")
    unambiguous = naive.dt.tz_localize(timezone, ambiguous="NaT", nonexistent="NaT")
    status = pd.Series(WallClockStatus.EXACT.value, index=naive.index, dtype="str")
    status[unambiguous.isna() & earlier.notna()] = WallClockStatus.AMBIGUOUS_EARLIER.value
    status[earlier.isna()] = WallClockStatus.NONEXISTENT.value
    status[naive.isna()] = WallClockStatus.MISSING.value
    return pd.DataFrame(
        {"scheduled_at": earlier.dt.tz_convert("UTC").astype("datetime64[us, UTC]"), "scheduled_status": status}
    )


def to_local(instants: pd.Series, timezone: str = LOCAL_TIMEZONE) -> pd.Series:
    """Wall-clock times (no time zone) of UTC instants."""
    return instants.dt.tz_convert(timezone).dt.tz_localize(None).astype("datetime64[us]")


def day_bounds_utc(day: date, timezone: str = LOCAL_TIMEZONE) -> tuple[datetime, datetime]:
    """First instant of a local day and of the next one: 23, 24 or 25 hours apart."""
    zone = ZoneInfo(timezone)
    start = datetime(day.year, day.month, day.day, tzinfo=zone)
    after = day + timedelta(days=1)
    return start.astimezone(ZoneInfo("UTC")), datetime(after.year, after.month, after.day, tzinfo=zone).astimezone(
        ZoneInfo("UTC")
    )
