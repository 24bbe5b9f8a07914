"""A server on 127.0.0.1 that speaks OSRM's table protocol over a made-up map, and fails as told."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

Point = tuple[float, float]
"""(lon, lat), as OSRM writes them."""


@dataclass(frozen=True)
class Request:
    """One request: its points, and indices of sources and destinations among them."""

    points: list[Point]
    sources: list[int]
    destinations: list[int]
    path: str
    headers: dict[str, str]

    def pairs(self) -> set[tuple[Point, Point]]:
        return {(self.points[start], self.points[end]) for start in self.sources for end in self.destinations}


@dataclass
class OsrmServer:
    """What the server knows and saw. ``failures`` are taken one a request before anything is answered."""

    url: str = ""
    most_points: int = 100
    unreachable: set[Point] = field(default_factory=set)
    off_road: set[Point] = field(default_factory=set)
    failures: list[Callable[["Handler"], None]] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)


def way(start: Point, end: Point) -> tuple[float, float]:
    """Seconds and metres by road; there is not as far as back."""
    east, north = (end[0] - start[0]) * 76_000.0, (end[1] - start[1]) * 111_000.0
    metres = abs(east) + abs(north) + (250.0 if east > 0 else 0.0)
    return round(metres / 9.0 + (30.0 if metres else 0.0), 1), round(metres, 1)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    state: OsrmServer

    def do_GET(self) -> None:
        request = self._parse()
        self.state.requests.append(request)
        if self.state.failures:
            self.state.failures.pop(0)(self)
        else:
            self.table(request)

    def table(self, request: Request) -> None:
        if len(request.points) > self.state.most_points:
            self.json(400, {"code": "TooBig", "message": f"Too many table coordinates: {request.points[0]}"})
        elif self.state.off_road & set(request.points):
            self.json(400, {"code": "NoSegment", "message": "Could not find a matching segment for coordinate 0"})
        else:
            self.json(200, self.answer(request))

    def answer(self, request: Request) -> dict[str, Any]:
        durations, distances = [], []
        for start in (request.points[index] for index in request.sources):
            ways = [
                (None, None) if {start, end} & self.state.unreachable else way(start, end)
                for end in (request.points[index] for index in request.destinations)
            ]
            durations.append([seconds for seconds, _ in ways])
            distances.append([metres for _, metres in ways])
        return {"code": "Ok", "durations": durations, "distances": distances, "sources": [], "destinations": []}

    def json(self, status: int, body: Any, **headers: str) -> None:
        self.raw(status, json.dumps(body).encode(), "application/json", **headers)

    def raw(self, status: int, body: bytes, kind: str = "text/html", **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def _parse(self) -> Request:
        url = urlsplit(self.path)
        _, service, version, profile, coordinates = url.path.split("/")
        assert (service, version) == ("table", "v1")
        assert profile
        query = {name: values[0] for name, values in parse_qs(url.query, strict_parsing=True).items()}
        assert query.pop("annotations") == "duration,distance"
        points = [
            (float(lon), float(lat)) for lon, lat in (pair.split(",") for pair in unquote(coordinates).split(";"))
        ]
        sources, destinations = (
            [int(place) for place in query[name].split(";")] for name in ("sources", "destinations")
        )
        return Request(points, sources, destinations, self.path, dict(self.headers))

    def log_message(self, *args: Any) -> None:
        pass


@contextmanager
def running_osrm() -> Iterator[OsrmServer]:
    state = OsrmServer()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("BoundHandler", (Handler,), {"state": state}))
    server.daemon_threads = True
    state.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        state.released.set()
        server.shutdown()
        server.server_close()
        thread.join()
