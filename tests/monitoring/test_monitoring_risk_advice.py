"""Levels, advice and the words of an alert."""

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atmr_pipeline.domain.errors import SettingsError, TableContractError
from atmr_pipeline.monitoring.risk_alerts import (
    Advice,
    AdviceCode,
    AdviceRules,
    RiskLevel,
    RiskThresholds,
    assess_risks,
    dispatcher_text,
    recommend,
)

HIGH, CRITICAL = RiskLevel.HIGH, RiskLevel.CRITICAL


def codes(advice: tuple[Advice, ...]) -> list[str]:
    return [str(one.code) for one in advice]


@pytest.mark.parametrize(
    ("p_late", "alert_threshold", "level"),
    [
        (0.80, 0.43, "impossible"),
        (0.7999, 0.43, "critical"),
        (0.30, 0.43, "critical"),
        (0.15, 0.43, "high"),
        (0.1499, 0.43, None),
        (0.1499, 0.10, "watch"),
        (0.10, 0.10, "watch"),
        (0.15, 0.10, "high"),
    ],
)
def test_the_levels_are_those_of_the_company(p_late: float, alert_threshold: float, level: str | None) -> None:
    assert RiskThresholds().level(p_late, alert_threshold) == level


@pytest.mark.parametrize("values", [(0.3, 0.15, 0.8), (0.15, 0.15, 0.8), (0.0, 0.3, 0.8), (0.1, 0.3, 1.1)])
def test_levels_that_do_not_rise_are_refused(values: tuple[float, float, float]) -> None:
    with pytest.raises(SettingsError):
        RiskThresholds(*values)


@pytest.mark.parametrize(
    ("delay", "slack", "earlier"),
    [(6.4, 20.0, 7), (6.4, 4.6, 4), (6.4, 1.0, 1), (6.4, 0.9, None), (6.4, 0.0, None), (6.4, -3.0, None),
     (-2.0, 20.0, None), (0.0, 20.0, None), (6.4, None, None)],
)  # fmt: skip
def test_leaving_earlier_needs_slack_that_covers_some_of_the_delay(
    delay: float, slack: float | None, earlier: int | None
) -> None:
    advice = recommend(HIGH, delay, slack_min=slack)
    expected = [Advice(AdviceCode.LEAVE_EARLIER, earlier)] if earlier else [Advice(AdviceCode.CALL_PATIENT)]
    assert list(advice) == expected


def test_another_driver_is_advised_where_the_gain_is_known_and_worth_it() -> None:
    assert codes(recommend(HIGH, 8.0, gain_min=5.0)) == ["other_driver"]
    assert codes(recommend(HIGH, 8.0, gain_min=4.9)) == ["call_patient"]
    assert codes(recommend(HIGH, 8.0, gain_min=4.9, rules=AdviceRules(min_gain_min=4.0))) == ["other_driver"]
    assert recommend(HIGH, 8.0, gain_min=6.9)[0].minutes == 6


def test_a_critical_risk_is_always_called_and_the_cheapest_comes_first() -> None:
    assert codes(recommend(CRITICAL, 8.0, slack_min=10.0, gain_min=9.0)) == [
        "leave_earlier",
        "other_driver",
        "call_patient",
    ]


minute = st.none() | st.floats(-60, 60)


@settings(deadline=None)
@given(st.sampled_from(list(RiskLevel)), st.floats(-60, 120), minute, minute)
def test_there_is_always_advice_and_it_promises_no_more_than_there_is(level, delay, slack, gain) -> None:
    advice = recommend(level, delay, slack_min=slack, gain_min=gain)
    assert advice
    assert codes(advice) == [code for code in AdviceCode if code in codes(advice)]
    for one in advice:
        if one.code is AdviceCode.LEAVE_EARLIER:
            assert 1 <= one.minutes <= slack
            assert one.minutes - 1 < delay
        elif one.code is AdviceCode.OTHER_DRIVER:
            assert 5 <= one.minutes <= gain


def test_the_dispatcher_reads_it_in_french_and_english() -> None:
    advice = recommend(CRITICAL, 7.2, slack_min=4.0, gain_min=6.0)
    assert dispatcher_text(CRITICAL, 0.453, 7.2, advice, "fr") == (
        "Risque critique : 45 % de risque de retard, écart attendu +7 min. Partir 4 min plus tôt. "
        "Confier à un autre chauffeur (environ 6 min gagnées). Appeler le patient."
    )
    assert dispatcher_text(CRITICAL, 0.453, 7.2, advice, "en") == (
        "Critical risk: 45 % risk of being late, +7 min expected. Leave 4 min earlier. "
        "Give it to another driver (about 6 min gained). Call the patient."
    )


def predictions(**changes: object) -> pd.DataFrame:
    columns = {
        "assignment_id": [1, 2, 3], "booking_id": [11, 12, 13], "driver_id": pd.array([5, None, 6], dtype="Int64"),
        "service_day": pd.Timestamp("2026-03-02"), "model_version": "v1", "p_late": [0.5, 0.2, 0.05],
        "expected_delay_min": [9.0, 3.0, 0.5],
    }  # fmt: skip
    return pd.DataFrame({**columns, **changes}, index=[7, 8, 9])


def test_an_assessment_has_level_and_advice_and_the_unknown_stays_unknown() -> None:
    assessed = assess_risks(predictions(slack_min=[4.0, None, 9.0]), 0.2)
    assert assessed["level"].fillna("-").tolist() == ["critical", "high", "-"]
    assert [codes(advice) for advice in assessed["advice"]] == [["leave_earlier", "call_patient"], ["call_patient"], []]
    assert assessed["gain_min"].isna().all()
    assert assessed["slack_min"].isna().tolist() == [False, True, False]
    assert assessed["threshold"].tolist() == [0.2] * 3


def test_below_the_alert_threshold_a_level_is_named_but_nothing_advised() -> None:
    assessed = assess_risks(predictions(slack_min=9.0), 0.4)
    assert assessed["level"].fillna("-").tolist() == ["critical", "high", "-"]
    assert [bool(advice) for advice in assessed["advice"]] == [True, False, False]


def test_each_row_has_the_threshold_of_the_model_that_answered() -> None:
    by_row = pd.Series([0.6, 0.2, 0.04], index=[7, 8, 9])
    assessed = assess_risks(predictions(), by_row.iloc[::-1])
    assert assessed["threshold"].tolist() == [0.6, 0.2, 0.04]
    assert [bool(advice) for advice in assessed["advice"]] == [False, True, True]
    assert assessed["level"].tolist() == ["critical", "high", "watch"]


def test_no_prediction_is_no_risk() -> None:
    assert assess_risks(predictions().iloc[:0], 0.2).empty


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"p_late": [0.5, None, 0.1]}, "unknown values in p_late"),
        ({"p_late": [0.5, 1.2, 0.1]}, "outside 0..1 in 1 of 3"),
        ({"expected_delay_min": [0.5, float("inf"), 0.1]}, "expected_delay_min is infinite or unknown in 1 of 3"),
        ({"slack_min": [0.5, float("-inf"), 0.1]}, "slack_min is infinite"),
        ({"assignment_id": [1, 1, 2]}, "1 repeated assignment_id"),
        ({"model_version": [None, "v1", "v1"]}, "unknown values in model_version"),
    ],
)
def test_bad_predictions_are_a_typed_error(changes: dict, message: str) -> None:
    with pytest.raises(TableContractError, match=message):
        assess_risks(predictions(**changes), 0.2)


def test_a_missing_column_or_threshold_is_named() -> None:
    with pytest.raises(TableContractError, match="missing columns p_late"):
        assess_risks(predictions().drop(columns="p_late"), 0.2)
    with pytest.raises(TableContractError, match="alert threshold"):
        assess_risks(predictions(), pd.Series([0.2], index=[7]))
