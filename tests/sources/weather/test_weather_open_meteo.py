"""The Open-Meteo client against a local server that speaks its protocol, failures included."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from open_meteo_server import DEPOT, OpenMeteo, Server, rain_mm, weather

from atmr_pipeline.domain.errors import SettingsError
from atmr_pipeline.sources.services import (
    BadRequestError,
    BadResponseError,
    RateLimitedError,
    ServiceError,
    ServiceRefusedError,
    ServiceUnavailableError,
)
from atmr_pipeline.sources.weather import OpenMeteoClient
from atmr_pipeline.sources.weather.answers import measures
from atmr_pipeline.sources.weather.open_meteo import CUSTOMER, PUBLIC

DAY = date(2025, 1, 15)
NOW = datetime(2025, 6, 20, 7, 20, tzinfo=UTC)
NAMES = ("temperature_2m", "precipitation", "snowfall")


def test_observed_hours_hold_what_fell_in_them(client: OpenMeteoClient, service: OpenMeteo) -> None:
    frame = client.observed(*DEPOT, DAY, DAY).frame
    assert len(frame) == 24
    for row in frame.itertuples():
        start = row.valid_at.to_pydatetime()
        assert row.rain_mm == pytest.approx(rain_mm(start), abs=0.05), "the sum labelled with the hour's end"
        assert row.snow_cm == weather(start + timedelta(hours=1))["snowfall"]
        assert row.temperature_c == weather(start)["temperature_2m"], "the temperature labelled with its start"
    assert set(frame["source"]) == {"open-meteo archive"}
    ((path, query),) = service.requests
    assert path == "/archive/v1/archive"
    assert query == {
        "latitude": "46.2", "longitude": "6.14", "start_date": "2025-01-15", "end_date": "2025-01-16",
        "hourly": "temperature_2m,precipitation,snowfall", "timezone": "UTC",
    }  # fmt: skip
    assert service.agents == {"atmr-test (test@example.org)"}


@pytest.mark.parametrize("day", [date(2025, 3, 30), date(2025, 10, 26)])
def test_a_clock_change_is_a_day_of_24_utc_hours(client: OpenMeteoClient, service: OpenMeteo, day: date) -> None:
    service.today = date(2025, 12, 1)
    service.archive_known_until = datetime(2025, 12, 1, tzinfo=UTC)
    frame = client.observed(*DEPOT, day, day).frame
    assert frame["valid_at"].tolist() == list(pd.date_range(day, periods=24, freq="h", tz="UTC"))
    assert frame.notna().all(axis=None)


def test_what_the_service_does_not_know_is_null(client: OpenMeteoClient, service: OpenMeteo) -> None:
    service.archive_known_until = datetime(2025, 1, 15, 12, tzinfo=UTC)
    reading = client.observed(*DEPOT, DAY, DAY)
    assert reading.frame["temperature_c"].notna().tolist() == [True] * 12 + [False] * 12
    assert reading.frame["rain_mm"].notna().tolist() == [True] * 11 + [False] * 13, "the label 12:00 ends hour 11"
    assert reading.counts == {"implausible": 0, "contradictory": 0}


def test_past_forecasts_are_issued_no_earlier_than_they_can_have_been(client: OpenMeteoClient) -> None:
    frame = client.past_forecasts(*DEPOT, DAY, DAY).frame
    assert len(frame) == 48
    for lead in (1, 2):
        ahead = pd.Timedelta(days=lead) - pd.Timedelta(hours=7)
        rows = frame[frame["valid_at"] - frame["issued_at"] == ahead]
        expected = [rain_mm(start.to_pydatetime(), lead) for start in rows["valid_at"]]
        assert rows["rain_mm"].tolist() == pytest.approx(expected, abs=0.05)
        assert len(rows) == 24
    # The run behind a label started a day before it and takes up to six hours; the hour's sum has the label of its end.
    published = frame["valid_at"] + pd.Timedelta(hours=1) - pd.Timedelta(days=1) + pd.Timedelta(hours=6)
    assert (frame["issued_at"] <= published).all()
    assert frame["issued_at"].is_monotonic_increasing


def test_an_hour_that_no_run_knew_has_no_row(client: OpenMeteoClient, service: OpenMeteo) -> None:
    service.runs_known_from = datetime(2025, 1, 15, 20, tzinfo=UTC)
    frame = client.past_forecasts(*DEPOT, DAY, DAY, lead_days=[1]).frame
    assert frame["valid_at"].dt.hour.tolist() == [19, 20, 21, 22, 23]
    assert frame["temperature_c"].isna().tolist() == [True, False, False, False, False]


def test_the_present_forecast_is_issued_now_for_coming_hours(client: OpenMeteoClient, service: OpenMeteo) -> None:
    zurich = NOW.astimezone(pd.Timestamp("2025-06-20 09:20", tz="Europe/Zurich").tzinfo)
    frame = client.forecast(*DEPOT, zurich).frame
    assert set(frame["issued_at"]) == {pd.Timestamp(NOW)}
    assert frame["valid_at"].tolist() == list(pd.date_range("2025-06-20 08:00", "2025-06-27 23:00", freq="h", tz="UTC"))
    assert service.requests[0][0] == "/live/v1/forecast"
    assert service.requests[0][1]["start_date"] == "2025-06-20"


def test_impossible_weather_is_null_and_counted(client: OpenMeteoClient, service: OpenMeteo) -> None:
    def spoil(answer: dict[str, Any]) -> dict[str, Any]:
        hourly = answer["hourly"]
        hourly["temperature_2m"][0:3] = [-273.15, 50.1, 50.0]
        hourly["precipitation"][1:3] = [-0.1, 999.0]
        hourly["precipitation"][6] = 0.0
        hourly["snowfall"][3] = -1
        hourly["snowfall"][6] = 0.7
        return answer

    service.spoils = spoil
    reading = client.observed(*DEPOT, DAY, DAY)
    frame = reading.frame
    assert frame["temperature_c"].isna().tolist()[:4] == [True, True, False, False]
    assert frame["rain_mm"].isna().tolist()[:7] == [True, True, True, False, False, True, False]
    assert frame["snow_cm"].isna().tolist()[:7] == [False, False, True, False, False, True, False]
    assert reading.counts == {"implausible": 5, "contradictory": 1}


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            st.one_of(st.just(np.nan), st.floats(-60, 60)),
            st.one_of(st.just(np.nan), st.floats(-1, 250)),
            st.one_of(st.just(np.nan), st.floats(-1, 60)),
        ),
        min_size=1,
        max_size=30,
    )
)
def test_no_measure_is_invented(rows: list[tuple[float, float, float]]) -> None:
    values = {name: np.array(column) for name, column in zip(NAMES, zip(*rows, strict=True), strict=True)}
    frame = measures(values).frame
    assert len(frame) == len(rows) - 1
    for hour, row in enumerate(frame.itertuples()):
        (_, precipitation, snow), temperature = rows[hour + 1], rows[hour][0]
        assert np.isnan(row.temperature_c) or row.temperature_c == temperature
        assert np.isnan(row.snow_cm) or row.snow_cm == snow
        assert np.isnan(row.rain_mm) or 0 <= row.rain_mm <= max(precipitation, 0) + 0.01
        if np.isnan(precipitation) or np.isnan(snow):
            assert np.isnan(row.rain_mm)


def _with(**changes: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda answer: {**answer, **changes}


def _hourly(name: str, change: Callable[[list[Any]], Any]) -> Callable[[dict[str, Any]], Any]:
    return lambda answer: {**answer, "hourly": {**answer["hourly"], name: change(answer["hourly"][name])}}


def _unit(name: str, unit: str) -> Callable[[dict[str, Any]], Any]:
    return lambda answer: {**answer, "hourly_units": {**answer["hourly_units"], name: unit}}


@pytest.mark.parametrize(
    ("spoils", "says"),
    [
        (_unit("precipitation", "inch"), "precipitation is not in mm"),
        (_unit("snowfall", "m"), "snowfall is not in cm"),
        (_unit("temperature_2m", "°F"), "temperature_2m is not in °C"),
        (_hourly("snowfall", lambda values: values[:-1]), "not one value an hour"),
        (_hourly("snowfall", lambda values: [*values, 0.0]), "not one value an hour"),
        (_hourly("snowfall", lambda _: None), "not one value an hour"),
        (_hourly("time", lambda times: times[:-1]), "other hours"),
        (_hourly("time", lambda times: [times[1], times[0], *times[2:]]), "other hours"),
        (_hourly("time", lambda times: [times[0], times[0], *times[2:]]), "other hours"),
        (_hourly("time", lambda times: [time.replace("2025", "2024") for time in times]), "other hours"),
        (_hourly("precipitation", lambda values: ["0.1", *values[1:]]), "something else than numbers"),
        (_hourly("precipitation", lambda values: [True, *values[1:]]), "something else than numbers"),
        (_hourly("precipitation", lambda values: [10**400, *values[1:]]), "something else than numbers"),
        (_hourly("precipitation", lambda values: [[], *values[1:]]), "something else than numbers"),
        (_hourly("precipitation", lambda values: [float("nan"), *values[1:]]), "not JSON"),
        (_with(hourly=None), "no hourly values"),
        (_with(hourly_units=[]), "no hourly values"),
        (_with(utc_offset_seconds=3600), "not in UTC"),
        (_with(latitude=52.52), "another place"),
        (_with(longitude=None), "another place"),
        (lambda answer: [answer], "not an object"),
        (lambda _: None, "not an object"),
    ],
)
def test_answers_of_another_form_are_refused(
    client: OpenMeteoClient, service: OpenMeteo, spoils: Callable[[dict[str, Any]], Any], says: str
) -> None:
    service.spoils = spoils
    with pytest.raises(BadResponseError, match=says):
        client.observed(*DEPOT, DAY, DAY)
    assert len(service.requests) == 1, "asking again would not help"


LIMIT = '{"error":true,"reason":"Daily API request limit exceeded. Please try again tomorrow."}'
WHOLE = '{"hourly": {"time": ["2025-01-15T00:00"'


@pytest.mark.parametrize(
    ("status", "body", "error", "requests"),
    [
        (400, '{"error":true,"reason":"Latitude must be in range of -90 to 90. Given: 46.2."}', BadRequestError, 1),
        (400, '{"error":true,"reason":"The supplied API key is invalid."}', ServiceRefusedError, 1),
        (400, "[]", BadRequestError, 1),
        (401, "{}", ServiceRefusedError, 1),
        (403, "<html>Blocked</html>", ServiceRefusedError, 1),
        (404, '{"error":true,"reason":"Not Found"}', BadRequestError, 1),
        (429, LIMIT, RateLimitedError, 2),
        (500, "{}", ServiceUnavailableError, 2),
        (503, "<html>Maintenance</html>", ServiceUnavailableError, 2),
        (200, "<html>Maintenance</html>", BadResponseError, 1),
        (200, WHOLE, BadResponseError, 1),
        (200, "", BadResponseError, 1),
    ],
)
def test_failures_are_told_apart(
    server: Server, service: OpenMeteo, status: int, body: str, error: type[ServiceError], requests: int
) -> None:
    service.fails = lambda path, query: (status, body, {})
    with server.client(api_key="secret-key-of-the-test") as client:
        reads = [
            lambda: client.observed(*DEPOT, DAY, DAY),
            lambda: client.past_forecasts(*DEPOT, DAY, DAY),
            lambda: client.forecast(*DEPOT, NOW),
        ]
        for read in reads:
            service.requests.clear()
            with pytest.raises(error) as caught:
                read()
            assert type(caught.value) is error
            assert len(service.requests) == requests
            for private in ("46.2", "6.14", "secret-key", "latitude"):
                assert private not in str(caught.value), "neither the request nor the service's words are passed on"


def test_nobody_answers(server: Server) -> None:
    client = server.client()
    server.close()
    with pytest.raises(ServiceUnavailableError, match="cannot be reached"):
        client.observed(*DEPOT, DAY, DAY)


def test_days_beyond_the_archive(client: OpenMeteoClient, service: OpenMeteo) -> None:
    with pytest.raises(BadRequestError, match="holds nothing of these days"):
        client.observed(*DEPOT, service.today, service.today)


def test_a_key_goes_with_every_read(server: Server, service: OpenMeteo) -> None:
    service.api_key = "secret-key-of-the-test"
    with server.client(api_key="secret-key-of-the-test") as client:
        client.observed(*DEPOT, DAY, DAY)
        client.past_forecasts(*DEPOT, DAY, DAY)
        client.forecast(*DEPOT, NOW)
        assert "secret-key" not in repr(client)
    assert [query["apikey"] for _, query in service.requests] == ["secret-key-of-the-test"] * 3
    with server.client(api_key="another") as client, pytest.raises(ServiceRefusedError, match="key"):
        client.observed(*DEPOT, DAY, DAY)


def test_a_key_goes_to_the_customers_hosts() -> None:
    with OpenMeteoClient.connect(user_agent="atmr-test") as free:
        assert str(free._archive.base_url).startswith(PUBLIC.archive)
    with OpenMeteoClient.connect(user_agent="atmr-test", api_key="key") as paid:
        gateways = (paid._archive, paid._previous_runs, paid._forecast)
        hosts = {gateway.base_url.host for gateway in gateways}
    assert {f"https://{host}" for host in hosts} == {CUSTOMER.archive, CUSTOMER.previous_runs, CUSTOMER.forecast}


@pytest.mark.parametrize("place", [(0.0, 0.0), (47.37, 8.54), (np.nan, 6.14)])
def test_no_place_but_the_service_area_is_sent(
    client: OpenMeteoClient, service: OpenMeteo, place: tuple[float, float]
) -> None:
    with pytest.raises(SettingsError, match="depot") as caught:
        client.observed(*place, DAY, DAY)
    assert "8.54" not in str(caught.value)
    assert not service.requests


def test_nonsense_arguments(client: OpenMeteoClient) -> None:
    with pytest.raises(ValueError, match="last_day"):
        client.observed(*DEPOT, DAY, DAY - timedelta(days=1))
    with pytest.raises(ValueError, match="lead_days"):
        client.past_forecasts(*DEPOT, DAY, DAY, lead_days=[0])
    with pytest.raises(ValueError, match="time zone"):
        client.forecast(*DEPOT, NOW.replace(tzinfo=None))
