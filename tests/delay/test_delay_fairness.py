"""Cuts and fairness: figures done by hand, planted differences found, noise not called a difference."""

import numpy as np
import pandas as pd
import pytest

from atmr_pipeline.models.delay.bootstrap import DayBlocks
from atmr_pipeline.models.delay.report.cuts import labels, natural_order, slice_table
from atmr_pipeline.models.delay.report.fairness import group_table, largest_gaps, verdict
from atmr_pipeline.models.delay.report.markdown import records


def holdout(errors: np.ndarray, days: np.ndarray) -> pd.DataFrame:
    """Predictions of 0 with an interval of 2 min either way; the actual delay is minus the error."""
    return pd.DataFrame(
        {
            "delay_min": -np.asarray(errors, dtype=float),
            "expected_delay_min": 0.0,
            "low_min": -2.0,
            "high_min": 2.0,
            "p_late": 0.5,
            "service_day": days,
        }
    )


def test_cuts_are_made_from_the_columns_that_there_are():
    frame = pd.DataFrame(
        {
            "time_of_day": [7.99, 8.0, 13.5, np.nan],
            "driver_id": pd.array([3, None, 12, 3], dtype="Int64"),
            "is_return": pd.array([True, False, None, True], dtype="boolean"),
            "patient_area": ["Lancy", None, "Onex", "Lancy"],
        }
    )
    made, left_out = labels(frame)
    assert [None if pd.isna(value) else value for value in made["hour"]] == ["07", "08", "13", None]
    assert [None if pd.isna(value) else value for value in made["leg"]] == ["return", "outbound", None, "return"]
    assert made["driver"].tolist()[2] == 12
    assert left_out == {"pickup_area": "no column pickup_area"}


def test_slices_stand_in_natural_order_with_the_rest_last():
    assert sorted(["(missing)", "10", "9", "Onex", "(small slices)"], key=natural_order) == [
        "9", "10", "Onex", "(missing)", "(small slices)",
    ]  # fmt: skip
    frame = holdout(np.ones(75), np.arange(75))
    label = pd.Series([10] * 25 + [9] * 30 + [None] * 20, dtype=object)
    assert slice_table(frame, label, late_after_min=5.0)["slice"].tolist() == ["9", "10", "(missing)"]


def test_figures_of_groups_done_by_hand():
    days = np.tile(np.arange(10), 5)
    errors = np.array([1.0, -3.0] * 10 + [4.0] * 25 + [9.0] * 5)
    label = pd.Series(["A"] * 20 + ["B"] * 25 + ["C"] * 5)
    truth = pd.Series([0.5] * 50)
    frame = holdout(errors, days)
    table = group_table(frame, label, DayBlocks.of(frame["service_day"]), truth=truth).set_index("group")
    assert table.index.tolist() == ["A", "B", "(small slices)"]
    assert table["n"].tolist() == [20, 25, 5]
    assert table["days"].tolist() == [10, 10, 5]
    assert table["mae_min"].tolist() == pytest.approx([2.0, 4.0, 9.0])
    assert table["bias_min"].tolist() == pytest.approx([-1.0, 4.0, 9.0])
    assert table["coverage_pct"].tolist() == pytest.approx([50.0, 0.0, 0.0])
    assert table["floor_mae_min"].tolist() == pytest.approx([(1.5 + 2.5) / 2, 4.5, 9.5])
    assert table.loc["B", ["mae_min_low", "mae_min_high"]].tolist() == pytest.approx([4.0, 4.0])
    assert table.loc["A", "mae_min_low"] < 2.0 < table.loc["A", "mae_min_high"]


def test_a_floor_that_is_not_known_stays_unknown():
    frame = holdout(np.ones(40), np.tile(np.arange(10), 4))
    label, blocks = pd.Series(["A"] * 20 + ["B"] * 20), DayBlocks.of(frame["service_day"])
    assert group_table(frame, label, blocks)["floor_mae_min"].isna().all()
    partly = pd.Series([np.nan] + [1.0] * 39)
    assert group_table(frame, label, blocks, truth=partly)["floor_mae_min"].isna().tolist() == [True, False]


def world(seed: int, *, worse_min: float = 0.0, groups: int = 6) -> tuple[pd.DataFrame, pd.Series, DayBlocks]:
    """Errors with a shock a day, the last group's larger by ``worse_min``."""
    rng = np.random.default_rng(seed)
    days, group = np.repeat(np.arange(50), 10), rng.integers(0, groups, 500)
    errors = np.repeat(rng.normal(0, 1.5, 50), 10) + rng.normal(0, 3, 500)
    errors += np.sign(errors) * worse_min * (group == groups - 1)
    frame = holdout(errors, days)
    return frame, pd.Series(group), DayBlocks.of(frame["service_day"], n_draws=500, seed=seed)


def test_a_planted_difference_is_found_and_named():
    frame, group, blocks = world(1, worse_min=3.0)
    gap = largest_gaps(frame, group, blocks).set_index("measure").loc["MAE"]
    by_group = frame["delay_min"].abs().groupby(group.to_numpy()).mean()
    assert gap["highest"] == "5"
    assert gap["lowest"] == str(by_group.idxmin())
    assert gap["gap"] == pytest.approx(by_group.max() - by_group.min())
    assert 0.0 < gap["low"] < gap["gap"] < gap["high"]
    assert gap["p_value"] < 0.05
    assert gap["pairs"] == 15
    assert 1 <= gap["pairs_beyond_noise"] <= 5


def test_equal_groups_are_rarely_called_different():
    """Of 80 worlds with six equal groups about 4 in 80 may be called different by each measure."""
    found = [largest_gaps(*world(seed)).set_index("measure")["pairs_beyond_noise"] > 0 for seed in range(80)]
    alarms = pd.DataFrame(found).mean()
    assert (alarms <= 0.125).all()


def test_one_bad_day_is_no_difference_between_groups():
    rng = np.random.default_rng(0)
    days = np.repeat(np.arange(40), 10)
    group = np.where(np.arange(400) % 10 < 5, "A", "B")
    errors = rng.normal(0, 1, 400)
    errors[(days == 7) & (group == "B")] += 60.0
    frame = holdout(errors, days)
    gaps = largest_gaps(frame, pd.Series(group), DayBlocks.of(frame["service_day"])).set_index("measure")
    assert gaps.loc["MAE", "gap"] > 1.0
    assert gaps.loc["MAE", "p_value"] > 0.05
    assert gaps.loc["MAE", "low"] < gaps.loc["MAE", "gap"]


def test_groups_of_few_rows_or_days_are_shown_and_not_judged():
    days = np.concatenate([np.repeat(np.arange(10), 4), np.repeat([0, 1, 2, 3], 5), np.arange(10)])
    label = pd.Series(["A"] * 40 + ["four days"] * 20 + ["ten rows"] * 10)
    frame = holdout(np.linspace(-3, 3, 70), days)
    blocks = DayBlocks.of(frame["service_day"])
    assert group_table(frame, label, blocks)["group"].tolist() == ["A", "four days", "(small slices)"]
    assert largest_gaps(frame, label, blocks).empty


def test_an_unknown_area_is_a_group_too():
    frame, group, blocks = world(2)
    unknown = group.astype(object).where(group != 5)
    names = largest_gaps(frame, unknown, blocks)
    assert names["groups"].tolist() == [6, 6, 6]


def test_groups_that_never_vary_are_not_judged_beyond_noise():
    frame = holdout(np.zeros(60), np.tile(np.arange(20), 3))
    gaps = largest_gaps(frame, pd.Series(["A"] * 30 + ["B"] * 30), DayBlocks.of(frame["service_day"]))
    assert gaps["gap"].tolist() == [0.0, 0.0, 0.0]
    assert gaps["pairs_beyond_noise"].tolist() == [0, 0, 0]


def test_the_verdict_is_plain():
    frame, group, blocks = world(1, worse_min=3.0)
    text = [verdict("driver", line) for line in records(largest_gaps(frame, group, blocks))]
    assert text[0].startswith("MAE by driver: largest gap ")
    assert "beyond noise (adjusted p = 0.0" in text[0]
    assert "min (5 against " in text[0]
    same = [verdict("driver", line) for line in records(largest_gaps(*world(3)))]
    assert "within noise" in same[0]
    assert same[0].endswith("0 of 15 pairs of groups differ beyond noise")
