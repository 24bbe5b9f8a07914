"""Days in, plans out: both forms of input, and what is refused with which words."""

import copy
import json

import numpy as np
import pytest
from dispatch_builders import line_day

from atmr_pipeline.dispatch.plan_io import answer, parse_day, parse_day_and_travel, read_days
from atmr_pipeline.dispatch.planners import plan
from atmr_pipeline.domain.errors import InvalidProblemError
from atmr_pipeline.domain.travel import TravelMatrix
from atmr_pipeline.sources.travel import HaversineTravel

POINTS = [(46.20, 6.14), (46.19, 6.12), (46.22, 6.10), (46.21, 6.15), (46.18, 6.13)]


def matrix_day():
    day = line_day()
    return {
        "drivers": [
            {"id": 7, "shift_start_min": 480, "shift_end_min": 600},
            {"id": "8", "shift_start_min": 480, "shift_end_min": 600, "emergency": True},
        ],
        "bookings": [
            {"id": 1, "scheduled_min": 490, "leg": "outbound", "urgent": False},
            {"id": 2, "scheduled_min": 500, "leg": "return", "urgent": False},
            {"id": "3", "scheduled_min": 530, "leg": "outbound"},
        ],
        "travel": {
            name: getattr(day, name).tolist()
            for name in ("start_min", "start_km", "deadhead_min", "deadhead_km", "ride_min", "ride_km")
        },
        "service": {"pickup_min": 2, "dropoff_min": [3, 3, 3]},
    }


def coordinate_day():
    raw = matrix_day()
    del raw["travel"]
    for index, driver in enumerate(raw["drivers"]):
        driver["start_lat"], driver["start_lon"] = POINTS[index]
    for index, booking in enumerate(raw["bookings"]):
        booking["pickup_lat"], booking["pickup_lon"] = POINTS[index + 1]
        booking["dropoff_lat"], booking["dropoff_lon"] = POINTS[index + 2]
    return raw


def changed(path, value):
    raw = copy.deepcopy(matrix_day())
    target = raw
    for step in path[:-1]:
        target = target[step]
    if value is KeyError:
        del target[path[-1]]
    else:
        target[path[-1]] = value
    return raw


def test_matrices_are_used_as_they_are():
    day, expected = parse_day(matrix_day()), line_day()
    for name in ("driver_ids", "booking_ids"):
        assert getattr(day, name) == getattr(expected, name)
    for name in ("start_km", "deadhead_min", "ride_min", "is_outbound", "is_emergency", "dropoff_service_min"):
        assert np.array_equal(getattr(day, name), getattr(expected, name))


def test_the_answer_keys_bookings_as_text_and_is_json():
    day = parse_day(matrix_day())
    result = json.loads(json.dumps(answer(day, plan(day, "local_search")), allow_nan=False))
    assert list(result) == ["method", "assignments", "cost", "optimal", "bound", "runtime_ms"]
    assert result["assignments"] == {"1": "7", "2": "8", "3": "7"}
    assert result["cost"] == {
        "total": 10.0, "deadhead_km": 10.0, "lateness_min": 0.0, "late": 0, "lost": 0, "load_gap": 1,
    }  # fmt: skip
    assert (result["method"], result["optimal"], result["bound"]) == ("local_search", None, None)
    assert result["runtime_ms"] > 0


def test_a_lost_booking_has_no_driver():
    raw = changed(("drivers",), [])
    raw["travel"] |= {"start_min": [], "start_km": []}
    day = parse_day(raw)
    result = answer(day, plan(day, "greedy"))
    assert result["assignments"] == {"1": None, "2": None, "3": None}
    assert result["cost"]["lost"] == 3
    assert result["cost"]["total"] == 300.0


def test_no_bookings_cost_nothing_with_and_without_matrices():
    for travel in ({}, {"travel": {"start_min": [[], []], "deadhead_min": []}}):
        raw = {"drivers": matrix_day()["drivers"], "bookings": []} | travel
        day = parse_day(raw)
        assert answer(day, plan(day, "greedy"))["cost"]["total"] == 0.0


def test_coordinates_ask_the_provider_at_the_hour_of_the_pickup():
    day = parse_day(coordinate_day(), HaversineTravel())
    assert day.deadhead_km[0, 0] == pytest.approx(HaversineTravel().matrix(
        np.array([POINTS[2]]), np.array([POINTS[1]]), 8.0
    ).km[0, 0])  # fmt: skip
    for index, scheduled in enumerate((490, 500, 530)):
        pickup, dropoff = np.array([POINTS[index + 1]]), np.array([POINTS[index + 2]])
        hour = scheduled / 60
        start = HaversineTravel().matrix(np.array(POINTS[:2]), pickup, hour).minutes[:, 0]
        assert day.start_min[:, index] == pytest.approx(start)
        assert day.ride_min[index] == pytest.approx(HaversineTravel().matrix(pickup, dropoff, hour).minutes[0, 0])


class WeekdayTravel(HaversineTravel):
    """Answers in one minute, on Fridays in two; half of the pairs come from elsewhere."""

    def matrix(self, origins, destinations, hour, *, weekday=None):
        minutes = np.full((len(origins), len(destinations)), 2.0 if weekday == 4 else 1.0)
        return TravelMatrix(minutes, minutes, "first+second", "no_way", minutes.size // 2)


@pytest.mark.parametrize(("service_day", "minutes"), [("2026-06-05", 2.0), ("2026-06-06", 1.0), (None, 1.0)])
def test_the_answer_says_who_answered_for_travel_times_of_the_weekday(service_day, minutes):
    raw = coordinate_day() | ({"service_day": service_day} if service_day else {})
    day, arrays = parse_day_and_travel(raw, WeekdayTravel())
    assert set(day.ride_min) == {minutes}
    # (2 drivers + 3 drop-offs) x 3 pickups and 3 x 3 rides, halved.
    assert answer(day, plan(day, "greedy"), arrays)["travel"] == {
        "source": "first+second", "fallback_reason": "no_way", "fallback_pairs": 15 // 2 + 9 // 2,
    }  # fmt: skip


def test_given_matrices_have_no_provider():
    day, arrays = parse_day_and_travel(matrix_day())
    assert answer(day, plan(day, "greedy"), arrays)["travel"] == {
        "source": "given", "fallback_reason": None, "fallback_pairs": 0,
    }  # fmt: skip


@pytest.mark.parametrize("service_day", ["05.06.2026", "Rue Fictive 3", 20260605, None])
def test_a_service_day_that_is_no_date_is_refused(service_day):
    with pytest.raises(InvalidProblemError, match=r"service_day is not a date written YYYY-MM-DD$"):
        parse_day(coordinate_day() | {"service_day": service_day}, HaversineTravel())


def test_rides_of_a_large_day_are_those_of_each_booking():
    rng = np.random.default_rng(3)
    raw = coordinate_day()
    raw["bookings"] = [
        {"id": number, "scheduled_min": 480 + number, "leg": "outbound"}
        | dict(zip(("pickup_lat", "pickup_lon", "dropoff_lat", "dropoff_lon"), ends, strict=True))
        for number, ends in enumerate((rng.random((120, 4)) / 10 + [46.15, 6.1, 46.15, 6.1]).tolist())
    ]
    raw["service"]["dropoff_min"] = 3
    day = parse_day(raw, HaversineTravel())
    for index in (0, 49, 50, 119):
        booking = raw["bookings"][index]
        pickup, dropoff = ([[booking[f"{end}_lat"], booking[f"{end}_lon"]]] for end in ("pickup", "dropoff"))
        ride = HaversineTravel().matrix(np.array(pickup), np.array(dropoff), booking["scheduled_min"] / 60)
        assert (day.ride_min[index], day.ride_km[index]) == (ride.minutes[0, 0], ride.km[0, 0])


def test_coordinates_need_a_provider_and_a_place_on_earth():
    with pytest.raises(InvalidProblemError, match="no travel provider is configured"):
        parse_day(coordinate_day())
    raw = coordinate_day()
    raw["bookings"][1]["pickup_lat"] = 146.2
    with pytest.raises(InvalidProblemError, match="a booking's pickup coordinates are outside"):
        parse_day(raw, HaversineTravel())
    del raw["bookings"][1]["pickup_lat"]
    with pytest.raises(InvalidProblemError, match="booking 2: missing key pickup_lat"):
        parse_day(raw, HaversineTravel())


def test_absences_are_read():
    raw = changed(("drivers", 1, "absences"), [[500, 520]])
    assert parse_day(raw).absences == ((1, 500.0, 520.0),)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("drivers",), KeyError, "the day: missing key drivers"),
        (("bookings",), KeyError, "the day: missing key bookings"),
        (("bookings",), {}, "bookings is not a list"),
        (("bookings", 1), 5, "booking 2 is not a JSON object"),
        (("bookings", 1, "scheduled_min"), KeyError, "booking 2: missing key scheduled_min"),
        (("bookings", 1, "scheduled_min"), float("nan"), "booking 2: scheduled_min is not a finite number"),
        (("bookings", 1, "scheduled_min"), "08:20", "booking 2: scheduled_min is not a finite number"),
        (("bookings", 1, "scheduled_min"), -5, "scheduled_min holds NaN, infinite or negative"),
        (("bookings", 1, "scheduled_min"), 3000, "scheduled_min is outside 0 to 2880"),
        (("bookings", 1, "id"), 1, "booking ids are not unique"),
        (("bookings", 1, "id"), "1", "booking ids are not unique"),
        (("bookings", 1, "id"), None, "booking 2: id is neither a whole number nor a text"),
        (("bookings", 0, "leg"), "aller", "booking 1: leg is neither outbound nor return"),
        (("bookings", 0, "urgent"), 1, "booking 1: urgent is neither true nor false"),
        (("drivers", 1, "id"), 7, "driver ids are not unique"),
        (("drivers", 1, "shift_start_min"), KeyError, "driver 2: missing key shift_start_min"),
        (("drivers", 1, "shift_end_min"), None, "driver 2: shift_end_min is not a finite number"),
        (("drivers", 1, "shift_end_min"), 400, "a shift ends before it starts"),
        (("drivers", 1, "absences"), [5], "driver 2: absences is not a list"),
        (("drivers", 1, "absences"), [[5]], "driver 2: absences must be pairs"),
        (("travel",), KeyError, "no travel provider is configured"),
        (("travel", "ride_km"), KeyError, "travel: missing key ride_km"),
        (("travel", "ride_min", 0), float("nan"), "ride_min holds NaN"),
        (("travel", "ride_min", 0), None, "travel: ride_min holds something that is not a number"),
        (("travel", "ride_min", 0), "9", "travel: ride_min holds something that is not a number"),
        (("travel", "deadhead_min", 0, 1), -1, "deadhead_min holds NaN, infinite or negative"),
        (("travel", "deadhead_min", 0), [1, 2], "travel: deadhead_min has rows of different lengths"),
        (("travel", "start_min"), [[1, 2, 3]], "start_min has shape"),
        (("service",), KeyError, "the day: missing key service"),
        (("service", "dropoff_min"), KeyError, "service: missing key dropoff_min"),
        (("service", "pickup_min"), -1, "pickup_service_min holds NaN, infinite or negative"),
        (("service", "pickup_min"), [1, 2], "pickup_service_min has shape"),
    ],
)
def test_bad_input_is_refused_with_its_place(path, value, message):
    with pytest.raises(InvalidProblemError, match=message):
        parse_day(changed(path, value))


def test_messages_hold_no_value_of_the_file():
    raw = changed(("bookings", 1, "leg"), "Patient Fictif 12")
    raw["bookings"][1]["id"] = "Rue Fictive 3"
    with pytest.raises(InvalidProblemError) as caught:
        parse_day(raw)
    assert "Fict" not in str(caught.value)


def test_reads_one_day_pretty_printed_or_json_lines():
    one = matrix_day()
    assert list(read_days(json.dumps(one, indent=2))) == [one]
    lines = json.dumps(one) + "\n\n" + json.dumps({"drivers": []}) + "\n"
    assert list(read_days(lines)) == [one, {"drivers": []}]
    assert list(read_days(json.dumps(one) + "\n")) == [one]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the input is not JSON"),
        ("{", "the input is not JSON"),
        ("[1]", "the day is not a JSON object"),
        ('{"drivers": []}\n{"drivers"', "line 2 is not JSON"),
        ('{"drivers": []}\n7', "line 2 is not a JSON object"),
    ],
)
def test_refuses_what_is_not_json(text, message):
    with pytest.raises(InvalidProblemError, match=message):
        list(read_days(text))
