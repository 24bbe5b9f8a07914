"""Great circle x detour at an hourly speed: properties that hold for all points, hours and weekdays."""

from datetime import date

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from atmr_pipeline.domain.geo import haversine_km
from atmr_pipeline.sources.travel import PLANNING_SPEED_KMH, HaversineTravel, SpeedProfile

coordinates = st.tuples(st.floats(45.9, 46.6), st.floats(5.7, 6.9))
some_points = st.lists(coordinates, min_size=1, max_size=6).map(lambda rows: np.array(rows, dtype=float))
hours = st.floats(0.0, 23.999)
weekdays = st.integers(0, 6)
seven_days = hnp.arrays(np.float64, (7, 24), elements=st.floats(5.0, 90.0))


@given(some_points, some_points, hours, seven_days, weekdays, st.floats(1.0, 3.0))
def test_minutes_are_km_at_the_speed_of_the_weekday_and_hour(origins, destinations, hour, speeds, weekday, detour):
    matrix = HaversineTravel(detour, speeds).matrix(origins, destinations, hour, weekday=weekday)
    assert matrix.minutes.shape == matrix.km.shape == (len(origins), len(destinations))
    for row, start in enumerate(origins):
        for column, end in enumerate(destinations):
            assert matrix.km[row, column] == pytest.approx(detour * haversine_km(*start, *end))
    assert matrix.minutes == pytest.approx(60.0 * matrix.km / speeds[weekday, int(hour)])
    assert (matrix.fallback_reason, matrix.fallback_pairs) == (None, 0)


@given(some_points, some_points, seven_days, weekdays, st.data())
def test_an_hour_a_destination_is_each_hour_alone(origins, destinations, speeds, weekday, data):
    hour = np.array(data.draw(st.lists(hours, min_size=len(destinations), max_size=len(destinations))))
    travel = HaversineTravel(speed_kmh=speeds)
    whole = travel.matrix(origins, destinations, hour, weekday=weekday).minutes
    for column in range(len(destinations)):
        alone = travel.matrix(origins, destinations[column : column + 1], float(hour[column]), weekday=weekday).minutes
        assert np.array_equal(whole[:, column : column + 1], alone)


@given(some_points, some_points, hours, seven_days)
def test_an_unknown_weekday_lies_between_the_slowest_and_the_fastest(origins, destinations, hour, speeds):
    travel = HaversineTravel(speed_kmh=speeds)
    days = np.stack([travel.matrix(origins, destinations, hour, weekday=day).minutes for day in range(7)])
    unknown = travel.matrix(origins, destinations, hour).minutes
    assert np.all(unknown <= days.max(axis=0) * (1 + 1e-12))
    assert np.all(unknown >= days.min(axis=0) * (1 - 1e-12))
    assert unknown == pytest.approx(days.mean(axis=0))


@given(some_points, hours, weekdays)
def test_there_is_as_far_as_back_and_nowhere_is_no_way(places, hour, weekday):
    matrix = HaversineTravel().matrix(places, places, hour, weekday=weekday)
    assert matrix.km == pytest.approx(matrix.km.T)
    assert np.all(np.diagonal(matrix.minutes) == 0.0)


@given(some_points, some_points, st.data())
def test_unknown_points_are_unknown_and_touch_no_others(origins, destinations, data):
    whole = HaversineTravel().matrix(origins, destinations, 9.0)
    lost = data.draw(st.integers(0, len(origins) - 1))
    origins[lost, data.draw(st.integers(0, 1))] = np.nan
    holed = HaversineTravel().matrix(origins, destinations, 9.0)
    assert np.isnan(holed.minutes[lost]).all()
    assert np.isnan(holed.km[lost]).all()
    rest = np.arange(len(origins)) != lost
    assert np.array_equal(holed.minutes[rest], whole.minutes[rest])


def test_the_assumption_says_so_and_knows_no_weekday():
    points = np.array([[46.2, 6.1], [46.21, 6.15]])
    for weekday in (None, 0, 6):
        matrix = HaversineTravel().matrix(points, points, 17.5, weekday=weekday)
        assert matrix.source == "haversine:assumed"
        assert matrix.minutes == pytest.approx(60.0 * matrix.km / PLANNING_SPEED_KMH[17])
    late = HaversineTravel().matrix(points, points, 24.0 + 17.5)
    assert np.array_equal(late.minutes, matrix.minutes)


def test_a_profile_is_travelled_at_its_speeds():
    speeds, trips = np.full((7, 24), 30.0), np.zeros((7, 24), dtype=np.int64)
    speeds[5:], trips[0, 8], trips[5, 8] = 60.0, 3, 1
    day = date(2026, 3, 2)
    travel = HaversineTravel.from_profile(SpeedProfile(1.2, 0, speeds, trips, 12.0, 1.0, day, day, "test"))
    start, end = np.array([[46.2, 6.1]]), np.array([[46.3, 6.1]])
    km = 1.2 * float(haversine_km(46.2, 6.1, 46.3, 6.1))
    answers = {weekday: travel.matrix(start, end, 8.0, weekday=weekday) for weekday in (0, 5, None)}
    assert answers[0].source == "haversine:fitted"
    assert answers[0].km[0, 0] == pytest.approx(km)
    assert answers[0].minutes[0, 0] == pytest.approx(60.0 * km / 30.0)
    assert answers[5].minutes[0, 0] == pytest.approx(60.0 * km / 60.0)
    # Three trips at one pace and one at half of it; where nobody drove, seven days count alike.
    assert answers[None].minutes[0, 0] == pytest.approx(60.0 * km * (3 / 30.0 + 1 / 60.0) / 4)
    assert travel.matrix(start, end, 9.0).minutes[0, 0] == pytest.approx(60.0 * km * (5 / 30.0 + 2 / 60.0) / 7)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"detour": 0.9}, "detour"),
        ({"detour": np.nan}, "detour"),
        ({"speed_kmh": np.full(23, 30.0)}, "24 values"),
        ({"speed_kmh": np.full((5, 24), 30.0)}, "24 values"),
        ({"speed_kmh": np.zeros(24)}, "positive"),
        ({"speed_kmh": np.full((7, 24), np.nan)}, "positive"),
        ({"speed_kmh": np.full((7, 24), 30.0), "any_day_kmh": np.zeros(24)}, "positive"),
        ({"speed_kmh": np.full((7, 24), 30.0), "any_day_kmh": np.full(7, 30.0)}, "any_day_kmh"),
        ({"any_day_kmh": np.full(24, 30.0)}, "any_day_kmh"),
        ({"basis": "guessed"}, "basis"),
    ],
)
def test_nonsense_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        HaversineTravel(**options)


@pytest.mark.parametrize(("hour", "weekday"), [(np.nan, 1), (np.inf, 1), (9.0, 7), (9.0, -1)])
def test_an_unknown_hour_or_weekday_is_an_error_not_a_speed(hour, weekday):
    points = np.array([[46.2, 6.1]])
    with pytest.raises(ValueError, match=r"hour|weekday"):
        HaversineTravel().matrix(points, points, hour, weekday=weekday)
