"""Events keep their identity, and only the right evidence asks for retraining."""

import json
from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atmr_pipeline.monitoring.assessment import DriftAssessment, assess_drift
from atmr_pipeline.monitoring.cusum import CusumResult, ResidualReference, residual_cusum, with_reference
from atmr_pipeline.monitoring.drift import (
    DriftKind,
    DriftSettings,
    alarm_run_start,
    drift_alarm,
    feature_drift,
    label_drift,
    verdicts,
)
from atmr_pipeline.monitoring.events import alarm_start
from atmr_pipeline.monitoring.kpi_report import drift_markdown

FIRST = date(2025, 11, 1)


CENTRED = ResidualReference(0.0, 3.0, 1000)


def alarm(**changes):
    arguments = {"company_id": 1, "model_version": "delay-1", "started_on": FIRST, "severity": "warning"}
    return drift_alarm(changes.pop("kind", DriftKind.RESIDUAL), **arguments | changes)


def follow(frame: pd.DataFrame) -> CusumResult:
    return residual_cusum(with_reference(frame, CENTRED))


def test_the_id_is_pinned_to_kind_company_and_onset_and_to_nothing_else():
    first = alarm()
    for same in ({"severity": "critical"}, {"evidence": {"n": 3}}, {"model_version": "delay-2"}, {"opens": False}):
        assert first.event_id == alarm(**same).event_id, same
    others = [
        alarm(company_id=2),
        alarm(company_id=None),
        alarm(started_on=FIRST + timedelta(days=1)),
        alarm(kind="label_drift"),
    ]
    assert len({first.event_id, *(other.event_id for other in others)}) == 5
    assert len(first.event_id) == 24


def test_an_alarm_without_a_severity_is_refused():
    with pytest.raises(ValueError, match="severity"):
        alarm(severity="none")


def history(text: str) -> pd.Series:
    """One character a day: x alarm, . quiet, ? not judged."""
    days = [FIRST + timedelta(days=offset) for offset in range(len(text))]
    return pd.Series([{"x": True, ".": False, "?": None}[mark] for mark in text], index=days, dtype="object")


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("", None),
        ("...", None),
        ("xx.", None),
        ("..x", 2),
        (".xxx", 1),
        (".x.x", 1),
        (".x??x", 1),
        ("x........xx", 9),
        ("x.......x", 8),
        ("x......x", 0),
        ("xx??", 0),
        ("???", None),
    ],
)
def test_start_of_an_alarm(text, start):
    expected = None if start is None else FIRST + timedelta(days=start)
    assert alarm_run_start(history(text), 7) == expected


@given(st.lists(st.booleans(), min_size=1, max_size=60), st.integers(1, 10))
def test_an_alarm_that_goes_on_keeps_its_start(alarms, quiet_days):
    days = [FIRST + timedelta(days=offset) for offset in range(len(alarms) + 1)]
    before = alarm_run_start(pd.Series([*alarms[:-1], True], index=days[:-1]), quiet_days)
    after = alarm_run_start(pd.Series([*alarms[:-1], True, True], index=days), quiet_days)
    assert before == after


def test_an_alarm_is_followed_back_to_its_first_day_and_no_further_than_it_was_seen():
    looked: list[date] = []

    def is_on(day: date) -> bool:
        looked.append(day)
        return day >= FIRST

    today = FIRST + timedelta(days=10)
    arguments = {"quiet_days": 7, "first_day": FIRST - timedelta(days=60)}
    assert alarm_start(is_on, today, **arguments) == FIRST
    assert len(looked) == 10 + 8
    looked.clear()
    yesterday = today - timedelta(days=1)
    assert alarm_start(is_on, today, **arguments, seen=yesterday) == today
    assert looked == []


@pytest.fixture(scope="module")
def world(courses):
    old = courses(0, 250)
    now = pd.concat([courses(1, 30, "2025-10-01"), courses(2, 40, "2025-10-31", longer=1.8, later_min=5.0)])
    return old, now, with_reference(now.assign(residual_min=now.delay_min - 3.0), CENTRED)


def assess(world, kinds, as_of, **more) -> DriftAssessment:
    old, now, residuals = world
    return assess_drift(old, now, residuals, kinds, as_of=as_of, model_version="delay-1", **more)


def test_an_ongoing_alarm_has_one_identity_however_often_it_is_seen(world, kinds):
    looks = [assess(world, kinds, date(2025, 11, day)) for day in (12, 13, 20)]
    ids = [{found.kind: found.event_id for found in look.alarms} for look in looks]
    assert set(ids[0]) == {DriftKind.FEATURE, DriftKind.LABEL, DriftKind.RESIDUAL}
    assert ids[0] == ids[1] == ids[2]
    started = {found.kind: found.started_on for found in looks[0].alarms}
    assert date(2025, 10, 31) <= started[DriftKind.RESIDUAL] <= date(2025, 11, 3)
    assert started[DriftKind.LABEL] <= date(2025, 11, 5)
    assert looks[0].verdict.retrain
    assert looks[0].verdict.severity == "critical"


def test_evidence_is_small_and_json_and_says_when_the_change_began(world, kinds):
    alarms = assess(world, kinds, date(2025, 11, 12)).alarms
    assert all(len(json.dumps(found.evidence)) < 4000 for found in alarms)
    evidence = next(found for found in alarms if found.kind == DriftKind.RESIDUAL).evidence
    assert evidence["direction"] == "later"
    assert evidence["shift_min"] == pytest.approx(5.0, abs=0.7)
    began = date.fromisoformat(evidence["change_started_on"])
    assert abs((began - date(2025, 10, 31)).days) <= 2
    assert began <= date.fromisoformat(evidence["alarm_started_on"])
    assert evidence["courses"] >= 12 * 11
    assert evidence["limit"] == 16.0


def test_a_quiet_day_has_no_alarm_and_was_judged(world, kinds):
    look = assess(world, kinds, date(2025, 10, 29))
    assert look.alarms == ()
    assert not look.drifting
    assert not look.retrain
    assert look.judged == {(str(kind), None) for kind in (DriftKind.FEATURE, DriftKind.LABEL, DriftKind.RESIDUAL)}


def test_days_after_the_look_change_nothing(world, kinds):
    old, now, residuals = world
    seen = assess(world, kinds, date(2025, 11, 12))
    until = now.service_day <= "2025-11-12"
    then = assess((old, now[until], residuals[until]), kinds, date(2025, 11, 12))
    assert seen.alarms == then.alarms
    pd.testing.assert_frame_equal(seen.features, then.features)


def test_rows_inside_a_window_are_not_compared_with_themselves(world, kinds):
    """Daily retraining: the reference reaches up to the look, so its last rows lie in every window."""
    old, now, residuals = world
    everything = pd.concat([old, now])
    overlapping = assess((everything, everything, residuals), kinds, date(2025, 11, 20))
    apart = everything[everything.service_day <= pd.Timestamp("2025-11-20") - pd.Timedelta(days=28)]
    later = everything[everything.service_day > "2025-11-20"]
    clean = assess((pd.concat([apart, later]), everything, residuals), kinds, date(2025, 11, 20))
    month = overlapping.label.set_index("window_days").loc[28]
    assert month["n_reference"] == len(everything) - 28 * 12
    assert month["statistic"] == clean.label.set_index("window_days").loc[28, "statistic"]


def test_residuals_before_a_promotion_that_answered_are_not_counted_again(world, kinds):
    again = assess(world, kinds, date(2025, 11, 12), stream_started_on=date(2025, 11, 12))
    assert again.cusum.skipped_reason == "12 residuals known, needs 20"
    assert (str(DriftKind.RESIDUAL), None) not in again.judged
    later = assess(world, kinds, date(2025, 11, 20), stream_started_on=date(2025, 11, 12))
    found = next(found for found in later.alarms if found.kind == DriftKind.RESIDUAL)
    assert found.started_on >= date(2025, 11, 12)
    assert found.stream_started_on == date(2025, 11, 12)


def test_the_company_that_changed_is_named(courses, kinds):
    old = pd.concat([courses(10 + number, 200).assign(company_id=number) for number in (1, 2)])
    now = pd.concat(
        [
            courses(20, 28, "2025-11-01").assign(company_id=1),
            courses(21, 28, "2025-11-01", later_min=6.0).assign(company_id=2),
        ]
    )
    small = courses(30, 5, "2025-11-01").assign(company_id=3)
    residuals = with_reference(now.assign(residual_min=now.delay_min - 3.0), CENTRED)
    look = assess((old, pd.concat([now, small]), residuals), kinds, date(2025, 11, 28))
    alarmed = {(found.kind, found.company_id) for found in look.alarms}
    assert {(DriftKind.RESIDUAL, 2), (DriftKind.LABEL, 2)} <= alarmed
    assert not any(company == 1 for _, company in alarmed)
    assert set(look.label["company_id"].dropna()) == {1, 2}
    assert look.label["company_id"].isna().sum() == 3
    assert set(look.not_looked_at) == {3}
    assert "needs 100" in look.not_looked_at[3]
    assert look.label["threshold"].iloc[0] == pytest.approx(0.001 / 3 / 3), "three groups share the error rate"
    assert look.cusum.limit == pytest.approx(16.0 + np.log(3) / 0.5)
    assert "company 3: not looked at by itself" in drift_markdown(look)


def test_one_company_is_not_looked_at_twice(world, kinds):
    old, now, residuals = world
    look = assess((old.assign(company_id=1), now.assign(company_id=1), residuals), kinds, date(2025, 11, 12))
    assert look.label["company_id"].isna().all()
    assert len(look.label) == 3


def test_feature_drift_alone_never_asks_for_retraining(reference, courses, kinds):
    now = courses(1, 28, "2025-11-01", longer=3.0)
    residuals = with_reference(now.assign(residual_min=now.delay_min - 3.0), CENTRED)
    found = assess((reference, now, residuals), kinds, date(2025, 11, 28))
    assert found.drifting
    assert not found.retrain
    assert found.severity == "critical"
    assert "distance_km" in found.verdict.summary()
    report = drift_markdown(found)
    assert report.startswith("**drift seen")
    assert "| distance_km | value | 28 |" in report


def test_label_drift_must_be_confirmed_by_week_and_month(reference, courses, kinds):
    now = courses(1, 28, "2025-11-01", later_min=5.0)
    as_of = date(2025, 11, 28)
    features = feature_drift(reference, now, kinds, as_of=as_of)
    quiet = follow(now.assign(residual_min=0.0))
    whole = label_drift(reference, now, as_of=as_of)
    assert verdicts(features, whole, quiet).retrain
    for missing in (7, 28):
        without = whole.assign(alarm=(whole.window_days != missing).astype("boolean"))
        unconfirmed = verdicts(features, without, quiet)
        assert unconfirmed.drifting
        assert not unconfirmed.retrain, missing
        assert "not yet confirmed" in unconfirmed.summary()


def test_an_unconfirmed_label_alarm_opens_no_event(reference, courses, kinds):
    old = courses(7, 25, "2025-11-01", later_min=3.0)
    now = pd.concat([old, courses(8, 3, "2025-11-26", later_min=-1.0)])
    found = assess((reference, now, with_reference(now.assign(residual_min=0.0), CENTRED)), kinds, date(2025, 11, 28))
    (label,) = [alarm for alarm in found.alarms if alarm.kind == DriftKind.LABEL]
    assert not label.opens
    assert not found.retrain


def test_what_was_not_judged_is_listed(reference, courses):
    now = courses(1, 28, "2025-11-01").iloc[:10].assign(residual_min=np.nan)
    as_of = date(2025, 11, 28)
    verdict = verdicts(
        feature_drift(reference, now, {"distance_km": "numeric"}, as_of=as_of),
        label_drift(reference, now, as_of=as_of),
        follow(now),
    )
    assert not verdict.drifting
    assert len(verdict.not_judged) == 1 + 3 + 6
    assert "10 not judged" in verdict.summary()


def test_groups_share_the_error_rates():
    shared = DriftSettings().shared_by(4)
    assert [window.alpha for window in shared.feature_windows] == [0.0005, 0.00125, 0.00125]
    assert shared.label_alpha == 0.00025
    assert DriftSettings().shared_by(1) == DriftSettings()
