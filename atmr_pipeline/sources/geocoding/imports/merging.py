"""One address in several directories: merged, or kept apart where it is not the same."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from atmr_pipeline.sources.geocoding.directory import Entry, area_of, central, flat_km, nearest_km, parts_of
from atmr_pipeline.sources.geocoding.evidence import plain_town

CONFLICT_KM = 0.2
"""The same address farther apart than this in two directories is a conflict: the first directory is believed."""
SAME_POINT_KM = 0.05
"""So near, two rows of one street and number are one address, whatever their communes are called."""
DUPLICATE, MERGED, CONFLICT, COVERED = "duplicate", "merged", "conflict", "known_by_its_houses"


@dataclass(frozen=True, slots=True)
class Given:
    """An entry and the number of the input that gave it."""

    input: int
    entry: Entry


LeftOut = Counter[tuple[int, str]]
"""Rows that were left out, by input and reason."""


def merge(rows: Iterable[Given], left_out: LeftOut) -> list[Given]:
    """Rows of one name and number, without those that an earlier row is the same address as.

    Rows of two inputs are the same address if they lie in the same commune (or postcode, where one has no commune);
    farther apart than :data:`CONFLICT_KM` the later one is a conflict and left out. Rows of one input are the same
    address if all they say of their area is the same and they are near each other; else both are kept, and an address
    with two points far apart is ambiguous.
    """
    kept: list[Given] = []
    for row in rows:
        reason = next((found for other in kept if (found := _same(row, other))), None)
        if reason is None:
            kept.append(row)
        else:
            left_out[row.input, reason] += 1
    return kept


def street_parts(streets: Sequence[Given], houses: Sequence[Given], left_out: LeftOut) -> list[Entry]:
    """Points of a street: those given, but where its houses are known the house nearest their middle.

    Parameters
    ----------
    streets, houses : sequence of Given
        Rows of one street name, merged.
    left_out : Counter
        Given points that the houses replace are counted here.
    """
    parts = []
    for street in streets:
        nearby = [house.entry for house in houses if same_area(house.entry, street.entry)]
        if nearby:
            far = nearest_km(street.entry, nearby) > CONFLICT_KM
            left_out[street.input, CONFLICT if far else COVERED] += 1
        else:
            parts.append(street.entry)
    return parts + parts_of([house.entry for house in houses])


def towns(parts: Iterable[Entry], listed: Iterable[Entry]) -> list[Entry]:
    """Localities and communes that no directory lists, each at the street nearest the middle of its streets."""
    known = {(entry.kind, entry.postcode, plain_town(entry.name)) for entry in listed}
    groups: dict[tuple[str, str, str], list[Entry]] = defaultdict(list)
    for entry in parts:
        if entry.postcode and entry.locality:
            groups["locality", entry.postcode, plain_town(entry.locality)].append(entry)
        if entry.commune:
            groups["commune", "", plain_town(entry.commune)].append(entry)
    return [_town(key[0], group) for key, group in sorted(groups.items()) if key not in known]


def same_area(entry: Entry, other: Entry) -> bool:
    """Whether two entries lie in one commune, or have one postcode where a commune is not known."""
    if entry.commune and other.commune:
        return plain_town(entry.commune) == plain_town(other.commune)
    return bool(entry.postcode) and entry.postcode == other.postcode


def _same(row: Given, other: Given) -> str | None:
    distance = flat_km(row.entry.lat, row.entry.lon, other.entry.lat, other.entry.lon)
    if row.input == other.input:
        return DUPLICATE if distance <= CONFLICT_KM and area_of(row.entry) == area_of(other.entry) else None
    if distance > SAME_POINT_KM and not same_area(row.entry, other.entry):
        return None
    return CONFLICT if distance > CONFLICT_KM else MERGED


def _town(kind: str, group: Sequence[Entry]) -> Entry:
    middle = central(group)
    commune = Counter(entry.commune for entry in group).most_common(1)[0][0]
    name, postcode = (middle.locality, middle.postcode) if kind == "locality" else (commune, "")
    locality = name if kind == "locality" else ""
    return Entry(kind, name, "", "", postcode, locality, commune, middle.lat, middle.lon, middle.source)
