"""Weather of a range of service days: months asked once, outages told, what was known kept with its time."""

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from open_meteo_server import DEPOT, OpenMeteo, Server, rain_mm

from atmr_pipeline.domain.errors import SettingsError
from atmr_pipeline.domain.tables import WEATHER_FORECAST, WEATHER_OBSERVED
from atmr_pipeline.sources.weather import OpenMeteoClient, weather_from_services

NOW = datetime(2025, 6, 20, 7, 20, tzinfo=UTC)
FIRST, LAST = date(2025, 3, 15), date(2025, 6, 21)
OBSERVED, PAST, LIVE = "/archive/v1/archive", "/previous-runs/v1/forecast", "/live/v1/forecast"

Collect = Callable[..., tuple[pd.DataFrame, pd.DataFrame, dict[str, Any]]]


@pytest.fixture
def collect(client: OpenMeteoClient, tmp_path: Path) -> Collect:
    def call(
        first: date = FIRST, last: date = LAST, now: datetime = NOW, point: tuple[float, float] = DEPOT
    ) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, Any]]:
        return weather_from_services(client, *point, first, last, tmp_path / "weather", now)

    return call


def months(service: OpenMeteo, path: str) -> list[str]:
    return sorted(query["start_date"][:7] for asked, query in service.requests if asked == path)


def answering(status: int, body: str = "{}", *, only: Callable[[str, dict[str, str]], bool] = lambda *_: True) -> Any:
    return lambda path, query: (status, body, {}) if only(path, query) else None


def test_a_range_of_service_days(collect: Collect, service: OpenMeteo) -> None:
    forecast, observed, report = collect()
    WEATHER_FORECAST.validate(forecast)
    WEATHER_OBSERVED.validate(observed)
    start, end = pd.Timestamp("2025-03-14 23:00", tz="UTC"), pd.Timestamp("2025-06-21 22:00", tz="UTC")
    hours = pd.date_range(start, end, freq="h", inclusive="left")
    assert report["hours"] == len(hours) == 99 * 24 - 1, "local days over the spring clock change"
    assert set(forecast["valid_at"]) == set(hours)
    assert set(observed["valid_at"]) == {hour for hour in hours if hour < pd.Timestamp("2025-06-18", tz="UTC")}
    known = observed.dropna(subset=["rain_mm"])
    assert known["valid_at"].max() == pd.Timestamp("2025-06-14 22:00", tz="UTC"), "the archive knows no more"
    assert known["rain_mm"].tolist() == pytest.approx(
        [rain_mm(at.to_pydatetime()) for at in known["valid_at"]], abs=0.05
    )
    for part in ("observed", "forecast"):
        counts = report[part]
        assert counts["hours_known"] + counts["hours_null"] + counts["hours_missing"] == report["hours"]
    assert report["observed"]["hours_known"] == len(known)
    assert report["observed"]["hours_missing"] == 4 * 24 - 2
    assert report["forecast"]["hours_known"] == report["hours"]
    assert (forecast["issued_at"] <= forecast["valid_at"]).all()
    assert len(service.requests) == 4 + 4 + 1
    assert len(json.dumps(report)) < 1500
    assert "46.2" not in json.dumps(report)


def test_months_that_are_over_are_asked_once(collect: Collect, service: OpenMeteo) -> None:
    first = collect()
    asked = {path: months(service, path) for path in (OBSERVED, PAST)}
    assert asked == {path: ["2025-03", "2025-04", "2025-05", "2025-06"] for path in (OBSERVED, PAST)}
    service.requests.clear()
    again = collect()
    assert not service.requests, "nothing is asked again at once"
    pd.testing.assert_frame_equal(again[0], first[0])
    pd.testing.assert_frame_equal(again[1], first[1])
    assert again[2]["observed"]["months_from_cache"] == 4
    later = collect(now=NOW + timedelta(hours=4))
    assert sorted(service.paths()) == sorted([OBSERVED, PAST, LIVE])
    assert months(service, OBSERVED) == months(service, PAST) == ["2025-06"], "only the month that goes on"
    assert later[2]["forecast"]["kept"]["issues"] == 2


def test_a_longer_range_asks_for_its_new_months_only(collect: Collect, service: OpenMeteo) -> None:
    collect()
    service.requests.clear()
    forecast, observed, _ = collect(first=date(2024, 12, 31))
    assert months(service, OBSERVED) == months(service, PAST) == ["2024-12", "2025-01", "2025-02"]
    assert observed["valid_at"].min() == pd.Timestamp("2024-12-30 23:00", tz="UTC")
    assert observed["valid_at"].is_unique
    assert not forecast.duplicated(["issued_at", "valid_at"]).any()


def test_a_month_is_complete_only_when_the_service_has_caught_up(collect: Collect, service: OpenMeteo) -> None:
    service.today, service.archive_known_until = date(2025, 6, 4), datetime(2025, 5, 30, tzinfo=UTC)
    early = datetime(2025, 6, 4, 6, tzinfo=UTC)
    collect(first=date(2025, 5, 1), last=date(2025, 5, 31), now=early)
    service.today, service.archive_known_until = date(2025, 6, 12), datetime(2025, 6, 7, tzinfo=UTC)
    _, observed, report = collect(first=date(2025, 5, 1), last=date(2025, 5, 31), now=early + timedelta(days=8))
    assert report["observed"]["months_asked"] == 1
    assert observed["rain_mm"].notna().all()
    _, _, report = collect(first=date(2025, 5, 1), last=date(2025, 5, 31), now=early + timedelta(days=20))
    assert report["observed"]["months_asked"] == 0


def test_holes_are_asked_for_again_but_not_for_ever(collect: Collect, service: OpenMeteo) -> None:
    def hole(answer: dict[str, Any]) -> dict[str, Any]:
        answer["hourly"].get("precipitation", [0] * 101)[100] = None
        return answer

    service.spoils = hole
    may = {"first": date(2025, 5, 2), "last": date(2025, 5, 30)}
    _, observed, report = collect(**may)
    assert observed["rain_mm"].isna().sum() == report["observed"]["hours_null"] == 1
    assert collect(**may, now=NOW + timedelta(days=1))[2]["observed"]["months_asked"] == 1
    service.spoils = lambda answer: answer
    filled = collect(**may, now=NOW + timedelta(days=2))
    assert filled[2]["observed"]["hours_null"] == 0
    assert collect(**may, now=NOW + timedelta(days=3))[2]["observed"]["months_asked"] == 0
    service.spoils = hole
    old = {"first": date(2025, 1, 2), "last": date(2025, 1, 30)}
    assert collect(**old)[2]["observed"]["hours_null"] == 1
    final = collect(**old, now=NOW + timedelta(days=1))[2]["observed"]
    assert (final["months_asked"], final["hours_null"]) == (0, 1), "after three months a hole stays NULL"


def test_an_outage_leaves_what_was_cached_and_says_so(collect: Collect, service: OpenMeteo) -> None:
    before = collect(first=date(2025, 6, 1))
    service.fails = answering(503)
    service.requests.clear()
    forecast, observed, report = collect(first=date(2025, 4, 1), now=NOW + timedelta(days=1))
    assert service.paths() == [OBSERVED] * 2 + [PAST] * 2 + [LIVE] * 2, "one month each, tried twice; then left alone"
    codes = {"2025-06": "unavailable", "2025-04": "not_asked", "2025-03": "not_asked"}
    for part in (report["observed"], report["forecast"]["past"]):
        assert part["months_failed"] == codes
        assert part["months_stale"] == ["2025-06"]
        assert part["months_from_cache"] == 1, "May was over"
    assert report["forecast"]["kept"]["failed"] == "unavailable"
    june = pd.Timestamp("2025-06-01", tz="UTC")
    assert observed[observed["valid_at"] >= june]["valid_at"].tolist() == before[1]["valid_at"].tolist()[2:]
    assert report["observed"]["hours_missing"] >= 30 * 24
    assert set(before[0]["valid_at"]) < set(forecast["valid_at"])
    service.fails = answering(200, only=lambda *_: False)
    assert collect(first=date(2025, 4, 1), now=NOW + timedelta(days=1))[2]["observed"]["months_failed"] == {}


def test_no_service_at_all(collect: Collect, service: OpenMeteo) -> None:
    service.fails = answering(403)
    forecast, observed, report = collect()
    assert forecast.empty
    assert observed.empty
    WEATHER_FORECAST.validate(forecast)
    assert report["observed"]["hours_missing"] == report["forecast"]["hours_missing"] == report["hours"]
    assert report["observed"]["months_failed"]["2025-06"] == "refused"
    assert service.paths() == [OBSERVED, PAST, LIVE]


@pytest.mark.parametrize(
    ("status", "body", "code"), [(400, '{"error":true,"reason":"?"}', "bad_request"), (200, "[", "bad_response")]
)
def test_a_bad_month_costs_no_other(collect: Collect, service: OpenMeteo, status: int, body: str, code: str) -> None:
    service.fails = answering(status, body, only=lambda path, query: query["start_date"] == "2025-05-01")
    _, observed, report = collect()
    assert report["observed"]["months_failed"] == {"2025-05": code}
    assert set(observed["valid_at"].dt.strftime("%m")) == {"03", "04", "06"}
    service.requests.clear()
    service.fails = answering(200, only=lambda *_: False)
    collect()
    assert months(service, OBSERVED) == ["2025-05"], "what failed is not remembered as known"


def test_nothing_is_asked_before_forecasts_were_archived(collect: Collect, service: OpenMeteo) -> None:
    service.runs_known_from = datetime(2024, 1, 19, tzinfo=UTC)
    forecast, observed, report = collect(first=date(2023, 11, 1), last=date(2024, 1, 31))
    assert months(service, PAST) == ["2024-01"]
    assert report["forecast"]["past"]["months_before_coverage"] == 3, "October holds the first local hour"
    assert forecast["valid_at"].min() == pd.Timestamp("2024-01-18 23:00", tz="UTC")
    assert report["observed"]["hours_known"] == report["hours"] == len(observed)
    assert collect(first=date(2024, 1, 1), last=date(2024, 1, 31))[2]["forecast"]["past"]["months_asked"] == 0


def test_days_to_come_have_a_forecast_only(collect: Collect, service: OpenMeteo) -> None:
    forecast, observed, report = collect(first=date(2025, 6, 22), last=date(2025, 7, 3))
    assert observed.empty
    assert report["observed"]["months_not_yet"] == 1
    assert set(forecast["issued_at"]) == {pd.Timestamp(NOW)}
    assert forecast["valid_at"].max() == pd.Timestamp("2025-06-27 23:00", tz="UTC")


@pytest.mark.parametrize("content", [b"", b"not parquet", None])
def test_a_damaged_file_is_counted_and_asked_for_again(
    collect: Collect, service: OpenMeteo, tmp_path: Path, content: bytes | None
) -> None:
    whole = collect()
    path = tmp_path / "weather" / "46.20_6.14" / "observed" / "2025-04.parquet"
    if content is None:
        whole[1].to_parquet(path)
    else:
        path.write_bytes(content)
    service.requests.clear()
    again = collect()
    assert again[2]["unreadable_cache_files"] == 1
    assert months(service, OBSERVED) == ["2025-04"]
    pd.testing.assert_frame_equal(again[1], whole[1])


def test_a_damaged_history_of_forecasts_is_set_aside_not_overwritten(collect: Collect, tmp_path: Path) -> None:
    collect()
    path = tmp_path / "weather" / "46.20_6.14" / "forecasts" / "2025-06.parquet"
    damaged = path.read_bytes()[:-100]
    path.write_bytes(damaged)
    report = collect()[2]
    assert report["unreadable_cache_files"] == 1
    assert report["forecast"]["kept"]["asked"]
    assert path.with_suffix(".unreadable").read_bytes() == damaged
    assert collect()[2]["unreadable_cache_files"] == 0


def test_another_depot_has_files_of_its_own(collect: Collect, service: OpenMeteo) -> None:
    collect()
    service.requests.clear()
    collect(point=(46.25, 6.10))
    assert len(service.requests) == 9


def test_files_are_whole_or_not_there(collect: Collect, tmp_path: Path) -> None:
    collect()
    files = {path.relative_to(tmp_path / "weather" / "46.20_6.14").as_posix() for path in tmp_path.rglob("*.*")}
    months_kept = ["2025-03", "2025-04", "2025-05", "2025-06"]
    kinds = {f"{kind}/{month}.parquet" for kind in ("observed", "past_forecasts") for month in months_kept}
    assert {name for name in files if name.endswith("parquet")} == kinds | {"forecasts/2025-06.parquet"}
    assert not list(tmp_path.rglob("*.partial"))


def test_every_forecast_is_kept_with_the_time_it_was_known(collect: Collect, service: OpenMeteo) -> None:
    day = {"first": date(2025, 7, 1), "last": date(2025, 7, 1)}
    times = [datetime(2025, 6, 29, 5, tzinfo=UTC) + timedelta(hours=12 * step) for step in range(4)]
    for now in times:
        service.today = now.date()
        forecast, _, report = collect(**day, now=now)
    noon = forecast[forecast["valid_at"] == pd.Timestamp("2025-07-01 12:00", tz="UTC")]
    assert noon["issued_at"].tolist() == [pd.Timestamp(now) for now in times]
    assert report["forecast"]["kept"]["issues"] == 4
    service.today = date(2025, 7, 2)
    forecast, _, report = collect(**day, now=datetime(2025, 7, 2, tzinfo=UTC))
    assert report["forecast"]["kept"]["issues"] == 5, "the month before is read too"
    noon = forecast[forecast["valid_at"] == pd.Timestamp("2025-07-01 12:00", tz="UTC")]
    archived = {pd.Timestamp("2025-06-30 19:00", tz="UTC"), pd.Timestamp("2025-06-29 19:00", tz="UTC")}
    assert set(noon["issued_at"]) == {pd.Timestamp(now) for now in times} | archived


def test_values_set_to_null_stay_counted(collect: Collect, service: OpenMeteo) -> None:
    def freeze(answer: dict[str, Any]) -> dict[str, Any]:
        name = "temperature_2m"
        if name in answer["hourly"]:
            answer["hourly"][name][30] = -99.0
        return answer

    service.spoils = freeze
    reports = [collect()[2], collect()[2]]
    for report in reports:
        assert report["observed"]["implausible"] == 4
        assert report["forecast"]["kept"]["implausible"] == 1


def test_a_depot_elsewhere_is_an_error(collect: Collect, server: Server) -> None:
    with pytest.raises(SettingsError, match="depot"):
        collect(point=(0.0, 0.0))
    with pytest.raises(ValueError, match="time zone"):
        collect(now=NOW.replace(tzinfo=None))
    with pytest.raises(ValueError, match="last_day"):
        collect(first=LAST, last=FIRST)
