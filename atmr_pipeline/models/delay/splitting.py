"""The one honest split: what was known before an instant, and what was decided after it."""

from datetime import date

import numpy as np
import pandas as pd

from atmr_pipeline.domain.errors import NotEnoughDataError, TableContractError
from atmr_pipeline.domain.wallclock import day_bounds_utc

TIME_COLUMNS = ("service_day", "decided_at", "known_at")


def time_split(frame: pd.DataFrame, holdout_days: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Split labelled rows by time into train and holdout.

    The holdout begins at the first instant of the local day ``holdout_days - 1`` days before the last service day.
    Train rows were decided **and** measured before that instant; holdout rows were decided at or after it. A row that
    straddles it (decided before, measured after) would carry a label that training could not have had, and a decision
    that the model could not have made: it belongs to neither. Such rows are the gap; their number is
    ``len(frame) - len(train) - len(holdout)``.

    Parameters
    ----------
    frame : DataFrame
        With ``service_day`` (naive midnight, local), ``decided_at`` and ``known_at`` (UTC).
    holdout_days : int
        Calendar days, at least 1.

    Returns
    -------
    train, holdout : DataFrame
        Rows of ``frame`` on their own index, in their order.

    Raises
    ------
    TableContractError
        If a column is missing or a time is NULL.
    NotEnoughDataError
        If either part is empty.
    """
    if holdout_days < 1:
        raise ValueError(f"holdout_days must be at least 1, not {holdout_days}")
    missing = [name for name in TIME_COLUMNS if name not in frame.columns]
    if missing:
        raise TableContractError(f"the training set lacks {', '.join(missing)}")
    null = [name for name in TIME_COLUMNS if frame[name].isna().any()]
    if null:
        raise TableContractError(f"the training set has NULL in {', '.join(null)}; leave these rows out")
    if frame.empty:
        raise NotEnoughDataError("labelled rows to split", needs=1, has=0)
    start = pd.Timestamp(day_bounds_utc(first_holdout_day(frame, holdout_days))[0])
    train = frame[(frame["decided_at"] < start) & (frame["known_at"] < start)]
    holdout = frame[frame["decided_at"] >= start]
    for name, part in (("train", train), ("holdout", holdout)):
        if part.empty:
            raise NotEnoughDataError(
                f"rows in the {name} part of a split with {holdout_days} held-out days", needs=1, has=0
            )
    return train, holdout


def holdout_days_for(frame: pd.DataFrame, *, least_days: int, least_rows: int, most_days: int) -> int:
    """Calendar days to hold out so that they hold enough rows to conclude anything.

    A quiet summer month may hold too few pickups to tell two models apart; no challenger could then be promoted, even
    where the world has changed. The holdout reaches further back instead, but not beyond ``most_days`` nor a third of
    the history: a young company needs its days to learn from.

    Parameters
    ----------
    frame : DataFrame
        With ``service_day``.
    least_days, most_days : int
        Bounds of the answer.
    least_rows : int
        Rows wanted; fewer, if the most days hold fewer.
    """
    if not 1 <= least_days <= most_days:
        raise ValueError(f"least_days must be from 1 to most_days, not {least_days} with {most_days}")
    if frame.empty:
        return least_days
    last = frame["service_day"].max()
    ages = np.sort(((last - frame["service_day"]).dt.days + 1).to_numpy())
    needed = int(ages[min(least_rows, len(ages)) - 1]) if least_rows > 0 else least_days
    return max(min(needed, most_days, int(ages[-1]) // 3), least_days)


def first_holdout_day(frame: pd.DataFrame, holdout_days: int) -> date:
    """The local day at whose first instant the holdout begins."""
    last: pd.Timestamp = frame["service_day"].max()
    return (last - pd.Timedelta(days=holdout_days - 1)).date()
