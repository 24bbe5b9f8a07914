"""The source tables as they stood at a decision, and the same tables with another future."""

from dataclasses import replace

import numpy as np
import pandas as pd

from atmr_pipeline.features.sources import FeatureSources

ENDS = ("COMPLETED", "CANCELLED", "NO_SHOW", "REASSIGNED", "SCHEDULED")
BOOKING_ENDS = ("ASSIGNED", "COMPLETED", "CANCELED")
HORIZON_S = 10**6
DROPPED_SHARE = 0.3


def as_known(sources: FeatureSources, at: pd.Timestamp, decided: pd.Series) -> FeatureSources:
    """Remove everything that became known at ``at`` or later.

    Assignments, forecasts and bookings written later are gone, actual times not yet reached are NULL, statuses that a
    later change wrote are as at the start, and so are plans and positions. A course that had ended before keeps its
    status: what is corrected on it later cannot be told from what was written at its end.

    Parameters
    ----------
    sources : FeatureSources
    at : Timestamp
        The decision.
    decided : Series
        Bookings decided on: they stay whatever their date of creation says.
    """
    assignments = sources.assignments[sources.assignments["created_at"] <= at].copy()
    open_ = _open(assignments, at)
    for name in ("actual_pickup_at", "actual_dropoff_at"):
        assignments[name] = assignments[name].where(assignments[name] < at)
    changed = open_ & (assignments["updated_at"] > at)
    assignments["status"] = assignments["status"].mask(changed, "SCHEDULED")
    assignments["updated_at"] = assignments["updated_at"].mask(changed, assignments["created_at"])

    bookings = sources.bookings
    needed = bookings["booking_id"].isin(assignments["booking_id"]) | bookings["booking_id"].isin(decided)
    bookings = bookings[(bookings["created_at"] <= at) | needed].copy()
    later = _changed_later(bookings, sources.assignments, at)
    bookings["status"] = bookings["status"].mask(later, "ASSIGNED")
    bookings["driver_id"] = bookings["driver_id"].mask(later)
    bookings["updated_at"] = bookings["updated_at"].mask(later, bookings["created_at"])

    runs = sources.dispatch_runs.copy()
    running = runs["completed_at"] > at
    runs["status"] = runs["status"].mask(running, "RUNNING")
    runs["completed_at"] = runs["completed_at"].mask(running)
    drivers = sources.drivers.copy()
    for name in ("lat", "lon", "position_at"):
        drivers[name] = drivers[name].mask(sources.drivers["position_at"] > at)
    weather = sources.weather[sources.weather["issued_at"] <= at]
    return replace(
        sources, assignments=assignments, bookings=bookings, dispatch_runs=runs, drivers=drivers, weather=weather
    )


def altered(sources: FeatureSources, at: pd.Timestamp, rng: np.random.Generator) -> FeatureSources:
    """Give the world another future: what :func:`as_known` removes is drawn at random, and some of it left out."""
    return replace(
        sources,
        assignments=_other_assignments(sources, at, rng),
        bookings=_other_bookings(sources, at, rng),
        weather=_other_weather(sources.weather, at, rng),
    )


def _open(assignments: pd.DataFrame, at: pd.Timestamp) -> pd.Series:
    return ~(assignments["actual_dropoff_at"] < at)


def _changed_later(bookings: pd.DataFrame, assignments: pd.DataFrame, at: pd.Timestamp) -> pd.Series:
    """Bookings whose last change came after ``at`` and whose course had not ended before it."""
    ended = assignments.loc[~_open(assignments, at), "booking_id"]
    return (bookings["updated_at"] > at) & ~bookings["booking_id"].isin(ended)


def _later(at: pd.Timestamp, rows: pd.DataFrame, rng: np.random.Generator) -> pd.Series:
    ahead = pd.to_timedelta(rng.integers(1, HORIZON_S, len(rows)), unit="s")
    return pd.Series(at + ahead, index=rows.index).astype("datetime64[us, UTC]")


def _chosen(values: object, rows: pd.DataFrame, rng: np.random.Generator) -> pd.Series:
    return pd.Series(rng.choice(np.asarray(values), len(rows)), index=rows.index)


def _other_assignments(sources: FeatureSources, at: pd.Timestamp, rng: np.random.Generator) -> pd.DataFrame:
    rows = sources.assignments.copy()
    unwritten = rows["created_at"] > at
    changed = _open(rows, at) & ((rows["updated_at"] > at) | unwritten)
    pickup, ride = _later(at, rows, rng), pd.to_timedelta(rng.integers(60, 18_000, len(rows)), unit="s")
    unknown = rng.random(len(rows)) < DROPPED_SHARE
    for name, drawn in (("actual_pickup_at", pickup), ("actual_dropoff_at", pickup + ride)):
        rows[name] = rows[name].where(rows[name] < at, drawn.mask(unknown))
    rows["status"] = rows["status"].mask(changed, _chosen(ENDS, rows, rng))
    rows["updated_at"] = rows["updated_at"].mask(changed, _later(at, rows, rng))
    fleet = sources.drivers["driver_id"].to_numpy()
    if len(fleet):
        rows["driver_id"] = rows["driver_id"].mask(unwritten, _chosen(fleet, rows, rng).astype("Int64"))
    return rows[~(unwritten & (rng.random(len(rows)) < DROPPED_SHARE))]


def _other_bookings(sources: FeatureSources, at: pd.Timestamp, rng: np.random.Generator) -> pd.DataFrame:
    rows = sources.bookings.copy()
    changed = _changed_later(rows, sources.assignments, at)
    rows["status"] = rows["status"].mask(changed, _chosen(BOOKING_ENDS, rows, rng))
    rows["updated_at"] = rows["updated_at"].mask(changed, _later(at, rows, rng))
    return rows


def _other_weather(weather: pd.DataFrame, at: pd.Timestamp, rng: np.random.Generator) -> pd.DataFrame:
    rows = weather.copy()
    later = rows["issued_at"] > at
    for name in ("rain_mm", "snow_cm", "temperature_c"):
        rows[name] = rows[name].mask(later, 99.0)
    return rows[~(later & (rng.random(len(rows)) < DROPPED_SHARE))]
