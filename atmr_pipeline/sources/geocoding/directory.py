"""The address directory in memory: streets, places and towns, found by their words."""

import hashlib
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from statistics import fmean
from typing import Protocol

from atmr_pipeline.domain.geo import EARTH_RADIUS_KM
from atmr_pipeline.sources.geocoding.names import NameIndex
from atmr_pipeline.sources.geocoding.words import core, fold, number_key, split_type, words

COLUMNS = ("kind", "name", "street", "number", "postcode", "locality", "commune", "lat", "lon", "precision", "source")
"""Columns of a directory in one CSV table: street parts, places, towns and houses."""
TOWN_KINDS = ("locality", "commune")
STREET_KINDS = ("street", "house", "address")


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of the directory; ``lat`` and ``lon`` in degrees WGS84."""

    kind: str
    name: str
    street: str
    number: str
    postcode: str
    locality: str
    commune: str
    lat: float
    lon: float
    source: str

    @property
    def key(self) -> str:
        """16 hex digits that tell this row from others, whatever its coordinates."""
        texts = (self.kind, self.name, self.street, self.number, self.postcode, self.locality, self.commune)
        return hashlib.sha256("\x1f".join(texts).encode()).hexdigest()[:16]


class Houses(Protocol):
    """House addresses that are not in memory."""

    def find(self, street: str, number: str) -> list[Entry]:
        """Houses of a street (its words, folded) with a number (as :func:`.words.number_key` writes it)."""
        ...


@dataclass(slots=True)
class Street:
    """A street name with its parts: the same name in several communes is one street with several parts.

    Parameters
    ----------
    kind : str
        ``rue``, ``chemin``...; empty if the name begins with none.
    tokens, core : tuple of str
        All words, and the telling ones.
    full : str
        All words in one string.
    joined, glued : str
        The telling words, and all words after the type, written together.
    parts : list of Entry
        A point in each commune and postcode.
    houses : dict
        Houses in memory, by number.
    """

    kind: str
    tokens: tuple[str, ...]
    core: tuple[str, ...]
    full: str
    joined: str
    glued: str
    parts: list[Entry] = field(default_factory=list)
    houses: dict[str, list[Entry]] = field(default_factory=dict)


class Directory:
    """Indexes over the entries; built once, read by :class:`atmr_pipeline.sources.geocoding.gazetteer.Gazetteer`.

    Parameters
    ----------
    entries : iterable of Entry
    houses : Houses, optional
        Further houses, looked up one by one; each of their streets has a part among the entries.
    """

    def __init__(self, entries: Iterable[Entry], houses: Houses | None = None) -> None:
        self.entries = list(entries)
        self.by_joined: dict[str, list[Street]] = defaultdict(list)
        self.by_word: dict[str, list[Street]] = defaultdict(list)
        self.places: dict[str, list[Entry]] = defaultdict(list)
        self.towns: dict[str, list[Entry]] = defaultdict(list)
        self.postcodes: dict[str, list[Entry]] = defaultdict(list)
        self._houses = houses
        self._by_full: dict[str, Street] = {}
        for entry in self.entries:
            if entry.kind in TOWN_KINDS:
                self._add_town(entry)
            elif entry.kind in STREET_KINDS:
                self._add_street(entry)
            else:
                self._add_place(entry)
        self.streets = list(self._by_full.values())
        for street in self.streets:
            self._index(street)
        self.longest_town = max((name.count(" ") + 1 for name in self.towns), default=0)

    @cached_property
    def street_names(self) -> NameIndex:
        """Streets by the telling words of their names."""
        return NameIndex(self.by_joined)

    @cached_property
    def street_words(self) -> NameIndex:
        """Telling words of streets."""
        return NameIndex(self.by_word)

    @cached_property
    def place_names(self) -> NameIndex:
        """Names of places."""
        return NameIndex(self.places)

    @cached_property
    def town_names(self) -> NameIndex:
        """Names of towns."""
        return NameIndex(self.towns)

    def kinds(self) -> dict[str, int]:
        """Entries by kind."""
        return dict(sorted(Counter(entry.kind for entry in self.entries).items()))

    def houses(self, street: Street, number: str) -> list[Entry]:
        """Houses with this number; places at that door only where no directory of houses knows it."""
        known = street.houses.get(number, [])
        stored = self._houses.find(street.full, number) if self._houses else []
        houses = [entry for entry in known if entry.kind in STREET_KINDS] + stored
        return houses or known

    def _add_town(self, entry: Entry) -> None:
        if entry.postcode:
            self.postcodes[entry.postcode].append(entry)
        for name in {entry.name, entry.locality, entry.name.partition("(")[0]}:
            tokens = words(fold(name))
            self.towns[" ".join(tokens)].append(entry)
            if len(tokens) > 1 and tokens[0] in {"le", "la", "les"}:
                self.towns[" ".join(tokens[1:])].append(entry)
        self.towns.pop("", None)

    def _add_street(self, entry: Entry) -> None:
        tokens = words(fold(entry.street or entry.name))
        if not tokens:
            return
        full = " ".join(tokens)
        street = self._by_full.get(full)
        if street is None:
            kind, rest = split_type(tokens)
            telling = core(rest)
            street = Street(kind, tuple(tokens), telling, full, "".join(telling), "".join(rest))
            self._by_full[full] = street
        if entry.number:
            street.houses.setdefault(number_key(entry.number), []).append(entry)
        else:
            street.parts.append(entry)

    def _index(self, street: Street) -> None:
        known = {(part.postcode, part.locality, part.commune) for part in street.parts}
        houses = [entry for entries in street.houses.values() for entry in entries]
        if houses and not all(area_of(house) in known for house in houses):
            street.parts += parts_of([house for house in houses if area_of(house) not in known])
        self.by_joined[street.joined].append(street)
        if street.glued != street.joined:
            self.by_joined[street.glued].append(street)
        for word in set(street.core):
            self.by_word[word].append(street)

    def _add_place(self, entry: Entry) -> None:
        bare, _, bracket = entry.name.partition("(")
        short, _, rest = bracket.partition(")")
        # "HUG - Maternité": each piece names it, and a piece that several places share ("HUG") is ambiguous.
        pieces = [piece.strip(" -") for piece in (*bare.split(" - "), *bare.split(" / "), rest)]
        named = [piece for piece in pieces if piece[:1].isupper() or " " in piece]
        for name in {entry.name, bare, short, *named}:
            key = " ".join(core(words(fold(name))))
            if key and entry not in self.places[key]:
                self.places[key].append(entry)
        if entry.street and entry.number:
            self._add_street(entry)


def area_of(entry: Entry) -> tuple[str, str, str]:
    """Postcode, locality and commune."""
    return entry.postcode, entry.locality, entry.commune


def parts_of(houses: Sequence[Entry]) -> list[Entry]:
    """A street's parts by its houses: in each area the house nearest the middle, as a point of the street.

    Where only places give the street as their address, the place itself stands for it.
    """
    groups: dict[tuple[str, str, str], list[Entry]] = defaultdict(list)
    for house in houses:
        groups[area_of(house)].append(house)
    parts = []
    for group in groups.values():
        middle = central([house for house in group if house.kind in STREET_KINDS] or group)
        is_house = middle.kind in STREET_KINDS
        parts.append(replace(middle, kind="street", name=middle.street, number="") if is_house else middle)
    return parts


def spread_km(entries: Sequence[Entry]) -> float:
    """Diagonal of the box around the entries, km: no two of them are farther apart."""
    if len(entries) < 2:
        return 0.0
    lats, lons = [entry.lat for entry in entries], [entry.lon for entry in entries]
    return flat_km(min(lats), min(lons), max(lats), max(lons))


def nearest_km(entry: Entry, others: Sequence[Entry]) -> float:
    """Distance from an entry to the nearest of the others, km."""
    return min(flat_km(entry.lat, entry.lon, other.lat, other.lon) for other in others)


def central(entries: Sequence[Entry]) -> Entry:
    """The entry nearest to the middle of all: a point that is on the ground, not between the parts."""
    if len(entries) == 1:
        return entries[0]
    lat, lon = fmean(entry.lat for entry in entries), fmean(entry.lon for entry in entries)
    return min(entries, key=lambda entry: (entry.lat - lat) ** 2 + (entry.lon - lon) ** 2)


def flat_km(lat: float, lon: float, other_lat: float, other_lon: float) -> float:
    """Equirectangular distance: within the service area it is the great circle's to 0.1 %, at a tenth of the time."""
    east = math.radians(other_lon - lon) * math.cos(math.radians((lat + other_lat) / 2))
    return EARTH_RADIUS_KM * math.hypot(math.radians(other_lat - lat), east)
