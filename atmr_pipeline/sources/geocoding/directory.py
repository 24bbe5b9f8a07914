"""The address directory in memory: streets, places and towns, found by their words."""

import hashlib
import math
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from statistics import fmean

from atmr_pipeline.domain.geo import EARTH_RADIUS_KM
from atmr_pipeline.sources.geocoding.words import core, fold, split_type, words

TOWN_KINDS = ("locality", "commune")
STREET_KINDS = ("street", "house", "address")


@dataclass(frozen=True)
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


@dataclass
class Street:
    """A street name with its parts: the same name in several communes is one street with several parts."""

    kind: str
    tokens: tuple[str, ...]
    core: tuple[str, ...]
    parts: list[Entry] = field(default_factory=list)
    houses: dict[str, list[Entry]] = field(default_factory=lambda: defaultdict(list))

    @property
    def joined(self) -> str:
        """The telling words in one string."""
        return "".join(self.core)

    @property
    def full(self) -> str:
        """All words in one string."""
        return " ".join(self.tokens)


class Directory:
    """Indexes over the entries; built once, read by :class:`atmr_pipeline.sources.geocoding.gazetteer.Gazetteer`."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self.entries = list(entries)
        self.streets: list[Street] = []
        self.by_joined: dict[str, list[Street]] = defaultdict(list)
        self.by_word: dict[str, list[Street]] = defaultdict(list)
        self.places: dict[str, list[Entry]] = defaultdict(list)
        self.towns: dict[str, list[Entry]] = defaultdict(list)
        self.postcodes: dict[str, list[Entry]] = defaultdict(list)
        by_full: dict[str, Street] = {}
        for entry in self.entries:
            if entry.kind in TOWN_KINDS:
                self._add_town(entry)
            elif entry.kind in STREET_KINDS:
                self._add_street(entry, by_full)
            else:
                self._add_place(entry, by_full)
        self.streets = list(by_full.values())
        for street in self.streets:
            self.by_joined[street.joined].append(street)
            for word in set(street.core):
                self.by_word[word].append(street)
        self.joined_names = list(self.by_joined)
        self.place_names = list(self.places)
        self.town_names = list(self.towns)
        self.longest_town = max((name.count(" ") + 1 for name in self.towns), default=0)

    def kinds(self) -> dict[str, int]:
        """Entries by kind."""
        return dict(sorted(Counter(entry.kind for entry in self.entries).items()))

    def _add_town(self, entry: Entry) -> None:
        if entry.postcode:
            self.postcodes[entry.postcode].append(entry)
        for name in {entry.name, entry.locality, entry.name.partition("(")[0]}:
            tokens = words(fold(name))
            self.towns[" ".join(tokens)].append(entry)
            if len(tokens) > 1 and tokens[0] in {"le", "la", "les"}:
                self.towns[" ".join(tokens[1:])].append(entry)
        self.towns.pop("", None)

    def _add_street(self, entry: Entry, by_full: dict[str, Street]) -> None:
        tokens = words(fold(entry.street or entry.name))
        if not tokens:
            return
        full = " ".join(tokens)
        if full not in by_full:
            kind, rest = split_type(tokens)
            by_full[full] = Street(kind, tuple(tokens), core(rest))
        if entry.number:
            by_full[full].houses[fold(entry.number).replace(" ", "")].append(entry)
        else:
            by_full[full].parts.append(entry)

    def _add_place(self, entry: Entry, by_full: dict[str, Street]) -> None:
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
            self._add_street(entry, by_full)


def spread_km(entries: list[Entry]) -> float:
    """Diagonal of the box around the entries, km: no two of them are farther apart."""
    if len(entries) < 2:
        return 0.0
    lats, lons = [entry.lat for entry in entries], [entry.lon for entry in entries]
    return _flat_km(min(lats), min(lons), max(lats), max(lons))


def nearest_km(entry: Entry, others: list[Entry]) -> float:
    """Distance from an entry to the nearest of the others, km."""
    return min(_flat_km(entry.lat, entry.lon, other.lat, other.lon) for other in others)


def central(entries: list[Entry]) -> Entry:
    """The entry nearest to the middle of all: a point that is on the ground, not between the parts."""
    if len(entries) == 1:
        return entries[0]
    lat, lon = fmean(entry.lat for entry in entries), fmean(entry.lon for entry in entries)
    return min(entries, key=lambda entry: (entry.lat - lat) ** 2 + (entry.lon - lon) ** 2)


def _flat_km(lat: float, lon: float, other_lat: float, other_lon: float) -> float:
    """Equirectangular distance: within the service area it is the great circle's to 0.1 %, at a tenth of the time."""
    east = math.radians(other_lon - lon) * math.cos(math.radians((lat + other_lat) / 2))
    return EARTH_RADIUS_KM * math.hypot(math.radians(other_lat - lat), east)
