"""From rows to notifications: what is told of alarms and models, how severe it is, and what is never told."""

import dataclasses
import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atmr_pipeline.assets.promotion import EVALUATION
from atmr_pipeline.definitions import defs
from atmr_pipeline.notifications.events import DRIFT_ASSETS, events_to_notifications
from atmr_pipeline.notifications.notification import Notification
from atmr_pipeline.notifications.reading import drift_events_since, model_events_since
from atmr_pipeline.notifications.runs import run_failed
from atmr_pipeline.notifications.webhook import signature
from atmr_pipeline.promotion.aliases import ModelEvent, append_event
from atmr_pipeline.promotion.decide import decide
from atmr_pipeline.promotion.verdict import GateVerdict
from atmr_pipeline.sensors.failures import GATE_STEPS
from atmr_pipeline.state.drift_events import DriftEvent, close_drift_event, insert_drift_event

UI = "https://atmr.example/ui/"
AT = datetime(2026, 6, 1, 3, tzinfo=UTC)
QUOTED = "Patient Fictif 12, Rue Imaginaire 3"
RESIDUALS = DriftEvent(
    event_id="0123456789abcdef01234567",
    kind="residual_drift",
    detected_on=date(2026, 6, 1),
    severity="critical",
    evidence={"direction": "later", "courses": 41, "shift_min": 4.8, "limit": 18.0},
    company_id=3,
    alarm_started_on=date(2026, 5, 29),
    model_version="aaaaaaaaaaaaaaaa",
    created_at=AT,
)
GATES = [
    GateVerdict("coverage", True, 0.91, 0.85, 300, "coverage 0.91"),
    GateVerdict("not_inferior_to_champion", False, 0.12, 0.05, 300, "MAE +12.0%, bounds +6.1% to +18.3% over 28 days"),
    GateVerdict("brier", False, 0.2, 0.1, 300, "not blocking", blocking=False),
]


def told_of_drift(event: DriftEvent) -> list[Notification]:
    return events_to_notifications([event], [], ui_url=UI)


def model_event(action: str, **changes: object) -> ModelEvent:
    values = {
        "kind": "delay",
        "action": action,
        "actor": "run:9f0c",
        "reason": QUOTED,
        "from_version": "aaaaaaaaaaaaaaaa",
        "to_version": "bbbbbbbbbbbbbbbb",
        "at": AT,
    }
    return ModelEvent(**{**values, **changes})


def told_of_model(action: str, **changes: object) -> Notification:
    (told,) = events_to_notifications([], [model_event(action, **changes)], ui_url=UI)
    return told


def facts(told: Notification) -> dict[str, object]:
    return told.to_document()["facts"]


def test_an_alarm_that_opens_says_what_changed_and_where_to_look():
    (told,) = told_of_drift(RESIDUALS)
    assert told.subject_id == "drift:0123456789abcdef01234567:opened"
    assert (told.kind, told.severity, told.occurred_at) == ("drift_opened", "critical", AT)
    assert told.title_en == "The delay model's errors drift"
    assert told.link == "https://atmr.example/ui/assets/residual_drift?view=events"
    assert facts(told) == {
        "company_id": 3,
        "model_version": "aaaaaaaaaaaaaaaa",
        "alarm_started_on": "2026-05-29",
        "detected_on": "2026-06-01",
        "direction": "later",
        "courses": 41,
        "shift_min": 4.8,
        "limit": 18.0,
    }
    assert "sens : plus tard que prévu" in [line.fr for line in told.lines]
    assert "décalage (min) : 4,8" in [line.fr for line in told.lines]


@pytest.mark.parametrize(
    ("outcome", "severity"),
    [("promoted:bbbb", "info"), ("cleared", "info"), ("refused", "warning"), ("gave_up", "warning")],
)
def test_an_alarm_that_closes_is_told_with_its_outcome(outcome, severity):
    closed = dataclasses.replace(RESIDUALS, outcome=outcome, outcome_at=AT + timedelta(days=1))
    opened, told = told_of_drift(closed)
    assert opened.subject_id.endswith(":opened")
    assert told.subject_id == "drift:0123456789abcdef01234567:closed:20260602T030000000000Z"
    assert (told.kind, told.severity, told.occurred_at) == ("drift_closed", severity, AT + timedelta(days=1))
    assert facts(told)["outcome"] == outcome


def test_an_alarm_that_was_closed_too_early_is_told_again_when_it_closes():
    twice = [dataclasses.replace(RESIDUALS, outcome="cleared", outcome_at=AT + timedelta(days=day)) for day in (1, 9)]
    told = [told_of_drift(event) for event in twice]
    assert told[0][0].subject_id == told[1][0].subject_id
    assert told[0][1].subject_id != told[1][1].subject_id


def test_an_id_that_is_no_header_is_hashed_the_same_way_each_time():
    odd = dataclasses.replace(RESIDUALS, event_id="é" * 128)
    (told,), (again,) = told_of_drift(odd), told_of_drift(odd)
    assert told.subject_id == again.subject_id
    assert told.subject_id.startswith("sha256:")


def test_a_degradation_shows_its_windows():
    windows = [{"window_days": 7, "n": 80, "mae": 6.214, "mae_ratio": 1.31}, {"window_days": 28, "n": 310, "mae": 5.9}]
    event = dataclasses.replace(RESIDUALS, kind="performance", company_id=None, evidence={"degraded": windows})
    (told,) = told_of_drift(event)
    assert told.link.endswith("/assets/delay_performance?view=events")
    assert facts(told)["company_id"] == "all"
    shown = [line.en for line in told.lines]
    assert any("window (days) 7" in text and "mean absolute error (min) 6.214" in text for text in shown)
    assert any("window (days) 28" in text for text in shown)


def test_a_long_list_is_cut_and_says_so():
    rows = [{"feature": f"feature_{number}", "p_value": 0.00001} for number in range(10)]
    (told,) = told_of_drift(dataclasses.replace(RESIDUALS, kind="feature_drift", evidence={"strongest": rows}))
    assert facts(told)["not_told"] == 5
    assert sum(line.name.startswith("strongest.") for line in told.lines) == 5


@pytest.mark.parametrize(
    "evidence", [{"note": QUOTED}, {"strongest": [{"feature": QUOTED}]}, {QUOTED: 1}, {"a": [[1]]}]
)
def test_free_text_in_evidence_is_never_told(evidence):
    (told,) = told_of_drift(dataclasses.replace(RESIDUALS, evidence=evidence))
    assert "Imaginaire" not in json.dumps(told.to_document())


def test_an_alarm_of_a_kind_that_is_not_known_is_told_all_the_same():
    (told,) = told_of_drift(dataclasses.replace(RESIDUALS, kind="weather_drift", severity="odd"))
    assert (told.title_en, told.severity) == ("Alarm weather_drift", "critical")


@pytest.mark.parametrize(
    ("action", "changes", "severity", "title"),
    [
        ("promoted", {"alias": "champion", "seq": 4}, "info", "Delay model: promoted"),
        ("refused", {}, "info", "Delay model: refused"),
        ("refused", {"from_version": None}, "warning", "Delay model: refused"),
        ("rolled_back", {"alias": "champion", "seq": 5}, "warning", "Delay model: rolled back"),
        ("fell_back", {"seq": 5}, "critical", "Delay model: files damaged, previous version served"),
        ("promoted", {"kind": "policy"}, "info", "Dispatch policy: promoted"),
    ],
)
def test_what_happens_to_a_model_is_told_without_what_a_person_wrote(action, changes, severity, title):
    told = told_of_model(action, **changes)
    assert (told.kind, told.severity, told.title_en) == (action, severity, title)
    assert "Imaginaire" not in json.dumps(told.to_document())
    assert facts(told)["refused_version" if action == "refused" else "to_version"] == "bbbbbbbbbbbbbbbb"
    assert facts(told)["actor"] == "run"


def test_a_refusal_names_the_gates_that_failed_with_their_details():
    told = told_of_model("refused", evidence=decide(GATES).as_evidence())
    shown = [line.fr for line in told.lines]
    assert "not_inferior_to_champion: MAE +12.0%, bounds +6.1% to +18.3% over 28 days" in shown
    assert not any(text.startswith(("coverage", "brier")) for text in shown)
    assert facts(told)["gate.not_inferior_to_champion"] == 0.12
    assert (facts(told)["gates_passed"], facts(told)["gates_failed"]) == (1, 1)
    assert told.link == "https://atmr.example/ui/assets/delay_evaluation?view=checks"


@pytest.mark.parametrize("action", ["registered", "deleted", "pointed", "unpointed"])
def test_what_is_of_no_concern_is_not_told(action):
    assert events_to_notifications([], [model_event(action)], ui_url=UI) == []


def test_a_challenger_that_is_only_pointed_at_is_not_told_as_promoted():
    assert events_to_notifications([], [model_event("promoted", alias="challenger")], ui_url=UI) == []


def test_the_same_version_refused_twice_is_two_subjects_and_read_twice_is_one():
    first, second = model_event("refused"), model_event("refused", at=AT + timedelta(microseconds=1))
    told = events_to_notifications([], [first, second, first], ui_url=UI)
    assert len({each.subject_id for each in told}) == 2


def test_only_what_happened_since_is_told_in_the_order_in_which_it_happened():
    closed = dataclasses.replace(RESIDUALS, outcome="cleared", outcome_at=AT + timedelta(days=2))
    told = events_to_notifications([closed], [model_event("refused", at=AT + timedelta(days=1))], ui_url=UI)
    assert [each.kind for each in told] == ["drift_opened", "refused", "drift_closed"]
    late = events_to_notifications([closed], [model_event("refused")], ui_url=UI, since=AT + timedelta(days=1))
    assert [each.kind for each in late] == ["drift_closed"]


def test_a_failed_run_names_its_steps():
    told = run_failed(run_id="9f0c-11", job="daily_retraining", failed_steps=["bookings"], ended_at=AT, ui_url=UI)
    assert (told.severity, told.subject_id) == ("warning", "run:9f0c-11:failed")
    assert told.link == "https://atmr.example/ui/runs/9f0c-11"
    assert facts(told) == {"job": "daily_retraining", "run_id": "9f0c-11", "failed_steps": ["bookings"]}


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=60, deadline=None)
@given(evidence=st.dictionaries(st.text(), values, max_size=6), outcome=st.text(max_size=64), kind=st.text(max_size=32))
def test_whatever_the_rows_hold_the_document_is_plain_json_of_single_lines(evidence, outcome, kind):
    event = dataclasses.replace(RESIDUALS, evidence=evidence, kind=kind, outcome=outcome, outcome_at=AT)
    refused = model_event("refused", evidence={"gates": [evidence, {"name": kind, "detail": outcome}]}, actor=outcome)
    for told in events_to_notifications([event], [refused], ui_url=UI):
        document = json.dumps(told.to_document(), allow_nan=False)
        assert "\\n" not in document


def test_what_is_read_back_from_the_database_is_what_happened_since(store):
    insert_drift_event(store, dataclasses.replace(RESIDUALS, created_at=None))
    insert_drift_event(store, dataclasses.replace(RESIDUALS, event_id="other", created_at=None))
    with store.begin() as connection:
        append_event(connection, model_event("refused", evidence=decide(GATES).as_evidence()))
        append_event(connection, model_event("fell_back", at=AT + timedelta(days=3)))
    future = datetime.now(UTC) + timedelta(days=1)
    assert drift_events_since(store, future) == []
    close_drift_event(store, "other", "cleared", at=future)
    (closed,) = drift_events_since(store, future)
    assert (closed.event_id, closed.outcome, closed.evidence) == ("other", "cleared", RESIDUALS.evidence)
    assert [event.action for event in model_events_since(store, AT)] == ["refused", "fell_back"]
    (late,) = model_events_since(store, AT + timedelta(days=1))
    assert (late.action, late.at) == ("fell_back", AT + timedelta(days=3))


def test_links_and_gate_steps_name_what_the_ui_has():
    graph = defs().resolve_asset_graph()
    assets = {key.path[-1] for key in graph.materializable_asset_keys}
    assert set(DRIFT_ASSETS.values()) <= assets
    assert {f"{name}_gates" for name in EVALUATION.values()} == GATE_STEPS
    nodes = {node.name for job in defs().resolve_all_job_defs() for node in job.nodes}
    assert nodes >= GATE_STEPS


def test_the_example_in_the_documents_is_what_is_sent():
    text = (Path(__file__).parents[2] / "docs" / "notifications.md").read_text(encoding="utf-8")
    example = json.loads(text.split("```json\n")[1].split("```")[0])
    (told,) = told_of_drift(RESIDUALS)
    assert example == told.to_document()


def test_a_receiver_written_as_the_documents_say_accepts_what_is_signed_and_nothing_else():
    text = (Path(__file__).parents[2] / "docs" / "notifications.md").read_text(encoding="utf-8")
    names: dict[str, object] = {}
    exec(text.split("```python\n")[1].split("```")[0], names)
    is_genuine = names["is_genuine"]
    secret, body = "a-key-for-tests-only", b'{"version":1}'
    headers = {"X-Atmr-Timestamp": "1000", "X-Atmr-Signature": signature(secret, "1000", body)}
    assert is_genuine(secret, headers, body, now=1000 + 300)
    assert not is_genuine(secret, headers, body, now=1000 + 301)
    assert not is_genuine(secret, headers, body + b" ", now=1000)
    assert not is_genuine("another-key-for-tests", headers, body, now=1000)
    assert not is_genuine(secret, {**headers, "X-Atmr-Timestamp": "1001"}, body, now=1000)
    assert not is_genuine(secret, {}, body, now=1000)
