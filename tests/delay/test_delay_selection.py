"""The choice among candidates: the preferred one, unless another is better by more than noise."""

import numpy as np
import pytest

from atmr_pipeline.models.delay import DelayParams
from atmr_pipeline.models.delay.selection import choose as choose_from

NOISE = np.random.default_rng(6).normal(0, 3, 300)
PARAMS = DelayParams()


def choose(errors, params, fit_rows=2000):
    return choose_from(errors, params, fit_rows=fit_rows)


def test_a_candidate_that_wins_by_luck_is_not_chosen():
    errors = {"spline_ridge": 0.98 * NOISE[::-1], "xgboost": NOISE, "random_forest": 0.99 * NOISE[::-1]}
    assert choose(errors, PARAMS) == "xgboost"
    assert choose(errors, DelayParams(preferred_within_se=0.0)) == "spline_ridge"


def test_a_candidate_that_is_better_on_most_rows_is_chosen():
    errors = {"spline_ridge": NOISE * 0.97, "xgboost": NOISE, "random_forest": NOISE * 0.95}
    assert choose(errors, PARAMS) == "random_forest"
    assert choose(errors, DelayParams(preferred_within_se=1e6)) == "xgboost"
    assert choose(errors, DelayParams(preferred="spline_ridge", preferred_within_se=1e6)) == "spline_ridge"


def test_without_the_preferred_one_the_simplest_is_to_be_beaten():
    assert choose({"constant_mean": NOISE, "spline_ridge": NOISE * 0.9}, PARAMS) == "spline_ridge"
    assert choose({"constant_mean": NOISE * 0.999, "spline_ridge": NOISE[::-1]}, PARAMS) == "constant_mean"


def test_of_equals_the_simplest_is_kept():
    zero = np.zeros(50)
    assert choose({"xgboost": zero + 1e-8, "spline_ridge": zero, "constant_median": zero}, PARAMS) == "constant_median"


def test_the_metric_decides_between_rare_large_and_frequent_small_errors():
    rare, frequent = np.where(np.arange(300) % 50 == 0, 20.0, 0.0), np.full(300, 1.0)
    errors = {"constant_mean": frequent, "spline_ridge": rare}
    assert choose(errors, DelayParams(preferred_within_se=0.0)) == "spline_ridge"
    assert choose(errors, DelayParams(preferred_within_se=0.0, selection_metric="rmse")) == "constant_mean"


def test_an_unknown_preference_is_refused():
    with pytest.raises(ValueError, match="preferred must be one of"):
        DelayParams(preferred="oracle")


def test_with_few_rows_the_smooth_one_is_preferred():
    errors = {"spline_ridge": NOISE, "xgboost": 0.98 * NOISE[::-1]}
    assert choose(errors, PARAMS, fit_rows=1499) == "spline_ridge"
    assert choose(errors, PARAMS, fit_rows=1500) == "xgboost"
    assert choose({"spline_ridge": NOISE, "xgboost": 0.9 * NOISE}, PARAMS, fit_rows=100) == "xgboost"
