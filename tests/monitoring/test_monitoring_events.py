"""Events keep their identity, and only the right evidence asks for retraining."""

import json
from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atmr_pipeline.monitoring.assessment import assess_drift
from atmr_pipeline.monitoring.cusum import ResidualReference, residual_cusum
from atmr_pipeline.monitoring.drift import (
    DriftKind,
    alarm_run_start,
    drift_event,
    feature_drift,
    label_drift,
    verdicts,
)
from atmr_pipeline.monitoring.kpi_report import drift_markdown

FIRST = date(2025, 11, 1)


def event(**changes):
    arguments = {
        "company_id": 1,
        "model_version": "delay-1",
        "alarm_started_on": FIRST,
        "detected_on": FIRST,
        "severity": "warning",
    }
    return drift_event(changes.pop("kind", DriftKind.RESIDUAL), **arguments | changes)


def test_the_id_is_pinned_to_the_onset_and_to_nothing_else():
    first = event()
    assert first.event_id == event(detected_on=FIRST + timedelta(days=9), severity="critical").event_id
    assert first.event_id == event(evidence={"n": 3}).event_id
    others = [
        event(company_id=2),
        event(company_id=None),
        event(model_version="delay-2"),
        event(alarm_started_on=FIRST + timedelta(days=1)),
        event(kind="label_drift"),
    ]
    assert len({first.event_id, *(other.event_id for other in others)}) == 6
    assert len(first.event_id) == 24
    assert json.loads(json.dumps(first.to_dict()))["kind"] == "residual_drift"


def test_an_event_without_a_severity_is_refused():
    with pytest.raises(ValueError, match="severity"):
        event(severity="none")


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


@pytest.fixture(scope="module")
def world(courses):
    old = courses(0, 250)
    now = pd.concat([courses(1, 30, "2025-10-01"), courses(2, 40, "2025-10-31", longer=1.8, later_min=5.0)])
    return old, now.assign(residual_min=now.delay_min - 3.0), ResidualReference(0.0, 3.0, 1000)


def assess(world, kinds, as_of, **changes):
    old, now, before = world
    return assess_drift(
        old, now, changes.get("residuals", now), kinds, before, as_of=as_of, model_version="delay-1", company_id=1
    )


def test_an_ongoing_alarm_is_one_event_however_often_it_is_seen(world, kinds):
    looks = [assess(world, kinds, date(2025, 11, day)) for day in (12, 13, 20)]
    ids = [{found.kind: found.event_id for found in look.events} for look in looks]
    assert set(ids[0]) == {DriftKind.FEATURE, DriftKind.LABEL, DriftKind.RESIDUAL}
    assert ids[0] == ids[1] == ids[2]
    started = {found.kind: found.alarm_started_on for found in looks[0].events}
    assert date(2025, 10, 31) <= started[DriftKind.RESIDUAL] <= date(2025, 11, 2)
    assert started[DriftKind.LABEL] <= date(2025, 11, 5)
    assert looks[0].verdict.retrain
    assert looks[0].verdict.severity == "critical"


def test_evidence_is_small_and_json(world, kinds):
    events = assess(world, kinds, date(2025, 11, 12)).events
    assert all(len(json.dumps(found.to_dict())) < 4000 for found in events)
    residual = next(found for found in events if found.kind == DriftKind.RESIDUAL)
    assert residual.evidence["direction"] == "later"
    assert residual.evidence["shift_min"] == pytest.approx(5.0, abs=0.7)


def test_a_quiet_day_has_no_event(world, kinds):
    look = assess(world, kinds, date(2025, 10, 29))
    assert look.events == ()
    assert not look.verdict.drifting
    assert not look.verdict.retrain


def test_days_after_the_look_change_nothing(world, kinds):
    old, now, before = world
    cut = now[now.service_day <= "2025-11-12"]
    seen = assess(world, kinds, date(2025, 11, 12))
    then = assess((old, cut, before), kinds, date(2025, 11, 12))
    assert seen.events == then.events
    pd.testing.assert_frame_equal(seen.features, then.features)


def test_feature_drift_alone_never_asks_for_retraining(reference, courses, kinds):
    now = courses(1, 28, "2025-11-01", longer=3.0)
    as_of = date(2025, 11, 28)
    quiet = residual_cusum(now.assign(residual_min=now.delay_min - 3.0), ResidualReference(0.0, 3.0, 1000))
    features = feature_drift(reference, now, kinds, as_of=as_of)
    label = label_drift(reference, now, as_of=as_of)
    verdict = verdicts(features, label, quiet)
    assert verdict.drifting
    assert not verdict.retrain
    assert verdict.severity == "critical"
    assert "distance_km" in verdict.summary()
    report = drift_markdown(features, label, quiet, verdict)
    assert report.startswith("**drift seen")
    assert "| distance_km | value | 28 |" in report


def test_label_drift_must_be_confirmed_by_both_windows(reference, courses, kinds):
    now = courses(1, 28, "2025-11-01", later_min=5.0)
    as_of = date(2025, 11, 28)
    features = feature_drift(reference, now, kinds, as_of=as_of)
    quiet = residual_cusum(now.assign(residual_min=0.0), ResidualReference(0.0, 3.0, 1000))
    both = label_drift(reference, now, as_of=as_of)
    assert verdicts(features, both, quiet).retrain
    month_only = both.assign(alarm=(both.window_days == 28).astype("boolean"))
    unconfirmed = verdicts(features, month_only, quiet)
    assert unconfirmed.drifting
    assert not unconfirmed.retrain
    assert "not yet confirmed" in unconfirmed.summary()


def test_what_was_not_judged_is_listed(reference, courses):
    now = courses(1, 28, "2025-11-01").iloc[:10].assign(residual_min=np.nan)
    as_of = date(2025, 11, 28)
    verdict = verdicts(
        feature_drift(reference, now, {"distance_km": "numeric"}, as_of=as_of),
        label_drift(reference, now, as_of=as_of),
        residual_cusum(now, ResidualReference(0.0, 3.0, 1000)),
    )
    assert not verdict.drifting
    assert len(verdict.not_judged) == 1 + 2 + 4
    assert "7 not judged" in verdict.summary()
