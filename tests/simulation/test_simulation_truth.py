from datetime import date

import numpy as np
import pandas as pd
import pytest

from atmr_pipeline.domain.errors import NotEnoughDataError, SourceError
from atmr_pipeline.simulation.company_day import live_day, truth_plan
from atmr_pipeline.simulation.config import WorldConfig
from atmr_pipeline.simulation.population import make_population
from atmr_pipeline.simulation.truth import World, expected_delays, irreducible_error
from atmr_pipeline.simulation.truth_store import to_tables

FIRST, LAST = date(2026, 3, 1), date(2026, 4, 30)


@pytest.fixture(scope="module")
def expected(small_home):
    return expected_delays(small_home, FIRST, LAST, replays=100)


def test_replays_repeat_and_differ_by_seed(small_home):
    world = World.load(small_home)
    day = world.days[5]
    first, again, other = world.replay(day, 20, 1), world.replay(day, 20, 1), world.replay(day, 20, 2)
    assert first.delay_min.shape == (20, len(first.assignment_ids))
    assert np.array_equal(first.delay_min, again.delay_min)
    assert not np.array_equal(first.delay_min, other.delay_min)
    assert first.delay_min.std(axis=0).min() > 0


def test_replays_have_the_statistics_of_what_happened(small_home):
    world = World.load(small_home)
    lives = list(world.replays(FIRST, LAST, 50, 1))
    actual = np.concatenate([life.actual_delay_min for life in lives])
    per_world = np.concatenate([life.delay_min for life in lives], axis=1)
    means, late = per_world.mean(axis=1), (per_world > 5).mean(axis=1)
    assert abs(actual.mean() - means.mean()) < 4 * means.std()
    assert abs((actual > 5).mean() - late.mean()) < 4 * late.std()
    assert 0.5 < actual.std() / per_world.std() < 2.0


def test_the_truth_agrees_with_the_database(expected, read_table):
    rows = {row["id"]: row for row in read_table("assignment", "actual_pickup_at IS NOT NULL")}
    assert set(expected["assignment_id"]) == set(rows)
    recorded = [rows[assignment]["delay_seconds"] / 60.0 for assignment in expected["assignment_id"]]
    assert np.allclose(expected["actual_delay_min"], recorded, atol=1e-6)


def test_the_perfect_predictor_beats_a_constant_and_is_not_perfect(small_home, expected):
    floor = irreducible_error(small_home, FIRST, LAST, replays=100)
    actual = expected["actual_delay_min"]
    assert floor["n"] == len(expected)
    assert floor["mae"] == pytest.approx((actual - expected["expected_delay_min"]).abs().mean())
    assert 1.0 < floor["mae"] < 0.9 * (actual - actual.median()).abs().mean()
    assert 0.25 < floor["r2"] < 0.75
    late = actual > 5
    assert 0.0 < floor["p_late_brier"] < late.mean() * (1 - late.mean())


def test_the_window_includes_both_its_ends(small_home):
    world = World.load(small_home)
    first, last = world.days[2], world.days[4]
    lives = list(world.replays(first, last, 1))
    assert len(lives) == 3
    assert world.days == sorted(set(world.days))


def test_clear_errors(small_home, tmp_path):
    with pytest.raises(SourceError, match="build one first"):
        World.load(tmp_path)
    world = World.load(small_home)
    with pytest.raises(SourceError, match="drove nobody"):
        world.replay(date(2020, 1, 1), 5)
    with pytest.raises(ValueError, match="at least 1"):
        world.replay(world.days[0], 0)
    with pytest.raises(NotEnoughDataError, match="needs 1, has 0"):
        expected_delays(small_home, date(2020, 1, 1), date(2020, 1, 2))


def test_the_truth_holds_no_names(small_home):
    for path in (small_home / "demo" / "truth").iterdir():
        assert path.suffix == ".parquet"
        assert "Fictif" not in pd.read_parquet(path).to_csv()


def test_a_day_on_which_everything_was_cancelled_is_kept_and_has_no_replay():
    config = WorldConfig(bookings_per_day=2, drivers=2)
    population, plans, delays = make_population(config), [], []
    for day, is_cancelled in ((date(2026, 3, 3), False), (date(2026, 3, 4), True)):
        lived = live_day(config, population, day)
        lived.legs["executed"] &= not is_cancelled
        ids = np.arange(len(lived.legs))
        plans.append(truth_plan(config, population, lived, ids, ids))
        delays.append(np.zeros(int(lived.legs["executed"].sum())))
    alone, both = to_tables(plans[1:], delays[1:]), to_tables(plans, delays)
    assert alone.plans() == {}
    assert list(both.append(alone).plans()) == [date(2026, 3, 3)]
    assert len(both.days) == 2
