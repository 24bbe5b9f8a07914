"""What becomes a row: one a separated run of an alarm, whoever is champion and whenever somebody looks."""

import threading
from datetime import date, timedelta
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from atmr_pipeline.monitoring.events import Alarm, alarm_start, drift_alarm
from atmr_pipeline.state import StateStore
from atmr_pipeline.state.drift_events import (
    close_drift_event,
    last_seen,
    list_drift_events,
    record_alarms,
    stream_start,
)

FIRST = date(2026, 1, 5)
QUIET = 7
COMPANIES = count(1)
"""Each example has a company of its own in the one database."""


def on(offset: int) -> date:
    return FIRST + timedelta(days=offset)


def alarm(started: int, **changes) -> Alarm:
    told = {"company_id": None, "started_on": on(started), "severity": "critical", "model_version": "v1"}
    return drift_alarm(changes.pop("kind", "label_drift"), **told | changes)


def record(store: StateStore, day: int, *alarms: Alarm, **more):
    return record_alarms(store, alarms, as_of=on(day), quiet_days=QUIET, **more)


def test_the_same_alarm_night_after_night_under_a_new_champion_each_is_one_row(store):
    new = record(store, 3, alarm(3, model_version="v1", evidence={"shift_min": 5.0})).new
    for day in range(4, 30):
        seen_again = alarm(day, model_version=f"v{day}", evidence={"shift_min": float(day)})
        assert record(store, day, seen_again).continued == new
    (event,) = list_drift_events(store)
    assert (event.detected_on, event.last_seen_on, event.alarm_started_on) == (on(3), on(29), on(3))
    assert (event.model_version, event.evidence) == ("v1", {"shift_min": 5.0})


def test_an_alarm_that_was_answered_and_goes_on_is_not_another(store):
    (event_id,) = record(store, 0, alarm(0)).new
    assert close_drift_event(store, event_id, "promoted v2")
    for day in range(1, 40):
        record(store, day, alarm(day))
    (event,) = list_drift_events(store)
    assert (event.outcome, event.last_seen_on) == ("promoted v2", on(39))


def test_quiet_days_close_an_unanswered_event_and_only_what_was_judged(store):
    (event_id,) = record(store, 0, alarm(0)).new
    assert record(store, QUIET) == record(store, QUIET)
    assert list_drift_events(store, only_open=True)
    assert record(store, QUIET + 1, judged=[("feature_drift", None)]).cleared == ()
    assert record(store, QUIET + 1, judged=[("label_drift", None)]).cleared == (event_id,)
    assert list_drift_events(store)[0].outcome == "cleared"
    assert record(store, QUIET + 9, alarm(QUIET + 9)).new != ()


def test_kinds_and_companies_are_apart(store):
    alarms = [alarm(0), alarm(0, company_id=4), alarm(0, kind="feature_drift"), alarm(0, kind="residual_drift")]
    assert len(record(store, 0, *alarms).new) == 4
    assert record(store, 0, *alarms).new == ()
    record(store, 0, alarm(0, kind="performance"), kinds=["performance"])
    assert record(store, 20).cleared != ()
    still_open = list_drift_events(store, only_open=True)
    assert [event.kind for event in still_open] == ["performance"], "a look at drift says nothing of performance"
    assert last_seen(store)["label_drift", 4] == on(0)


def test_an_unconfirmed_alarm_opens_nothing_and_keeps_open_what_began(store):
    assert record(store, 0, alarm(0, opens=False)).new == ()
    (event_id,) = record(store, 1, alarm(0)).new
    assert record(store, 6, alarm(2, opens=False)).continued == (event_id,)
    assert list_drift_events(store)[0].last_seen_on == on(6)


def test_after_a_promotion_the_residuals_begin_anew_and_so_does_their_alarm(store):
    assert stream_start(store) is None
    (first,) = record(store, 2, alarm(2, kind="residual_drift")).new
    record(store, 4, alarm(2, kind="residual_drift"))
    assert stream_start(store) is None
    close_drift_event(store, first, "promoted v2")
    assert stream_start(store) == on(5)
    again = alarm(7, kind="residual_drift", stream_started_on=stream_start(store))
    (second,) = record(store, 7, again).new
    assert second != first
    close_drift_event(store, second, "refused: gates")
    assert stream_start(store) == on(5), "a refused challenger leaves the residuals as they were"
    assert record(store, 8, alarm(7, kind="residual_drift", stream_started_on=on(5))).continued == (second,)


def test_an_event_cleared_because_nobody_looked_opens_again(store):
    (event_id,) = record(store, 0, alarm(0)).new
    assert record(store, 30).cleared == (event_id,)
    assert record(store, 31, alarm(3)).continued == (event_id,)
    (event,) = list_drift_events(store, only_open=True)
    assert (event.last_seen_on, event.outcome_at) == (on(31), None)


def test_looks_of_earlier_days_change_nothing(store):
    record(store, 10, alarm(5))
    assert record(store, 7, alarm(5)).new == ()
    assert list_drift_events(store)[0].last_seen_on == on(10)


def test_many_processes_that_see_the_same_alarm_write_one_row(store):
    results, barrier = [], threading.Barrier(8)

    def look(number: int) -> None:
        own = StateStore(store.url.render_as_string(hide_password=False), schema=store.schema)
        barrier.wait()
        results.append(record(own, 5, alarm(5 - number % 2, model_version=f"v{number}")).new)
        own.close()

    threads = [threading.Thread(target=look, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(len(new) for new in results) == 1
    assert len(list_drift_events(store)) == 1


def runs_of(history: list[bool]) -> list[tuple[int, int]]:
    """First and last alarm day of each run that quiet days separate, by the definition alone."""
    runs: list[tuple[int, int]] = []
    for day, is_on in enumerate(history):
        if is_on and runs and day - runs[-1][1] <= QUIET:
            runs[-1] = (runs[-1][0], day)
        elif is_on:
            runs.append((day, day))
    return runs


@pytest.fixture(scope="module")
def memory(tmp_path_factory):
    store = StateStore(f"sqlite:///{tmp_path_factory.mktemp('events') / 'state.db'}")
    store.migrate()
    yield store
    store.close()


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    blocks=st.lists(st.tuples(st.booleans(), st.integers(1, 12)), min_size=1, max_size=10),
    looked=st.data(),
    answers=st.lists(st.sampled_from([None, "promoted v", "refused", "failed"]), min_size=1, max_size=5),
)
def test_one_row_a_separated_run_whatever_the_days_of_the_looks(memory, blocks, looked, answers):
    company = next(COMPANIES)
    history = [is_on for is_on, length in blocks for _ in range(length)]
    looks = looked.draw(st.sets(st.integers(0, len(history) - 1), min_size=1))
    for number, day in enumerate(sorted(looks)):
        alarms = []
        if history[day]:
            started = alarm_start(
                lambda earlier: history[(earlier - FIRST).days],
                on(day),
                quiet_days=QUIET,
                first_day=FIRST,
                seen=last_seen(memory).get(("label_drift", company)),
            )
            alarms.append(alarm((started - FIRST).days, company_id=company, model_version=f"v{day}"))
        changed = record(memory, day, *alarms, judged=[("label_drift", company)])
        answer = answers[number % len(answers)]
        for event_id in changed.new + changed.continued:
            if answer:
                close_drift_event(memory, event_id, answer)
    events = [event for event in list_drift_events(memory) if event.company_id == company]
    seen_runs = [
        (first, last) for first, last in runs_of(history) if any(first <= day <= last and history[day] for day in looks)
    ]
    assert len(events) == len(seen_runs)
    for event, (first, last) in zip(sorted(events, key=lambda e: e.detected_on), seen_runs, strict=True):
        assert on(first) <= event.alarm_started_on <= event.detected_on <= event.last_seen_on <= on(last)
