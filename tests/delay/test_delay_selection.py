"""The choice among candidates: the least error wins, and complex ones may be asked to prove themselves."""

import numpy as np

from atmr_pipeline.models.delay import DelayParams
from atmr_pipeline.models.delay.selection import choose

NOISE = np.random.default_rng(6).normal(0, 3, 300)
PARAMS = DelayParams(simpler_within_se=1.0)


def test_trees_that_win_by_luck_are_not_chosen():
    errors = {"spline_ridge": NOISE, "xgboost": 0.98 * NOISE[::-1]}
    assert choose(errors, PARAMS) == "spline_ridge"
    assert choose(errors, DelayParams(simpler_within_se=0.0)) == "xgboost"


def test_trees_that_are_better_on_most_rows_are_chosen():
    errors = {"spline_ridge": NOISE, "xgboost": NOISE * 0.95, "random_forest": NOISE * 0.97}
    assert choose(errors, PARAMS) == "xgboost"
    assert choose(errors, DelayParams(simpler_within_se=1e6)) == "spline_ridge"


def test_among_simple_candidates_the_least_error_wins():
    assert choose({"constant_mean": NOISE * 1.001, "spline_ridge": NOISE}, PARAMS) == "spline_ridge"
    assert choose({"constant_mean": NOISE, "spline_ridge": NOISE * 1.001}, PARAMS) == "constant_mean"


def test_equal_candidates_give_the_simplest():
    zero = np.zeros(50)
    assert choose({"xgboost": zero, "spline_ridge": zero, "constant_median": zero}, PARAMS) == "constant_median"


def test_trees_alone_compete_by_error():
    assert choose({"xgboost": NOISE, "random_forest": NOISE * 0.9}, PARAMS) == "random_forest"


def test_the_metric_decides_between_rare_large_and_frequent_small_errors():
    rare, frequent = np.where(np.arange(300) % 50 == 0, 20.0, 0.0), np.full(300, 1.0)
    errors = {"constant_mean": frequent, "spline_ridge": rare}
    assert choose(errors, PARAMS) == "spline_ridge"
    assert choose(errors, DelayParams(selection_metric="rmse")) == "constant_mean"
