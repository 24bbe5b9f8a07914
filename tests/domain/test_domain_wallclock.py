"""Wall clock to UTC against the standard library's own arithmetic, on both clock-change days of many years."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atmr_pipeline.domain.wallclock import day_bounds_utc, to_local, to_utc

ZURICH = ZoneInfo("Europe/Zurich")


def last_sunday(year: int, month: int) -> date:
    day = date(year, month, 31)
    return day - timedelta(days=(day.weekday() + 1) % 7)


any_time = st.datetimes(datetime(2000, 1, 1), datetime(2059, 12, 31))
changing_night = st.builds(
    lambda year, month, seconds: datetime.combine(last_sunday(year, month), datetime.min.time())
    + timedelta(seconds=seconds),
    st.integers(2000, 2059), st.sampled_from([3, 10]), st.integers(0, 4 * 3600),
)  # fmt: skip
wall_times = st.one_of(any_time, changing_night)


def expected(local: datetime) -> tuple[datetime | None, str]:
    """Instant and status by PEP 495: fold 0 is the earlier reading, a time that does not come back never was."""
    first = local.replace(tzinfo=ZURICH, fold=0).astimezone(UTC)
    second = local.replace(tzinfo=ZURICH, fold=1).astimezone(UTC)
    if first.astimezone(ZURICH).replace(tzinfo=None) != local:
        return None, "nonexistent"
    return first, "exact" if first == second else "ambiguous_earlier"


@given(st.lists(wall_times, min_size=1, max_size=30))
def test_agrees_with_the_standard_library(locals_: list[datetime]) -> None:
    result = to_utc(pd.Series(locals_))
    for row, local in enumerate(locals_):
        instant, status = expected(local)
        assert result["scheduled_status"].iloc[row] == status
        got = result["scheduled_at"].iloc[row]
        assert pd.isna(got) if instant is None else got == instant


@given(wall_times)
def test_round_trip(local: datetime) -> None:
    result = to_utc(pd.Series([local]))
    if result["scheduled_status"].iloc[0] != "nonexistent":
        assert to_local(result["scheduled_at"]).iloc[0] == local


@given(st.lists(wall_times, min_size=2, max_size=30, unique=True))
def test_later_on_the_clock_is_later_in_utc_within_a_reading(locals_: list[datetime]) -> None:
    instants = to_utc(pd.Series(sorted(locals_)))["scheduled_at"].dropna()
    assert instants.is_monotonic_increasing, "the earlier reading of a repeated hour keeps the order of the clock"


@pytest.mark.parametrize("year", range(2020, 2031))
def test_the_two_odd_nights(year: int) -> None:
    spring, autumn = last_sunday(year, 3), last_sunday(year, 10)
    times = pd.Series(
        [
            datetime(year, 3, spring.day, 1, 59, 59), datetime(year, 3, spring.day, 2, 0),
            datetime(year, 3, spring.day, 2, 59, 59), datetime(year, 3, spring.day, 3, 0),
            datetime(year, 10, autumn.day, 1, 59, 59), datetime(year, 10, autumn.day, 2, 0),
            datetime(year, 10, autumn.day, 2, 59, 59), datetime(year, 10, autumn.day, 3, 0),
        ]
    )  # fmt: skip
    result = to_utc(times)
    assert result["scheduled_status"].tolist() == [
        "exact", "nonexistent", "nonexistent", "exact", "exact", "ambiguous_earlier", "ambiguous_earlier", "exact",
    ]  # fmt: skip
    placed = result["scheduled_at"]
    assert placed[3] - placed[0] == timedelta(seconds=1)
    assert placed[7] - placed[6] == timedelta(hours=1, seconds=1)
    assert placed[5] == datetime(year, 10, autumn.day, 0, 0, tzinfo=UTC)


def test_missing_times_index_and_dtypes() -> None:
    local = pd.Series([None, datetime(2025, 1, 1, 9), None], index=[7, 7, 3])
    result = to_utc(local)
    assert result.index.tolist() == [7, 7, 3]
    assert result["scheduled_status"].tolist() == ["missing", "exact", "missing"]
    assert str(result["scheduled_at"].dtype) == "datetime64[us, UTC]"
    assert str(result["scheduled_status"].dtype) == "str"
    nothing = to_utc(pd.Series([], dtype="datetime64[us]"))
    assert nothing.empty
    assert str(nothing["scheduled_at"].dtype) == "datetime64[us, UTC]"
    assert to_utc(pd.Series([None, None], dtype=object))["scheduled_status"].tolist() == ["missing", "missing"]


def test_an_instant_is_not_a_wall_clock() -> None:
    with pytest.raises(TypeError):
        to_utc(pd.Series([datetime(2025, 1, 1, tzinfo=UTC)]))


def test_another_time_zone() -> None:
    local = pd.Series([datetime(2025, 3, 30, 2, 30)])
    assert to_utc(local, "Europe/London")["scheduled_at"].iloc[0] == datetime(2025, 3, 30, 1, 30, tzinfo=UTC)


@given(st.dates(date(2000, 1, 1), date(2059, 12, 30)))
def test_day_bounds(day: date) -> None:
    start, end = day_bounds_utc(day)
    assert start.utcoffset() == end.utcoffset() == timedelta(0)
    hours = {last_sunday(day.year, 3): 23, last_sunday(day.year, 10): 25}.get(day, 24)
    assert end - start == timedelta(hours=hours)
    assert day_bounds_utc(day + timedelta(days=1))[0] == end
    assert start.astimezone(ZURICH).date() == day
    assert (end - timedelta(microseconds=1)).astimezone(ZURICH).date() == day
    assert (start - timedelta(microseconds=1)).astimezone(ZURICH).date() == day - timedelta(days=1)
