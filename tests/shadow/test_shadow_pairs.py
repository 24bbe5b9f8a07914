"""Which predictions are compared with which: the champion may change, arms may be divided, plans may change."""

from datetime import date

import pandas as pd
import pytest

from atmr_pipeline.domain.errors import TableContractError
from atmr_pipeline.promotion.pairs import arm_figures, days_of, pair_courses

T = pd.Timestamp("2026-03-01T02:00Z")


def row(assignment: int, version: str, role: str, expected: float, **changes: object) -> dict[str, object]:
    base = {
        "assignment_id": assignment, "booking_id": assignment + 100, "service_day": pd.Timestamp("2026-03-02"),
        "model_version": version, "role": role, "arm": None, "decided_at": T, "predicted_at": T,
        "expected_delay_min": expected, "p_late": 0.4, "actual_delay_min": 4.0,
    }  # fmt: skip
    return {**base, **changes}


def pairs(*lines: dict[str, object], **options: object):
    return pair_courses(pd.DataFrame(list(lines)), "new", **options)


def test_errors_are_absolute_and_on_the_same_course() -> None:
    found = pairs(row(1, "old", "served", 1.0), row(1, "new", "shadow", 6.0), row(2, "old", "served", 1.0))
    course = found.courses.iloc[0]
    assert (course["challenger_error_min"], course["served_error_min"], course["served_version"]) == (2.0, 3.0, "old")
    assert len(found.courses) == 1
    assert found.set_aside == {}


def test_the_model_in_service_last_is_what_would_have_been_replaced() -> None:
    found = pairs(
        row(1, "old", "served", 1.0),
        row(1, "next", "served", 3.0, predicted_at=T + pd.Timedelta(days=1)),
        row(1, "other", "shadow", 4.0, predicted_at=T + pd.Timedelta(days=2)),
        row(1, "new", "shadow", 6.0),
    )
    assert found.courses["served_version"].tolist() == ["next"]


def test_in_its_own_arm_the_challenger_is_compared_with_what_would_have_been_served() -> None:
    found = pairs(
        row(1, "new", "served", 6.0, arm="challenger"),
        row(1, "old", "shadow", 1.0, arm="challenger"),
        row(1, "before", "shadow", 9.0, predicted_at=T - pd.Timedelta(days=1)),
        row(2, "old", "served", 1.0, arm="champion"),
        row(2, "new", "shadow", 6.0, arm="champion"),
    )
    assert found.courses["served_version"].tolist() == ["old", "old"]
    assert found.courses["challenger_error_min"].tolist() == [2.0, 2.0]


def test_days_on_which_the_version_was_champion_are_no_challenge() -> None:
    assert pairs(row(1, "new", "served", 6.0), row(1, "old", "shadow", 1.0)).courses.empty
    both = [row(1, "old", "served", 1.0), row(1, "new", "shadow", 6.0)]
    assert pairs(*both, since=date(2026, 3, 3)).courses.empty
    assert len(pairs(*both, since=date(2026, 3, 2)).courses) == 1


def test_what_cannot_be_compared_is_counted_with_its_reason() -> None:
    found = pairs(
        row(1, "new", "shadow", 6.0, actual_delay_min=None),
        row(1, "old", "served", 1.0, actual_delay_min=None),
        row(2, "new", "shadow", 6.0),
        row(3, "new", "shadow", 6.0),
        row(3, "old", "served", 6.0, decided_at=T + pd.Timedelta(hours=3)),
    )
    assert found.courses.empty
    assert found.set_aside == {"pickup_unknown": 1, "no_other_prediction": 1, "other_decision": 1}


def test_days_hold_sums() -> None:
    later = {"service_day": pd.Timestamp("2026-03-03")}
    found = pairs(
        row(3, "old", "served", 5.0, **later), row(3, "new", "shadow", 4.5, **later),
        row(1, "old", "served", 1.0), row(1, "new", "shadow", 6.0),
        row(2, "old", "served", 2.0), row(2, "new", "shadow", 4.0),
    )  # fmt: skip
    table = days_of(found.courses)
    assert table["courses"].tolist() == [2, 1]
    assert table["challenger_error_min"].tolist() == [2.0, 0.5]
    assert table["served_error_min"].tolist() == [5.0, 1.0]
    assert days_of(found.courses.iloc[:0]).empty


def test_arms_say_what_was_served_in_each_and_what_came_of_it() -> None:
    lines = [
        row(1, "new", "served", 6.0, arm="challenger", actual_delay_min=7.0, p_late=1.0),
        row(1, "old", "shadow", 5.0, arm="challenger", actual_delay_min=7.0),
        row(2, "old", "served", 1.0, arm="champion"),
        row(2, "new", "shadow", 6.0, arm="champion"),
    ]
    arms = arm_figures(pd.DataFrame(lines), pairs(*lines)).set_index("arm")
    assert arms.loc["challenger", ["courses", "mae_min", "bias_min", "late_share", "brier"]].tolist() == [
        1,
        1,
        -1,
        1,
        0,
    ]
    assert arms.loc["challenger", "paired_relative"] == pytest.approx(1.0 / 2.0 - 1.0)
    assert arms.loc["champion", ["mae_min", "late_share"]].tolist() == [3.0, 0.0]
    assert arms.loc["champion", "paired_relative"] == pytest.approx(2.0 / 3.0 - 1.0)
    no_test = [row(2, "old", "served", 1.0), row(2, "new", "shadow", 6.0)]
    assert arm_figures(pd.DataFrame(no_test), pairs(*no_test)).empty


def test_a_table_without_roles_is_refused() -> None:
    with pytest.raises(TableContractError, match="role"):
        pair_courses(pd.DataFrame([row(1, "new", "shadow", 6.0)]).drop(columns="role"), "new")
