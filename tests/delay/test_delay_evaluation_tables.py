"""Floor, comparison, calibration and worst cases against figures done by hand; a report survives being stored."""

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest
from delay_world import FEATURES

from atmr_pipeline.domain.errors import NotEnoughDataError, TableContractError
from atmr_pipeline.models.delay import DelayModel, DelayParams, permutation_importance
from atmr_pipeline.models.delay.bootstrap import DayBlocks
from atmr_pipeline.models.delay.report import EvaluationReport, evaluation_report, floor_figures
from atmr_pipeline.models.delay.report.calibration import coverage_by_prediction, reliability_table
from atmr_pipeline.models.delay.report.comparison import FLOOR, comparison_table
from atmr_pipeline.models.delay.report.worst_cases import IDENTIFIERS, worst_cases

PATIENT_AREA, PICKUP_AREA = "Commune Fictive", "Village Fictif"


@pytest.fixture(scope="module")
def truth(world):
    frame, mean = world
    return pd.DataFrame(
        {"assignment_id": frame["assignment_id"], "expected_delay_min": mean, "p_late": (mean > 5.0).astype(float)}
    )


@pytest.fixture(scope="module")
def areas(training):
    """The same training with the columns that a company's training set has beside the features."""
    number = np.arange(len(training.holdout))
    named = training.holdout.assign(
        patient_area=np.where(number % 3 == 0, None, PATIENT_AREA),
        pickup_area=PICKUP_AREA,
        is_return=number % 2 == 0,
    )
    return dataclasses.replace(training, holdout=named)


def held_out(actual: list[float], expected: list[float], days: list[int]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "assignment_id": np.arange(len(actual)) + 1,
            "delay_min": actual,
            "expected_delay_min": expected,
            "service_day": pd.Timestamp("2025-01-06") + pd.to_timedelta(days, unit="D"),
        }
    )


def test_floor_done_by_hand():
    rows = held_out([0.0, 10.0, 4.0, 99.0], [3.0, 4.0, 4.0, 0.0], [0, 0, 1, 1])
    perfect = pd.DataFrame({"assignment_id": [3, 1, 2], "expected_delay_min": [4.0, 1.0, 8.0], "p_late": [0.1, 0, 0.8]})
    floor = floor_figures(rows, perfect)
    assert floor["n"] == 3
    assert floor["rows_without_truth"] == 1
    assert floor["mae"] == pytest.approx(1.0)
    assert floor["rmse"] == pytest.approx(np.sqrt(5 / 3))
    assert floor["r2"] == pytest.approx(1 - 5 / (sum((v - 14 / 3) ** 2 for v in (0, 10, 4))))
    assert floor["p_late_brier"] == pytest.approx((0.01 + 0.0 + 0.04) / 3)
    assert floor["model_over_floor"] == pytest.approx(3.0)


def test_a_floor_that_is_not_defined_is_none():
    rows = held_out([2.0, 2.0], [3.0, 3.0], [0, 1])
    perfect = pd.DataFrame({"assignment_id": [1, 2], "expected_delay_min": [2.0, 2.0], "p_late": [0.0, 0.0]})
    floor = floor_figures(rows, perfect)
    assert floor["mae"] == 0.0
    assert floor["r2"] is None
    assert floor["model_over_floor"] is None
    one_day = floor_figures(rows.head(1), perfect)
    assert one_day["n"] == 1
    assert one_day["model_over_floor"] is None


def test_unusable_truth_is_refused():
    rows = held_out([2.0], [3.0], [0])
    perfect = pd.DataFrame({"assignment_id": [1, 1], "expected_delay_min": [2.0, 2.0], "p_late": [0.0, 0.0]})
    with pytest.raises(TableContractError, match="1 assignments more than once"):
        floor_figures(rows, perfect)
    with pytest.raises(NotEnoughDataError, match="whose truth is known"):
        floor_figures(rows, perfect.assign(assignment_id=[7, 8]))


def test_comparison_holds_every_baseline_and_the_floor(training, truth):
    blocks = DayBlocks.of(training.holdout["service_day"])
    floor = floor_figures(training.holdout, truth)
    table = comparison_table(training, blocks, floor).set_index("model")
    assert table.index.tolist() == ["model", *training.baselines, FLOOR]
    for name, figures in {"model": training.evaluation, **training.baselines}.items():
        line = table.loc[name]
        assert line["mae_min"] == pytest.approx(figures["mae_min"])
        assert line["low"] < line["mae_min"] < line["high"]
        assert line["mae_over_floor"] == pytest.approx(figures["mae_min"] / floor["mae"])
    assert table.loc["model", "mae_over_floor"] == pytest.approx(floor["model_over_floor"])
    assert floor["model_over_floor_low"] < floor["model_over_floor"] < floor["model_over_floor_high"]
    against = training.comparisons["constant_mean"]
    assert table.loc["constant_mean", "model_against_it_pct"] == pytest.approx(against.relative_mae_pct)
    assert table.loc["constant_mean", ["against_low", "against_high"]].tolist() == [against.low_pct, against.high_pct]
    assert table.loc[["model", FLOOR], "model_against_it_pct"].isna().all()


def test_a_floor_of_other_rows_gives_no_ratio(training, truth):
    blocks = DayBlocks.of(training.holdout["service_day"])
    known = truth[truth["assignment_id"] != training.holdout["assignment_id"].iloc[0]]
    partly = comparison_table(training, blocks, floor_figures(training.holdout, known))
    assert partly["mae_over_floor"].isna().all()
    assert comparison_table(training, blocks)["mae_over_floor"].isna().all()


def test_reliability_has_a_band_where_rows_allow_it():
    p = np.array([0.05] * 40 + [0.95] * 5)
    late = np.array([True] * 10 + [False] * 30 + [True] * 5)
    rows = pd.DataFrame({"is_late": late, "p_late": p})
    table = reliability_table(rows, DayBlocks.of(pd.Series(np.tile(np.arange(5), 9))))
    assert table["n"].tolist() == [40, 5]
    assert table["late_share"].tolist() == [0.25, 1.0]
    assert table["low"].iloc[0] <= 0.25 <= table["high"].iloc[0]
    assert table[["low", "high"]].iloc[1].isna().all()


def test_coverage_by_prediction_done_by_hand():
    expected = np.repeat([1.0, 5.0], 50)
    actual = np.concatenate([np.full(40, 1.0), np.full(10, 9.0), np.full(25, 5.0), np.full(25, 99.0)])
    rows = pd.DataFrame({"expected_delay_min": expected, "delay_min": actual, "low_min": expected - 2.0})
    rows["high_min"] = expected + 3.0
    table = coverage_by_prediction(rows, DayBlocks.of(pd.Series(np.tile(np.arange(10), 10))), bins=2)
    assert table["n"].tolist() == [50, 50]
    assert table["expected_min"].tolist() == [1.0, 5.0]
    assert table["coverage_pct"].tolist() == [80.0, 50.0]
    assert table["width_min"].tolist() == [5.0, 5.0]
    assert table["bias_min"].tolist() == pytest.approx([-1.6, -47.0])
    assert ((table["low"] <= table["coverage_pct"]) & (table["coverage_pct"] <= table["high"])).all()


def test_equal_predictions_are_one_bin(training):
    rows = training.holdout.assign(expected_delay_min=3.0)
    table = coverage_by_prediction(rows, DayBlocks.of(rows["service_day"]))
    assert table["n"].tolist() == [len(rows)]


def test_worst_cases_are_the_largest_errors_with_their_reasons(training):
    table = worst_cases(training.model, training.holdout, top=20)
    error = (training.holdout["expected_delay_min"] - training.holdout["delay_min"]).abs()
    assert table["error_min"].abs().tolist() == pytest.approx(sorted(error, reverse=True)[:20])
    assert table["error_min"].tolist() == pytest.approx((table["expected_delay_min"] - table["delay_min"]).tolist())
    worst = training.holdout.set_index("assignment_id").loc[table["assignment_id"]]
    assert worst["booking_id"].tolist() == table["booking_id"].tolist()
    explained = training.model.explain(worst[FEATURES].head(1), top=3)
    first = table["reasons"].iloc[0].split("; ")
    assert len(first) == 3
    for part, line in zip(first, explained.to_dict(orient="records"), strict=True):
        assert part == f"{line['feature']} = {float(line['value']):.4g} ({line['effect_min']:+.1f} min)"


def test_worst_cases_name_no_place_and_no_category(small):
    frame = small.assign(zone="Secteur Fictif", distance_km=small["distance_km"].where(small.index % 2 == 0))
    names = ["zone", "distance_km", "is_urgent"]
    model = DelayModel(DelayParams(candidates=("spline_ridge",)))
    model.fit(frame[names], frame["delay_min"], frame["decided_at"])
    rows = pd.concat([frame, model.predict(frame[names])], axis=1).assign(patient_area=PATIENT_AREA)
    table = worst_cases(model, rows)
    text = table.to_csv()
    assert "Fictif" not in text
    assert "Fictive" not in text
    assert "zone (" in text
    assert "distance_km not known (" in text
    assert set(table.columns) >= {*IDENTIFIERS, "distance_km", "is_urgent"}
    assert not {"zone", "patient_area"} & set(table.columns)


def test_importance_is_the_error_with_the_values_of_any_other_row(small):
    """The mean over all shuffles can be written down: each row gets the value of each other row equally often."""
    rows = small.head(150).reset_index(drop=True)
    names = ["distance_km", "weather_factor"]
    model = DelayModel(DelayParams(candidates=("spline_ridge",)))
    model.fit(rows[names], rows["delay_min"], rows["decided_at"])
    table = permutation_importance(model, rows[names], rows["delay_min"], repeats=300).set_index("feature")
    base = (model.predict(rows[names])["expected_delay_min"] - rows["delay_min"]).abs().mean()
    for name in names:
        pairs = rows.merge(rows[[name]].rename(columns={name: "other"}), how="cross")
        swapped = model.predict(pairs.assign(**{name: pairs["other"]})[names])["expected_delay_min"]
        expected = (swapped - pairs["delay_min"]).abs().mean() - base
        increase, spread = table.loc[name, ["mae_increase_min", "sd_min"]]
        assert abs(increase - expected) < 4.0 * spread / np.sqrt(300)
    assert table["n"].tolist() == [150, 150]


def test_importance_shuffles_a_category_as_a_whole(small):
    zone = np.where(np.arange(len(small)) % 2 == 0, "A", "B")
    frame = small.assign(zone=zone, delay_min=np.where(zone == "A", 0.0, 10.0))
    model = DelayModel(DelayParams(candidates=("spline_ridge",), ridge_alpha=1.0))
    model.fit(frame[["zone", "is_urgent"]], frame["delay_min"], frame["decided_at"])
    table = permutation_importance(model, frame[["zone", "is_urgent"]], frame["delay_min"], repeats=50)
    assert table["feature"].iloc[0] == "zone"
    # Half of the rows get the other category, and are wrong by ten minutes.
    assert table["mae_increase_min"].iloc[0] == pytest.approx(5.0, rel=0.05)


def test_importance_of_a_large_table_is_measured_on_a_sample(training):
    held = training.holdout
    table = permutation_importance(training.model, held[FEATURES], held["delay_min"], repeats=1, most_rows=50)
    assert set(table["n"]) == {50}


@pytest.fixture(scope="module")
def report(areas, world, truth):
    floor = floor_figures(areas.holdout, truth)
    return evaluation_report(areas, world[0], holdout_days=60, truth=truth, floor=floor, points=3)


def test_a_report_cuts_in_every_way_and_loses_no_row(report, areas):
    assert set(report.slices) == {"hour", "driver", "leg", "patient_area", "pickup_area"}
    assert set(report.fairness) == {"driver", "patient_area"}
    assert report.left_out == {}
    for table in report.slices.values():
        assert table["n"].sum() == len(areas.holdout)
    for table in report.fairness.values():
        assert table["n"].sum() == len(areas.holdout)
        floor = (table["floor_mae_min"] * table["n"]).sum() / table["n"].sum()
        assert floor == pytest.approx(report.comparison.set_index("model").loc[FLOOR, "mae_min"])
    assert set(report.slices["patient_area"]["slice"]) == {PATIENT_AREA, "(missing)"}
    assert set(report.gaps["by"]) == {"driver", "patient_area"}


def test_what_cannot_be_cut_by_is_said(training, world):
    report = evaluation_report(training, world[0], holdout_days=60, points=1)
    assert set(report.left_out) == {"leg", "patient_area", "pickup_area"}
    assert set(report.fairness) == {"driver"}
    assert report.fairness["driver"]["floor_mae_min"].isna().all()


def test_a_report_survives_being_stored(report):
    again = EvaluationReport.from_dict(json.loads(json.dumps(report.to_dict(), allow_nan=False)))
    for name in ("comparison", "reliability", "coverage", "importance", "learning_curve", "worst_cases", "gaps"):
        before, after = getattr(report, name), getattr(again, name)
        pd.testing.assert_frame_equal(before, after.astype(before.dtypes.to_dict()))
    for by in report.fairness:
        pd.testing.assert_frame_equal(report.fairness[by], again.fairness[by], check_dtype=False)
    assert again.left_out == report.left_out


def test_a_report_without_groups_to_judge_survives_too(training, world):
    alone = dataclasses.replace(training, holdout=training.holdout.assign(driver_id=7))
    report = evaluation_report(alone, world[0], holdout_days=60, points=1)
    assert report.gaps.empty
    again = EvaluationReport.from_dict(json.loads(json.dumps(report.to_dict(), allow_nan=False)))
    assert list(again.gaps.columns) == list(report.gaps.columns)
    assert "by" in again.gaps.columns


def test_a_report_is_repeatable(report, areas, world, truth):
    floor = floor_figures(areas.holdout, truth)
    again = evaluation_report(areas, world[0], holdout_days=60, truth=truth, floor=floor, points=3)
    assert again.to_dict() == report.to_dict()
