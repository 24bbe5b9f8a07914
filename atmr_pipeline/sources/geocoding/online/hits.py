"""What a provider found, in one form for all of them."""

import hashlib
import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from atmr_pipeline.sources.services import BadResponseError


class Level(StrEnum):
    """What kind of thing a hit is."""

    HOUSE = "house"
    PLACE = "place"
    STREET = "street"
    AREA = "area"
    """A postcode, town or quarter."""


@dataclass(frozen=True)
class Hit:
    """One thing that a provider found; texts are as the provider writes them, empty where it says nothing.

    Parameters
    ----------
    lat, lon : float
        Degrees WGS84.
    level : Level
    name : str
        Of a place or area.
    street, number, postcode : str
        Of its address.
    towns : tuple of str
        Every town, commune or quarter that it lies in.
    entry_key : str
        16 hex digits of the provider's own id.
    extent_km : float or None
        Diagonal of the box around it; None if the provider does not say.
    """

    lat: float
    lon: float
    level: Level
    name: str
    street: str
    number: str
    postcode: str
    towns: tuple[str, ...]
    entry_key: str
    extent_km: float | None = None


def entry_key(provider: str, own_id: str) -> str:
    """16 hex digits of a provider's own id for an entry."""
    return hashlib.sha256(f"{provider}:{own_id}".encode()).hexdigest()[:16]


def read_point(provider: str, item: Any) -> tuple[float, float]:
    """``lat`` and ``lon`` of an item, degrees.

    Raises
    ------
    BadResponseError
        If it has none: a hit without a point is a broken answer, never a default point.
    """
    try:
        lat, lon = float(item["lat"]), float(item["lon"])
    except (KeyError, TypeError, ValueError):
        raise BadResponseError(provider, "an item of the answer has no coordinates") from None
    if not (math.isfinite(lat) and math.isfinite(lon) and abs(lat) <= 90 and abs(lon) <= 180):
        raise BadResponseError(provider, "an item of the answer has impossible coordinates")
    return lat, lon


def read_text(item: dict[str, Any], *names: str) -> str:
    """The first of the named fields that holds text or a number; empty if none does."""
    for name in names:
        value = item.get(name)
        if isinstance(value, str | int) and not isinstance(value, bool) and str(value).strip():
            return str(value).strip()
    return ""
