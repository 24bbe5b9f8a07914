"""The federal address search (geo.admin.ch SearchServer): the official addresses of Switzerland."""

import re
from typing import Any

from atmr_pipeline.sources.geocoding.addresses import parse_address
from atmr_pipeline.sources.geocoding.gazetteer import Answer
from atmr_pipeline.sources.geocoding.online.hits import Hit, Level, entry_key, read_point, read_text
from atmr_pipeline.sources.geocoding.online.query import query_text
from atmr_pipeline.sources.geocoding.online.verdict import decide, unresolved
from atmr_pipeline.sources.services import BadResponseError, JsonGateway

NAME = "geoadmin"
PUBLIC_URL = "https://api3.geo.admin.ch"
PATH = "/rest/services/api/SearchServer"
INTERVAL_S = 3.0
"""About 20 requests a minute are welcome."""
LIMIT = 20
MOST_WORDS = 10
"""A longer search text finds nothing."""
LABEL = re.compile(r"(?P<street>.*?)<b>\s*(?P<postcode>\d{4})\s+(?P<town>.+?)\s*</b>", re.DOTALL)
HOUSE = re.compile(r"(?P<street>\D.*?)\s+(?P<number>\d\S*(?:\s(?:bis|ter|quater|[a-zA-Z]))?)")
TAG = re.compile(r"<[^>]*>")
COMMUNE = re.compile(r".*\s\d{1,4}\s+(?P<commune>\D+?)\s+ch\s+[a-z]{2}")
"""``detail`` ends in the commune's number and name, the country and the canton."""


class GeoAdminProvider:
    """The SearchServer behind the gateway's timeouts, limits and errors.

    Parameters
    ----------
    gateway : JsonGateway
        Of the server that has :data:`PATH` below its URL.
    """

    name = NAME

    def __init__(self, gateway: JsonGateway) -> None:
        self._gateway = gateway

    def locate(self, text: str) -> Answer:
        """Ask for one address.

        Raises
        ------
        ServiceError
            The server did not give a usable answer: nothing is known of the address, not even that it is not found.
        """
        words = query_text(text).replace(",", " ").split()
        if not words:
            return unresolved("not_found")
        # Number, postcode and town stand at the end; what is cut is the beginning of a long name.
        query = " ".join(words[-MOST_WORDS:])
        value = self._gateway.get(
            PATH, {"type": "locations", "origins": "address", "sr": 4326, "limit": LIMIT, "searchText": query}
        )
        results = value.get("results") if isinstance(value, dict) else None
        if not isinstance(results, list):
            raise BadResponseError(NAME, "the answer has no list of results")
        return decide(NAME, text, [_hit(result) for result in results])

    def close(self) -> None:
        """Close the gateway's connections."""
        self._gateway.close()


def _hit(result: Any) -> Hit:
    attrs = result.get("attrs") if isinstance(result, dict) else None
    if not isinstance(attrs, dict):
        raise BadResponseError(NAME, "an item of the answer has no attributes")
    lat, lon = read_point(NAME, attrs)
    label = LABEL.match(read_text(attrs, "label"))
    own_id = read_text(attrs, "featureId")
    if label is None or not own_id:
        raise BadResponseError(NAME, "an item of the answer has no label or id")
    line = " ".join(TAG.sub("", label["street"]).split())
    street, number = _street_and_number(line)
    commune = COMMUNE.fullmatch(read_text(attrs, "detail"))
    return Hit(
        lat=lat,
        lon=lon,
        level=Level.HOUSE if number else Level.STREET,
        name="",
        street=street,
        number=number,
        postcode=label["postcode"],
        towns=tuple(filter(None, (TAG.sub("", label["town"]), commune["commune"] if commune else ""))),
        entry_key=entry_key(NAME, own_id),
    )


def _street_and_number(line: str) -> tuple[str, str]:
    """A house's line taken apart; ``num`` beside it lacks the suffix (``12bis``)."""
    house = HOUSE.fullmatch(line)
    if house is None or parse_address(line).number is None:
        return line, ""
    return house["street"], house["number"]
