"""The calendar of service days: Geneva's public holidays by an independent reckoning, every day exactly once."""

from datetime import date, timedelta

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atmr_pipeline.domain.tables import CALENDAR_DAYS
from atmr_pipeline.sources.calendar import calendar_counts, calendar_days
from atmr_pipeline.sources.calendar.school import Period, SchoolCalendar

ONE_DAY = timedelta(days=1)
dates = st.dates(date(2000, 1, 1), date(2099, 12, 31))


def easter(year: int) -> date:
    """Easter Sunday by the ecclesiastical full moon (Oudin's tabular form), not the code's source."""
    golden, century = year % 19, year // 100
    epact = (century - century // 4 - (8 * century + 13) // 25 + 19 * golden + 15) % 30
    moon = epact - (epact // 28) * (1 - (epact // 28) * (29 // (epact + 1)) * ((21 - golden) // 11))
    weekday = (year + year // 4 + moon + 2 - century + century // 4) % 7
    offset = moon - weekday
    month = 3 + (offset + 40) // 44
    return date(year, month, offset + 28 - 31 * (month // 4))


def holidays_of(year: int) -> dict[date, str]:
    """The nine days of the cantonal law."""
    sunday = easter(year)
    first_sunday_of_september = next(
        day for day in (date(year, 9, 1) + n * ONE_DAY for n in range(7)) if day.weekday() == 6
    )
    return {
        date(year, 1, 1): "Nouvel An",
        sunday - 2 * ONE_DAY: "Vendredi saint",
        sunday + ONE_DAY: "Lundi de Pâques",
        sunday + 39 * ONE_DAY: "Ascension",
        sunday + 50 * ONE_DAY: "Lundi de Pentecôte",
        date(year, 8, 1): "Fête nationale",
        first_sunday_of_september + 4 * ONE_DAY: "Jeûne genevois",
        date(year, 12, 25): "Noël",
        date(year, 12, 31): "Restauration de la République",
    }


def row(day: date) -> pd.Series:
    return calendar_days(day, day).iloc[0]


def test_every_day_of_ten_years_exactly_once() -> None:
    frame = calendar_days(date(2020, 1, 1), date(2030, 12, 31))
    CALENDAR_DAYS.validate(frame)
    assert frame["service_day"].tolist() == list(pd.date_range("2020-01-01", "2030-12-31"))
    assert (frame["weekday"] == frame["service_day"].dt.dayofweek).all()
    assert (frame["is_weekend"] == (frame["weekday"] >= 5)).all()
    assert (frame["is_public_holiday"] == frame["public_holiday"].notna()).all()
    assert calendar_counts(frame)["days"] == 4018
    assert calendar_counts(frame)["public_holiday"] == 9 * 11


@pytest.mark.parametrize("year", range(2000, 2100))
def test_public_holidays_by_an_independent_computus(year: int) -> None:
    frame = calendar_days(date(year, 1, 1), date(year, 12, 31))
    found = frame[frame["is_public_holiday"]]
    assert dict(zip(found["service_day"].dt.date, found["public_holiday"], strict=True)) == holidays_of(year)


def test_holidays_as_the_canton_published_them() -> None:
    published = {
        2023: "2023-04-07 2023-04-10 2023-05-18 2023-05-29 2023-09-07",
        2024: "2024-03-29 2024-04-01 2024-05-09 2024-05-20 2024-09-05",
        2025: "2025-04-18 2025-04-21 2025-05-29 2025-06-09 2025-09-11",
        2026: "2026-04-03 2026-04-06 2026-05-14 2026-05-25 2026-09-10",
        2027: "2027-03-26 2027-03-29 2027-05-06 2027-05-17 2027-09-09",
        2028: "2028-04-14 2028-04-17 2028-05-25 2028-06-05 2028-09-07",
    }
    for year, moving in published.items():
        frame = calendar_days(date(year, 1, 1), date(year, 12, 31))
        found = set(frame.loc[frame["is_public_holiday"], "service_day"].dt.strftime("%Y-%m-%d"))
        assert found == {*moving.split(), *(f"{year}-{day}" for day in ("01-01", "08-01", "12-25", "12-31"))}


def test_other_cantons_holidays_are_working_days() -> None:
    for day in (date(2025, 1, 2), date(2025, 6, 19), date(2025, 8, 15), date(2025, 11, 1), date(2025, 12, 26)):
        assert not row(day)["is_public_holiday"]


@pytest.mark.parametrize(
    ("day", "leave"),
    [
        (date(2023, 1, 2), "Nouvel An (report du dimanche)"),
        (date(2027, 8, 2), "Fête nationale (report du dimanche)"),
        (date(2022, 12, 26), "Noël (report du dimanche)"),
        (date(2025, 5, 1), "1er mai (congé du service public)"),
        (date(2027, 5, 1), None),
        (date(2025, 1, 2), None),
        (date(2008, 5, 1), None),
    ],
)
def test_leave_of_the_public_service_is_no_public_holiday(day: date, leave: str | None) -> None:
    found = row(day)
    assert (None if pd.isna(found["public_service_leave"]) else found["public_service_leave"]) == leave
    assert found["is_public_holiday"] == (day == date(2008, 5, 1)), "Ascension fell on 1 May in 2008"


@pytest.mark.parametrize(
    ("day", "is_bridge"),
    [
        (date(2025, 5, 30), True),
        (date(2025, 9, 12), True),
        (date(2024, 12, 30), True),
        (date(2026, 1, 2), True),
        (date(2025, 12, 26), True),
        (date(2023, 7, 31), True),
        (date(2025, 12, 24), False),
        (date(2025, 12, 30), False),
        (date(2026, 8, 3), False),
        (date(2025, 4, 17), False),
        (date(2025, 5, 31), False),
    ],
)
def test_bridge_days(day: date, is_bridge: bool) -> None:
    assert row(day)["is_bridge_day"] == is_bridge


@settings(deadline=None, max_examples=50)
@given(dates, st.integers(0, 40))
def test_a_day_is_the_same_in_every_range(first: date, length: int) -> None:
    last = min(first + length * ONE_DAY, date(2099, 12, 31))
    whole = calendar_days(first, last)
    assert len(whole) == (last - first).days + 1
    middle = first + (last - first) // 2
    alone = calendar_days(middle, middle)
    pd.testing.assert_frame_equal(whole[whole["service_day"] == pd.Timestamp(middle)].reset_index(drop=True), alone)


@settings(deadline=None, max_examples=50)
@given(dates)
def test_a_bridge_day_is_worked_and_a_holiday_is_not(day: date) -> None:
    found = row(day)
    if found["is_bridge_day"] or not pd.isna(found["public_service_leave"]):
        assert not found["is_weekend"]
        assert not found["is_public_holiday"]


@pytest.mark.parametrize(
    ("first", "last"),
    [
        (date(2025, 1, 2), date(2025, 1, 1)),
        (date(1999, 12, 31), date(2000, 1, 1)),
        (date(2099, 1, 1), date(2100, 1, 1)),
    ],
)
def test_ranges_it_does_not_answer(first: date, last: date) -> None:
    with pytest.raises(ValueError, match="2000 to 2099"):
        calendar_days(first, last)


def test_counts_add_up() -> None:
    school = SchoolCalendar(
        (Period("2024-2025", "", date(2025, 1, 1), date(2025, 1, 10), "test"),),
        (Period("2024-2025", "Vacances fictives", date(2025, 1, 1), date(2025, 1, 5), "test"),),
    )
    frame = calendar_days(date(2024, 12, 30), date(2025, 1, 12), school)
    assert calendar_counts(frame) == {
        "days": 14, "weekend": 4, "public_holiday": 2, "public_service_leave": 0, "bridge_day": 1, "school_holiday": 5,
        "school_holiday_unknown": 4,
    }  # fmt: skip
    assert frame["is_school_holiday"].isna().tolist() == [True] * 2 + [False] * 10 + [True] * 2
