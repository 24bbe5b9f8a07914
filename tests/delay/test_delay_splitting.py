"""The split: nothing that was learned too late trains, nothing that was decided too early is held out."""

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atmr_pipeline.domain.errors import NotEnoughDataError, TableContractError
from atmr_pipeline.models.delay import time_split
from atmr_pipeline.models.delay.splitting import holdout_days_for


def rows(*lines: tuple[str, str, str]) -> pd.DataFrame:
    frame = pd.DataFrame(lines, columns=["service_day", "decided_at", "known_at"])
    frame["service_day"] = pd.to_datetime(frame["service_day"]).astype("datetime64[us]")
    for name in ("decided_at", "known_at"):
        frame[name] = pd.to_datetime(frame[name], utc=True, format="ISO8601").astype("datetime64[us, UTC]")
    return frame


def test_rows_that_straddle_the_start_belong_to_neither_part():
    frame = rows(
        ("2024-05-01", "2024-04-30 15:00", "2024-05-01 09:00"),
        ("2024-05-09", "2024-05-09 06:00", "2024-05-09 09:00"),
        ("2024-05-10", "2024-05-09 15:00", "2024-05-10 09:00"),
        ("2024-05-10", "2024-05-10 06:00", "2024-05-10 09:00"),
        ("2024-05-12", "2024-05-12 06:00", "2024-05-12 09:00"),
    )
    train, holdout = time_split(frame, holdout_days=3)
    assert train.index.tolist() == [0, 1]
    assert holdout.index.tolist() == [3, 4]


def test_the_holdout_begins_at_local_midnight():
    frame = rows(
        ("2024-07-01", "2024-06-30 12:00", "2024-07-01 21:59:59"),
        ("2024-07-01", "2024-06-30 12:00", "2024-07-01 22:00:00"),
        ("2024-07-02", "2024-07-01 22:00:00", "2024-07-02 09:00"),
    )
    train, holdout = time_split(frame, holdout_days=1)
    assert train.index.tolist() == [0]
    assert holdout.index.tolist() == [2]


def test_a_label_entered_later_than_it_was_known_does_not_train():
    frame = rows(
        ("2024-07-01", "2024-07-01 05:00", "2024-07-01 08:00"),
        ("2024-07-01", "2024-07-02 05:00", "2024-07-01 08:00"),
        ("2024-07-02", "2024-07-02 06:00", "2024-07-02 08:00"),
    )
    train, holdout = time_split(frame, holdout_days=1)
    assert train.index.tolist() == [0]
    assert holdout.index.tolist() == [1, 2]


@given(
    st.lists(st.tuples(st.integers(0, 40 * 24), st.integers(0, 48), st.integers(0, 72)), min_size=2, max_size=60),
    st.integers(1, 20),
)
def test_no_label_of_the_training_part_is_known_after_any_held_out_decision(lines, holdout_days):
    base = pd.Timestamp("2024-03-15", tz="UTC")
    pickup = [base + pd.Timedelta(hours=hour) for hour, _, _ in lines]
    frame = rows(
        *(
            (str(at.date()), str(at - pd.Timedelta(hours=lead)), str(at + pd.Timedelta(hours=lag)))
            for at, (_, lead, lag) in zip(pickup, lines, strict=True)
        )
    )
    try:
        train, holdout = time_split(frame, holdout_days)
    except NotEnoughDataError:
        return
    assert train["known_at"].max() < holdout["decided_at"].min()
    assert not set(train.index) & set(holdout.index)
    assert len(train) + len(holdout) <= len(frame)


def test_unusable_input_is_refused():
    frame = rows(
        ("2024-07-01", "2024-07-01 05:00", "2024-07-01 08:00"), ("2024-07-02", "2024-07-02 06:00", "2024-07-02 08:00")
    )
    with pytest.raises(ValueError, match="at least 1"):
        time_split(frame, 0)
    with pytest.raises(TableContractError, match="lacks known_at"):
        time_split(frame.drop(columns="known_at"), 1)
    with pytest.raises(TableContractError, match="NULL in known_at"):
        time_split(frame.assign(known_at=pd.NaT), 1)
    with pytest.raises(NotEnoughDataError, match="train part"):
        time_split(frame, 2)
    with pytest.raises(NotEnoughDataError):
        time_split(frame.head(0), 1)


def _days(*counts: int) -> pd.DataFrame:
    days = [pd.Timestamp(2026, 3, 1) + pd.Timedelta(days=number) for number, n in enumerate(counts) for _ in range(n)]
    return pd.DataFrame({"service_day": days})


def test_a_quiet_month_holds_out_more_days_and_never_beyond_the_most() -> None:
    busy, quiet = _days(*[10] * 180), _days(*[2] * 180)
    limits = {"least_days": 14, "least_rows": 100, "most_days": 42}
    assert holdout_days_for(busy, **limits) == 14
    assert holdout_days_for(quiet, **limits | {"most_days": 60}) == 50
    assert holdout_days_for(quiet, **limits) == 42
    assert holdout_days_for(quiet.head(0), **limits) == 14
    assert holdout_days_for(quiet, **limits | {"least_rows": 0}) == 14
    with pytest.raises(ValueError, match="least_days"):
        holdout_days_for(quiet, least_days=50, least_rows=1, most_days=42)


def test_a_young_company_keeps_two_thirds_of_its_days_to_learn_from() -> None:
    assert holdout_days_for(_days(*[2] * 60), least_days=14, least_rows=100, most_days=60) == 20


@given(counts=st.lists(st.integers(0, 9), min_size=1, max_size=60), rows=st.integers(1, 200))
def test_one_day_less_would_hold_too_few(counts: list[int], rows: int) -> None:
    frame = _days(*[9] * 400, *counts)
    days = holdout_days_for(frame, least_days=1, least_rows=rows, most_days=100)
    age = (frame["service_day"].max() - frame["service_day"]).dt.days
    assert (age < days).sum() >= rows
    assert (age < days - 1).sum() < rows
