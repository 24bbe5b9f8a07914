"""What surrounds the courses: the weather, the calendar, and how fast the company really drives."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any

import dagster as dg
import pandas as pd

from atmr_pipeline.assets.common import (
    OPERATIONS,
    check_result,
    counts_table,
    frame_markdown,
    picture,
    rows,
    table_metadata,
)
from atmr_pipeline.domain.errors import SettingsError
from atmr_pipeline.jobs.partitions import SERVICE_DAYS
from atmr_pipeline.resources.providers import SPEED_PROFILE
from atmr_pipeline.resources.workspace import Workspace

GROUP = "surroundings"


def _service_days() -> tuple[date, date]:
    keys = SERVICE_DAYS.get_partition_keys()
    return date.fromisoformat(keys[0]), date.fromisoformat(keys[-1])


@dg.asset(
    group_name=GROUP,
    owners=OPERATIONS,
    kinds={"parquet"},
    metadata=table_metadata("calendar_days"),
    description="Weekends, public holidays and school holidays of Geneva; a school year that is not known is NULL.",
)
def calendar_days() -> dg.MaterializeResult:
    from atmr_pipeline.sources.calendar import calendar_days as build

    frame = build(*_service_days())
    return dg.MaterializeResult(value=frame, metadata=rows(frame))


def _weather_out(name: str, description: str) -> dg.AssetOut:
    return dg.AssetOut(description=description, owners=OPERATIONS, kinds={"parquet"}, metadata=table_metadata(name))


@dg.multi_asset(
    name="read_weather",
    group_name=GROUP,
    outs={
        "weather_forecast": _weather_out(
            "weather_forecast", "Hourly forecasts with their time of issue: what was known when a driver was chosen."
        ),
        "weather_observed": _weather_out(
            "weather_observed", "Hourly weather as it was. For reports only: no decision could have known it."
        ),
    },
    pool="state",
)
def weather(workspace: Workspace, companies: pd.DataFrame) -> Iterator[dg.Output[pd.DataFrame]]:
    from atmr_pipeline.domain.tables import WEATHER_FORECAST, WEATHER_OBSERVED, empty
    from atmr_pipeline.sources.weather import read_weather_forecast

    settings = workspace.settings
    forecast, observed = empty(WEATHER_FORECAST), empty(WEATHER_OBSERVED)
    report: dict[str, Any] = {}
    origin = "none: weather features are NULL (set ATMR_WEATHER_FILE or ATMR_WEATHER_ONLINE)"
    if settings.weather_path is not None:
        forecast, origin = read_weather_forecast(settings.weather_path), str(settings.weather_path)
    elif settings.weather_online:
        forecast, observed, report = _from_open_meteo(workspace, companies)
        origin = "Open-Meteo.com (CC BY 4.0), at the depot"
    account = {"source": origin, "account": dg.MetadataValue.json(report)}
    yield dg.Output(forecast, "weather_forecast", metadata=rows(forecast, **account))
    yield dg.Output(observed, "weather_observed", metadata=rows(observed, **account))


def _from_open_meteo(
    workspace: Workspace, companies: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, Any]]:
    from atmr_pipeline.sources.services import SharedBreaker
    from atmr_pipeline.sources.weather import OpenMeteoClient, weather_from_services

    depots = companies.dropna(subset=["depot_lat", "depot_lon"])
    if len(depots) != 1:
        raise SettingsError(
            f"ATMR_WEATHER_ONLINE: needs one company with a depot in the operations database, found {len(depots)}"
        )
    key = workspace.settings.open_meteo_key
    breaker = SharedBreaker(workspace.state, "open-meteo")
    with OpenMeteoClient.connect(
        user_agent=workspace.settings.user_agent, api_key=key.get_secret_value() if key else None, breaker=breaker
    ) as client:
        lat, lon = (float(depots[name].iloc[0]) for name in ("depot_lat", "depot_lon"))
        folder = workspace.settings.root / "cache" / "weather"
        return weather_from_services(client, lat, lon, *_service_days(), folder, datetime.now(UTC))


@dg.asset(
    name=SPEED_PROFILE,
    group_name=GROUP,
    owners=OPERATIONS,
    kinds={"json"},
    description="How fast the company's own completed trips went, by weekday and hour, with its error on trips held "
    "out. Where it does not beat a constant 30 km/h the planning assumption stays, and the profile says so.",
)
def travel_speed_profile(
    workspace: Workspace, bookings: pd.DataFrame, assignments: pd.DataFrame
) -> dg.MaterializeResult:
    from atmr_pipeline.domain.errors import NotEnoughDataError, SourceError
    from atmr_pipeline.sources.travel import fit_speed_profile, trips_from_tables
    from atmr_pipeline.sources.travel.pictures import profile_picture

    trips, excluded = trips_from_tables(bookings, assignments)
    account = {"given": len(trips) + sum(excluded.values()), "excluded": excluded}
    try:
        fit = fit_speed_profile(trips, assumed_detour=workspace.settings.travel_detour, seed=workspace.settings.seed)
    except (NotEnoughDataError, SourceError) as error:
        verdict = f"the planning assumption stays: {error}"
        return dg.MaterializeResult(
            value={**account, "used": False, "verdict": verdict, "profile": None, "errors": []},
            metadata={"verdict": verdict, "excluded": counts_table("reason", excluded)},
        )
    used = fit.beats()
    verdict = fit.summary() if used else f"the planning assumption stays: not shown to be better; {fit.summary()}"
    value = {
        **account,
        "used": used,
        "verdict": verdict,
        "profile": fit.profile.to_dict(),
        "errors": fit.errors.to_dict("records"),
    }
    return dg.MaterializeResult(
        value=value,
        metadata={
            "verdict": verdict,
            "held_out_trips": fit.held_out,
            "errors_min": frame_markdown(fit.errors.round(3)),
            "profile": picture(profile_picture(fit), "speed by hour, and its error"),
            "excluded": counts_table("reason", excluded),
        },
    )


@dg.asset_check(asset=SPEED_PROFILE, description="The company's own speeds predict held-out trips better than 30 km/h.")
def speeds_beat_a_constant(workspace: Workspace) -> dg.AssetCheckResult:
    value = workspace.tables.read_value(SPEED_PROFILE)
    return check_result(value["used"], value["verdict"], blocking=False)


@dg.asset_check(asset=calendar_days, description="School holidays are known for the days ahead.")
def school_calendar_reaches_ahead(calendar_days: pd.DataFrame) -> dg.AssetCheckResult:
    ahead = calendar_days[calendar_days["service_day"] >= pd.Timestamp(date.today())]
    unknown, before = int(ahead["is_school_holiday"].isna().sum()), int(calendar_days["is_school_holiday"].isna().sum())
    return check_result(
        unknown == 0,
        f"school holidays are not known (NULL) on {before} of {len(calendar_days)} days, {unknown} of them ahead",
        blocking=False,
        unknown=before,
    )


@dg.asset_check(asset="weather_forecast", description="Forecasts are there, and were issued before their hour.")
def weather_forecast_ahead(weather_forecast: pd.DataFrame) -> dg.AssetCheckResult:
    late = int((weather_forecast["issued_at"] > weather_forecast["valid_at"]).sum())
    return check_result(
        len(weather_forecast) > 0 and late == 0,
        f"{len(weather_forecast):,} forecast hours, {late} issued after the fact; none means NULL weather features",
        blocking=False,
        issued_after=late,
    )


@dg.asset_check(asset="weather_observed", description="One row an hour; empty where the weather is not online.")
def weather_observed_hourly(weather_observed: pd.DataFrame) -> dg.AssetCheckResult:
    twice = int(weather_observed["valid_at"].duplicated().sum())
    return check_result(twice == 0, f"{len(weather_observed):,} observed hours, {twice} twice", blocking=False)
