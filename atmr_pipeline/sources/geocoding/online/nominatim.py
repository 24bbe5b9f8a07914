"""OpenStreetMap's geocoder, through geopy: the public server or one's own."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from geopy.adapters import BaseSyncAdapter
from geopy.exc import GeopyError
from geopy.geocoders import Nominatim

from atmr_pipeline.domain.geo import SERVICE_AREA, haversine_km
from atmr_pipeline.sources.geocoding.gazetteer import Answer
from atmr_pipeline.sources.geocoding.online.hits import Hit, Level, entry_key, read_point, read_text
from atmr_pipeline.sources.geocoding.online.query import query_text
from atmr_pipeline.sources.geocoding.online.verdict import decide, unresolved
from atmr_pipeline.sources.services import BadResponseError, JsonGateway
from atmr_pipeline.sources.services.private_logs import unlogged_requests

NAME = "nominatim"
PUBLIC_URL = "https://nominatim.openstreetmap.org"
INTERVAL_S = 1.0
"""The public server's usage policy: one request a second for the whole application."""
LIMIT = 5
COUNTRIES = ("ch", "fr")
NOTHING_FOUND = "Unable to geocode"
HOUSE_RANK, STREET_RANK = 28, 26
"""Nominatim's place ranks: houses and named places from 28 (30) on, streets 26 and 27, areas below."""
HOUSE_CLASSES = frozenset({"building", "place"})
AREA_CLASSES = frozenset({"boundary", "landuse", "place"})
STREET_FIELDS = ("road", "pedestrian", "footway", "path", "residential", "square", "cycleway")
TOWN_FIELDS = (
    "city",
    "town",
    "village",
    "municipality",
    "hamlet",
    "city_district",
    "borough",
    "suburb",
    "quarter",
    "neighbourhood",
    "locality",
)


class NominatimProvider:
    """Nominatim behind the gateway's timeouts, limits and errors.

    geopy writes the request and reads the answer; its own retries and its ``RateLimiter``, which turn errors into
    "not found", are not used.

    Parameters
    ----------
    gateway : JsonGateway
        Of the server that has ``/search`` below its URL.
    """

    name = NAME

    def __init__(self, gateway: JsonGateway) -> None:
        self._gateway = gateway
        base = gateway.base_url
        self._geocoder = Nominatim(
            scheme=base.scheme,
            domain=base.netloc.decode("ascii") + base.path.rstrip("/"),
            user_agent=gateway.user_agent,
            timeout=None,
            adapter_factory=lambda proxies, ssl_context: _GatewayAdapter(gateway),
        )

    def locate(self, text: str) -> Answer:
        """Ask for one address.

        Raises
        ------
        ServiceError
            The server did not give a usable answer: nothing is known of the address, not even that it is not found.
        """
        query = query_text(text)
        if not query:
            return unresolved("not_found")
        lat_min, lat_max, lon_min, lon_max = SERVICE_AREA
        try:
            # geopy logs the URL.
            with unlogged_requests():
                found = self._geocoder.geocode(
                    query,
                    exactly_one=False,
                    limit=LIMIT,
                    addressdetails=True,
                    language="fr",
                    country_codes=list(COUNTRIES),
                    viewbox=[(lat_min, lon_min), (lat_max, lon_max)],
                    bounded=True,
                )
        except (GeopyError, ValueError) as error:
            raise BadResponseError(NAME, f"the answer cannot be read ({type(error).__name__})") from None
        return decide(NAME, text, [_hit(location.raw) for location in found or []])

    def close(self) -> None:
        """Close the gateway's connections."""
        self._gateway.close()


class _GatewayAdapter(BaseSyncAdapter):
    """Lets geopy ask through the gateway, and gives it only what its parser reads without guessing."""

    def __init__(self, gateway: JsonGateway) -> None:
        super().__init__(proxies=None, ssl_context=None)
        self._gateway = gateway

    def get_json(self, url: str, *, timeout: Any, headers: Any) -> Any:
        parts = urlsplit(url)
        path = parts.path.removeprefix(self._gateway.base_url.path.rstrip("/"))
        value = self._gateway.get(path, dict(parse_qsl(parts.query, keep_blank_values=True)))
        if isinstance(value, Mapping) and "error" in value:
            if value["error"] == NOTHING_FOUND:
                return []
            raise BadResponseError(NAME, "the server reports an error of its own")
        # geopy would take null, {} and "" for nothing found, and an item without coordinates for (0, 0).
        if not isinstance(value, list):
            raise BadResponseError(NAME, "the answer is not a list of places")
        for item in value:
            read_point(NAME, item)
            if not read_text(item, "display_name"):
                raise BadResponseError(NAME, "an item of the answer has no name")
        return value

    def get_text(self, url: str, *, timeout: Any, headers: Any) -> str:
        raise NotImplementedError("only JSON is asked for")


def _hit(raw: dict[str, Any]) -> Hit:
    lat, lon = read_point(NAME, raw)
    address = raw.get("address")
    details = address if isinstance(address, dict) else {}
    level = _level(raw)
    name = read_text(raw, "name") or read_text(raw, "display_name").partition(",")[0]
    street = read_text(details, *STREET_FIELDS)
    return Hit(
        lat=lat,
        lon=lon,
        level=level,
        name=name,
        street=name if level is Level.STREET and not street else street,
        number=read_text(details, "house_number"),
        postcode=read_text(details, "postcode"),
        towns=tuple(filter(None, (read_text(details, field) for field in TOWN_FIELDS))),
        entry_key=_entry_key(raw),
        # The box around a postcode is made up: a fixed distance around its middle.
        extent_km=0.0 if _is_postcode(raw) else _extent_km(raw.get("boundingbox")),
    )


def _level(raw: dict[str, Any]) -> Level:
    """What was found, from ``place_rank`` where the server gives it, else from the OSM tag."""
    kind, value = read_text(raw, "class", "category"), read_text(raw, "type")
    if _is_postcode(raw):
        return Level.AREA
    if value == "square":
        return Level.STREET
    rank = raw.get("place_rank")
    if isinstance(rank, int):
        if rank < STREET_RANK:
            return Level.AREA
        if rank < HOUSE_RANK:
            return Level.STREET
    elif kind == "highway":
        return Level.STREET
    elif kind in AREA_CLASSES and value not in ("house", "houses"):
        return Level.AREA
    return Level.HOUSE if kind in HOUSE_CLASSES and not read_text(raw, "name") else Level.PLACE


def _is_postcode(raw: dict[str, Any]) -> bool:
    return "postcode" in (read_text(raw, "type"), read_text(raw, "addresstype"))


def _entry_key(raw: dict[str, Any]) -> str:
    osm_type, osm_id = read_text(raw, "osm_type"), read_text(raw, "osm_id")
    own_id = f"{osm_type}:{osm_id}" if osm_type and osm_id else read_text(raw, "place_id")
    if not own_id:
        raise BadResponseError(NAME, "an item of the answer has no id")
    return entry_key(NAME, own_id)


def _extent_km(box: Any) -> float | None:
    try:
        south, north, west, east = (float(edge) for edge in box)
    except (TypeError, ValueError):
        return None
    return float(haversine_km(south, west, north, east))
