"""The world's shape against the figures of the trade, on a year's demand without a database."""

from datetime import date
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from atmr_pipeline.dispatch.simulator import simulate
from atmr_pipeline.simulation.company_day import live_day, plan_day
from atmr_pipeline.simulation.config import Scenario, WorldConfig
from atmr_pipeline.simulation.demand import bookings_of_day
from atmr_pipeline.simulation.effects import Effects
from atmr_pipeline.simulation.execution import DayExecution, draw
from atmr_pipeline.simulation.population import make_population
from atmr_pipeline.simulation.streams import Stream, generator
from atmr_pipeline.simulation.truth import World
from atmr_pipeline.simulation.weather import forecast, true_weather
from atmr_pipeline.simulation.working_days import working_days

CONFIG = WorldConfig(seed=7, end=date(2026, 1, 1))


@pytest.fixture(scope="module")
def population():
    return make_population(CONFIG)


@pytest.fixture(scope="module")
def year(population):
    days = working_days(CONFIG.seed, date(2025, 1, 1), date(2026, 1, 1))
    return pd.concat([bookings_of_day(CONFIG, population, Effects(), day).assign(day=day) for day in days])


@pytest.fixture(scope="module")
def quarter(population):
    return [live_day(CONFIG, population, day) for day in working_days(7, date(2025, 9, 1), date(2025, 12, 1))]


def test_volume_and_patients(year):
    per_day = year.groupby("day").size()
    assert 10.5 <= per_day.mean() <= 12.5
    assert per_day.min() >= 3
    assert per_day.max() <= 24
    assert 7 <= per_day.quantile(0.25) <= 9
    assert 13 <= per_day.quantile(0.75) <= 16
    assert 550 <= year["patient"].nunique() <= 850


def test_weekday_shares(year):
    shares = year["day"].map(lambda day: day.weekday()).value_counts(normalize=True)
    assert all(0.155 <= shares[weekday] <= 0.215 for weekday in range(5))
    assert shares[5] + shares[6] < 0.07


def test_hours_minutes_and_legs(year):
    hours = (year["scheduled_min"] // 60).value_counts(normalize=True)
    for hour, share in {9: 0.16, 10: 0.11, 13: 0.17, 14: 0.11, 16: 0.15}.items():
        assert hours[hour] == pytest.approx(share, abs=0.03)
    minutes = (year["scheduled_min"] % 60).value_counts(normalize=True)
    assert minutes[0] == pytest.approx(0.40, abs=0.03)
    assert minutes[30] == pytest.approx(0.24, abs=0.03)
    assert year["is_urgent"].mean() == pytest.approx(0.08, abs=0.02)
    assert year["cancelled_local"].notna().mean() == pytest.approx(0.05, abs=0.02)
    round_trips = year[year["is_round_trip"]]
    assert 0.6 <= len(round_trips) / len(year) <= 0.9
    assert round_trips["is_return"].mean() == 0.5


def test_a_return_follows_its_outbound_leg(year):
    legs = year[year["is_round_trip"]].sort_values(["day", "trip", "is_return"])
    outbound, back = legs[~legs["is_return"]], legs[legs["is_return"]]
    assert (back["scheduled_min"].to_numpy() - outbound["scheduled_min"].to_numpy() >= 45).all()
    assert (back["pickup"].to_numpy() == outbound["dropoff"].to_numpy()).all()


def test_the_dispatcher_is_mediocre_and_calls_emergency_drivers_rarely(population, quarter):
    gaps, served_by_emergency, served = [], 0, 0
    for lived in quarter:
        slots = lived.legs.loc[lived.legs["slot"] >= 0, "slot"].to_numpy()
        loads = np.bincount(slots, minlength=len(lived.duty.driver))
        gaps.append(int(loads.max() - loads.min()))
        emergency = np.array([population.drivers[driver].is_emergency for driver in lived.duty.driver])
        served, served_by_emergency = served + len(slots), served_by_emergency + int(emergency[slots].sum())
    assert 2.3 <= np.mean(gaps) <= 4.2
    assert served_by_emergency / served < 0.12


def test_delays_look_like_the_trade(quarter):
    legs = pd.concat([lived.legs for lived in quarter])
    legs = legs[legs["executed"] & ~legs["no_show"]]
    delay = legs["start_min"] - legs["scheduled_min"]
    assert 3.0 <= delay.mean() <= 6.5
    assert 0.25 <= (delay > 5).mean() <= 0.40
    assert 7.0 <= delay.std() <= 12.0
    assert delay.min() >= -5.01
    assert delay[legs["is_return"]].mean() > delay[~legs["is_return"]].mean() + 2.0


def test_a_day_is_the_same_whatever_else_is_built(population):
    day = date(2025, 10, 7)
    first, again = live_day(CONFIG, population, day).legs, live_day(CONFIG, make_population(CONFIG), day).legs
    pd.testing.assert_frame_equal(first, again)
    other = live_day(WorldConfig(seed=8, end=CONFIG.end), make_population(WorldConfig(seed=8)), day).legs
    assert not first["start_min"].equals(other["start_min"])


def test_every_driver_has_other_initials():
    for seed in range(5):
        drivers = make_population(WorldConfig(drivers=60, seed=seed)).drivers
        assert len({driver.initials for driver in drivers}) == 60
        assert sum(driver.is_emergency for driver in drivers) == 15


def test_punctuality_drifts_slowly(population):
    driver = population.drivers[0]
    a_day_later = driver.punctuality_min(date(2025, 5, 2)) - driver.punctuality_min(date(2025, 5, 1))
    assert abs(a_day_later) < 0.05
    values = [driver.punctuality_min(date.fromordinal(date(2025, 1, 1).toordinal() + d)) for d in range(0, 365, 7)]
    assert 0.5 < max(values) - min(values) < 3.0


def test_roadworks_delay_every_pickup_by_about_five_minutes(population):
    works = WorldConfig(seed=7, end=CONFIG.end, scenario=(Scenario("roadworks", date(2025, 9, 1)),))
    before, after = [], []
    for day in working_days(7, date(2025, 9, 1), date(2025, 9, 20)):
        for config, sink in ((CONFIG, before), (works, after)):
            legs = live_day(config, population, day).legs
            sink.append((legs["start_min"] - legs["scheduled_min"]).dropna())
    difference = pd.concat(after) - pd.concat(before)
    assert difference.min() >= 5.0 - 0.02
    assert difference.mean() == pytest.approx(5.5, abs=0.7)


def test_roadworks_change_nothing_before_they_begin(population):
    works = WorldConfig(seed=7, end=CONFIG.end, scenario=(Scenario("roadworks", date(2025, 9, 2)),))
    day = date(2025, 9, 1)
    pd.testing.assert_frame_equal(live_day(works, population, day).legs, live_day(CONFIG, population, day).legs)


def test_longer_trips_and_rush_shift(population):
    days = working_days(7, date(2025, 9, 1), date(2025, 11, 1))
    points = population.points

    def legs_and_km(effects):
        legs = pd.concat([bookings_of_day(CONFIG, population, effects, day) for day in days])
        ends = points[legs["pickup"].to_numpy()] - points[legs["dropoff"].to_numpy()]
        return legs, float(np.hypot(ends[:, 0] * 111.2, ends[:, 1] * 77.0).mean())

    usual, usual_km = legs_and_km(Effects())
    _, longer_km = legs_and_km(Effects(longer_trips=True))
    assert longer_km / usual_km == pytest.approx(1.4, abs=0.12)
    shifted, _ = legs_and_km(Effects(rush_shift_h=1))
    assert shifted["scheduled_min"].mean() - usual["scheduled_min"].mean() == pytest.approx(60.0, abs=1e-9)


def test_a_day_is_executed_by_the_dispatch_simulator(small_home):
    world = World.load(small_home)
    plan = world._plans[world.days[3]]
    execution, draws = DayExecution(plan), draw(plan, generator(1, Stream.REPLAY), 1)
    start, end = execution.run(draws)
    in_order = np.lexsort((plan.booking_ids, plan.scheduled_min, plan.driver_index))
    for earlier, later in pairwise(in_order):
        if plan.driver_index[earlier] == plan.driver_index[later]:
            assert start[0, later] >= end[0, earlier]
    expected = simulate(execution.problem, plan.driver_index, drop_late=False, enforce_shifts=False)
    assert expected.n_served == len(plan.booking_ids)


def test_weather_has_seasons_and_a_forecast_close_to_it():
    january = np.mean([true_weather(7, date(2025, 1, day))["temperature_c"].mean() for day in range(1, 31)])
    july = np.mean([true_weather(7, date(2025, 7, day))["temperature_c"].mean() for day in range(1, 31)])
    assert july - january > 12
    days = [date(2025, 3, day) for day in range(29, 32)]
    table = forecast(7, days)
    # The last Sunday of March has 23 hours.
    assert len(table) == 24 + 23 + 24
    assert ((table["valid_at"] - table["issued_at"]) >= pd.Timedelta(hours=7)).all()
    truth = np.concatenate([true_weather(7, days[0])["temperature_c"]])
    assert np.abs(table["temperature_c"].to_numpy()[:24] - truth).mean() < 1.5


def test_bookings_known_in_the_evening_are_planned_before_the_urgent_ones(population):
    planned = plan_day(CONFIG, population, date(2025, 10, 7))
    legs = planned.legs
    known = legs[~legs["is_urgent"] & (legs["slot"] >= 0)]
    assert (known["created_local"] < planned.planning_started).all()
    assert (known["decided_local"].dt.hour.between(17, 19)).all()
    assert (known["decided_local"].dt.date == date(2025, 10, 6)).all()
    urgent = legs[legs["is_urgent"] & (legs["slot"] >= 0)]
    waited = urgent["decided_local"] - urgent["created_local"]
    assert (waited <= pd.Timedelta(minutes=8)).all()
