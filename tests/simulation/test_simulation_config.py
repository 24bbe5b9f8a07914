from datetime import date

import pytest

from atmr_pipeline.domain.errors import SettingsError
from atmr_pipeline.simulation.config import Scenario, WorldConfig
from atmr_pipeline.simulation.working_days import (
    is_working_day,
    months_before,
    next_working_day,
    resolve_end,
    working_days,
)


@pytest.mark.parametrize(
    ("name", "value", "range_text"),
    [
        ("months", 0, "1 to 120"),
        ("months", 2.5, "a whole number"),
        ("bookings_per_day", 0.5, "1 to 2000"),
        ("bookings_per_day", float("nan"), "1 to 2000"),
        ("drivers", 1, "2 to 200"),
        ("seed", -1, "0 to"),
        ("workbook_months", 25, "0 to 24"),
        ("drivers", True, "a whole number"),
    ],
)
def test_a_value_outside_its_range_is_named_with_the_range(name, value, range_text):
    with pytest.raises(SettingsError, match=name) as caught:
        WorldConfig(**{name: value})
    assert range_text in str(caught.value)


def test_an_unknown_scenario_is_refused():
    with pytest.raises(SettingsError, match="roadworks, rush_shift, longer_trips"):
        Scenario("earthquake", date(2026, 1, 1))


def test_a_configuration_survives_json():
    config = WorldConfig(end=date(2026, 2, 3), scenario=(Scenario("roadworks", date(2026, 1, 5)),))
    assert WorldConfig.from_json(config.to_json()) == config
    assert WorldConfig.from_json(WorldConfig().to_json()) == WorldConfig()


@pytest.mark.parametrize("day", [date(2026, 1, 1), date(2026, 4, 6), date(2026, 9, 10), date(2026, 12, 31)])
def test_nobody_works_on_geneva_holidays(day):
    assert not is_working_day(7, day)


def test_a_year_has_about_260_working_days_mostly_on_weekdays():
    days = working_days(7, date(2025, 1, 1), date(2026, 1, 1))
    assert 245 <= len(days) <= 285
    assert sum(day.weekday() >= 5 for day in days) < 30


def test_the_default_end_never_lies_in_the_future():
    saturday = next(day for day in (date(2026, 1, d) for d in range(1, 31)) if not is_working_day(7, day))
    end = resolve_end(WorldConfig(), saturday)
    assert end <= saturday
    assert next_working_day(7, end) == end


def test_months_before_keeps_within_the_month():
    assert months_before(date(2026, 3, 31), 1) == date(2026, 2, 28)
    assert months_before(date(2026, 1, 15), 12) == date(2025, 1, 15)
