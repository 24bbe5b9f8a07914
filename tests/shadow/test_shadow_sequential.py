"""The sequential comparison: its formula, its error rate under daily looks, and what it says."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate

from atmr_pipeline.domain.errors import SettingsError, TableContractError
from atmr_pipeline.promotion.sequential import SequentialRules, Verdict, compare_sequentially, confidence_path

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "challenge.py"
CHALLENGES, DAYS = 600, 400
RULES = SequentialRules()


@pytest.fixture(scope="module")
def benchmark() -> ModuleType:
    spec = importlib.util.spec_from_file_location("challenge_benchmark", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def path_of(difference: np.ndarray, served: np.ndarray, rules: SequentialRules = RULES):
    return confidence_path(difference, served, alpha=rules.alpha, effect_sd=rules.effect_sd)


def days(challenger: np.ndarray, served: np.ndarray, courses: int = 10) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "service_day": pd.date_range("2026-03-02", periods=len(served)),
            "courses": courses,
            "challenger_error_min": challenger,
            "served_error_min": served,
        }
    )


def test_the_e_value_is_the_bayes_factor_that_it_claims_to_be() -> None:
    """Both marginal likelihoods integrated numerically: effect normal, standard deviation scale-invariant."""
    x = np.array([0.8, -0.3, 1.4, 0.9, 0.2, 1.1])
    n, total, squares = len(x), x.sum(), (x**2).sum()

    def given_effect(effect: float) -> float:
        def density(log_sd: float) -> float:
            sd = np.exp(log_sd)
            return sd**-n * np.exp(-(squares - 2 * effect * sd * total + n * effect**2 * sd**2) / (2 * sd**2))

        return integrate.quad(density, -6, 6, limit=200)[0]

    def weighted(effect: float) -> float:
        width = RULES.effect_sd
        return given_effect(effect) * np.exp(-0.5 * (effect / width) ** 2) / (width * np.sqrt(2 * np.pi))

    factor = integrate.quad(weighted, -4, 4)[0] / given_effect(0.0)
    assert np.exp(path_of(x, np.full(n, 5.0)).log_e[-1]) == pytest.approx(factor, rel=1e-6)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(12, 60), st.floats(-0.4, 0.4))
def test_the_interval_is_what_the_e_value_does_not_reject(seed: int, n: int, shift: float) -> None:
    rng = np.random.default_rng(seed)
    served = rng.gamma(9.0, 3.0, n)
    difference = shift * served + rng.normal(0.0, 4.0, n)
    path = path_of(difference, served)
    lower, upper = path.lower[-1], path.upper[-1]
    if not np.isfinite(lower):
        return
    for ratio in (lower, upper):
        at_bound = path_of(difference - ratio * served, served)
        assert at_bound.log_e[-1] == pytest.approx(-np.log(RULES.alpha), abs=1e-5)
    middle = path_of(difference - path.relative[-1] * served, served)
    assert middle.log_e[-1] < -np.log(RULES.alpha)
    assert lower < path.relative[-1] < upper


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.01, 100.0))
def test_the_unit_of_the_errors_does_not_matter(seed: int, factor: float) -> None:
    rng = np.random.default_rng(seed)
    served, difference = rng.gamma(9.0, 3.0, 40), rng.normal(1.0, 4.0, 40)
    one, other = path_of(difference, served), path_of(factor * difference, factor * served)
    assert one.log_e == pytest.approx(other.log_e, abs=1e-8)
    assert one.upper[-1] == pytest.approx(other.upper[-1], rel=1e-6)


@pytest.mark.parametrize("memory", [0.0, 0.3])
def test_a_year_of_daily_looks_keeps_its_error_rate_and_a_t_test_does_not(benchmark: ModuleType, memory: float) -> None:
    difference, served, courses = benchmark.World(memory=memory).days(CHALLENGES, DAYS, seed=3)
    path = path_of(difference, served)
    different = ((path.lower > 0) | (path.upper < 0))[:, RULES.minimum_days - 1 :].any(axis=1).mean()
    # Three standard errors of a share of 5 % among so many.
    assert different <= RULES.alpha + 3.0 * np.sqrt(RULES.alpha * (1 - RULES.alpha) / CHALLENGES)
    assert benchmark.ever_significant(difference, courses, RULES).mean() > 0.3


@pytest.mark.parametrize("relative", [-0.10, 0.10])
def test_a_tenth_of_the_error_is_seen_within_the_year(benchmark: ModuleType, relative: float) -> None:
    difference, served, _ = benchmark.World(relative=relative).days(200, DAYS, seed=4)
    verdicts, taken = benchmark.first_verdicts(difference, served, RULES)
    assert (verdicts == (Verdict.BETTER if relative < 0 else Verdict.WORSE)).mean() > 0.97
    assert np.nanmedian(taken) < 90


def test_days_weigh_by_their_courses() -> None:
    """One course on Sundays, worse there, twenty on other days, better there: the courses decide, not the days."""
    rng = np.random.default_rng(0)
    courses = np.tile([1.0, 20.0], 60)
    served = 3.0 * courses
    difference = np.where(courses == 1.0, 2.0, -0.3 * courses) + rng.normal(0.0, 0.3, 120) * np.sqrt(courses)
    comparison = compare_sequentially(days(served + difference, served))
    assert comparison.verdict is Verdict.BETTER
    assert comparison.path["relative"].iloc[-1] == pytest.approx(difference.sum() / served.sum())


def test_a_verdict_stands_and_carries_the_figures_of_its_day() -> None:
    rng = np.random.default_rng(1)
    served = rng.gamma(30.0, 1.0, 200)
    turn = np.where(np.arange(200) < 60, 0.2, -0.6)
    comparison = compare_sequentially(days(served * (1 + turn) + rng.normal(0, 1, 200), served))
    assert comparison.verdict is Verdict.WORSE
    assert comparison.days < 60
    assert comparison.decided_on == pd.Timestamp("2026-03-02") + pd.Timedelta(days=comparison.days - 1)
    assert comparison.courses == 10 * comparison.days
    assert set(comparison.path["verdict"].iloc[comparison.days - 1 :]) == {"challenger_worse"}
    assert comparison.path["upper"].iloc[-1] < 0
    assert comparison.days_needed is None
    assert comparison.e_value >= 1 / RULES.alpha
    assert comparison.summary().startswith("challenger is worse: MAE +")


def test_a_model_that_says_the_same_is_equivalent_as_soon_as_allowed() -> None:
    served = np.random.default_rng(2).gamma(30.0, 1.0, 30)
    comparison = compare_sequentially(days(served, served))
    assert comparison.verdict is Verdict.EQUIVALENT
    assert comparison.relative == comparison.lower == comparison.upper == 0.0
    assert comparison.e_value < 1.0
    assert comparison.days >= RULES.minimum_days


def test_a_sure_difference_within_the_margin_is_equivalent() -> None:
    served = np.random.default_rng(2).gamma(300.0, 1.0, 40)
    comparison = compare_sequentially(days(served * 1.01, served))
    assert comparison.lower > 0.0
    assert comparison.verdict is Verdict.EQUIVALENT
    noise = compare_sequentially(days(served + 1e-13, served))
    assert noise.verdict is Verdict.EQUIVALENT


def test_no_verdict_before_the_least_number_of_days() -> None:
    served = np.random.default_rng(3).gamma(300.0, 1.0, 60)
    worse = served * 2.0
    soon = compare_sequentially(days(worse, served), SequentialRules(effect_sd=5.0, minimum_days=2))
    later = compare_sequentially(days(worse, served), SequentialRules(effect_sd=5.0, minimum_days=20))
    assert soon.days < 10
    assert (later.days, later.verdict) == (20, Verdict.WORSE)


def test_what_it_would_need_is_about_what_it_takes() -> None:
    rng = np.random.default_rng(5)
    served = rng.gamma(30.0, 1.0, 300)
    difference = -0.06 * served + rng.normal(0.0, 6.0, 300)
    whole = compare_sequentially(days(served + difference, served))
    early = compare_sequentially(days((served + difference)[:30], served[:30]))
    assert early.verdict is Verdict.UNDECIDED
    assert early.days_needed is not None
    assert f"about {early.days_needed} days in all" in early.summary()
    assert 0.3 < early.days_needed / whole.days < 3.0


def test_nothing_compared_yet_says_so() -> None:
    comparison = compare_sequentially(days(np.empty(0), np.empty(0)))
    assert (comparison.verdict, comparison.days, comparison.decided_on) == (Verdict.UNDECIDED, 0, None)
    assert "0 courses on 0 days say nothing yet" in comparison.summary()
    assert list(comparison.path.columns) == list(compare_sequentially(days(np.ones(3), np.ones(3))).path.columns)


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (days(np.ones(3), np.ones(3)).drop(columns="courses"), "missing columns courses"),
        (days(np.array([1.0, np.nan, 1.0]), np.ones(3)), "challenger_error_min in 1 rows"),
        (days(np.ones(3), np.ones(3)).iloc[::-1], "in order"),
        (days(np.array([1.0, -1.0, 1.0]), np.ones(3)), "not negative"),
    ],
)
def test_days_that_cannot_be_right_are_refused(broken: pd.DataFrame, said: str) -> None:
    with pytest.raises(TableContractError, match=said):
        compare_sequentially(broken)


@pytest.mark.parametrize(
    "wrong", [{"alpha": 0.0}, {"alpha": 0.7}, {"margin": 0.0}, {"effect_sd": 0.0}, {"minimum_days": 1}]
)
def test_rules_that_cannot_hold_are_refused(wrong: dict) -> None:
    with pytest.raises(SettingsError):
        SequentialRules(**wrong)


def test_the_benchmark_says_what_the_page_reports(benchmark: ModuleType) -> None:
    found = benchmark.figures(40, 120)
    for name in ("different_pct", "t_test_different_pct", "better5_median_days", "worse10_in_90_days_pct"):
        assert name in found
    assert len(benchmark.example()) == 120
