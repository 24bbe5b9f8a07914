from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from policy_days import make_day

from atmr_pipeline.dispatch.planners import Plan, plan
from atmr_pipeline.dispatch.problem import DayProblem
from atmr_pipeline.dispatch.simulator import CostWeights, simulate
from atmr_pipeline.domain.errors import NotEnoughDataError
from atmr_pipeline.models.policy.evaluate import (
    BASELINE_METHODS,
    KPIS,
    OPTIMUM_GAP,
    PROOF,
    baselines,
    compared,
    evaluate_policies,
    gap_pct,
    paired_bootstrap_over_days,
    summary,
    with_optimum_gap,
)
from atmr_pipeline.models.policy.learner import CurvePoint
from atmr_pipeline.models.policy.pictures import cost_by_method, learning_curve

PNG_SIGNATURE = b"\x89PNG"
MAX_PICTURE_BYTES = 60_000


@pytest.fixture(scope="module")
def results(days: list[DayProblem]) -> pd.DataFrame:
    return evaluate_policies(days[:10], baselines(CostWeights()), CostWeights())


def test_one_row_a_day_and_method_from_the_simulator(results: pd.DataFrame, days: list[DayProblem]) -> None:
    assert len(results) == 10 * len(BASELINE_METHODS)
    assert list(results.columns) == ["day", "method", *KPIS, *PROOF]
    assert results["proven"].isna().all()
    row = results[(results["method"] == "greedy") & (results["day"] == 4)].iloc[0]
    outcome = simulate(days[4], plan(days[4], "greedy").assignment)
    assert row["cost"] == pytest.approx(outcome.total)
    assert row["load_gap"] == outcome.load_gap
    assert row["completion"] == pytest.approx(outcome.n_served / days[4].n_bookings)


def test_the_weights_are_those_that_are_evaluated(days: list[DayProblem]) -> None:
    dear = evaluate_policies(days[:2], {"none": lambda day: np.full(day.n_bookings, -1)}, CostWeights(lost=500.0))
    urgent = [day.is_urgent.sum() for day in days[:2]]
    expected = [500.0 * (day.n_bookings - n) + 200.0 * n for day, n in zip(days, urgent, strict=False)]
    assert dear["cost"].tolist() == pytest.approx(expected)
    assert dear["completion"].tolist() == [0.0, 0.0]


def test_a_day_without_bookings_is_complete() -> None:
    empty = make_day(np.random.default_rng(0), n_bookings=0)
    assert evaluate_policies([empty], baselines(CostWeights()), CostWeights())["completion"].tolist() == [1.0] * 4


def test_bootstrap_of_a_constant_difference_is_certain() -> None:
    reference = np.random.default_rng(0).uniform(50, 150, 40)
    assert paired_bootstrap_over_days(1.1 * reference, reference) == pytest.approx((10.0, 10.0, 10.0))
    assert paired_bootstrap_over_days(reference, reference) == (0.0, 0.0, 0.0)


def test_bootstrap_covers_the_truth_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(1)
    hits = 0
    for seed in range(200):
        reference = rng.uniform(50, 150, 60)
        other = 1.02 * reference + rng.normal(0, 10, 60)
        _, low, high = paired_bootstrap_over_days(other, reference, n=400, seed=seed)
        hits += low <= 2.0 <= high
    assert 175 <= hits <= 199


def test_bootstrap_is_reproducible_and_refuses_nonsense() -> None:
    rng = np.random.default_rng(2)
    a, b = rng.uniform(1, 2, 30), rng.uniform(1, 2, 30)
    assert paired_bootstrap_over_days(a, b, seed=3) == paired_bootstrap_over_days(a, b, seed=3)
    with pytest.raises(NotEnoughDataError, match="needs 2, has 1"):
        paired_bootstrap_over_days([1.0], [1.0])
    with pytest.raises(ValueError, match="shapes"):
        paired_bootstrap_over_days(a, b[:-1])
    with pytest.raises(ValueError, match="NaN"):
        paired_bootstrap_over_days([np.nan, 1.0], [1.0, 1.0])
    with pytest.raises(ValueError, match="costs nothing"):
        paired_bootstrap_over_days([1.0, 1.0], [0.0, 0.0])


def test_the_gap_is_to_what_was_proven_and_null_elsewhere(days: list[DayProblem]) -> None:
    def proving(day: DayProblem) -> Plan:
        found = plan(day, "local_search")
        return replace(found, optimal=day is days[0], bound=found.outcome.total - 1.0)

    table = with_optimum_gap(
        evaluate_policies(days[:2], {"prover": proving, **baselines(CostWeights())}, CostWeights())
    )
    assert table.loc[table["method"] == "prover", "proven"].tolist() == [True, False]
    assert table.loc[table["method"] == "prover", "bound"].notna().all()
    first, second = table[table["day"] == 0], table[table["day"] == 1]
    assert second[OPTIMUM_GAP].isna().all()
    optimum = first.loc[first["method"] == "prover", "cost"].item()
    assert first[OPTIMUM_GAP].tolist() == pytest.approx((100.0 * (first["cost"] / optimum - 1.0)).tolist())
    assert len(summary(table, reference="greedy", n=50)) == len(BASELINE_METHODS) + 1


def test_a_gap_in_per_cent_needs_an_optimum_that_costs_something() -> None:
    assert gap_pct(11.0, 10.0) == pytest.approx(10.0)
    assert gap_pct(10.0 - 1e-12, 10.0) == 0.0
    assert gap_pct(0.0, 0.0) == 0.0
    assert gap_pct(1.0, 0.0) is None
    assert gap_pct(1.0, None) is None
    assert gap_pct(1.0, float("nan")) is None


def test_each_other_method_is_compared_with_an_interval(results: pd.DataFrame) -> None:
    table = compared(results, "local_search", n=300).set_index("against")
    assert set(table.index) == set(BASELINE_METHODS) - {"local_search"}
    assert table.loc["nearest", "verdict"] == "cheaper"
    assert table.loc["nearest", "high_pct"] < 0.0
    assert compared(results, "nearest", n=300).set_index("against").loc["local_search", "verdict"] == "dearer"
    assert compared(results.assign(cost=1.0), "greedy", n=50)["verdict"].tolist() == ["open"] * 3
    one_day = compared(results[results["day"] == 0], "greedy")
    assert one_day["verdict"].tolist() == ["open"] * 3
    assert one_day["difference_pct"].isna().all()
    with pytest.raises(ValueError, match="was not evaluated"):
        compared(results, "nobody")


def test_summary_puts_the_cheapest_first(results: pd.DataFrame) -> None:
    table = summary(results, reference="greedy", n=200)
    assert table.index[0] == "local_search"
    assert table["cost"].is_monotonic_increasing
    assert table.loc["greedy", "vs_reference_pct"] == 0.0
    best = table.loc["local_search"]
    assert best["vs_reference_low_pct"] <= best["vs_reference_pct"] <= best["vs_reference_high_pct"] < 0.0
    gaps = results[results["method"] == "greedy"]["load_gap"]
    assert table.loc["greedy", "load_gap_le1_pct"] == pytest.approx(100.0 * (gaps <= 1).mean())
    with pytest.raises(ValueError, match="was not evaluated"):
        summary(results, reference="nobody")


def test_days_are_told_by_whatever_columns_tell_them(results: pd.DataFrame) -> None:
    renamed = results.assign(service_day=results["day"] // 2, company_id=results["day"] % 2).drop(columns="day")
    shuffled = renamed.sample(frac=1.0, random_state=0)
    pd.testing.assert_frame_equal(summary(shuffled, reference="greedy"), summary(renamed, reference="greedy"))


def test_pictures_are_small_and_reproducible(results: pd.DataFrame) -> None:
    curve = [CurvePoint(step, 1.0 / step, 120.0 - step / 50, 0.4 - step / 10_000, 2500) for step in range(1, 2500, 50)]
    for picture in (learning_curve(curve), cost_by_method(results, reference="greedy")):
        assert picture.startswith(PNG_SIGNATURE)
        assert len(picture) < MAX_PICTURE_BYTES
    one_day = (
        results[results["day"] == 0].drop(columns="day").assign(company_id=1, service_day=pd.Timestamp("2025-03-03"))
    )
    assert cost_by_method(one_day).startswith(PNG_SIGNATURE)
    assert learning_curve(curve) == learning_curve(curve)
