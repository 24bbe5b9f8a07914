"""Pictures are small PNG files, also of empty days."""

import numpy as np
import pandas as pd
import pytest
from dispatch_builders import random_day

from atmr_pipeline.dispatch.days import Places
from atmr_pipeline.dispatch.pictures import kpi_series, load_gap_histogram, plan_gantt, plan_map
from atmr_pipeline.dispatch.planners import plan

LIMIT_BYTES = 60_000


def is_small_png(picture):
    return picture.startswith(b"\x89PNG") and 1_000 < len(picture) < LIMIT_BYTES


@pytest.mark.parametrize(("bookings", "drivers"), [(25, 5), (120, 40), (0, 2), (3, 0)])
def test_gantt(bookings, drivers):
    day = random_day(bookings, drivers, 1, tight=True)
    assert is_small_png(plan_gantt(day, plan(day, "greedy").outcome))


def test_gantt_shows_the_plan():
    day = random_day(12, 4, 1)
    assert plan_gantt(day, plan(day, "greedy").outcome) != plan_gantt(day, plan(day, "local_search").outcome)


def places_of(day, seed=0):
    rng = np.random.default_rng(seed)

    def points(count):
        return np.array([46.2, 6.14]) + rng.normal(0.0, 0.03, (count, 2))

    return Places(points(day.n_drivers), points(day.n_bookings), points(day.n_bookings))


@pytest.mark.parametrize(("bookings", "drivers"), [(25, 5), (120, 40), (0, 2), (3, 0), (0, 0)])
def test_map(bookings, drivers):
    day = random_day(bookings, drivers, 1, tight=True)
    assert is_small_png(plan_map(day, plan(day, "greedy").outcome, places_of(day)))


def test_map_shows_the_plan_but_not_where_on_earth_it_is():
    day = random_day(12, 4, 1)
    greedy, searched = plan(day, "greedy").outcome, plan(day, "local_search").outcome
    places = places_of(day)
    assert plan_map(day, greedy, places) != plan_map(day, searched, places)
    metres = 0.02 / 111.0
    nudged = Places(*(part + np.array([metres, 0.0]) for part in (places.starts, places.pickups, places.dropoffs)))
    assert plan_map(day, greedy, nudged) == plan_map(day, greedy, places)


def test_load_gaps_before_and_after():
    assert is_small_png(load_gap_histogram([3, 2, 4], [0, 1, 1]))
    assert load_gap_histogram([3], [0]) != load_gap_histogram([0], [3])
    assert is_small_png(load_gap_histogram([], []))


def test_kpis_by_week():
    days = pd.DataFrame(
        {
            "service_day": pd.date_range("2026-01-05", periods=200),
            "load_gap": pd.array([1, None] * 100, dtype="Int64"),
            "on_time_rate": 0.9,
            "completion_rate": 0.95,
        }
    )
    assert is_small_png(kpi_series(days))
    assert is_small_png(kpi_series(days.head(0)))
