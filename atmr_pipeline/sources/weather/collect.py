"""The weather of some service days from Open-Meteo: every past month asked once, outages told, nothing filled in."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pandera.pandas as pdr

from atmr_pipeline.domain.tables import WEATHER_FORECAST, WEATHER_OBSERVED, conform, empty
from atmr_pipeline.domain.wallclock import day_bounds_utc
from atmr_pipeline.sources.services import BadRequestError, BadResponseError, ServiceError
from atmr_pipeline.sources.weather.answers import Reading
from atmr_pipeline.sources.weather.month_cache import CachedMonth, MonthCache, months_between, next_month
from atmr_pipeline.sources.weather.open_meteo import FORECAST_DAYS, OpenMeteoClient

REFRESH = timedelta(hours=3)
"""An unfinished month, and the present forecast, are asked for again after this time."""

RETRY_HOLES_FOR = timedelta(days=90)
"""So long may the service fill holes in a past month; then they stay NULL. A reanalysis is final by then."""

OBSERVED_LAG = timedelta(days=3)
"""Not asked for the last days: the archive answers a day that it does not hold yet with an error."""


@dataclass(frozen=True)
class _Series:
    kind: str
    schema: pdr.DataFrameSchema
    read: Callable[[date, date], Reading]
    last_day: date
    settled_after: timedelta
    first_month: date = date.min


@dataclass
class _SeriesReport:
    months_asked: int = 0
    months_from_cache: int = 0
    months_before_coverage: int = 0
    months_not_yet: int = 0
    months_failed: dict[str, str] = field(default_factory=dict)
    months_stale: list[str] = field(default_factory=list)
    implausible: int = 0
    contradictory: int = 0

    def count(self, reading: Reading) -> None:
        self.implausible += reading.counts["implausible"]
        self.contradictory += reading.counts["contradictory"]


def weather_from_services(
    client: OpenMeteoClient,
    lat: float,
    lon: float,
    first_day: date,
    last_day: date,
    cache_dir: Path,
    now: datetime,
    *,
    refresh: timedelta = REFRESH,
) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, Any]]:
    """Forecasts and observed weather of the hours of some service days.

    A month that is over and settled is asked for once, ever. What a service does not give is not there: an outage
    leaves the cached month (told as stale) or no rows. Each present forecast is kept with its time of issue, so that
    the history of what was known grows with every call.

    Parameters
    ----------
    client : OpenMeteoClient
        Open.
    lat, lon : float
        The depot, degrees WGS84.
    first_day, last_day : date
        Local service days, both included.
    cache_dir : Path
        Holds the monthly files; made if needed. One writer at a time.
    now : datetime
        With time zone.
    refresh : timedelta
        Age at which an unfinished month or the present forecast is asked for again.

    Returns
    -------
    forecast : DataFrame
        WEATHER_FORECAST, by ``issued_at`` and ``valid_at``: what was forecast one and two days ahead, and every
        forecast kept.
    observed : DataFrame
        WEATHER_OBSERVED, by ``valid_at``; some five days behind. Never a feature: it was not known beforehand.
    report : dict
        ``hours`` of the range; for ``forecast`` and ``observed`` the hours known (rain and snow), NULL and missing,
        which add up to ``hours``; what was asked, cached, failed (month to code) and set to NULL. Only names, counts,
        months and codes.

    Raises
    ------
    SettingsError
        If the depot is outside the service area.
    """
    if last_day < first_day or now.tzinfo is None:
        raise ValueError("last_day must not be before first_day, and now needs a time zone")
    now = now.astimezone(UTC)
    start, end = day_bounds_utc(first_day)[0], day_bounds_utc(last_day)[1]
    cache = MonthCache(cache_dir, lat, lon)
    months = months_between(start.date(), (end - timedelta(hours=1)).date())
    observed, observed_report = _months(_observed(client, lat, lon, now), months, cache, now, refresh)
    past, past_report = _months(_past_forecasts(client, lat, lon, now), months, cache, now, refresh)
    kept, kept_report = _kept_forecasts(client, lat, lon, start, now, cache, refresh)
    # A kept forecast is a fact, the time of issue of a past one an assumption: of two with one key, the fact stays.
    both = pd.concat([kept, past]).drop_duplicates(["issued_at", "valid_at"])
    forecast = _within(both, start, end, WEATHER_FORECAST)
    observed = _within(observed, start, end, WEATHER_OBSERVED)
    report = {
        "hours": int((end - start) / timedelta(hours=1)),
        "observed": {**_coverage(observed, start, end), **asdict(observed_report)},
        "forecast": {**_coverage(forecast, start, end), "past": asdict(past_report), "kept": kept_report},
        "unreadable_cache_files": cache.unreadable,
    }
    return forecast, observed, report


def _observed(client: OpenMeteoClient, lat: float, lon: float, now: datetime) -> _Series:
    return _Series(
        "observed",
        WEATHER_OBSERVED,
        lambda first, last: client.observed(lat, lon, first, last),
        last_day=(now - OBSERVED_LAG).date(),
        settled_after=timedelta(days=10),
    )


def _past_forecasts(client: OpenMeteoClient, lat: float, lon: float, now: datetime) -> _Series:
    # Values of a past hour still move for a day or two; the archive of past runs begins in January 2024.
    return _Series(
        "past_forecasts",
        WEATHER_FORECAST,
        lambda first, last: client.past_forecasts(lat, lon, first, last),
        last_day=now.date(),
        settled_after=timedelta(days=5),
        first_month=date(2024, 1, 1),
    )


def _months(
    series: _Series, months: list[date], cache: MonthCache, now: datetime, refresh: timedelta
) -> tuple[pd.DataFrame, _SeriesReport]:
    """Rows of the months, newest month first so that an outage costs the oldest."""
    report, frames, given_up = _SeriesReport(), [empty(series.schema)], False
    for month in reversed(months):
        if month < series.first_month:
            report.months_before_coverage += 1
            continue
        if month > series.last_day:
            report.months_not_yet += 1
            continue
        cached = cache.read(series.kind, month, series.schema)
        if cached is not None and (cached.is_complete or _is_fresh(cached.fetched_at, now, refresh)):
            report.months_from_cache += 1
        elif given_up:
            _fail(report, month, "not_asked", cached)
        else:
            report.months_asked += 1
            try:
                cached = _ask(series, month, now)
                cache.write(series.kind, month, cached)
            except ServiceError as error:
                _fail(report, month, error.kind, cached)
                # A bad answer may be this month's alone; a service that is down, full or unwilling is left alone.
                given_up = not isinstance(error, BadRequestError | BadResponseError)
        if cached is not None:
            frames.append(cached.reading.frame)
            report.count(cached.reading)
    return pd.concat(frames, ignore_index=True), report


def _ask(series: _Series, month: date, now: datetime) -> CachedMonth:
    after = next_month(month)
    last_day = min(after - timedelta(days=1), series.last_day)
    reading = series.read(month, last_day)
    age = now - datetime(after.year, after.month, 1, tzinfo=UTC)
    known = reading.frame.loc[reading.frame[["rain_mm", "snow_cm"]].notna().all(axis=1), "valid_at"].nunique()
    has_holes = known < 24 * (after - month).days
    is_complete = age >= (RETRY_HOLES_FOR if has_holes else series.settled_after)
    return CachedMonth(reading, is_complete, now)


def _fail(report: _SeriesReport, month: date, code: str, cached: CachedMonth | None) -> None:
    report.months_failed[f"{month:%Y-%m}"] = code
    if cached is not None:
        report.months_stale.append(f"{month:%Y-%m}")


def _kept_forecasts(
    client: OpenMeteoClient,
    lat: float,
    lon: float,
    start: datetime,
    now: datetime,
    cache: MonthCache,
    refresh: timedelta,
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Every forecast that this installation has fetched, the present one included, by the month of its issue."""
    kind, month = "forecasts", now.date().replace(day=1)
    report: dict[str, Any] = {"asked": False, "failed": None}
    cached = cache.read(kind, month, WEATHER_FORECAST)
    if cached is None or not _is_fresh(cached.fetched_at, now, refresh):
        report["asked"] = True
        try:
            reading = client.forecast(lat, lon, now)
        except ServiceError as error:
            report["failed"] = error.kind
        else:
            old = empty(WEATHER_FORECAST) if cached is None else cached.reading.frame
            rows = pd.concat([old, reading.frame]).drop_duplicates(["issued_at", "valid_at"])
            counts = {name: n + (cached.reading.counts[name] if cached else 0) for name, n in reading.counts.items()}
            cached = CachedMonth(Reading(conform(rows, WEATHER_FORECAST), counts), False, now)
            cache.write(kind, month, cached)
    earlier = months_between((start - timedelta(days=FORECAST_DAYS)).date(), month)[:-1]
    kept = [*(cache.read(kind, other, WEATHER_FORECAST) for other in earlier), cached]
    frames = [empty(WEATHER_FORECAST), *(each.reading.frame for each in kept if each is not None)]
    frame = pd.concat(frames, ignore_index=True)
    report["issues"] = int(frame["issued_at"].nunique())
    for name in ("implausible", "contradictory"):
        report[name] = sum(each.reading.counts[name] for each in kept if each is not None)
    return frame, report


def _is_fresh(fetched_at: datetime, now: datetime, refresh: timedelta) -> bool:
    return timedelta(0) <= now - fetched_at < refresh


def _within(frame: pd.DataFrame, start: datetime, end: datetime, schema: pdr.DataFrameSchema) -> pd.DataFrame:
    chosen = frame[(frame["valid_at"] >= start) & (frame["valid_at"] < end)]
    return conform(chosen.sort_values([str(name) for name in schema.unique or []]), schema)


def _coverage(frame: pd.DataFrame, start: datetime, end: datetime) -> dict[str, int]:
    """Hours whose rain and snow are both known, hours with rows that know less, and hours without a row."""
    complete = frame[["rain_mm", "snow_cm"]].notna().all(axis=1)
    known = frame.loc[complete, "valid_at"].nunique()
    with_rows = frame["valid_at"].nunique()
    hours = int((end - start) / timedelta(hours=1))
    return {"hours_known": known, "hours_null": with_rows - known, "hours_missing": hours - with_rows}
