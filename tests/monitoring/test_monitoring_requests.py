"""Which alarm gets a retraining: once, after the cooldown, within the cap, again only where it died."""

from datetime import date, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from atmr_pipeline.monitoring.requests import MAX_ATTEMPTS, OpenAlarm, PastRequest, next_request

DAY = date(2026, 3, 2)
LIMITS = {"cooldown_days": 3, "max_per_week": 2}


def on(number: int) -> date:
    return DAY + timedelta(days=number)


def test_an_alarm_is_asked_for_once() -> None:
    request, _ = next_request([OpenAlarm("a", on(0))], [], **LIMITS)
    assert request is not None
    assert (request.event_id, request.attempt, request.run_key) == ("a", 1, "a:1")
    again, reason = next_request([OpenAlarm("a", on(1))], [PastRequest("a", on(0), is_over=False)], **LIMITS)
    assert again is None
    assert "under way" in reason


def test_another_alarm_waits_for_the_cooldown_and_is_not_lost() -> None:
    past = [PastRequest("a", on(0), is_over=True)]
    early, reason = next_request([OpenAlarm("b", on(2))], past, **LIMITS)
    assert early is None
    assert "cooldown" in reason
    later, _ = next_request([OpenAlarm("b", on(3))], past, **LIMITS)
    assert later is not None
    assert later.on == on(3)


def test_no_more_than_the_cap_within_a_week() -> None:
    past = [PastRequest("a", on(0), is_over=True), PastRequest("b", on(3), is_over=True)]
    third, reason = next_request([OpenAlarm("c", on(6))], past, **LIMITS)
    assert third is None
    assert "at most 2" in reason
    assert next_request([OpenAlarm("c", on(7))], past, **LIMITS)[0] is not None


def test_a_retraining_that_died_is_asked_for_again_under_another_key_and_not_for_ever() -> None:
    past = [PastRequest("a", on(0), is_over=True)]
    second, _ = next_request([OpenAlarm("a", on(0))], past, **LIMITS)
    assert second is not None
    assert (second.run_key, second.on) == ("a:2", on(0))
    none, reason = next_request([OpenAlarm("a", on(9))], past * MAX_ATTEMPTS, **LIMITS)
    assert none is None
    assert "look at its runs" in reason


def test_an_alarm_that_nobody_answers_does_not_hide_the_next_one() -> None:
    past = [PastRequest("a", on(0), is_over=True)] * MAX_ATTEMPTS
    request, _ = next_request([OpenAlarm("a", on(9)), OpenAlarm("b", on(9))], past, **LIMITS)
    assert request is not None
    assert request.event_id == "b"


def test_a_quiet_world_asks_for_nothing_and_says_so() -> None:
    assert next_request([], [], **LIMITS) == (None, "no open alarm asks for a retraining")


@given(
    starts=st.lists(st.integers(0, 60), min_size=1, max_size=12, unique=True),
    lasts=st.integers(0, 20),
    cooldown=st.integers(0, 10),
    cap=st.integers(1, 3),
)
def test_a_year_of_daily_ticks_keeps_cooldown_and_cap(starts: list[int], lasts: int, cooldown: int, cap: int) -> None:
    """Every alarm is open from its start for some days; ticks come each day, and a request is over at once."""
    past: list[PastRequest] = []
    for today in range(90):
        alarms = [
            OpenAlarm(str(start), on(today))
            for start in sorted(starts)
            if start <= today <= start + lasts and str(start) not in {request.event_id for request in past}
        ]
        for _ in range(3):
            request, _ = next_request(alarms, past, cooldown_days=cooldown, max_per_week=cap)
            if request is not None:
                past.append(PastRequest(request.event_id, request.on, is_over=True))
                alarms = [alarm for alarm in alarms if alarm.event_id != request.event_id]
    days = [request.on for request in past]
    assert len({request.event_id for request in past}) == len(past)
    assert all((later - earlier).days >= cooldown for earlier, later in pairwise(days))
    assert all(sum(0 <= (day - other).days < 7 for other in days) <= cap for day in days)
    assert str(min(starts)) in {request.event_id for request in past}
