import json
import math

import numpy as np
import pandas as pd
import pytest
from gate_days import delay_holdout, slices
from hypothesis import given, settings
from hypothesis import strategies as st

from atmr_pipeline.domain.errors import TableContractError
from atmr_pipeline.promotion.bootstrap import compare_by_day
from atmr_pipeline.promotion.decide import decide
from atmr_pipeline.promotion.gates import (
    COMPANY_GATES,
    CompanyProfile,
    DelayGateLimits,
    GateVerdict,
    company_profile_gates,
    company_profile_off,
    delay_gates,
)


def by_name(verdicts: list[GateVerdict]) -> dict[str, GateVerdict]:
    return {verdict.name: verdict for verdict in verdicts}


def judge(holdout: pd.DataFrame, **options) -> dict[str, GateVerdict]:
    return by_name(delay_gates(holdout, **({"reload_identical": True, "labels": slices(len(holdout))} | options)))


def failed(verdicts: dict[str, GateVerdict]) -> set[str]:
    return {name for name, verdict in verdicts.items() if not verdict.passed}


def champion_pass_rate(worse: float, *, rows: int, worlds: int) -> float:
    names = ("not_inferior_to_champion", "not_worse_than_spline_ridge", "slices")
    passed = 0
    for seed in range(worlds):
        verdicts = judge(delay_holdout(seed, rows=rows, worse=worse))
        passed += all(verdicts[name].passed for name in names)
    return passed / worlds


def test_worse_challengers_are_refused_and_equal_or_better_ones_pass():
    assert champion_pass_rate(0.10, rows=1_000, worlds=20) == 0.0
    assert champion_pass_rate(0.05, rows=1_000, worlds=20) <= 0.08
    assert champion_pass_rate(0.0, rows=1_000, worlds=20) >= 0.85
    assert champion_pass_rate(-0.05, rows=1_000, worlds=20) == 1.0
    assert champion_pass_rate(0.10, rows=300, worlds=20) == 0.0


def test_a_good_challenger_passes_every_gate():
    verdicts = judge(delay_holdout(1, worse=-0.05))
    assert failed(verdicts) == set()
    decision = decide(list(verdicts.values()))
    assert decision.promote
    assert decision.reasons == ("all 13 gates passed",)


def test_the_first_challenger_is_judged_against_the_baselines_alone():
    verdicts = judge(delay_holdout(1, champion=False))
    assert verdicts["not_inferior_to_champion"].passed
    assert "no champion yet" in verdicts["not_inferior_to_champion"].detail
    worse = judge(delay_holdout(1, champion=False, worse=2.0))
    assert {"better_than_constant_mean", "not_worse_than_spline_ridge"} <= failed(worse)


@pytest.mark.parametrize(
    ("change", "gate"),
    [
        ({"covered_challenger": False}, "coverage"),
        ({"covered_challenger": True}, "coverage"),
        ({"brier_challenger": 0.9, "brier_champion": 0.9}, "brier_not_worse_than_constant"),
        ({"abs_error_constant_mean_min": 0.1}, "better_than_constant_mean"),
        ({"abs_error_constant_median_min": 0.1}, "not_worse_than_constant_median"),
        ({"abs_error_spline_ridge_min": 0.1}, "not_worse_than_spline_ridge"),
        ({"abs_error_anchor_min": 0.1}, "not_inferior_to_anchor"),
        ({"brier_champion": 0.01}, "brier_not_inferior_to_champion"),
    ],
)
def test_each_gate_refuses_what_it_is_for(change, gate):
    assert failed(judge(delay_holdout(1, worse=-0.05).assign(**change))) == {gate}


def test_a_champion_that_is_far_better_is_told_by_gate_and_by_slices():
    verdicts = judge(delay_holdout(1, worse=-0.05).assign(abs_error_champion_min=0.1))
    assert failed(verdicts) == {"not_inferior_to_champion", "slices"}


def test_small_steps_down_add_up_against_the_anchor():
    holdout = delay_holdout(1)
    step = holdout.assign(
        abs_error_champion_min=holdout["error_challenger_min"].abs() / 1.01,
        abs_error_anchor_min=holdout["error_challenger_min"].abs() / 1.03,
    )
    assert failed(judge(step)) == {"not_inferior_to_anchor"}


@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_bias_is_refused_either_way(sign):
    verdict = judge(delay_holdout(1, bias_min=1.3 * sign))["bias"]
    assert not verdict.passed
    assert np.sign(verdict.value) == sign
    assert judge(delay_holdout(1, bias_min=0.6 * sign))["bias"].passed


def test_reload_that_differs_is_refused():
    assert failed(judge(delay_holdout(1, worse=-0.05), reload_identical=False)) == {"reload_identical"}


def test_too_few_rows_and_days_say_needs_and_has():
    verdicts = judge(delay_holdout(1, rows=60))
    assert not verdicts["enough_rows"].passed
    assert verdicts["enough_rows"].detail == "held-out rows: needs 200, has 60"
    assert verdicts["enough_days"].detail == "held-out days: needs 14, has 5"
    allowed = judge(delay_holdout(1, rows=60), limits=DelayGateLimits(min_rows=60, min_days=5))
    assert allowed["enough_rows"].passed
    assert allowed["enough_days"].passed


def test_no_rows_at_all_are_refused_not_an_error():
    verdicts = judge(delay_holdout(1).iloc[:0])
    assert failed(verdicts) == set(verdicts) - {"reload_identical", "slices"}
    assert verdicts["slices"].verdict == "not judged"
    assert not decide(list(verdicts.values())).promote


def test_unknown_values_and_missing_columns_are_named():
    holdout = delay_holdout(1)
    with pytest.raises(TableContractError, match="brier_constant"):
        judge(holdout.drop(columns="brier_constant"))
    holdout.loc[3:5, "brier_challenger"] = np.nan
    with pytest.raises(TableContractError, match="brier_challenger in 3 rows"):
        judge(holdout)


def test_rows_that_the_champion_was_trained_on_are_not_compared_with() -> None:
    holdout = delay_holdout(1)
    seen = holdout["service_day"] <= sorted(holdout["service_day"].unique())[5]
    flattered = holdout.assign(abs_error_champion_min=holdout["abs_error_champion_min"].where(~seen, 0.0))
    assert not judge(flattered)["not_inferior_to_champion"].passed
    masked = holdout.assign(abs_error_champion_min=holdout["abs_error_champion_min"].where(~seen))
    verdict = judge(masked)["not_inferior_to_champion"]
    assert verdict.passed
    assert verdict.n == int((~seen).sum())
    nearly_all = holdout.assign(abs_error_champion_min=holdout["abs_error_champion_min"].where(holdout.index < 20))
    assert judge(nearly_all)["not_inferior_to_champion"].verdict == "not judged"


def test_verdicts_are_repeatable_and_json():
    first, second = (list(judge(delay_holdout(4)).values()) for _ in range(2))
    assert first == second
    empty = list(judge(delay_holdout(4).iloc[:0]).values())
    json.dumps([verdict.as_evidence() for verdict in [*first, *empty]], allow_nan=False)
    json.dumps(decide(empty).as_evidence(), allow_nan=False)


def test_days_are_what_is_resampled():
    # 50 copies of each row are no new evidence: the bound must not tighten.
    days = pd.Series(np.arange(20))
    rng = np.random.default_rng(0)
    ours, theirs = pd.Series(rng.gamma(2, 2, 20)), pd.Series(rng.gamma(2, 2, 20))
    once = compare_by_day(days, ours, theirs)
    copies = [pd.concat([series] * 50, ignore_index=True) for series in (days, ours, theirs)]
    repeated = compare_by_day(*copies)
    assert (repeated.rows, repeated.days) == (1_000, 20)
    np.testing.assert_allclose([once.lower, once.upper], [repeated.lower, repeated.upper])


@settings(max_examples=30, deadline=None)
@given(scale=st.floats(0.2, 5.0), seed=st.integers(0, 1_000))
def test_a_scaled_copy_differs_by_exactly_its_scale(scale, seed):
    costs = pd.Series(np.random.default_rng(seed).gamma(2, 2, 60) + 0.01)
    result = compare_by_day(pd.Series(np.arange(60) // 6), costs * scale, costs, seed=seed)
    np.testing.assert_allclose([result.lower, result.relative, result.upper], scale - 1.0, atol=1e-9)


def test_a_reference_that_costs_nothing_gives_no_comparison():
    days = pd.Series(range(5))
    result = compare_by_day(days, pd.Series([1.0] * 5), pd.Series([0.0] * 5))
    assert math.isnan(result.relative)
    mostly_free = compare_by_day(days, pd.Series([1.0] * 5), pd.Series([0.0, 0.0, 0.0, 0.0, 5.0]))
    assert math.isinf(mostly_free.upper)


def test_the_company_profile_refuses_even_the_true_probabilities():
    rng = np.random.default_rng(0)
    p_late = rng.beta(0.8, 1.6, 3_000)
    late = pd.Series(rng.random(3_000) < p_late)
    verdicts = by_name(company_profile_gates(late, pd.Series(p_late > 0.5)))
    assert set(verdicts) == {"company_accuracy", "company_precision", "company_recall", "company_f1"}
    assert not verdicts["company_accuracy"].passed
    perfect = company_profile_gates(late, late)
    assert all(verdict.passed and verdict.value == 1.0 for verdict in perfect)
    lenient = company_profile_gates(late, pd.Series(p_late > 0.5), CompanyProfile(0.5, 0.5, 0.3, 0.3))
    assert all(verdict.passed for verdict in lenient)
    never = by_name(company_profile_gates(late, pd.Series(False, index=late.index)))
    assert math.isnan(never["company_precision"].value)
    assert not never["company_precision"].passed


def test_a_decision_names_every_failed_gate_and_needs_at_least_one():
    good = GateVerdict("good", True, 1.0, 0.0, 5, "fine")
    bad = GateVerdict("bad", False, 0.0, 1.0, 5, "too low")
    worse = GateVerdict("worse", False, 0.0, 1.0, 5, "far too low")
    note = GateVerdict("note", False, 0.0, 1.0, 5, "reported", blocking=False)
    assert decide([good, bad, worse]).reason == "bad: too low; worse: far too low"
    assert decide([good, note]).promote
    assert not decide([note]).promote
    assert decide([]).reasons == ("no gate was judged",)


def test_the_company_profile_is_shown_as_off_with_its_limits_and_why():
    shown = company_profile_off()
    assert {verdict.name for verdict in shown} == set(COMPANY_GATES)
    assert [verdict.threshold for verdict in shown] == [0.85, 0.80, 0.75, 0.78]
    assert {(verdict.verdict, verdict.passed) for verdict in shown} == {("off", True)}
    assert "ATMR_COMPANY_GATES" in shown[0].detail
