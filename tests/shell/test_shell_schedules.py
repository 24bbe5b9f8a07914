"""The clock on the days on which the clock changes: one run a local day, over the days that may still change.

Geneva skips 02:00-03:00 on 28 March 2027 and shows it twice on 25 October 2026. The times of the ticks are computed
by the function with which Dagster's daemon computes them.
"""

from datetime import date, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

import dagster as dg
import pytest
from dagster._utils.schedules import schedule_execution_time_iterator

from atmr_pipeline.jobs.schedules import SCHEDULES

GENEVA = ZoneInfo("Europe/Zurich")
BY_NAME = {schedule.name: schedule for schedule in SCHEDULES}


def _ticks(name: str, start: datetime, count: int) -> list[datetime]:
    schedule = BY_NAME[name]
    times = schedule_execution_time_iterator(
        start.timestamp(), schedule.cron_schedule, schedule.execution_timezone, ascending=True
    )
    return list(islice(times, count))


def _request(name: str, at: datetime) -> dg.RunRequest:
    requests = BY_NAME[name].evaluate_tick(dg.build_schedule_context(scheduled_execution_time=at)).run_requests
    assert len(requests) == 1
    return requests[0]


@pytest.mark.parametrize("name", ["nightly_feedback", "daily_retraining"])
@pytest.mark.parametrize("start", [datetime(2027, 3, 26, tzinfo=GENEVA), datetime(2026, 10, 23, tzinfo=GENEVA)])
def test_each_local_day_has_one_tick_and_one_run_key(name: str, start: datetime) -> None:
    ticks = _ticks(name, start, 5)
    local_days = [tick.astimezone(GENEVA).date() for tick in ticks]
    assert local_days == [start.date() + timedelta(days=offset) for offset in range(5)]
    assert len({_request(name, tick).run_key for tick in ticks}) == 5


def test_a_skipped_two_o_clock_moves_to_three_and_a_doubled_one_runs_once() -> None:
    spring = _ticks("nightly_feedback", datetime(2027, 3, 28, tzinfo=GENEVA), 1)[0]
    assert spring.astimezone(GENEVA).isoformat() == "2027-03-28T03:00:00+02:00"
    autumn = _ticks("nightly_feedback", datetime(2026, 10, 25, tzinfo=GENEVA), 2)
    assert autumn[0].astimezone(GENEVA).isoformat() == "2026-10-25T02:00:00+01:00"
    assert autumn[1].astimezone(GENEVA).date() == date(2026, 10, 26)


def test_the_two_jobs_of_the_skipped_hour_do_not_share_a_run_key() -> None:
    day = datetime(2027, 3, 28, tzinfo=GENEVA)
    ticks = {name: _ticks(name, day, 1)[0] for name in ("nightly_feedback", "daily_retraining")}
    assert len({_request(name, tick).run_key for name, tick in ticks.items()}) == 2


def test_the_weekly_training_runs_on_mondays_after_a_clock_change() -> None:
    for sunday in (date(2027, 3, 28), date(2026, 10, 25)):
        tick = _ticks("weekly_full_training", datetime(sunday.year, sunday.month, sunday.day, tzinfo=GENEVA), 1)[0]
        local = tick.astimezone(GENEVA)
        assert (local.date(), local.hour, local.minute) == (sunday + timedelta(days=1), 3, 30)
