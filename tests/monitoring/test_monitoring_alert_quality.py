"""What alerting at a threshold is worth: against brute force, against scikit-learn, and where nothing can be said."""

import json
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import precision_recall_curve as sklearn_curve

from atmr_pipeline.domain.errors import NotEnoughDataError, SettingsError, TableContractError
from atmr_pipeline.monitoring.risk_alerts import (
    RiskThresholds,
    alert_quality,
    alert_summary,
    best_precision_at_recall,
    choose_threshold,
    company_quality,
    expected_precision_at_recall,
    precision_recall_curve,
)

SCORES = [0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0.05]
LATE = [True, True, False, True, False, True, True, False, False, False]
rows = st.lists(st.tuples(st.sampled_from(np.linspace(0, 1, 11).tolist()), st.booleans()), min_size=1, max_size=60)


def split(pairs: list[tuple[float, bool]]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([p for p, _ in pairs]), np.array([late for _, late in pairs])


def test_quality_is_counted_by_hand() -> None:
    quality = alert_quality(SCORES, LATE, 0.6)
    assert quality == {
        "threshold": 0.6, "recall": 0.6, "precision": 0.75, "alert_rate": 0.4, "alerts": 4, "caught": 3, "late": 5,
        "n": 10,
    }  # fmt: skip


def test_a_pickup_at_the_threshold_is_alerted() -> None:
    assert alert_quality([0.3, math.nextafter(0.3, 0)], [True, True], 0.3)["alerts"] == 1


def test_figures_that_have_no_meaning_are_none() -> None:
    assert alert_quality([0.2], [False], 0.1)["recall"] is None
    assert alert_quality([0.2], [True], 0.9)["precision"] is None
    nothing = alert_quality([], [], 0.5)
    assert (nothing["recall"], nothing["precision"], nothing["alert_rate"], nothing["n"]) == (None, None, None, 0)


def test_the_company_levels_are_measured_each() -> None:
    by_level = company_quality(SCORES, LATE, RiskThresholds(0.35, 0.55, 0.85))
    assert {level: one["alerts"] for level, one in by_level.items()} == {"impossible": 1, "critical": 4, "high": 6}


@settings(deadline=None)
@given(rows)
def test_the_curve_is_what_alerting_at_each_threshold_gives(pairs: list[tuple[float, bool]]) -> None:
    p, late = split(pairs)
    curve = precision_recall_curve(p, late)
    assert curve["threshold"].tolist() == sorted(set(p.tolist()))
    for row in curve.itertuples():
        quality = alert_quality(p, late, row.threshold)
        assert (row.alerts, row.caught) == (quality["alerts"], quality["caught"])
        assert row.precision == quality["precision"]
        assert row.alert_rate == quality["alert_rate"]
        assert np.isnan(row.recall) if quality["recall"] is None else row.recall == quality["recall"]


@settings(deadline=None)
@given(rows.filter(lambda pairs: any(late for _, late in pairs)))
def test_the_curve_is_that_of_scikit_learn(pairs: list[tuple[float, bool]]) -> None:
    p, late = split(pairs)
    precision, recall, thresholds = sklearn_curve(late, p)
    curve = precision_recall_curve(p, late)
    np.testing.assert_allclose(curve["threshold"], thresholds)
    np.testing.assert_allclose(curve["precision"], precision[:-1])
    np.testing.assert_allclose(curve["recall"], recall[:-1])


@settings(deadline=None)
@given(rows, st.sampled_from([0.3, 0.5, 0.8, 1.0]), st.randoms())
def test_no_other_threshold_is_better_and_the_order_of_rows_does_not_matter(pairs, recall, random) -> None:
    p, late = split(pairs)
    choice = choose_threshold(p, late, recall=recall, minimum_late=1)
    shuffled = random.sample(pairs, len(pairs))
    assert choose_threshold(*split(shuffled), recall=recall, minimum_late=1) == choice
    if not late.any() or late.all():
        assert choice.threshold is None
        return
    assert choice.calibration["recall"] >= recall
    for other in {*p.tolist()}:
        quality = alert_quality(p, late, other)
        if quality["recall"] >= recall:
            better = (quality["precision"], -quality["alerts"])
            assert better <= (choice.calibration["precision"], -choice.calibration["alerts"])


def test_the_threshold_has_the_best_precision_not_the_nearest_recall() -> None:
    # The recall is reached at .5 with 3 late of 5 alerts; from .3 on it is 5 of 7.
    p = [0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1]
    late = [True, False, False, True, True, True, True, False, False]
    choice = choose_threshold(p, late, recall=0.6, minimum_late=1)
    assert choice.threshold == 0.3
    assert choice.calibration["precision"] == 5 / 7


def test_of_equal_precision_the_fewest_alerts_are_chosen() -> None:
    choice = choose_threshold([0.9, 0.8, 0.7, 0.6], [True, True, True, False], recall=0.3, minimum_late=1)
    assert (choice.threshold, choice.calibration["alerts"]) == (0.9, 1)


def test_pickups_with_one_probability_are_alerted_together() -> None:
    choice = choose_threshold([0.4] * 10, [True] * 4 + [False] * 6, minimum_late=1)
    assert (choice.threshold, choice.calibration["alerts"], choice.calibration["precision"]) == (0.4, 10, 0.4)


@pytest.mark.parametrize(
    ("late", "reason"),
    [([False] * 20, "too_few_late"), ([True] * 9 + [False] * 11, "too_few_late"), ([True] * 20, "all_late")],
)
def test_where_no_threshold_can_be_chosen_the_reason_is_given(late: list[bool], reason: str) -> None:
    choice = choose_threshold(np.linspace(0, 1, 20), late)
    assert (choice.threshold, choice.reason, choice.calibration) == (None, reason, None)
    summary = alert_summary((np.linspace(0, 1, 20), late), (SCORES, LATE))
    assert (summary["threshold"], summary["reason"], summary["holdout"]) == (None, reason, None)
    assert summary["company"]["high"]["late"] == 5


def test_no_rows_are_refused() -> None:
    with pytest.raises(NotEnoughDataError, match="needs 1, has 0"):
        choose_threshold([], [])


@pytest.mark.parametrize(
    ("p", "late", "message"),
    [
        ([0.1, float("nan")], [True, False], "unknown in 1 and outside 0..1 in 0 of 2"),
        ([0.1, 1.5], [True, False], "unknown in 0 and outside 0..1 in 1 of 2"),
        ([0.1], [True, False], "1 probabilities and 2 outcomes"),
        ([0.1, 0.2], [True, None], "1 of 2 outcomes are unknown"),
        ([0.1, 0.2], [6.0, 0.0], "true or false, not float64"),
    ],
)
def test_bad_input_is_a_typed_error_that_counts(p: list, late: list, message: str) -> None:
    for function in (choose_threshold, precision_recall_curve, best_precision_at_recall):
        with pytest.raises(TableContractError, match=message):
            function(p, late)


@pytest.mark.parametrize("recall", [0.0, -0.1, 1.1, float("nan")])
def test_a_recall_that_cannot_be_reached_is_refused(recall: float) -> None:
    with pytest.raises(SettingsError, match="recall"):
        choose_threshold(SCORES, LATE, recall=recall)
    with pytest.raises(SettingsError, match="recall"):
        expected_precision_at_recall(SCORES, recall)


def test_nullable_columns_of_a_frame_are_accepted_by_position() -> None:
    p = pd.Series(SCORES, index=range(10, 20), dtype="Float64")
    late = pd.Series(LATE, dtype="boolean")
    assert alert_quality(p, late, 0.6)["caught"] == 3


def test_the_expected_floor_is_that_of_many_replays() -> None:
    rng = np.random.default_rng(5)
    true_p = rng.beta(0.6, 1.2, 400)
    floor = expected_precision_at_recall(true_p)
    assert floor["recall"] >= 0.8
    caught = alerts = late = 0
    for _ in range(400):
        quality = alert_quality(true_p, rng.random(400) < true_p, floor["threshold"])
        caught, alerts, late = caught + quality["caught"], alerts + quality["alerts"], late + quality["late"]
    assert caught / alerts == pytest.approx(floor["precision"], abs=0.01)
    assert caught / late == pytest.approx(floor["recall"], abs=0.01)


@settings(deadline=None)
@given(st.lists(st.sampled_from([0.0, 0.1, 0.5, 0.9, 1.0]), min_size=1, max_size=8), st.sampled_from([0.5, 0.8, 1.0]))
def test_no_choice_of_pickups_beats_the_expected_floor_at_its_number_of_alerts(p: list[float], recall: float) -> None:
    floor = expected_precision_at_recall(np.array(p), recall)
    if sum(p) == 0:
        assert floor is None
        return
    best = sum(sorted(p, reverse=True)[: floor["alerts"]])
    assert floor["recall"] >= recall - 1e-9
    assert floor["precision"] * floor["alerts"] == pytest.approx(best)


def test_in_hindsight_a_threshold_is_at_least_as_good_as_one_chosen_before() -> None:
    rng = np.random.default_rng(11)
    true_p = rng.beta(0.6, 1.2, 600)
    late = rng.random(600) < true_p
    summary = alert_summary((true_p[:300], late[:300]), (true_p[300:], late[300:]), true_p_late=true_p[300:])
    assert summary["calibration"]["recall"] >= 0.8
    assert summary["floor"]["hindsight"] == summary["floor"]["model_hindsight"]
    if summary["holdout"]["recall"] >= 0.8:
        assert summary["holdout"]["precision"] <= summary["floor"]["hindsight"]["precision"]
    assert json.loads(json.dumps(summary)) == summary


def test_nothing_late_has_no_floor() -> None:
    assert best_precision_at_recall([0.1, 0.2], [False, False]) is None
    assert expected_precision_at_recall([0.0, 0.0]) is None
