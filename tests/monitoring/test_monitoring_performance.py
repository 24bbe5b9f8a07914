"""Live figures against validation figures: no alarm on a good model, an alarm on a bad one."""

from datetime import date

import numpy as np
import pandas as pd
import pytest

from atmr_pipeline.domain.errors import SettingsError, TableContractError
from atmr_pipeline.monitoring.kpi_report import performance_markdown
from atmr_pipeline.monitoring.performance import (
    PerformanceSettings,
    day_bootstrap,
    degradation_alarm,
    performance,
    rolling_mae,
)

FIGURES = {"mae_min": 2.4, "r2": 0.4, "brier": 0.15, "coverage_pct": 90.0}
VALIDATION = {"delay-1": FIGURES}


def predictions(seed: int, *, days: int = 28, per_day: int = 12, error_min: float = 3.0) -> pd.DataFrame:
    """Normal errors of standard deviation ``error_min``: MAE is .798 of it, so 3.0 gives the validation MAE of 2.4."""
    rng = np.random.default_rng(seed)
    n = days * per_day
    expected = rng.normal(4.0, 3.0, n)
    actual = expected + rng.normal(0.0, error_min, n)
    return pd.DataFrame(
        {
            "service_day": np.repeat(pd.date_range("2025-11-01", periods=days, unit="us").to_numpy(), per_day),
            "model_version": "delay-1",
            "expected_delay_min": expected,
            "low_min": expected - 1.645 * 3.0,
            "high_min": expected + 1.645 * 3.0,
            "p_late": 1.0 / (1.0 + np.exp(-(expected - 5.0) / 1.7)),
            "actual_delay_min": actual,
        }
    )


def test_figures_by_hand():
    frame = pd.DataFrame(
        {
            "service_day": pd.to_datetime(["2025-11-01", "2025-11-01", "2025-11-02", "2025-11-03"]),
            "model_version": "delay-1",
            "expected_delay_min": [0.0, 10.0, 4.0, 1.0],
            "low_min": [-1.0, 8.0, 3.0, 0.0],
            "high_min": [1.0, 9.0, 5.0, 2.0],
            "p_late": [0.0, 1.0, 0.5, 0.5],
            "actual_delay_min": [1.0, 8.0, 6.0, np.nan],
        }
    )
    row = performance(frame, VALIDATION, windows=(7,)).iloc[0]
    assert (row.n, row.n_unknown) == (3, 1)
    assert row.mae == pytest.approx(5 / 3)
    assert row.bias == pytest.approx((-1 + 2 - 2) / 3)
    assert row.r2 == pytest.approx(1 - 9 / 26)
    assert row.brier == pytest.approx((0 + 0 + 0.25) / 3)
    assert row.coverage == pytest.approx(2 / 3)
    assert row.accuracy == pytest.approx(1.0)
    assert row.mae_ratio == pytest.approx(5 / 3 / 2.4)
    assert pd.isna(row.degraded)
    assert "needs 30" in row.skipped_reason


def test_a_good_model_is_rarely_called_degraded_though_fixed_limits_break():
    degraded = broken = 0
    for seed in range(60):
        table = performance(predictions(seed), VALIDATION)
        degraded += int(table["degraded"].any())
        broken += int((table["company_thresholds_broken"] != "").any())
    assert degraded <= 1
    assert broken >= 6, "the fixed limits alarm on a model that is as good as ever"


def test_a_degraded_model_is_found_on_both_windows():
    table = performance(predictions(1, error_min=6.0), VALIDATION)
    assert table["degraded"].all()
    assert (table["mae_low"] > 1.25 * 2.4).all()
    assert (table["mae_low"] < table["mae"]).all()
    assert (table["mae"] < table["mae_high"]).all()
    assert table["company_thresholds_broken"].str.contains("r2 < 0.60").all()


def test_the_validation_figure_is_that_of_the_versions_that_served():
    """A champion of yesterday, validated on easy days, must not make what others served look degraded."""
    frame = predictions(1).assign(model_version=["delay-1"] * 300 + ["easy"] * 36)
    table = performance(frame, VALIDATION | {"easy": {"mae_min": 1.2}}).set_index("window_days")
    assert table.loc[28, "validation_mae"] == pytest.approx((300 * 2.4 + 36 * 1.2) / 336)
    assert table.loc[7, "validation_mae"] == pytest.approx((48 * 2.4 + 36 * 1.2) / 84)
    assert not table.loc[28, "degraded"]
    assert table.loc[28, "n_without_validation"] == 0
    unknown = performance(frame, VALIDATION).set_index("window_days")
    assert unknown.loc[28, "n_without_validation"] == 36
    assert unknown.loc[28, "validation_mae"] == pytest.approx(2.4)


def test_figures_have_intervals_and_are_set_against_validation():
    row = performance(predictions(1, error_min=6.0), VALIDATION).set_index("window_days").loc[28]
    for name in ("mae", "r2", "brier", "coverage"):
        assert row[f"{name}_low"] < row[name] < row[f"{name}_high"], name
    assert row["validation_coverage"] == pytest.approx(0.9)
    assert row["worse_than_validation"].split(", ")[0] == "mae"
    assert "coverage" in row["worse_than_validation"]
    good = performance(predictions(1), VALIDATION).set_index("window_days").loc[28]
    assert good["worse_than_validation"] == ""


def test_a_degradation_is_followed_back_to_its_first_day():
    frame = pd.concat(
        [
            predictions(1),
            predictions(2, days=14, error_min=9.0).assign(
                service_day=lambda f: f["service_day"] + pd.Timedelta(days=28)
            ),
        ]
    )
    arguments = {"first_day": date(2025, 11, 1), "seen": None, "quiet_days": 7, "model_version": "delay-1"}
    started = set()
    for as_of in (date(2025, 12, 8), date(2025, 12, 12)):
        windows = performance(frame, VALIDATION, as_of=as_of)
        alarm = degradation_alarm(
            windows, lambda day: performance(frame, VALIDATION, as_of=day), as_of=as_of, **arguments
        )
        assert alarm.kind == "performance"
        assert alarm.evidence["degraded"][0]["validation_mae"] == 2.4
        started.add(alarm.started_on)
    assert len(started) == 1
    assert date(2025, 11, 29) <= started.pop() <= date(2025, 12, 4)
    quiet = performance(frame, VALIDATION, as_of=date(2025, 11, 28))
    assert degradation_alarm(quiet, lambda day: quiet, as_of=date(2025, 11, 28), **arguments) is None


def test_windows_and_as_of():
    frame = predictions(1)
    table = performance(frame, VALIDATION, as_of=date(2025, 11, 10)).set_index("window_days")
    assert table.loc[7, "n"] == 84
    assert table.loc[28, "n"] == 120
    later = performance(frame, VALIDATION, as_of=date(2026, 3, 1))
    assert later["degraded"].isna().all()
    assert (later["skipped_reason"] == "no measured pickup in the window").all()


def test_without_a_validation_figure_nothing_is_judged():
    for figures in ({}, {"mae_min": None}, {"mae_min": float("nan")}, {"mae_min": 0.0}):
        table = performance(predictions(1), {"delay-1": figures})
        assert table["degraded"].isna().all()
        assert table["skipped_reason"].str.contains("held-out MAE").all()
        assert (table["n_without_validation"] == table["n"]).all()
        assert table["mae"].notna().all()
    assert performance(predictions(1), {})["degraded"].isna().all()


@pytest.mark.parametrize("case", ["empty", "nothing measured", "one day", "nullable floats"])
def test_degenerate_predictions(case):
    frame = predictions(1)
    if case == "empty":
        frame = frame.iloc[:0]
    elif case == "nothing measured":
        frame["actual_delay_min"] = np.nan
    elif case == "one day":
        frame = predictions(1, days=1, per_day=60)
    else:
        frame["actual_delay_min"] = frame["actual_delay_min"].astype("Float64").where(frame.index % 2 == 0)
    table = performance(frame, VALIDATION)
    assert len(table) == 2
    assert table["degraded"].isna().all() == (case != "nullable floats")
    assert (table["degraded"].isna() == table["skipped_reason"].notna()).all()


def test_missing_columns_and_nonsense_settings_are_refused():
    with pytest.raises(TableContractError, match="p_late"):
        performance(predictions(1).drop(columns="p_late"), VALIDATION)
    with pytest.raises(SettingsError, match="margin"):
        PerformanceSettings(margin=0.5)
    with pytest.raises(SettingsError, match="minimum"):
        PerformanceSettings(minimum_days=1)


def test_bootstrap_knows_that_days_go_together():
    rng = np.random.default_rng(0)
    days = np.repeat(np.arange(28), 12)
    own_luck = np.abs(rng.normal(0.0, 3.0, len(days)))
    day_luck = own_luck + np.repeat(rng.exponential(3.0, 28), 12)
    widths = [np.diff(day_bootstrap(errors, days, 0.9, 1000, 0))[0] for errors in (own_luck, day_luck)]
    assert widths[1] > 2.0 * widths[0]
    assert day_bootstrap(own_luck, days, 0.9, 1000, 0) == day_bootstrap(own_luck, days, 0.9, 1000, 0)


def test_rolling_mae_is_weighted_by_courses():
    frame = pd.DataFrame(
        {
            "service_day": pd.to_datetime(["2025-11-01", "2025-11-01", "2025-11-03", "2025-11-20"]),
            "expected_delay_min": [0.0, 0.0, 0.0, 0.0],
            "actual_delay_min": [1.0, -1.0, 4.0, np.nan],
        }
    )
    path = rolling_mae(frame, 7)
    assert list(path["n"]) == [2, 3]
    assert list(path["mae"]) == pytest.approx([1.0, 2.0])
    assert rolling_mae(frame.iloc[3:]).empty


def test_markdown_names_what_was_not_judged():
    text = performance_markdown(performance(predictions(1, days=2), VALIDATION))
    assert "2 days with measured pickups, needs 4" in text
    assert "| 7 | 24 |" in text
