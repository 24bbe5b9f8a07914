"""When a dispatcher is told, and when not: by example, and over random streams of alerts."""

from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atmr_pipeline.domain.errors import SettingsError, TableContractError
from atmr_pipeline.monitoring.risk_alerts import AlertPolicy, RiskLevel, count_outcomes, decide_alerts

NOW = datetime(2026, 3, 2, 8, tzinfo=UTC)
DAY = pd.Timestamp("2026-03-02")
P_LATE = {"watch": 0.12, "high": 0.2, "critical": 0.5, "impossible": 0.9}
THRESHOLD = 0.1
SENT_COLUMNS = ["booking_id", "assignment_id", "driver_id", "service_day", "level", "sent_at"]


def frame(records: list[dict]) -> pd.DataFrame:
    columns = ["booking_id", "assignment_id", "driver_id", "service_day", "level", "p_late", "threshold"]
    table = pd.DataFrame(records, columns=columns)
    return table.astype({"driver_id": "Int64", "level": "str", "p_late": float, "threshold": float})


def risk(level: str | None, *, booking: int = 1, assignment: int = 10, driver: int | None = 5, day=DAY) -> dict:
    return {
        "booking_id": booking, "assignment_id": assignment, "driver_id": driver, "service_day": day, "level": level,
        "p_late": P_LATE.get(level, 0.01), "threshold": THRESHOLD,
    }  # fmt: skip


def told(minutes_ago: float, level: str, **plan) -> dict:
    known = {name: value for name, value in risk(level, **plan).items() if name in SENT_COLUMNS}
    return {**known, "sent_at": pd.Timestamp(NOW - timedelta(minutes=minutes_ago))}


def sent(*records: dict) -> pd.DataFrame:
    return pd.DataFrame(list(records), columns=SENT_COLUMNS).astype({"driver_id": "Int64"})


def outcome(candidate: dict, *before: dict, policy: AlertPolicy | None = None) -> str:
    return str(decide_alerts(frame([candidate]), sent(*before), now=NOW, policy=policy)["outcome"].iloc[0])


def test_a_first_risk_is_told() -> None:
    assert outcome(risk("high")) == "sent"
    assert outcome(risk("high"), told(1, "critical", booking=2, assignment=20)) == "sent"


def test_what_does_not_reach_the_threshold_is_not_told() -> None:
    assert outcome(risk(None)) == "below_threshold"
    assert outcome({**risk("high"), "threshold": 0.43}) == "below_threshold"
    assert outcome({**risk("high"), "threshold": 0.2}) == "sent"


@pytest.mark.parametrize("minutes_ago", [1, 16, 60 * 24])
@pytest.mark.parametrize("level", ["high", "critical"])
def test_a_level_is_told_once_for_a_plan_however_long_ago_and_whichever_model(minutes_ago: int, level: str) -> None:
    assert outcome(risk(level), told(minutes_ago, "critical")) == "not_escalated"


def test_an_escalation_passes_the_debounce() -> None:
    assert outcome(risk("critical"), told(0.1, "high")) == "sent"
    assert outcome(risk("critical", driver=6), told(0.1, "high")) == "sent"


@pytest.mark.parametrize("changed", [{"driver": 6}, {"assignment": 11}, {"day": DAY + timedelta(days=1)}])
def test_a_changed_plan_that_is_no_worse_waits_for_the_debounce(changed: dict) -> None:
    assert outcome(risk("high", **changed), told(14.9, "high")) == "debounced"
    assert outcome(risk("high", **changed), told(15, "high")) == "sent"
    assert outcome(risk("high", **changed), told(20, "high"), told(2, "critical")) == "debounced"


def test_a_driver_who_is_not_known_is_not_taken_for_another_one() -> None:
    assert outcome(risk("high", driver=None), told(60, "high", driver=5)) == "not_escalated"
    assert outcome(risk("high", driver=5), told(60, "high", driver=None)) == "not_escalated"


def test_the_cap_holds_for_escalations_too() -> None:
    policy = AlertPolicy(max_per_hour=2)
    before = (told(50, "watch"), told(40, "high"))
    assert outcome(risk("critical"), *before, policy=policy) == "hourly_cap"
    assert outcome(risk("critical"), told(60, "watch"), told(40, "high"), policy=policy) == "sent"


def test_alerts_of_a_clock_that_is_ahead_count_as_recent() -> None:
    assert outcome(risk("high", driver=6), told(-1, "high")) == "debounced"
    assert outcome(risk("critical"), told(-1, "high"), policy=AlertPolicy(max_per_hour=1)) == "hourly_cap"


def test_of_several_assignments_of_one_booking_the_largest_risk_is_told() -> None:
    decided = decide_alerts(frame([risk("high"), risk("critical", assignment=11)]), sent(), now=NOW)
    assert decided["outcome"].tolist() == ["debounced", "sent"]
    assert count_outcomes(decided) == {"sent": 1, "debounced": 1}


def test_nothing_assessed_is_nothing_decided() -> None:
    assert decide_alerts(frame([]), sent(), now=NOW)["outcome"].empty


@pytest.mark.parametrize(
    "values", [{"debounce_min": -1}, {"debounce_min": 61}, {"max_per_hour": 0}, {"max_per_hour": 11}]
)
def test_a_policy_outside_the_company_limits_is_refused(values: dict) -> None:
    with pytest.raises(SettingsError):
        AlertPolicy(**values)


def test_bad_input_is_a_typed_error() -> None:
    with pytest.raises(TableContractError, match="1 repeated assignment_id"):
        decide_alerts(frame([risk("high"), risk("high")]), sent(), now=NOW)
    with pytest.raises(TableContractError, match="have no level"):
        decide_alerts(frame([{**risk(None), "p_late": 0.5}]), sent(), now=NOW)
    with pytest.raises(TableContractError, match="unknown in 1"):
        decide_alerts(frame([{**risk("high"), "p_late": None}]), sent(), now=NOW)
    with pytest.raises(TableContractError, match="unknown values in sent_at"):
        decide_alerts(frame([risk("high")]), sent({**told(1, "high"), "sent_at": pd.NaT}), now=NOW)
    with pytest.raises(TableContractError, match="level that is not known"):
        decide_alerts(frame([risk("high")]), sent(told(1, "severe")), now=NOW)
    with pytest.raises(TableContractError, match="missing columns level"):
        decide_alerts(frame([risk("high")]), sent().drop(columns="level"), now=NOW)
    with pytest.raises(ValueError, match="time zone"):
        decide_alerts(frame([risk("high")]), sent(), now=NOW.replace(tzinfo=None))


levels = st.sampled_from([None, *P_LATE])
looks = st.lists(
    st.tuples(
        st.floats(0, 20),
        st.dictionaries(
            st.sampled_from([(1, 10), (1, 11), (2, 20)]), st.tuples(levels, st.sampled_from([None, 5, 6])), min_size=1
        ),
    ),
    min_size=1,
    max_size=12,
)
policies = st.builds(
    AlertPolicy, debounce_min=st.sampled_from([0.0, 15.0, 60.0]), max_per_hour=st.sampled_from([1, 2, 3, 10])
)


def live(stream, policy: AlertPolicy) -> list[tuple[datetime, list[dict], pd.DataFrame]]:
    """Each look of a stream: its time, what had been sent, and what was decided."""
    at, before, history = NOW, [], []
    for minutes, found in stream:
        at += timedelta(minutes=minutes)
        assessed = frame([
            risk(level, booking=booking, assignment=assignment, driver=driver)
            for (booking, assignment), (level, driver) in found.items()
        ])  # fmt: skip
        decided = decide_alerts(assessed, sent(*before), now=at, policy=policy)
        history.append((at, list(before), decided))
        for row in decided[decided["outcome"] == "sent"].to_dict("records"):
            before.append({**{name: row[name] for name in SENT_COLUMNS[:-1]}, "sent_at": pd.Timestamp(at)})
    return history


@settings(max_examples=30, deadline=None)
@given(looks, policies)
def test_no_booking_ever_gets_more_than_its_share_in_an_hour(stream, policy) -> None:
    *_, (at, before, decided) = live(stream, policy)
    alerts = [(row["booking_id"], row["sent_at"]) for row in before]
    alerts += [(row.booking_id, pd.Timestamp(at)) for row in decided[decided["outcome"] == "sent"].itertuples()]
    for booking, end in alerts:
        window = [when for one, when in alerts if one == booking and end - pd.Timedelta(hours=1) < when <= end]
        assert len(window) <= policy.max_per_hour


@settings(max_examples=30, deadline=None)
@given(looks, policies)
def test_the_debounce_never_swallows_an_escalation_and_no_level_is_told_twice(stream, policy) -> None:
    for at, before, decided in live(stream, policy):
        for row in decided.to_dict("records"):
            mine = [alert for alert in before if alert["booking_id"] == row["booking_id"]]
            same = [
                alert for alert in mine if alert["assignment_id"] == row["assignment_id"]
                and (pd.isna(alert["driver_id"]) or pd.isna(row["driver_id"]) or alert["driver_id"] == row["driver_id"])
            ]  # fmt: skip
            severity = -1 if pd.isna(row["level"]) else RiskLevel(row["level"]).severity
            if row["outcome"] == "debounced":
                # Another assignment of the booking may have been told in this very look.
                here = decided[(decided["booking_id"] == row["booking_id"]) & (decided["outcome"] == "sent")]
                recent = [RiskLevel(alert["level"]).severity for alert in mine[-1:]]
                recent += [RiskLevel(level).severity for level in here["level"]]
                assert max(recent) >= severity
                last = pd.Timestamp(at) if len(here) else mine[-1]["sent_at"]
                assert at - last < timedelta(minutes=policy.debounce_min)
            if row["outcome"] == "sent":
                assert all(RiskLevel(alert["level"]).severity < severity for alert in same)


alerts_before = st.lists(
    st.builds(
        told,
        st.sampled_from([1, 14, 15, 30, 60, 90]),
        st.sampled_from(list(P_LATE)),
        booking=st.just(1),
        assignment=st.sampled_from([10, 11]),
        driver=st.sampled_from([None, 5, 6]),
    ),
    max_size=6,
)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(levels, st.integers(1, 2)), min_size=2, max_size=6), alerts_before, policies, st.randoms())
def test_the_order_of_rows_does_not_matter(found, before, policy, random) -> None:
    risks = [risk(level, booking=booking, assignment=9 + n) for n, (level, booking) in enumerate(found)]

    def outcomes(assessed: list[dict], alerts: list[dict]) -> dict[int, str]:
        decided = decide_alerts(frame(assessed), sent(*alerts), now=NOW, policy=policy)
        return dict(zip(decided["assignment_id"], decided["outcome"], strict=True))

    shuffled = outcomes(random.sample(risks, len(risks)), random.sample(before, len(before)))
    assert shuffled == outcomes(risks, before)
