"""Every way a date and a time are written, and none that is guessed."""

from datetime import date, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atmr_pipeline.sources.workbooks.times import read_moment

DAY = date(2025, 10, 1)


@pytest.mark.parametrize(
    "when",
    [
        "01.10.2025  09:15  16:00",
        "01.10.2025\u00a0\u00a009:15\u00a0 16:00",
        "01/10/2025 9h15 16h",
        "1/10/25 9.15 16.00",
        "1.10.25 9h15-16h00",
        "01-10-2025 09:15 / 16:00",
        "2025-10-01 09:15 16:00",
        "2025-10-01T09:15:00 16:00",
        "Mercredi 01.10.2025 à 9h15 et 16 h",
        "mer. 1er octobre 2025, 9h15 - 16h",
        "1 oct. 2025 09h15 retour 16h00",
        "01. 10. 2025\n09:15\n16:00",
        "01.10.2025 9:15 AM 4:00 PM",
    ],
)
def test_text_with_two_times(when: str) -> None:
    moment = read_moment(when)
    assert (moment.day, moment.first, moment.second, moment.problem) == (DAY, time(9, 15), time(16), None)


@pytest.mark.parametrize(
    ("when", "first"),
    [
        (datetime(2025, 10, 1, 9, 15), time(9, 15)),
        (datetime(2025, 10, 1, 9, 14, 59, 999999), time(9, 15)),
        (datetime(2025, 10, 1), None),
        (DAY, None),
        (45931, None),
        (45931.385416666664, time(9, 15)),
        ("45931.385416666664", time(9, 15)),
        ("2025-10-01 00:00:00", None),
        ("01.10.2025", None),
        ("01.10.2025 09:15 ?", time(9, 15)),
        ("01.10.2025 9h15 retour à confirmer", time(9, 15)),
    ],
)
def test_cells_with_at_most_one_time(when: object, first: time | None) -> None:
    moment = read_moment(when)  # type: ignore[arg-type]
    assert (moment.day, moment.first, moment.second, moment.problem) == (DAY, first, None, None)


@pytest.mark.parametrize(
    "cell",
    [
        time(9, 15),
        datetime(1899, 12, 31, 9, 15),
        timedelta(hours=9, minutes=15),
        "9h15",
        "9.15",
        "09:15",
        "9:15:00",
        " 9 h 15 ",
        9.15,
        0.3854166667,
        "0.3854166667",
    ],
)
def test_time_columns(cell: object) -> None:
    moment = read_moment(DAY, cell, "16h")  # type: ignore[arg-type]
    assert (moment.first, moment.second, moment.problem) == (time(9, 15), time(16), None)


@pytest.mark.parametrize(
    ("when", "problem"),
    [
        ("", "missing_date"),
        (None, "missing_date"),
        ("\u00a0", "missing_date"),
        ("31.02.2025 09:15", "bad_date"),
        ("01.13.2025 09:15", "bad_date"),
        ("09:15", "bad_date"),
        ("demain 09:15", "bad_date"),
        ("01.10 09:15", "bad_date"),
        ("01.10.1925 09:15", "date_far_off"),
        (True, "bad_date"),
        (12, "bad_date"),
        (time(9, 15), "bad_date"),
        ("01.10.2025 25:15", "bad_time"),
        ("01.10.2025 09:75", "bad_time"),
        ("01.10.2025 24:00", "bad_time"),
        ("01.10.2025 9h5", "bad_time"),
        ("01.10.2025 matin", "bad_time"),
        ("01.10.2025 02.10.2025 09:15", "several_dates"),
        ("01.10.2025 13:15 PM", "bad_time"),
        ("01.10.2025 08:00 09:15 16:00", "too_many_times"),
    ],
)
def test_what_cannot_be_read_is_named(when: object, problem: str) -> None:
    assert read_moment(when).problem == problem  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "cell", ["vers midi", 9.75, 45931, DAY, True, timedelta(hours=30), timedelta(hours=-1), "0915"]
)
def test_a_time_column_that_holds_no_time(cell: object) -> None:
    assert read_moment(DAY, cell).problem == "bad_time"  # type: ignore[arg-type]


@given(
    st.dates(date(2000, 1, 1), date(2027, 12, 31)),
    st.times().map(lambda clock: clock.replace(second=0, microsecond=0)),
    st.sampled_from(
        ["{0:%d.%m.%Y}  {1:%H:%M}", "{0:%Y-%m-%d} {1:%Hh%M}", "{0:%d/%m/%y} {1:%H.%M}", "le {0:%d-%m-%Y} à {1:%H:%M}"]
    ),
)
def test_what_is_written_is_what_is_read(day: date, clock: time, form: str) -> None:
    moment = read_moment(form.format(day, clock), today=DAY)
    assert (moment.day, moment.first, moment.second, moment.problem) == (day, clock, None, None)


@given(st.text(max_size=40))
def test_any_text_ends_in_a_date_or_a_problem(text: str) -> None:
    moment = read_moment(text, text, text)
    assert (moment.day is not None) or moment.problem
