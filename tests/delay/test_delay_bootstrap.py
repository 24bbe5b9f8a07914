"""The day-block bootstrap against drawing the rows by hand, and against what an interval promises."""

import numpy as np
import pandas as pd
import pytest

from atmr_pipeline.domain.errors import NotEnoughDataError, TableContractError
from atmr_pipeline.models.delay.bootstrap import DayBlocks, interval


@pytest.fixture
def blocks() -> DayBlocks:
    return DayBlocks.of(pd.Series(["mon", "mon", "mon", "tue", "wed"]), n_draws=500, seed=3)


VALUES = np.array([1.0, 2.0, 6.0, 10.0, 40.0])
OTHER = np.array([2.0, 2.0, 2.0, 5.0, 8.0])


def repeated(values: np.ndarray, draw: np.ndarray) -> np.ndarray:
    """The rows that a draw takes, written out."""
    return np.repeat(values, np.repeat(draw.astype(int), [3, 1, 1]))


def test_every_draw_takes_whole_days(blocks):
    assert blocks.n_days == 3
    assert (blocks.drawn.sum(axis=1) == 3).all()
    means, ratios = blocks.mean_draws(VALUES), blocks.ratio_draws(VALUES, OTHER)
    for draw, mean, ratio in zip(blocks.drawn, means, ratios, strict=True):
        assert mean == pytest.approx(repeated(VALUES, draw).mean())
        assert ratio == pytest.approx(repeated(VALUES, draw).sum() / repeated(OTHER, draw).sum())


def test_a_group_is_measured_on_its_rows_only(blocks):
    where = np.array([True, False, True, True, False])
    draws = blocks.mean_draws(VALUES, where)
    for draw, mean in zip(blocks.drawn, draws, strict=True):
        rows = repeated(VALUES, draw)[repeated(where, draw)]
        assert np.isnan(mean) if not len(rows) else mean == pytest.approx(rows.mean())
    assert np.isnan(draws).any()
    assert blocks.mean(VALUES, where).value == pytest.approx(17 / 3)


def test_an_interval_is_the_percentiles_of_the_draws_that_measured_something():
    figure = interval(5.0, np.array([np.nan, *np.linspace(0.0, 100.0, 101)]))
    assert figure == pytest.approx((5.0, 2.5, 97.5))
    nothing = interval(5.0, np.array([np.nan]))
    assert np.isnan([nothing.low, nothing.high]).all()


def test_nothing_to_measure_is_not_a_number(blocks):
    assert np.isnan(blocks.mean(VALUES, np.zeros(5, dtype=bool))).all()
    assert np.isnan(blocks.ratio(VALUES, np.zeros(5))).all()


def test_one_day_says_nothing_about_days():
    with pytest.raises(NotEnoughDataError, match="needs 2, has 1"):
        DayBlocks.of(pd.Series(["mon", "mon"]))


def test_values_must_belong_to_the_rows(blocks):
    with pytest.raises(TableContractError, match="4 values for the days of 5 rows"):
        blocks.mean(VALUES[:4])


def test_the_interval_holds_the_truth_as_often_as_it_says():
    """Rows of a day share a shock; an interval that drew rows would hold the truth far less often."""
    by_day = by_row = 0
    for seed in range(120):
        rng = np.random.default_rng(seed)
        days = np.repeat(np.arange(50), 8)
        values = np.repeat(rng.normal(0.0, 1.0, 50), 8) + rng.normal(0.0, 1.0, 400)
        _, low, high = DayBlocks.of(pd.Series(days), n_draws=400, seed=seed).mean(values)
        by_day += low <= 0.0 <= high
        _, low, high = DayBlocks.of(pd.Series(np.arange(400)), n_draws=400, seed=seed).mean(values)
        by_row += low <= 0.0 <= high
    assert 108 <= by_day <= 119
    assert by_row < 84
