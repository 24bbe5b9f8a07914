"""A day's record, from a database and from workbooks."""

import json

import numpy as np
import pandas as pd
import pytest
from feature_frames import World, random_world

from atmr_pipeline.domain.errors import TableContractError
from atmr_pipeline.domain.tables import DRIVER_SHIFTS, GEOCODED_COURSES, conform, empty
from atmr_pipeline.features.history import historical_dispatches, to_json

DAY = pd.Timestamp(2025, 3, 10)
NO_COURSES = empty(GEOCODED_COURSES)


def shifts(*drivers: int, status: str | None = "PLANNED") -> pd.DataFrame:
    start = DAY.tz_localize("UTC") + pd.Timedelta(hours=6)
    rows = [
        {"shift_id": number, "company_id": 1, "driver_id": driver, "service_day": DAY, "start_at": start,
         "end_at": start + pd.Timedelta(hours=8), "status": status}
        for number, driver in enumerate(drivers)
    ]  # fmt: skip
    return conform(pd.DataFrame(rows), DRIVER_SHIFTS) if rows else empty(DRIVER_SHIFTS)


def courses(driver_ids: list[int | None], distance_km: list[float]) -> pd.DataFrame:
    frame = pd.DataFrame(
        {"leg_key": [f"{number:032x}" for number in range(len(driver_ids))], "driver_id": driver_ids,
         "distance_km": distance_km}
    ).assign(
        parent_leg_key=None, file_name="fictif.xlsx", sheet="Feuil1", row=3, service_day=DAY, leg="outbound",
        is_round_trip=False, scheduled_local=DAY + pd.Timedelta(hours=9), scheduled_at=None, scheduled_status="exact",
        patient_key=None, driver_initials=None, pickup_address_key="a", dropoff_address_key="b",
        set_aside_reason=None, pickup_lat=None, pickup_lon=None, pickup_precision="unresolved", pickup_source=None,
        dropoff_lat=None, dropoff_lon=None, dropoff_precision="unresolved", dropoff_source=None, distance_source=None,
        pickup_entry_key=None, dropoff_entry_key=None,
    )  # fmt: skip
    return conform(frame, GEOCODED_COURSES)


@pytest.fixture
def day() -> World:
    """Four legs of one day: drivers 1, 1, 1, 2; the first is 6 min late, 2 km each."""
    world = random_world(9, bookings=4, drivers=3)
    scheduled = pd.Series(DAY.tz_localize("UTC") + pd.to_timedelta([8, 9, 10, 11], unit="h")).astype(
        "datetime64[us, UTC]"
    )
    bookings = world.bookings.assign(
        service_day=pd.Series([DAY] * 4).astype("datetime64[us]"),
        scheduled_at=scheduled,
        distance_km=2.0,
        status="COMPLETED",
    )
    pickup = scheduled + pd.to_timedelta([6, 5, 0, -3], unit="min")
    assignments = world.assignments.assign(
        driver_id=pd.Series([1, 1, 1, 2], dtype="Int64"), status="COMPLETED", service_day=bookings["service_day"],
        actual_pickup_at=pickup, actual_dropoff_at=pickup + pd.Timedelta(minutes=10),
    )  # fmt: skip
    return world.with_(bookings=bookings, assignments=assignments)


def record(world: World, on_duty: pd.DataFrame, legs: pd.DataFrame = NO_COURSES) -> pd.Series:
    frame = historical_dispatches(world.bookings, world.assignments, on_duty, legs)
    return frame[frame["source"] == "database"].iloc[0]


def test_a_complete_day(day: World) -> None:
    row = record(day, shifts(1, 2, 3))
    assert json.loads(row["loads_json"]) == {"1": 3, "2": 1, "3": 0}
    assert (row["bookings"], row["drivers_on_duty"], row["load_gap"], row["late"]) == (4, 3, 3, 1)
    assert row["distance_km"] == 8.0
    assert row["measured_pickups"] == 4
    assert row["quality_score"] == 100 - 10 * 3 - 0.5 * 8 - 5 * 1


def test_drivers_on_duty(day: World) -> None:
    without = record(day, shifts())
    assert pd.isna(without["drivers_on_duty"])
    assert without["load_gap"] == 2
    assert record(day, shifts(1))["drivers_on_duty"] == 2, "driver 2 drove, so was on duty"
    assert record(day, shifts(1, 2, 3, status="CANCELLED"))["load_gap"] == 2
    assert record(day, shifts(1, 2, 3, status=None))["load_gap"] == 3


def test_unknown_parts_make_the_score_unknown(day: World) -> None:
    nobody = day.assignments.copy()
    nobody.loc[0, "driver_id"] = pd.NA
    row = record(day.with_(assignments=nobody), shifts(1, 2))
    assert (row["unknown_driver"], row["distance_km"]) == (1, 8.0)
    assert pd.isna(row["load_gap"])
    assert pd.isna(row["quality_score"])
    lost = day.bookings.copy()
    lost.loc[0, ["distance_km", "pickup_lat"]] = np.nan
    row = record(day.with_(bookings=lost), shifts(1, 2))
    assert (row["unknown_distance"], row["load_gap"]) == (1, 2)
    assert pd.isna(row["distance_km"])
    assert pd.isna(row["quality_score"])
    row = record(day.with_(assignments=day.assignments.assign(actual_pickup_at=pd.NaT)), shifts(1, 2))
    assert pd.isna(row["late"])
    assert row["measured_pickups"] == 0
    assert pd.isna(row["quality_score"])


def test_driver_of_a_leg(day: World) -> None:
    again = day.assignments.iloc[[0]].assign(assignment_id=50, driver_id=3)
    later = again.assign(created_at=again["created_at"] + pd.Timedelta(hours=1))
    for extra, status, driver in ((later, "COMPLETED", 3), (later, "REASSIGNED", 1), (later, "CANCELLED", 1)):
        rows = pd.concat([day.assignments, extra.assign(status=status)], ignore_index=True)
        loads = json.loads(record(day.with_(assignments=rows), shifts())["loads_json"])
        assert loads == ({"1": 2, "2": 1, "3": 1} if driver == 3 else {"1": 3, "2": 1})
    named = day.with_(bookings=day.bookings.assign(driver_id=pd.Series([2] * 4, dtype="Int64")))
    bare = named.with_(assignments=day.assignments.iloc[:0])
    assert json.loads(record(bare, shifts())["loads_json"]) == {"2": 4}, "without assignment the booking names him"


def test_cancelled_bookings_do_not_count(day: World) -> None:
    bookings = day.bookings.copy()
    bookings.loc[3, "status"] = "CANCELED"
    row = record(day.with_(bookings=bookings), shifts(1, 2))
    assert row["bookings"] == 3
    assert json.loads(row["loads_json"]) == {"1": 3, "2": 0}


def test_workbook_days(day: World) -> None:
    legs = courses([1, 1, 2], [1.5, 2.0, 3.0])
    frame = historical_dispatches(day.bookings, day.assignments, shifts(1, 2), legs)
    assert frame["source"].tolist() == ["database", "workbook"]
    row = frame.iloc[1]
    assert (row["company_id"], row["bookings"], row["load_gap"], row["distance_km"]) == (1, 3, 1, 6.5)
    assert pd.isna(row["drivers_on_duty"])
    assert pd.isna(row["late"])
    assert pd.isna(row["quality_score"]), "lateness is not known from a workbook"
    unknown = historical_dispatches(day.bookings, day.assignments, shifts(), courses([None, None], [1.0, np.nan]))
    row = unknown.iloc[1]
    assert (row["unknown_driver"], row["unknown_distance"], row["loads_json"]) == (2, 1, "{}")
    assert pd.isna(row["load_gap"])


def test_whose_workbooks(day: World) -> None:
    legs, none = courses([1], [1.0]), day.bookings.iloc[:0]
    with pytest.raises(TableContractError, match="0 companies"):
        historical_dispatches(none, day.assignments.iloc[:0], shifts(), legs)
    two = day.bookings.assign(company_id=[1, 1, 2, 2])
    with pytest.raises(TableContractError, match="2 companies"):
        historical_dispatches(two, day.assignments, shifts(), legs)
    frame = historical_dispatches(two, day.assignments, shifts(), legs, workbook_company_id=2)
    assert frame[["company_id", "source"]].to_numpy().tolist() == [[1, "database"], [2, "database"], [2, "workbook"]]
    assert historical_dispatches(none, day.assignments.iloc[:0], shifts(), NO_COURSES).empty


def test_row_order_does_not_matter() -> None:
    world = random_world(2)
    expected = historical_dispatches(world.bookings, world.assignments, shifts(1, 2), NO_COURSES)
    mixed = historical_dispatches(
        world.bookings.sample(frac=1, random_state=1), world.assignments.sample(frac=1, random_state=2), shifts(2, 1),
        NO_COURSES,
    )  # fmt: skip
    pd.testing.assert_frame_equal(mixed, expected, check_exact=True)
    assert len(expected) == world.bookings["service_day"].nunique()


def test_json_has_one_record_a_day(day: World) -> None:
    frame = historical_dispatches(day.bookings, day.assignments, shifts(1, 2, 3), courses([None], [np.nan]))
    text = to_json(frame)
    assert len(text.splitlines()) == len(frame)
    records = json.loads(text)
    assert records[0]["service_day"] == "2025-03-10"
    assert records[0]["loads"] == {"1": 3, "2": 1, "3": 0}
    assert records[0]["quality_score"] == 61.0
    assert records[1]["quality_score"] is None
    assert records[1]["late"] is None
    assert "NaN" not in text
    assert json.loads(to_json(frame.iloc[:0])) == []
