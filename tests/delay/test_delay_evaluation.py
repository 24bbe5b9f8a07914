"""Figures against hand-made cases and scikit-learn; the bootstrap against what it must conclude."""

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics

from atmr_pipeline.domain.errors import NotEnoughDataError, TableContractError
from atmr_pipeline.models.delay import compare, evaluate, evaluate_slices
from atmr_pipeline.models.delay.evaluation import expected_calibration_error, reliability


def table(expected: list[float], p_late: list[float], half_width: float = 2.0) -> pd.DataFrame:
    mean = pd.Series(expected, dtype=float)
    return pd.DataFrame(
        {"expected_delay_min": mean, "low_min": mean - half_width, "high_min": mean + half_width, "p_late": p_late}
    )


@pytest.fixture
def random_case():
    rng = np.random.default_rng(8)
    mean = rng.gamma(2, 2, 500)
    actual = pd.Series(mean + rng.normal(0, 2, 500))
    return actual, table(mean.tolist(), np.round(np.clip(mean / 10, 0, 1), 1).tolist())


def test_figures_of_a_case_done_by_hand():
    result = evaluate(pd.Series([0.0, 4.0, 6.0, 10.0]), table([1.0, 4.0, 4.0, 13.0], [0.1, 0.4, 0.6, 0.9]))
    assert result["n"] == 4
    assert result["mae_min"] == pytest.approx(1.5)
    assert result["rmse_min"] == pytest.approx(np.sqrt(14 / 4))
    assert result["bias_min"] == pytest.approx(0.5)
    assert result["r2"] == pytest.approx(1 - 14 / 52)
    assert result["brier"] == pytest.approx((0.01 + 0.16 + 0.16 + 0.01) / 4)
    assert result["coverage_pct"] == pytest.approx(75.0)
    assert result["width_min"] == pytest.approx(4.0)
    assert result["late_share"] == pytest.approx(0.5)
    assert result["auc"] == pytest.approx(1.0)
    assert result["ece"] == pytest.approx(0.25)


def test_figures_equal_scikit_learn(random_case):
    actual, predictions = random_case
    late = actual > 5.0
    result = evaluate(actual, predictions)
    clipped = predictions["p_late"].clip(1e-6, 1 - 1e-6)
    assert result["auc"] == pytest.approx(metrics.roc_auc_score(late, predictions["p_late"]))
    assert result["log_loss"] == pytest.approx(metrics.log_loss(late, clipped))
    assert result["brier"] == pytest.approx(metrics.brier_score_loss(late, predictions["p_late"]))
    assert result["r2"] == pytest.approx(metrics.r2_score(actual, predictions["expected_delay_min"]))


def test_figures_that_are_not_defined_are_none():
    result = evaluate(pd.Series([3.0, 3.0]), table([3.0, 2.0], [0.0, 1.0]))
    assert result["r2"] is None
    assert result["auc"] is None
    assert np.isfinite(result["log_loss"])


def test_late_threshold_is_a_parameter():
    actual = pd.Series([3.0, 8.0])
    assert evaluate(actual, table([3.0, 8.0], [0.5, 0.5]), late_after_min=10.0)["late_share"] == 0.0


def test_calibration_error_tells_honest_from_boastful():
    rng = np.random.default_rng(0)
    p = rng.uniform(0, 1, 20_000)
    late = rng.random(20_000) < p
    assert expected_calibration_error(late, p) < 0.02
    assert expected_calibration_error(late, np.where(p > 0.5, 0.99, 0.01)) > 0.2
    assert reliability(late, p)["n"].sum() == 20_000
    assert len(reliability(np.array([True]), np.array([1.0]))) == 1


def test_slices_keep_every_row(random_case):
    actual, predictions = random_case
    by = pd.Series(["a"] * 300 + ["b"] * 180 + ["c"] * 12 + [None] * 8, dtype=object)
    result = evaluate_slices(actual, predictions, by)
    assert result["slice"].tolist() == ["a", "b", "(small slices)"]
    assert result["n"].tolist() == [300, 180, 20]
    only_a = evaluate(actual[:300], predictions[:300])
    for name in ("mae_min", "bias_min", "coverage_pct", "late_share", "mean_p_late"):
        assert result[name].iloc[0] == pytest.approx(only_a[name])
    assert "(missing)" in evaluate_slices(actual, predictions, by, minimum_rows=5)["slice"].tolist()


@pytest.mark.parametrize(
    ("actual", "predictions", "error"),
    [
        ([1.0, 2.0], table([1.0], [0.5]), TableContractError),
        ([1.0], table([1.0], [0.5]).drop(columns="p_late"), TableContractError),
        ([np.nan], table([1.0], [0.5]), TableContractError),
        ([1.0], table([np.inf], [0.5]), TableContractError),
        ([], table([], []), NotEnoughDataError),
    ],
)
def test_unusable_input_is_refused(actual, predictions, error):
    with pytest.raises(error):
        evaluate(pd.Series(actual, dtype=float), predictions)


def test_slices_need_a_label_a_row(random_case):
    with pytest.raises(TableContractError, match="by has 1 rows"):
        evaluate_slices(*random_case, pd.Series(["a"]))


def errors(days: int = 60, rows_a_day: int = 12, seed: int = 0) -> tuple[np.ndarray, pd.Series]:
    rng = np.random.default_rng(seed)
    by_day = np.repeat(rng.normal(0, 1, days), rows_a_day)
    return by_day + rng.normal(0, 2, days * rows_a_day), pd.Series(np.repeat(np.arange(days), rows_a_day))


def test_a_better_model_is_seen_as_better_and_an_equal_one_is_not():
    base, days = errors()
    better = compare(base * 0.8, base, days)
    assert better.relative_mae_pct == pytest.approx(-20.0)
    assert better.high_pct < -19.0
    rng = np.random.default_rng(1)
    equal = compare(base + rng.normal(0, 0.3, len(base)), base + rng.normal(0, 0.3, len(base)), days)
    assert equal.low_pct < 0.0 < equal.high_pct
    assert (equal.days, equal.rows) == (60, 720)


def test_days_that_hang_together_widen_the_interval():
    base, days = errors(days=30)
    gain = np.repeat(np.random.default_rng(4).choice([0.5, 1.5], 30), 12)
    by_day = compare(base * gain, base, days)
    by_row = compare(base * gain, base, pd.Series(np.arange(len(base))))
    assert by_day.high_pct - by_day.low_pct > 1.5 * (by_row.high_pct - by_row.low_pct)


def test_comparison_is_repeatable_and_ignores_row_order():
    base, days = errors()
    other = base * 0.9 + 0.1
    order = np.random.default_rng(9).permutation(len(base))
    first = compare(other, base, days, seed=5)
    assert compare(other, base, days, seed=5) == first
    moved = compare(other[order], base[order], days.iloc[order], seed=5)
    assert moved.relative_mae_pct == pytest.approx(first.relative_mae_pct)
    assert moved.low_pct == pytest.approx(first.low_pct, abs=0.3)


def test_comparison_with_a_perfect_model_is_not_defined():
    base, days = errors()
    assert compare(base, base * 0.0, days).relative_mae_pct is None


def test_comparison_refuses_what_it_cannot_use():
    base, days = errors()
    with pytest.raises(NotEnoughDataError, match="needs 2, has 1"):
        compare(base, base, days * 0)
    with pytest.raises(TableContractError, match="length"):
        compare(base[:-1], base, days)
    with pytest.raises(TableContractError, match="NULL"):
        compare(np.where(days == 0, np.nan, base), base, days)
