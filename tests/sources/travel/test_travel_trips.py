"""Completed trips from the tables; whatever is left out is counted, once."""

import numpy as np
import pandas as pd
import pytest

from atmr_pipeline.domain.errors import TableContractError
from atmr_pipeline.domain.tables import ASSIGNMENTS, BOOKINGS, conform, empty
from atmr_pipeline.domain.wallclock import to_utc
from atmr_pipeline.sources.travel import trips_from_tables
from atmr_pipeline.sources.travel.trips import TRIP_COLUMNS

CREATED = pd.Timestamp("2026-01-01", tz="UTC")
GOOD = {
    "booking_id": 1, "status": "COMPLETED", "local": "2026-06-03 09:20", "pickup_lat": 46.2, "pickup_lon": 6.1,
    "dropoff_lat": 46.22, "dropoff_lon": 6.15, "distance_km": 6.0,
    "assignment": "COMPLETED", "pickup": "2026-06-03 07:28", "dropoff": "2026-06-03 07:58",
}  # fmt: skip


def tables(*rows):
    frame = pd.DataFrame([GOOD | {"booking_id": number} | row for number, row in enumerate(rows, start=1)])
    local = pd.to_datetime(frame["local"]).astype("datetime64[us]")
    bookings = frame.drop_duplicates("booking_id").assign(
        company_id=1, service_day=local.dt.normalize().fillna(pd.Timestamp("2026-06-03")), scheduled_local=local,
        patient_key=None, driver_id=None, leg="outbound", is_round_trip=False, parent_booking_id=None,
        time_confirmed=None, is_urgent=False, is_medical=True, is_hospital=False, is_wheelchair=None, duration_min=None,
        created_at=CREATED, updated_at=CREATED, **to_utc(local),
    )  # fmt: skip
    assignments = pd.DataFrame(
        {
            "assignment_id": range(1, len(frame) + 1), "booking_id": frame["booking_id"], "status": frame["assignment"],
            "service_day": pd.Timestamp("2026-06-03"), "driver_id": 1, "dispatch_run_id": None,
            "planned_pickup_at": None, "planned_dropoff_at": None,
            "actual_pickup_at": pd.to_datetime(frame["pickup"], utc=True, format="ISO8601"),
            "actual_dropoff_at": pd.to_datetime(frame["dropoff"], utc=True, format="ISO8601"),
            "created_at": CREATED, "updated_at": [CREATED + pd.Timedelta(minutes=n) for n in range(len(frame))],
        }
    )  # fmt: skip
    return conform(bookings, BOOKINGS), conform(assignments, ASSIGNMENTS)


def test_a_trip_has_the_hour_that_planners_ask_for():
    trips, excluded = trips_from_tables(*tables({}, {"local": "2026-06-02 17:59", "distance_km": None}))
    assert excluded == {}
    assert list(trips.columns) == TRIP_COLUMNS
    assert trips["service_day"].tolist() == [pd.Timestamp("2026-06-02"), pd.Timestamp("2026-06-03")]
    assert trips["weekday"].tolist() == [1, 2]
    assert trips["hour"].tolist() == [17, 9]
    assert trips["minutes"].tolist() == [30.0, 30.0]
    assert trips["straight_km"].to_numpy() == pytest.approx(4.443, abs=0.01)
    assert np.isnan(trips["road_km"][0])
    assert trips["road_km"][1] == 6.0


def test_minutes_do_not_know_the_clock_change():
    row = {"local": "2026-10-25 02:30", "pickup": "2026-10-25 00:50", "dropoff": "2026-10-25 01:10"}
    trips, _ = trips_from_tables(*tables(row))
    assert trips[["weekday", "hour", "minutes"]].to_numpy().tolist() == [[6, 2, 20.0]]


EXCLUDED = {
    "not_completed": {"assignment": "NO_SHOW"},
    "booking_cancelled": {"status": "CANCELED"},
    "no_scheduled_time": {"local": None},
    "no_actual_times": {"dropoff": None},
    "no_coordinates": {"dropoff_lon": None},
    "outside_service_area": {"pickup_lat": 0.0, "pickup_lon": 0.0},
    "too_short": {"dropoff_lat": 46.2005, "dropoff_lon": 6.1},
    "not_after_pickup": {"dropoff": "2026-06-03 07:28"},
    "too_long": {"dropoff": "2026-06-03 10:28:01"},
    "too_fast": {"dropoff": "2026-06-03 07:30"},
}


@pytest.mark.parametrize("reason", EXCLUDED)
def test_what_says_nothing_is_left_out_by_reason(reason):
    trips, excluded = trips_from_tables(*tables({}, EXCLUDED[reason]))
    assert (len(trips), excluded) == (1, {reason: 1})


def test_every_assignment_is_a_trip_or_has_one_reason():
    rows = [{}, *EXCLUDED.values(), EXCLUDED["too_fast"] | EXCLUDED["booking_cancelled"]]
    bookings, assignments = tables(*rows)
    trips, excluded = trips_from_tables(bookings[bookings["booking_id"] != 1], assignments)
    assert excluded == dict.fromkeys(EXCLUDED, 1) | {"booking_missing": 1, "booking_cancelled": 2}
    assert len(trips) + sum(excluded.values()) == len(assignments)


def test_a_booking_is_one_trip_of_its_last_assignment():
    trips, excluded = trips_from_tables(*tables({}, {"booking_id": 1, "dropoff": "2026-06-03 07:48"}))
    assert excluded == {"superseded": 1}
    assert trips["minutes"].tolist() == [20.0]


def test_a_point_that_stands_for_somewhere_is_no_place():
    default = {"pickup_lat": 46.2044, "pickup_lon": 6.1432}
    nowhere = default | {"dropoff_lat": 46.2044, "dropoff_lon": 6.1432}
    rows = [{}] * 5 + [nowhere] * 12 + [default] * 30 + [{"dropoff_lat": 46.2044, "dropoff_lon": 6.1432}] * 8
    trips, excluded = trips_from_tables(*tables(*rows))
    assert (len(trips), excluded) == (5, {"default_point": 50})


def test_a_busy_hospital_is_a_place():
    hospital = {"pickup_lat": 46.1930, "pickup_lon": 6.1490}
    transfer = hospital | {"dropoff_lat": 46.1930, "dropoff_lon": 6.1490}
    trips, excluded = trips_from_tables(*tables(*[hospital] * 200, *[transfer] * 12))
    assert (len(trips), excluded) == (200, {"too_short": 12})


def test_no_tables_no_trips():
    trips, excluded = trips_from_tables(empty(BOOKINGS), empty(ASSIGNMENTS))
    assert (len(trips), excluded) == (0, {})
    assert list(trips.columns) == TRIP_COLUMNS


def test_a_missing_column_is_named():
    with pytest.raises(TableContractError, match="actual_dropoff_at"):
        trips_from_tables(empty(BOOKINGS), empty(ASSIGNMENTS).drop(columns="actual_dropoff_at"))
