"""One day under many plans at once, so that the feature function is called once and not once a plan.

Each plan is a copy of the day with ids and a service day of its own, after all others. A driver's day is the courses of
one service day, so the copies do not see each other; they have no actual times, so no history sees them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from atmr_pipeline.features.constants import LONGEST_WINDOW_DAYS
from atmr_pipeline.features.sources import FeatureSources

HISTORY_DAYS = LONGEST_WINDOW_DAYS + 2
"""Older rows would only be sorted for nothing."""

WEEK = 7


class DayCopies:
    """Copies of one service day.

    Parameters
    ----------
    sources : FeatureSources
    booking_ids : Series of int
        Some of the day's bookings.
    """

    def __init__(self, sources: FeatureSources, booking_ids: pd.Series) -> None:
        self._sources = sources
        bookings = sources.bookings
        days = bookings.loc[bookings["booking_id"].isin(booking_ids), "service_day"].unique()
        self._bookings = bookings[bookings["service_day"].isin(days)].sort_values("booking_id")
        self._assignments = sources.assignments[
            sources.assignments["booking_id"].isin(self._bookings["booking_id"])
        ].sort_values("assignment_id")
        self._calendar = sources.calendar[sources.calendar["service_day"].isin(days)]
        # Copies lie on the same weekday, after every day that any table knows.
        known = [
            table["service_day"].max() for table in (bookings, sources.assignments, sources.calendar) if len(table)
        ]
        ahead = (max(known) - self._bookings["service_day"].min()).days if len(self._bookings) else 0
        self._first_copy = WEEK * (ahead // WEEK + 1)
        # Copies keep the order of ids: courses at the same time are driven in that order.
        self._next_booking = 1 + int(bookings["booking_id"].max()) if len(bookings) else 1
        self._next_assignment = 1 + int(sources.assignments["assignment_id"].max()) if len(sources.assignments) else 1

    def booking_ids(self, booking_ids: pd.Series, number: int) -> pd.Series:
        """Ids of the bookings in the copy of that number, counted from 0."""
        place = np.searchsorted(self._bookings["booking_id"].to_numpy(), booking_ids.to_numpy(dtype=np.int64))
        return pd.Series(self._next_booking + number * len(self._bookings) + place, index=booking_ids.index)

    def of(self, plans: Sequence[Mapping[int, int]]) -> FeatureSources:
        """The sources with a copy of the day for each plan (changes: assignment to driver)."""
        bookings, assignments = [self._sources.bookings], [self._sources.assignments]
        calendar = [self._sources.calendar]
        for number, changes in enumerate(plans):
            moved = pd.Timedelta(days=self._first_copy + WEEK * number)
            bookings.append(
                self._bookings.assign(
                    booking_id=self.booking_ids(self._bookings["booking_id"], number),
                    service_day=self._bookings["service_day"] + moved,
                )
            )
            first = self._next_assignment + number * len(self._assignments)
            assignments.append(
                with_drivers(self._assignments, changes).assign(
                    assignment_id=first + np.arange(len(self._assignments)),
                    booking_id=self.booking_ids(self._assignments["booking_id"], number),
                    service_day=self._assignments["service_day"] + moved,
                    actual_pickup_at=pd.Series(pd.NaT, index=self._assignments.index, dtype="datetime64[us, UTC]"),
                    actual_dropoff_at=pd.Series(pd.NaT, index=self._assignments.index, dtype="datetime64[us, UTC]"),
                )
            )
            calendar.append(self._calendar.assign(service_day=self._calendar["service_day"] + moved))
        return replace(
            self._sources,
            bookings=pd.concat(bookings, ignore_index=True),
            assignments=pd.concat(assignments, ignore_index=True),
            calendar=pd.concat(calendar, ignore_index=True),
        )


def with_drivers(table: pd.DataFrame, changes: Mapping[int, int]) -> pd.DataFrame:
    """``driver_id`` replaced in the rows of the assignments that ``changes`` names."""
    if not changes:
        return table
    given = table["assignment_id"].map(dict(changes)).astype("Int64")
    return table.assign(driver_id=given.fillna(table["driver_id"].astype("Int64")))


def recent(sources: FeatureSources, decided_at: pd.Timestamp) -> FeatureSources:
    """The same sources without history that no feature reads."""
    first_day = (decided_at - pd.Timedelta(days=HISTORY_DAYS)).tz_localize(None).normalize()
    assignments = sources.assignments[sources.assignments["service_day"] >= first_day]
    is_kept = (sources.bookings["service_day"] >= first_day) | sources.bookings["booking_id"].isin(
        assignments["booking_id"]
    )
    return replace(
        sources,
        assignments=assignments.reset_index(drop=True),
        bookings=sources.bookings[is_kept].reset_index(drop=True),
    )
