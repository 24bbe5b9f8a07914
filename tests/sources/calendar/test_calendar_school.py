"""School holidays: only published dates, NULL where they end."""

import itertools
from datetime import date, timedelta

import pandas as pd
import pytest

from atmr_pipeline.domain.errors import SourceError
from atmr_pipeline.sources.calendar import SchoolCalendar, calendar_days, school_calendar
from atmr_pipeline.sources.calendar.school import Period

ONE_DAY = timedelta(days=1)


def is_school_holiday(day: date) -> bool | None:
    value = calendar_days(day, day)["is_school_holiday"].iloc[0]
    return None if pd.isna(value) else bool(value)


def test_school_years_follow_each_other_without_a_gap() -> None:
    years = school_calendar().years
    for earlier, later in itertools.pairwise(years):
        assert later.first_day == earlier.last_day + ONE_DAY
    assert [year.school_year for year in years] == [f"{first}-{first + 1}" for first in range(2020, 2027)]
    assert all(year.first_day.weekday() == 0 for year in years), "schools began on Mondays"


def test_outside_the_known_school_years_it_is_unknown() -> None:
    years = school_calendar().years
    first, last = years[0].first_day, years[-1].last_day
    assert (first, last) == (date(2020, 8, 24), date(2027, 6, 25))
    assert is_school_holiday(first - ONE_DAY) is None
    assert is_school_holiday(first) is False
    assert is_school_holiday(last) is False
    assert is_school_holiday(last + ONE_DAY) is None, "when summer begins in 2027 is not agreed on: unknown"
    frame = calendar_days(date(2027, 7, 1), date(2027, 12, 31))
    assert frame["is_school_holiday"].isna().all()
    assert frame["school_holiday"].isna().all()


@pytest.mark.parametrize(
    ("day", "name"),
    [
        (date(2024, 10, 21), "Vacances d'automne"),
        (date(2025, 1, 3), "Vacances de Noël et Nouvel An"),
        (date(2025, 2, 24), "Vacances de février"),
        (date(2025, 5, 2), "Vacances de Pâques"),
        (date(2025, 5, 30), "Pont de l'Ascension"),
        (date(2026, 5, 1), "Fête du travail"),
        (date(2025, 7, 15), "Vacances d'été"),
        (date(2025, 8, 17), "Vacances d'été"),
        (date(2025, 8, 18), None),
        (date(2025, 9, 11), None),
        (date(2025, 9, 12), None),
        (date(2022, 5, 27), None),
    ],
)
def test_days_of_the_published_calendar(day: date, name: str | None) -> None:
    row = calendar_days(day, day).iloc[0]
    assert row["is_school_holiday"] == (name is not None)
    assert (None if pd.isna(row["school_holiday"]) else row["school_holiday"]) == name


def test_the_usual_holidays_are_there_every_year() -> None:
    school = school_calendar()
    usual = {"Vacances d'automne", "Vacances de Noël et Nouvel An", "Vacances de février", "Vacances de Pâques"}
    for year in school.years:
        periods = {period.name: period for period in school.holidays if period.school_year == year.school_year}
        assert usual <= set(periods)
        assert ("Vacances d'été" in periods) == (year.school_year != "2026-2027")
        # Weekends at both ends belong to the holidays, as the list of the cantons has them.
        for name in usual:
            assert periods[name].last_day.weekday() == 6
        for name in ("Vacances d'automne", "Vacances de février"):
            assert periods[name].first_day.weekday() == 5
            assert len(periods[name].days()) == 9
        assert all(period.source for period in periods.values())


def test_school_holidays_hold_the_public_holidays_of_their_season() -> None:
    frame = calendar_days(date(2022, 8, 22), date(2027, 6, 25))
    seasons = {"Nouvel An", "Vendredi saint", "Lundi de Pâques", "Ascension", "Fête nationale", "Noël"}
    within = frame[frame["public_holiday"].isin(seasons)]
    assert within["is_school_holiday"].all()
    assert set(frame.loc[frame["school_holiday"].eq("Pont de l'Ascension"), "weekday"]) == {3, 4, 5, 6}


def period(year: str, first: str, last: str) -> Period:
    return Period(year, "Vacances fictives", date.fromisoformat(first), date.fromisoformat(last), "test")


@pytest.mark.parametrize(
    ("years", "holidays", "says"),
    [
        ([("2024-2025", "2024-08-19", "2024-08-18")], [], "end before they start"),
        ([("2024-2025", "2024-08-19", "2025-08-17"), ("2025-2026", "2025-08-17", "2026-08-16")], [], "years overlap"),
        (
            [("2024-2025", "2024-08-19", "2025-08-17")],
            [("2024-2025", "2024-10-19", "2024-10-27"), ("2024-2025", "2024-10-27", "2024-10-28")],
            "holidays overlap",
        ),
        ([("2024-2025", "2024-08-19", "2025-08-17")], [("2024-2025", "2025-08-17", "2025-08-18")], "outside"),
        ([("2024-2025", "2024-08-19", "2025-08-17")], [("2025-2026", "2024-10-19", "2024-10-27")], "outside"),
    ],
)
def test_dates_that_contradict_each_other(
    years: list[tuple[str, str, str]], holidays: list[tuple[str, str, str]], says: str
) -> None:
    with pytest.raises(SourceError, match=says):
        SchoolCalendar(tuple(period(*each) for each in years), tuple(period(*each) for each in holidays))
