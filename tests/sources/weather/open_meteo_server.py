"""A local server that speaks Open-Meteo's protocol: three hosts as three paths, one fictional weather."""

import json
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from atmr_pipeline.sources.weather.open_meteo import OpenMeteoClient, OpenMeteoUrls

MEASURES = ("temperature_2m", "precipitation", "snowfall")
UNITS = {"temperature_2m": "°C", "precipitation": "mm", "snowfall": "cm"}
DEPOT = (46.2044, 6.1432)


def weather(label: datetime, lead: int = 0) -> dict[str, float]:
    """Measures at a label, all different from hour to hour; a forecast has ``lead`` mm more rain."""
    hour = int(label.timestamp()) // 3600
    snow_cm = 0.07 * (hour % 4)
    return {
        "temperature_2m": round(-2.0 + hour % 24 * 0.5, 1),
        "precipitation": round(hour % 11 * 0.3 + lead + snow_cm / 0.7, 1),
        "snowfall": round(snow_cm, 2),
    }


def rain_mm(start: datetime, lead: int = 0) -> float:
    """What falls in the hour that starts at ``start``."""
    hour = int(start.timestamp()) // 3600 + 1
    return round(hour % 11 * 0.3 + lead, 1)


@dataclass
class OpenMeteo:
    """The service's state; ``fails`` gives (status, body, headers) in place of an answer, ``spoils`` alters one."""

    today: date = date(2025, 6, 20)
    archive_known_until: datetime = datetime(2025, 6, 15, tzinfo=UTC)
    runs_known_from: datetime = datetime(2024, 1, 19, tzinfo=UTC)
    api_key: str | None = None
    fails: Callable[[str, dict[str, str]], tuple[int, str, dict[str, str]] | None] = lambda path, query: None
    spoils: Callable[[dict[str, Any]], Any] = lambda answer: answer
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    agents: set[str | None] = field(default_factory=set)

    def paths(self) -> list[str]:
        return [path for path, _ in self.requests]

    def answer(self, path: str, query: dict[str, str]) -> tuple[int, str, dict[str, str]]:
        failure = self.fails(path, query)
        if failure is not None:
            return failure
        reason = self._refusal(path, query)
        if reason is not None:
            return 400, json.dumps({"error": True, "reason": reason}), {}
        return 200, json.dumps(self.spoils(self._hours(path, query)), allow_nan=True), {}

    def _refusal(self, path: str, query: dict[str, str]) -> str | None:
        if self.api_key is not None and query.get("apikey") != self.api_key:
            return "The supplied API key is invalid."
        latest = self.today if path.startswith("/archive") else self.today + timedelta(days=15)
        if date.fromisoformat(query["end_date"]) > latest:
            return f"Parameter 'end_date' is out of allowed range from 1940-01-01 to {latest}"
        for name in query["hourly"].split(","):
            if name.split("_previous_day")[0] not in MEASURES or ("_previous_day" in name) != path.startswith("/prev"):
                return f"Data corrupted at path ''. Cannot initialize from invalid String value {name}."
        return None

    def _hours(self, path: str, query: dict[str, str]) -> dict[str, Any]:
        first = datetime.fromisoformat(query["start_date"]).replace(tzinfo=UTC)
        days = (date.fromisoformat(query["end_date"]) - first.date()).days + 1
        times = [first + timedelta(hours=hour) for hour in range(24 * days)]
        names = query["hourly"].split(",")
        return {
            "latitude": round(float(query["latitude"]) * 16) / 16,
            "longitude": round(float(query["longitude"]) * 16) / 16, "generationtime_ms": 0.2,
            "utc_offset_seconds": 0, "timezone": query["timezone"],
            "timezone_abbreviation": "GMT", "elevation": 380.0,
            "hourly_units": {"time": "iso8601", **{name: UNITS[name.split("_previous_day")[0]] for name in names}},
            "hourly": {
                "time": [f"{time:%Y-%m-%dT%H:%M}" for time in times],
                **{name: [self._value(path, name, time) for time in times] for name in names},
            },
        }  # fmt: skip

    def _value(self, path: str, name: str, time: datetime) -> float | None:
        measure, _, lead = name.partition("_previous_day")
        unknown = (path.startswith("/archive") and time >= self.archive_known_until) or (
            path.startswith("/prev") and time < self.runs_known_from
        )
        return None if unknown else weather(time, int(lead or 0))[measure]


class Server:
    """The service on a port of this machine."""

    def __init__(self) -> None:
        self.service = OpenMeteo()
        service = self.service

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                query = dict(parse_qsl(parts.query))
                service.requests.append((parts.path, query))
                service.agents.add(self.headers.get("User-Agent"))
                status, body, headers = service.answer(parts.path, query)
                content = body.encode()
                self.send_response(status)
                for name, value in {"Content-Type": "application/json; charset=utf-8", **headers}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                with suppress(BrokenPipeError):
                    self.wfile.write(content)

            def log_message(self, *arguments: object) -> None:
                """Quiet."""

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    @property
    def urls(self) -> OpenMeteoUrls:
        root = f"http://127.0.0.1:{self._http.server_port}"
        return OpenMeteoUrls(f"{root}/archive", f"{root}/previous-runs", f"{root}/live")

    def client(self, **options: Any) -> OpenMeteoClient:
        """A client of this server that never waits."""
        return OpenMeteoClient.connect(
            user_agent="atmr-test (test@example.org)", urls=self.urls, attempts=2, sleep=lambda _: None, **options
        )

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()
