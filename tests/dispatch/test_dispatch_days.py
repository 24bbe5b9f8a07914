"""Past days become problems; what cannot be used is counted by reason."""

from dataclasses import replace
from datetime import date

import numpy as np
import pandas as pd
import pytest

from atmr_pipeline.dispatch.days import problems_from_history
from atmr_pipeline.dispatch.planners import plan
from atmr_pipeline.dispatch.simulator import simulate
from atmr_pipeline.domain.errors import InfeasiblePlanError
from atmr_pipeline.domain.tables import (
    ASSIGNMENTS,
    BOOKINGS,
    COMPANIES,
    DRIVER_ABSENCES,
    DRIVER_SHIFTS,
    DRIVERS,
    conform,
    empty,
)
from atmr_pipeline.domain.travel import TravelMatrix
from atmr_pipeline.domain.wallclock import to_utc
from atmr_pipeline.sources.travel import HaversineTravel

CREATED = pd.Timestamp("2026-01-01", tz="UTC")
DAY = "2026-06-03"


def bookings_table(*rows):
    frame = pd.DataFrame(
        [
            {
                "booking_id": number,
                "company_id": 1,
                "local": f"{DAY} 09:00",
                "day": None,
                "driver_id": None,
                "leg": "outbound",
                "status": "COMPLETED",
                "is_urgent": False,
                "pickup_lat": 46.2 + number / 1000,
                "pickup_lon": 6.14,
                "dropoff_lat": 46.19,
                "dropoff_lon": 6.1,
            }
            | row
            for number, row in enumerate(rows, start=1)
        ]
    )
    local = pd.to_datetime(frame.pop("local")).astype("datetime64[us]")
    frame = frame.assign(
        service_day=pd.to_datetime(frame["day"]).fillna(local.dt.normalize()).fillna(pd.Timestamp(DAY)),
        scheduled_local=local,
        patient_key=None,
        is_round_trip=False,
        parent_booking_id=None,
        time_confirmed=None,
        is_medical=True,
        is_hospital=False,
        is_wheelchair=None,
        distance_km=None,
        duration_min=None,
        created_at=CREATED,
        updated_at=CREATED,
        **to_utc(local),
    )
    return conform(frame, BOOKINGS)


def drivers_table(*rows):
    frame = pd.DataFrame(
        [
            {"driver_id": number, "driver_type": "REGULAR", "lat": 46.2, "lon": 6.14} | row
            for number, row in enumerate(rows, start=1)
        ]
    )
    frame = frame.assign(
        company_id=1, initials=None, is_active=True, is_available=True, weekly_hours=42.0, position_at=CREATED
    )
    return conform(frame, DRIVERS)


def shifts_table(*rows):
    frame = pd.DataFrame(
        [
            {
                "shift_id": number,
                "company_id": 1,
                "driver_id": 1,
                "day": DAY,
                "from": "07:00",
                "to": "18:00",
                "status": None,
            }
            | row
            for number, row in enumerate(rows, start=1)
        ]
    )
    local = {end: pd.to_datetime(frame["day"] + " " + frame[end]) for end in ("from", "to")}
    frame["service_day"] = pd.to_datetime(frame["day"])
    frame["start_at"] = to_utc(local["from"])["scheduled_at"]
    frame["end_at"] = to_utc(local["to"])["scheduled_at"]
    return conform(frame, DRIVER_SHIFTS)


def assignments_table(*rows):
    if not rows:
        return empty(ASSIGNMENTS)
    frame = pd.DataFrame([{"assignment_id": n, "status": "COMPLETED"} | row for n, row in enumerate(rows, start=1)])
    frame = frame.assign(
        service_day=pd.Timestamp(DAY), dispatch_run_id=None, planned_pickup_at=None, planned_dropoff_at=None,
        actual_pickup_at=None, actual_dropoff_at=None, created_at=CREATED,
        updated_at=[CREATED + pd.Timedelta(minutes=n) for n in range(len(frame))],
    )  # fmt: skip
    return conform(frame, ASSIGNMENTS)


def absences_table(*rows):
    frame = pd.DataFrame([{"driver_id": 1} | row for row in rows])
    local = {end: pd.to_datetime(frame[end]) for end in ("from", "to")}
    frame["service_day"] = local["from"].dt.normalize()
    frame["start_at"] = to_utc(local["from"])["scheduled_at"]
    frame["end_at"] = to_utc(local["to"])["scheduled_at"]
    return conform(frame, DRIVER_ABSENCES)


def companies_table(*rows):
    frame = pd.DataFrame([{"depot_lat": None, "depot_lon": None, "dispatch_enabled": True} | row for row in rows])
    return conform(frame, COMPANIES)


def build(bookings, drivers=None, shifts=None, travel=None, **options):
    drivers = drivers_table({}, {"driver_type": "EMERGENCY"}) if drivers is None else drivers
    shifts = shifts_table({}, {"driver_id": 2, "to": "12:00"}) if shifts is None else shifts
    return problems_from_history(bookings, drivers, shifts, travel or HaversineTravel(), **options)


def test_a_day_is_read_off_the_tables():
    table = bookings_table({"is_urgent": True}, {"local": f"{DAY} 08:30", "leg": "return"}, {"status": "CANCELED"})
    (day,), aside = build(table, service_minutes=(4.0, 6.0))
    assert aside == {}
    assert (day.service_day, day.company_id, day.travel_source) == (date(2026, 6, 3), 1, "haversine:assumed")
    assert (day.fallback_reason, day.fallback_pairs) == (None, 0)
    problem = day.problem
    assert problem.booking_ids == ("2", "1")
    assert problem.driver_ids == ("1", "2")
    assert problem.scheduled_min.tolist() == [510.0, 540.0]
    assert problem.is_outbound.tolist() == [False, True]
    assert problem.is_urgent.tolist() == [False, True]
    assert problem.is_emergency.tolist() == [False, True]
    assert problem.shift_start_min.tolist() == [420.0, 420.0]
    assert problem.shift_end_min.tolist() == [1080.0, 720.0]
    assert problem.pickup_service_min.tolist() == [4.0, 4.0]
    assert problem.dropoff_service_min.tolist() == [6.0, 6.0]
    assert day.actual_assignment.tolist() == [-1, -1]
    assert np.isfinite(simulate(problem, [0, 0]).total)


def test_travel_is_asked_from_the_last_dropoff_at_the_hour_of_the_next_pickup():
    (day,), _ = build(bookings_table({"local": f"{DAY} 07:10"}, {"local": f"{DAY} 13:00"}))
    provider = HaversineTravel()
    way = provider.matrix(np.array([[46.19, 6.1]]), np.array([[46.202, 6.14]]), 13.0)
    assert day.problem.deadhead_min[0, 1] == pytest.approx(way.minutes[0, 0])
    ride = provider.matrix(np.array([[46.201, 6.14]]), np.array([[46.19, 6.1]]), 7.0)
    assert day.problem.ride_min[0] == pytest.approx(ride.minutes[0, 0])
    start = provider.matrix(np.array([[46.2, 6.14]]), np.array([[46.201, 6.14]]), 7.0)
    assert day.problem.start_km[1, 0] == pytest.approx(start.km[0, 0])


def test_unusable_bookings_are_set_aside_by_reason():
    table = bookings_table(
        {},
        {"local": None},
        {"pickup_lat": None},
        {"dropoff_lon": None},
        {"pickup_lon": None, "local": None},
        {"status": "CANCELED", "local": None},
        {"local": "2026-06-06 01:00", "day": DAY},
        {"local": "2026-06-04 09:00"},
    )
    (day,), aside = build(table)
    assert day.problem.booking_ids == ("1",)
    assert aside == {
        "no_driver_on_duty": 1, "no_dropoff_coordinates": 1, "no_pickup_coordinates": 1, "no_scheduled_time": 2,
        "time_outside_day": 1,
    }  # fmt: skip


def test_unusable_drivers_are_set_aside_by_reason():
    drivers = drivers_table({}, {"lat": None}, {})
    shifts = shifts_table({}, {"driver_id": 2}, {"driver_id": 3, "status": "cancelled"}, {"driver_id": 9})
    shifts = pd.concat([shifts, shifts_table({"from": "10:00", "to": "09:00"}).assign(shift_id=99)])
    table = bookings_table({"driver_id": 2}, {"driver_id": 1})
    (day,), aside = build(table, drivers, shifts)
    assert day.problem.driver_ids == ("1",)
    assert day.actual_assignment.tolist() == [-1, 0]
    assert aside == {"driver_unknown": 1, "driver_without_position": 1, "shift_cancelled": 1, "shift_unreadable": 1}


def test_a_split_shift_is_an_absence_in_between():
    shifts = shifts_table({"from": "14:00"}, {"to": "12:00"}, {"from": "11:00", "to": "12:30"})
    (day,), _ = build(bookings_table({}), shifts=shifts)
    assert day.problem.shift_start_min.tolist() == [420.0]
    assert day.problem.shift_end_min.tolist() == [1080.0]
    assert day.problem.absences == ((0, 750.0, 840.0),)


def test_an_absence_forbids_its_minutes_and_a_whole_shift_of_it_is_no_duty():
    shifts = shifts_table({}, {"driver_id": 2})
    away = absences_table(
        {"from": f"{DAY} 10:00", "to": f"{DAY} 11:30"},
        {"from": "2026-06-01 08:00", "to": f"{DAY} 07:30"},
        {"from": "2026-06-04 08:00", "to": "2026-06-04 09:00"},
        {"driver_id": 2, "from": "2026-06-02 12:00", "to": f"{DAY} 18:00"},
    )
    (day,), aside = build(bookings_table({}), shifts=shifts, absences=away)
    assert aside == {"driver_absent": 1}
    assert day.problem.driver_ids == ("1",)
    assert day.problem.absences == ((0, 0.0, 450.0), (0, 600.0, 690.0), (0, 1920.0, 1980.0))
    (alone,), _ = build(bookings_table({"local": f"{DAY} 10:15"}), shifts=shifts_table({}), absences=away)
    with pytest.raises(InfeasiblePlanError, match="during an absence"):
        simulate(alone.problem, [0])
    assert build(bookings_table({}), shifts=shifts, absences=empty(DRIVER_ABSENCES))[1] == {}


def test_a_shift_shorter_than_the_absences_around_it_stays():
    away = absences_table(
        {"from": f"{DAY} 07:00", "to": f"{DAY} 12:00"}, {"from": f"{DAY} 12:00", "to": f"{DAY} 18:00"}
    )
    (day,), aside = build(bookings_table({}), shifts=shifts_table({}), absences=away)
    assert aside == {}
    assert plan(day.problem, "greedy").outcome.n_lost == 1


def test_drivers_start_at_the_depot_and_where_there_is_none_at_their_position():
    table = bookings_table({}, {"company_id": 2})
    drivers = drivers_table({}, {"lat": None}, {})
    shifts = shifts_table({}, {"driver_id": 2}, {"company_id": 2, "driver_id": 3})
    depots = companies_table({"company_id": 1, "depot_lat": 46.25, "depot_lon": 6.2}, {"company_id": 2})
    (one, two), aside = build(table, drivers, shifts, companies=depots)
    assert aside == {}
    assert (one.start_sources, two.start_sources) == (("depot", "depot"), ("driver_position",))
    assert one.places.starts.tolist() == [[46.25, 6.2], [46.25, 6.2]]
    assert two.places.starts.tolist() == [[46.2, 6.14]]
    way = HaversineTravel().matrix(np.array([[46.25, 6.2]]), np.array([[46.201, 6.14]]), 9.0)
    assert one.problem.start_km[:, 0] == pytest.approx([way.km[0, 0]] * 2)
    half = companies_table({"company_id": 1, "depot_lat": 46.25})
    (day,), aside = build(bookings_table({}), drivers, shifts_table({}, {"driver_id": 2}), companies=half)
    assert day.start_sources == ("driver_position",)
    assert aside == {"driver_without_position": 1}


def test_places_stand_in_the_order_of_the_problem():
    (day,), _ = build(bookings_table({}, {"local": f"{DAY} 08:30"}, {"pickup_lat": None}))
    assert day.problem.booking_ids == ("2", "1")
    assert day.places.pickups == pytest.approx(np.array([[46.202, 6.14], [46.201, 6.14]]))
    assert day.places.dropoffs == pytest.approx(np.array([[46.19, 6.1]] * 2))
    assert day.places.starts.shape == (2, 2)


def test_the_last_valid_assignment_says_who_drove():
    table = bookings_table({"driver_id": 1}, {"driver_id": 2}, {}, {"driver_id": 2}, {"driver_id": 77})
    rows = assignments_table(
        {"booking_id": 1, "driver_id": 1},
        {"booking_id": 1, "driver_id": 2},
        {"booking_id": 1, "driver_id": 1, "status": "REASSIGNED"},
        {"booking_id": 2, "driver_id": None},
        {"booking_id": 4, "driver_id": 1, "status": "CANCELLED"},
    )
    (day,), _ = build(table, assignments=rows)
    assert day.actual_assignment.tolist() == [1, 1, -1, 1, -1]
    (without,), _ = build(table, assignments=assignments_table())
    assert without.actual_assignment.tolist() == [0, 1, -1, 1, -1]


def test_one_problem_a_company_and_day_in_order():
    table = bookings_table({"local": "2026-06-04 09:00"}, {"company_id": 2}, {})
    shifts = shifts_table({}, {"company_id": 2, "driver_id": 2}, {"day": "2026-06-04"})
    days, aside = build(table, shifts=shifts)
    assert aside == {}
    assert [(day.service_day.day, day.company_id, day.problem.driver_ids) for day in days] == [
        (3, 1, ("1",)), (3, 2, ("2",)), (4, 1, ("1",)),
    ]  # fmt: skip


def test_minutes_are_wall_clock_minutes_on_a_clock_change():
    table = bookings_table({"local": "2026-10-25 09:00"})
    (day,), _ = build(table, shifts=shifts_table({"day": "2026-10-25", "from": "07:00", "to": "18:00"}))
    assert day.problem.scheduled_min.tolist() == [540.0]
    assert (day.problem.shift_start_min[0], day.problem.shift_end_min[0]) == (420.0, 1080.0)


class IslandTravel:
    """No way to or from any point north of 46.21."""

    def matrix(self, origins, destinations, hour, *, weekday=None):
        known = HaversineTravel().matrix(origins, destinations, hour, weekday=weekday)
        unknown = (origins[:, None, 0] > 46.21) | (destinations[None, :, 0] > 46.21)
        return TravelMatrix(np.where(unknown, np.nan, known.minutes), np.where(unknown, np.nan, known.km), "island")


def test_bookings_that_cannot_be_reached_are_set_aside():
    table = bookings_table({"pickup_lat": 46.22}, {}, {"dropoff_lat": 46.22})
    (day,), aside = build(table, travel=IslandTravel())
    assert day.problem.booking_ids == ("2",)
    assert day.travel_source == "island"
    assert aside == {"no_route": 2}
    nothing, aside = build(bookings_table({"pickup_lat": 46.22}), travel=IslandTravel())
    assert (nothing, aside) == ([], {"no_route": 1})


class OutageTravel:
    """A first provider that is down: a second answers, and says why; it also notes the weekdays asked for."""

    def __init__(self):
        self.weekdays = []

    def matrix(self, origins, destinations, hour, *, weekday=None):
        self.weekdays.append(weekday)
        matrix = HaversineTravel().matrix(origins, destinations, hour, weekday=weekday)
        return replace(matrix, fallback_reason="unavailable", fallback_pairs=matrix.minutes.size)


def test_an_outage_of_the_travel_provider_shows_in_the_day():
    (day,), _ = build(bookings_table({}, {}), travel=OutageTravel())
    assert (day.travel_source, day.fallback_reason) == ("haversine:assumed", "unavailable")
    # Two drivers and two drop-offs to two pickups, and the rides.
    assert day.fallback_pairs == (2 + 2) * 2 + 2 * 2


def test_travel_is_asked_at_the_weekday_of_the_service_day():
    travel = OutageTravel()
    table = bookings_table({"local": "2026-06-05 17:00"}, {"local": "2026-06-07 17:00"})
    shifts = shifts_table({"day": "2026-06-05"}, {"day": "2026-06-07"})
    days, _ = build(table, shifts=shifts, travel=travel)
    assert len(days) == 2
    assert travel.weekdays == [4, 4, 6, 6]


def test_no_history_is_no_days():
    assert build(empty(BOOKINGS)) == ([], {})
    assert build(bookings_table({}), shifts=empty(DRIVER_SHIFTS)) == ([], {"no_driver_on_duty": 1})
