"""The company's own completed trips, from its tables: what a speed profile is fitted on.

A trip's minutes run from ``actual_pickup_at`` to ``actual_dropoff_at``. The source does not say whether these are the
driver's arrival and departure or the moments the patient boards and alights, so the minutes hold the ride and an
unknown part of boarding and alighting. The fit tells the two apart as far as they can be: the ride grows with the
distance, the rest does not.
"""

import numpy as np
import numpy.typing as npt
import pandas as pd

from atmr_pipeline.domain.geo import haversine_km, in_service_area
from atmr_pipeline.domain.tables import ASSIGNMENTS, BOOKINGS
from atmr_pipeline.domain.travel import FloatArray
from atmr_pipeline.domain.vocabulary import AssignmentStatus, BookingStatus
from atmr_pipeline.state.frames import require_columns

BoolArray = npt.NDArray[np.bool_]

LONGEST_MIN = 180.0
SHORTEST_KM = 0.1
FASTEST_KMH = 120.0
DEFAULT_POINT_TRIPS = 10
DEFAULT_POINT_SHARE = 0.1
"""A geocoder's default is where at least so many trips, and this share of those that touch the point, begin and end."""

_POINT_COLUMNS = ["pickup_lat", "pickup_lon", "dropoff_lat", "dropoff_lon"]
_ASSIGNMENT_COLUMNS = ["assignment_id", "booking_id", "status", "actual_pickup_at", "actual_dropoff_at", "updated_at"]
_BOOKING_COLUMNS = ["booking_id", "service_day", "status", "scheduled_local", *_POINT_COLUMNS, "distance_km"]

TRIP_COLUMNS = ["service_day", "weekday", "hour", "straight_km", "road_km", "minutes"]


def trips_from_tables(bookings: pd.DataFrame, assignments: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, int]]:
    """Completed trips that say how long a way took, and what was left out.

    Parameters
    ----------
    bookings, assignments : DataFrame
        Tables ``BOOKINGS`` and ``ASSIGNMENTS`` of :mod:`atmr_pipeline.domain.tables`.

    Returns
    -------
    trips : DataFrame
        A row a trip, in order of day: ``service_day``; ``weekday`` (0 Monday) and ``hour`` (0 to 23) of the scheduled
        pickup, local, because that is the hour at which planners ask for a way; ``straight_km``, great circle between
        the ends; ``road_km`` as the source holds it, NaN if it does not; ``minutes`` from actual pickup to actual
        drop-off.
    excluded : dict of str to int
        Assignments left out, each by the first reason that applies: ``not_completed``, ``booking_missing``,
        ``booking_cancelled``, ``superseded`` (a later assignment completed the same booking), ``no_scheduled_time``,
        ``no_actual_times``, ``no_coordinates``, ``outside_service_area``, ``default_point`` (one end is a point where
        many trips both begin and end, as a geocoder's default does), ``too_short`` (under 100 m),
        ``not_after_pickup``, ``too_long`` (over 3 h), ``too_fast`` (over 120 km/h as the crow flies).

    Raises
    ------
    TableContractError
        A column is missing.
    """
    require_columns(bookings, _BOOKING_COLUMNS, BOOKINGS.name)
    require_columns(assignments, _ASSIGNMENT_COLUMNS, ASSIGNMENTS.name)
    done = assignments["status"] == AssignmentStatus.COMPLETED.value
    # Joined after the first cut and in as few columns as will do: a long history is large.
    rows = assignments.loc[done, _ASSIGNMENT_COLUMNS].merge(
        bookings[_BOOKING_COLUMNS], on="booking_id", how="left", suffixes=("", "_of_booking"), validate="many_to_one"
    )
    straight_km: FloatArray = haversine_km(*(rows[name].to_numpy(np.float64) for name in _POINT_COLUMNS))
    driven = rows["actual_dropoff_at"] - rows["actual_pickup_at"]
    minutes: FloatArray = np.asarray(driven.dt.total_seconds() / 60.0, dtype=np.float64)
    kept, excluded = _usable(rows, straight_km, minutes)
    local = rows.loc[kept, "scheduled_local"]
    trips = pd.DataFrame(
        {
            "service_day": rows.loc[kept, "service_day"],
            "weekday": local.dt.weekday.astype("int64"),
            "hour": local.dt.hour.astype("int64"),
            "straight_km": straight_km[kept],
            "road_km": rows.loc[kept, "distance_km"].astype("float64"),
            "minutes": minutes[kept],
        },
        columns=TRIP_COLUMNS,
    ).sort_values("service_day", kind="stable", ignore_index=True)
    left_out = {"not_completed": int((~done).sum()), **excluded}
    return trips, {reason: count for reason, count in left_out.items() if count}


def _usable(rows: pd.DataFrame, straight_km: FloatArray, minutes: FloatArray) -> tuple[BoolArray, dict[str, int]]:
    pickup, dropoff = (in_service_area(rows[f"{end}_lat"], rows[f"{end}_lon"]) for end in ("pickup", "dropoff"))
    # Comparisons with NaN are false: what is not known has left under an earlier reason.
    reasons: dict[str, npt.ArrayLike] = {
        "booking_missing": rows["status_of_booking"].isna(),
        "booking_cancelled": rows["status_of_booking"] == BookingStatus.CANCELED.value,
        "superseded": _superseded(rows),
        "no_scheduled_time": rows["scheduled_local"].isna() | rows["service_day"].isna(),
        "no_actual_times": np.isnan(minutes),
        "no_coordinates": np.isnan(straight_km),
        "outside_service_area": ~(pickup & dropoff),
        "default_point": _touches_default_point(rows),
        "too_short": straight_km < SHORTEST_KM,
        "not_after_pickup": minutes <= 0.0,
        "too_long": minutes > LONGEST_MIN,
        "too_fast": straight_km * 60.0 > FASTEST_KMH * minutes,
    }
    kept = np.ones(len(rows), dtype=bool)
    counts = {}
    for reason, applies in reasons.items():
        left_out = kept & np.asarray(applies, dtype=bool)
        counts[reason] = int(left_out.sum())
        kept &= ~left_out
    return kept, counts


def _superseded(rows: pd.DataFrame) -> pd.Series:
    order = rows[["booking_id", "updated_at", "assignment_id"]].sort_values(["updated_at", "assignment_id"])
    return order.duplicated("booking_id", keep="last").reindex(rows.index)


def _touches_default_point(rows: pd.DataFrame) -> BoolArray:
    # A trip never begins and ends at one point: where many do, the point stands for "somewhere", and so it does at the
    # one end of the trips whose other end was found.
    codes, _ = pd.factorize(np.concatenate([_point_key(rows, "pickup"), _point_key(rows, "dropoff")]))
    pickup, dropoff = codes[: len(rows)], codes[len(rows) :]
    both = np.bincount(pickup[pickup == dropoff], minlength=len(codes))
    touching = np.bincount(codes, minlength=len(codes)) - both
    is_default = (both >= DEFAULT_POINT_TRIPS) & (both >= DEFAULT_POINT_SHARE * touching)
    return np.asarray(is_default[pickup] | is_default[dropoff])


def _point_key(rows: pd.DataFrame, end: str) -> npt.NDArray[np.int64]:
    # Whole millionths of a degree (0.1 m) in one number: points are compared by the million. Unknown points are one
    # point here; their trips are left out for an earlier reason.
    lat, lon = (rows[f"{end}_{axis}"].to_numpy(np.float64) for axis in ("lat", "lon"))
    known = (np.abs(lat) <= 90.0) & (np.abs(lon) <= 180.0)
    millionths = [np.round(np.where(known, value, 0.0) * 1e6).astype(np.int64) for value in (lat, lon)]
    return np.where(known, millionths[0] * 1_000_000_000 + millionths[1], -1)
