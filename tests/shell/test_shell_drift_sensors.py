"""The drift and degradation sensors on a real state and a real Dagster instance."""

import uuid
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import dagster as dg
import pytest

from atmr_pipeline.jobs.definitions import drift_retraining
from atmr_pipeline.resources.drift_answers import answer_of_run, level_changes
from atmr_pipeline.resources.workspace import Workspace
from atmr_pipeline.sensors import degradation, drift
from atmr_pipeline.state.drift_answers import answer_by_promotion
from atmr_pipeline.state.drift_events import DriftEvent, insert_drift_event, list_drift_events

FIRST, LATER = date(2026, 11, 2), date(2026, 11, 9)


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.setenv("ATMR_HOME", str(tmp_path / "home"))
    return Workspace()


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.instance_for_test() as instance:
        yield instance


class Ticks:
    """A sensor between whose ticks its cursor is kept, as the daemon keeps it."""

    def __init__(self, sensor: dg.SensorDefinition, instance: dg.DagsterInstance) -> None:
        self.sensor, self.instance, self.cursor = sensor, instance, None

    def next(self) -> list[dg.RunRequest]:
        context = dg.build_sensor_context(instance=self.instance, cursor=self.cursor)
        tick = self.sensor.evaluate_tick(context)
        self.cursor = tick.cursor
        return list(tick.run_requests or [])


def record(workspace: Workspace, event_id: str, kind: str, day: date = FIRST, **evidence: object) -> None:
    insert_drift_event(workspace.state, DriftEvent(event_id, kind, day, "critical", evidence))


def run_of(instance: dg.DagsterInstance, request: dg.RunRequest, status: dg.DagsterRunStatus) -> None:
    """What the daemon does with a request, to its end."""
    instance.add_run(
        dg.DagsterRun(job_name=drift_retraining.name, run_id=str(uuid.uuid4()), tags=request.tags, status=status)
    )


@pytest.mark.parametrize(
    ("sensor", "other", "kind"),
    [
        (drift, degradation, "residual_drift"),
        (drift, degradation, "label_drift"),
        (degradation, drift, "performance"),
    ],
)
def test_an_alarm_asks_for_one_retraining_of_its_own_sensor(
    sensor: dg.SensorDefinition,
    other: dg.SensorDefinition,
    kind: str,
    workspace: Workspace,
    instance: dg.DagsterInstance,
) -> None:
    ticks = Ticks(sensor, instance)
    assert ticks.next() == []
    record(workspace, "alarm-1", kind)
    assert Ticks(other, instance).next() == []
    (request,) = ticks.next()
    assert request.run_key == "alarm-1:1"
    assert request.tags["atmr/event"] == "alarm-1"
    run_of(instance, request, dg.DagsterRunStatus.STARTED)
    assert ticks.next() == []
    assert Ticks(sensor, instance).next() == []


def test_a_daemon_that_forgot_its_cursor_asks_with_the_same_key(
    workspace: Workspace, instance: dg.DagsterInstance
) -> None:
    record(workspace, "alarm-1", "residual_drift")
    (first,) = Ticks(drift, instance).next()
    (again,) = Ticks(drift, instance).next()
    assert first.run_key == again.run_key


def test_a_deleted_run_was_an_attempt_and_hides_no_other_alarm(
    workspace: Workspace, instance: dg.DagsterInstance
) -> None:
    record(workspace, "alarm-1", "residual_drift", FIRST)
    ticks = Ticks(drift, instance)
    keys = [request.run_key for _ in range(3) for request in ticks.next()]
    assert keys == ["alarm-1:1", "alarm-1:2", "alarm-1:3"]
    record(workspace, "alarm-2", "label_drift", LATER)
    assert [request.run_key for request in ticks.next()] == ["alarm-2:1"]
    outcomes = {event.event_id: event.outcome for event in list_drift_events(workspace.state)}
    assert outcomes == {"alarm-1": "gave_up", "alarm-2": None}
    assert answer_by_promotion(workspace.state, "0123456789abcdef", learned_up_to=FIRST) == ["alarm-1"]


def test_an_alarm_of_one_company_asks_for_nothing_and_is_answered_by_no_promotion(
    workspace: Workspace, instance: dg.DagsterInstance
) -> None:
    event = DriftEvent("one", "residual_drift", FIRST, "critical", {}, company_id=3)
    insert_drift_event(workspace.state, event)
    assert Ticks(drift, instance).next() == []
    assert answer_by_promotion(workspace.state, "0123456789abcdef", learned_up_to=LATER) == []


def test_a_promotion_answers_only_the_change_that_it_was_told_of(workspace: Workspace) -> None:
    record(workspace, "told", "residual_drift", FIRST, change_started_on="2026-10-30")
    record(workspace, "untold", "residual_drift", FIRST, change_started_on="2026-10-31")
    told = {date(2026, 10, 30)}
    answered = answer_by_promotion(workspace.state, "0123456789abcdef", learned_up_to=FIRST, learned_changes=told)
    assert answered == ["told"]


def test_two_alarms_of_one_day_are_one_retraining(workspace: Workspace, instance: dg.DagsterInstance) -> None:
    record(workspace, "residuals", "residual_drift")
    record(workspace, "performance", "performance")
    (request,) = Ticks(drift, instance).next()
    run_of(instance, request, dg.DagsterRunStatus.SUCCESS)
    assert Ticks(degradation, instance).next() == []


def test_a_retraining_that_died_is_asked_for_again_and_an_answered_alarm_is_not(
    workspace: Workspace, instance: dg.DagsterInstance
) -> None:
    record(workspace, "alarm-1", "residual_drift")
    ticks = Ticks(drift, instance)
    (request,) = ticks.next()
    run_of(instance, request, dg.DagsterRunStatus.FAILURE)
    (second,) = ticks.next()
    assert second.run_key == "alarm-1:2"
    run_of(instance, second, dg.DagsterRunStatus.SUCCESS)
    assert answer_of_run(workspace.state, second.tags, "refused 0123456789abcdef")
    assert ticks.next() == []


def test_feature_drift_asks_for_nothing(workspace: Workspace, instance: dg.DagsterInstance) -> None:
    record(workspace, "features", "feature_drift")
    assert Ticks(drift, instance).next() == []
    assert Ticks(degradation, instance).next() == []


def test_a_promotion_answers_what_it_has_learned_from_and_nothing_later(workspace: Workspace) -> None:
    record(workspace, "residuals", "residual_drift", FIRST, change_started_on="2026-10-30")
    record(workspace, "features", "feature_drift", FIRST)
    record(workspace, "later", "performance", LATER)
    assert answer_by_promotion(workspace.state, "0123456789abcdef", learned_up_to=FIRST) == ["residuals"]
    outcomes = {event.event_id: event.outcome for event in list_drift_events(workspace.state)}
    assert outcomes == {"residuals": "promoted 0123456789abcdef", "features": None, "later": None}
    assert answer_of_run(workspace.state, {}, "refused x") is False


def test_a_later_promotion_answers_what_was_refused(workspace: Workspace) -> None:
    record(workspace, "refused", "residual_drift")
    record(workspace, "cleared", "label_drift")
    assert answer_of_run(workspace.state, {"atmr/event": "refused"}, "refused 0123456789abcdef")
    assert answer_of_run(workspace.state, {"atmr/event": "cleared"}, "cleared")
    assert answer_by_promotion(workspace.state, "fedcba9876543210", learned_up_to=LATER) == ["refused"]
    assert answer_by_promotion(workspace.state, "0123456789abcdef", learned_up_to=LATER) == []


def test_trainings_are_told_of_changes_of_level_unless_the_alarm_went_by_itself(workspace: Workspace) -> None:
    record(workspace, "answered", "residual_drift", FIRST, change_started_on="2026-10-30")
    record(workspace, "cleared", "residual_drift", LATER, change_started_on="2026-11-05")
    record(workspace, "label", "label_drift", LATER)
    insert_drift_event(
        workspace.state,
        DriftEvent(
            "one-company", "residual_drift", LATER, "critical", {"change_started_on": "2026-11-06"}, company_id=3
        ),
    )
    answer_by_promotion(workspace.state, "0123456789abcdef", learned_up_to=FIRST)
    assert answer_of_run(workspace.state, {"atmr/event": "cleared"}, "cleared")
    (change,) = level_changes(workspace.state)
    assert (change.since, change.known_on) == (date(2026, 10, 30), FIRST)
