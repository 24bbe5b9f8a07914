"""Open-Meteo: hourly weather at one point, as it was, as it was forecast, and as it is forecast now.

Only the point leaves the machine, rounded to 0.01 degrees (about 1 km): the company's depot, never a patient's address.
The free service is for non-commercial use; a company needs a key, which goes to other hosts (:data:`CUSTOMER`). Data by
Open-Meteo.com under CC BY 4.0: reports that show them must say so.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from types import TracebackType
from typing import Any, Self

import pandas as pd

from atmr_pipeline.domain.errors import SettingsError
from atmr_pipeline.domain.geo import in_service_area
from atmr_pipeline.domain.tables import WEATHER_FORECAST, WEATHER_OBSERVED, conform
from atmr_pipeline.sources.services import BadRequestError, Breaker, JsonGateway, Limiter, ServiceRefusedError
from atmr_pipeline.sources.weather.answers import (
    UNITS,
    FloatArray,
    Reading,
    check_place,
    hourly_values,
    labels,
    measures,
)

OBSERVED_SOURCE = "open-meteo archive"
LEAD_DAYS = (1, 2)
PUBLICATION_DELAY_H = 6
"""From the start of a model run to its publication: 4 to 6 h for global models, 1 to 3 h for regional ones, says the
service's documentation of single runs. The slowest counts."""

FORECAST_DAYS = 8
"""Today and the week ahead that bookings are extracted for."""

TIMEOUT_S = 30.0


@dataclass(frozen=True)
class OpenMeteoUrls:
    """Where the three reads go; each is scheme and host, without path."""

    archive: str
    previous_runs: str
    forecast: str


PUBLIC = OpenMeteoUrls(
    archive="https://archive-api.open-meteo.com",
    previous_runs="https://previous-runs-api.open-meteo.com",
    forecast="https://api.open-meteo.com",
)
"""Without a key: non-commercial use, 10,000 calls a day."""

CUSTOMER = OpenMeteoUrls(
    archive="https://customer-archive-api.open-meteo.com",
    previous_runs="https://customer-previous-runs-api.open-meteo.com",
    forecast="https://customer-api.open-meteo.com",
)
"""With a key."""


class OpenMeteoClient:
    """Hourly weather at one point.

    Parameters
    ----------
    archive, previous_runs, forecast : JsonGateway
        One a host.
    api_key : str, optional
        Of a commercial subscription.
    """

    def __init__(
        self, archive: JsonGateway, previous_runs: JsonGateway, forecast: JsonGateway, *, api_key: str | None = None
    ) -> None:
        self._archive, self._previous_runs, self._forecast = archive, previous_runs, forecast
        self._key = {} if api_key is None else {"apikey": api_key}

    @classmethod
    def connect(
        cls,
        *,
        user_agent: str,
        api_key: str | None = None,
        urls: OpenMeteoUrls | None = None,
        limiter: Limiter | None = None,
        breaker: Breaker | None = None,
        timeout_s: float = TIMEOUT_S,
        attempts: int = 3,
        sleep: Callable[[float], None] = time.sleep,
    ) -> Self:
        """A client with gateways of its own: :data:`CUSTOMER` with a key, :data:`PUBLIC` without.

        Parameters
        ----------
        urls : OpenMeteoUrls, optional
            Other hosts, for instance an own installation.
        user_agent, limiter, breaker, timeout_s, attempts, sleep
            As for :class:`JsonGateway`; limiter and breaker are shared by the three.
        """
        urls = urls or (PUBLIC if api_key is None else CUSTOMER)

        def gateway(service: str, url: str) -> JsonGateway:
            return JsonGateway(
                service,
                url,
                user_agent=user_agent,
                timeout_s=timeout_s,
                attempts=attempts,
                limiter=limiter,
                breaker=breaker,
                sleep=sleep,
            )

        return cls(
            gateway("open-meteo archive", urls.archive),
            gateway("open-meteo previous runs", urls.previous_runs),
            gateway("open-meteo forecast", urls.forecast),
            api_key=api_key,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close every connection."""
        for gateway in (self._archive, self._previous_runs, self._forecast):
            gateway.close()

    def observed(self, lat: float, lon: float, first_day: date, last_day: date) -> Reading:
        """Weather as it was: a reanalysis on a grid (ERA5, ECMWF IFS), not a station's measurement.

        Parameters
        ----------
        lat, lon : float
            Degrees WGS84, within the service area.
        first_day, last_day : date
            UTC days, both included. The service knows a day some five days later; its sums of ``last_day`` need the
            label of the next midnight, so the day after ``last_day`` must be one that the service may be asked for.

        Returns
        -------
        Reading
            WEATHER_OBSERVED, 24 rows a day; NULL where the service knows nothing.

        Raises
        ------
        ServiceError
            As :meth:`JsonGateway.get`.
        SettingsError
            If the point is outside the service area.
        """
        expected = _labels_of(first_day, last_day)
        names = {measure: measure for measure in UNITS}
        values = self._read(self._archive, "/v1/archive", lat, lon, expected, names)
        reading = measures(values)
        frame = reading.frame.assign(valid_at=expected[:-1], source=OBSERVED_SOURCE)
        return Reading(conform(frame, WEATHER_OBSERVED), reading.counts)

    def past_forecasts(
        self, lat: float, lon: float, first_day: date, last_day: date, *, lead_days: Sequence[int] = LEAD_DAYS
    ) -> Reading:
        """What was forecast one day and two days ahead, so that training uses only what was known.

        Parameters
        ----------
        lat, lon, first_day, last_day
            As for :meth:`observed`.
        lead_days : sequence of int
            Days ahead, 1 to 7.

        Returns
        -------
        Reading
            WEATHER_FORECAST. A lead day that knows nothing of an hour has no row for it.

        Raises
        ------
        ServiceError, SettingsError
            As for :meth:`observed`.

        Notes
        -----
        ``<variable>_previous_day<n>`` is the value for a label from the latest run that started at least n days before
        it; the service does not say when that run was published. ``issued_at`` is therefore the latest that fits: n
        days before the label that ends the hour, plus :data:`PUBLICATION_DELAY_H`, which is ``valid_at`` - 17 h for
        n = 1. Later than it truly was costs a feature now and then; earlier would let a decision see a forecast that
        did not exist yet.
        """
        if not lead_days or not all(1 <= lead <= 7 for lead in lead_days):
            raise ValueError("lead_days must be 1 to 7")
        expected = _labels_of(first_day, last_day)
        names = {f"{measure}_previous_day{lead}": measure for lead in lead_days for measure in UNITS}
        values = self._read(self._previous_runs, "/v1/forecast", lat, lon, expected, names)
        parts, counts = [], {"implausible": 0, "contradictory": 0}
        for lead in lead_days:
            reading = measures({measure: values[f"{measure}_previous_day{lead}"] for measure in UNITS})
            ahead = timedelta(days=lead) - timedelta(hours=1 + PUBLICATION_DELAY_H)
            parts.append(reading.frame.assign(valid_at=expected[:-1], issued_at=expected[:-1] - ahead))
            counts = {name: counts[name] + reading.counts[name] for name in counts}
        return Reading(_forecast_table(pd.concat(parts)), counts)

    def forecast(self, lat: float, lon: float, now: datetime, *, days: int = FORECAST_DAYS) -> Reading:
        """The forecast as it stands, for the coming hours.

        Parameters
        ----------
        lat, lon
            As for :meth:`observed`.
        now : datetime
            With time zone; the time of issue, since that is when it was known here.
        days : int
            UTC days, today included, 1 to 15.

        Returns
        -------
        Reading
            WEATHER_FORECAST, hours that start at ``now`` or later.

        Raises
        ------
        ServiceError, SettingsError
            As for :meth:`observed`.
        """
        if now.tzinfo is None or not 1 <= days <= 15:
            raise ValueError("now needs a time zone, and days must be 1 to 15")
        issued_at = pd.Timestamp(now).tz_convert("UTC").as_unit("us")
        today = issued_at.date()
        expected = _labels_of(today, today + timedelta(days=days - 1))
        names = {measure: measure for measure in UNITS}
        values = self._read(self._forecast, "/v1/forecast", lat, lon, expected, names)
        reading = measures(values)
        frame = reading.frame.assign(valid_at=expected[:-1], issued_at=issued_at)
        return Reading(_forecast_table(frame[frame["valid_at"] >= issued_at]), reading.counts)

    def _read(
        self,
        gateway: JsonGateway,
        path: str,
        lat: float,
        lon: float,
        expected: pd.DatetimeIndex,
        names: dict[str, str],
    ) -> dict[str, FloatArray]:
        if not bool(in_service_area(lat, lon)):
            raise SettingsError("the depot lies outside the service area: check its latitude and longitude")
        params: dict[str, str | int | float] = {
            "latitude": round(lat, 2),
            "longitude": round(lon, 2),
            "start_date": f"{expected[0]:%Y-%m-%d}",
            "end_date": f"{expected[-1]:%Y-%m-%d}",
            "hourly": ",".join(names),
            "timezone": "UTC",
            **self._key,
        }
        status, payload = gateway.get_or_error(path, params)
        if status != 200:
            raise _refusal(gateway.service, payload, status)
        check_place(gateway.service, payload, lat, lon)
        # The last day is asked for the sake of its first label, which ends the hour before midnight.
        whole = labels(expected[0], len(expected) + 23)
        values = hourly_values(gateway.service, payload, whole, names)
        return {name: column[: len(expected)] for name, column in values.items()}


def _labels_of(first_day: date, last_day: date) -> pd.DatetimeIndex:
    if last_day < first_day:
        raise ValueError("last_day must not be before first_day")
    return labels(pd.Timestamp(first_day, tz="UTC"), 24 * ((last_day - first_day).days + 1) + 1)


def _forecast_table(frame: pd.DataFrame) -> pd.DataFrame:
    known = frame[["rain_mm", "snow_cm", "temperature_c"]].notna().any(axis=1)
    return conform(frame[known].sort_values(["issued_at", "valid_at"]), WEATHER_FORECAST)


def _refusal(service: str, payload: Any, status: int) -> BadRequestError | ServiceRefusedError:
    """The error of an HTTP 400. The service's own words quote the request, so only their gist is passed on."""
    reason = str(payload.get("reason", "")).lower() if isinstance(payload, dict) else ""
    if "api key" in reason or "apikey" in reason:
        return ServiceRefusedError(service, "does not accept the key (HTTP 400); check it and its hosts")
    if "out of allowed range" in reason:
        return BadRequestError(service, "holds nothing of these days (HTTP 400)", status=status)
    return BadRequestError(service, "does not accept the request (HTTP 400)", status=status)
