"""Where on a street, at a place or in an area an answer lies."""

from collections.abc import Sequence

from atmr_pipeline.domain.vocabulary import AddressPrecision
from atmr_pipeline.sources.geocoding.candidates import Candidate
from atmr_pipeline.sources.geocoding.directory import STREET_KINDS, Directory, Entry, central, spread_km
from atmr_pipeline.sources.geocoding.evidence import Area, plain_town
from atmr_pipeline.sources.geocoding.places import Finding

SAME_STREET_KM, SAME_HOUSE_KM, SAME_AREA_KM = 2.5, 0.2, 3.0
TIE = 0.003
"""Penalties so near each other do not tell two points apart: postcode and town contradict each other."""
LETTERS = "abcdefghijklmnopqrstuvwxyz"


def street_point(candidate: Candidate, number: str | None, directory: Directory) -> Finding:
    """At the house if the directory knows it, else on the part of the street that the area names."""
    house = _house(candidate, number, directory) if number else None
    if house is not None:
        return house
    kept, _ = _least_against(candidate.street.parts, candidate.area)
    if spread_km(kept) > SAME_STREET_KM:
        return Finding(candidate.score, reason="ambiguous")
    entry = central(kept)
    return Finding(candidate.score, entry, AddressPrecision.STREET, entry.lat, entry.lon)


def area_point(area: Area) -> Finding:
    """The centre of a postcode or of a small town, for an address that says nothing more."""
    entries = area.postcode_entries or area.town_entries
    if area.postcode_entries and area.towns:
        entries = [
            entry for entry in entries if {plain_town(entry.locality), plain_town(entry.commune)} & set(area.towns)
        ]
    if not entries:
        return Finding(reason="not_found")
    if spread_km(entries) > SAME_AREA_KM:
        return Finding(reason="ambiguous")
    entry = central(entries)
    return Finding(1.0, entry, AddressPrecision.POSTCODE, entry.lat, entry.lon)


def _house(candidate: Candidate, number: str, directory: Directory) -> Finding | None:
    """The house, or what the directory has of it: an end of ``3/5``, or for an unknown ``12bis`` the door 12.

    The latter is a point of the street, not the house that was asked for.
    """
    area, street = candidate.area, candidate.street
    ends = number.split("/")
    for asked in dict.fromkeys([number, *ends, *(end.rstrip(LETTERS) for end in ends)]):
        houses = directory.houses(street, asked)
        if not houses:
            continue
        kept, penalty = _least_against(houses, area)
        if candidate.likeness - penalty < candidate.needed:
            continue
        if spread_km(kept) > SAME_HOUSE_KM:
            return Finding(candidate.score, reason="ambiguous")
        entry = central(kept)
        is_house = asked == number or asked in ends
        precision = AddressPrecision.HOUSE if is_house else AddressPrecision.STREET
        if entry.kind not in STREET_KINDS:
            precision = AddressPrecision.PLACE
        return Finding(candidate.score, entry, precision, entry.lat, entry.lon)
    return None


def _least_against(entries: Sequence[Entry], area: Area) -> tuple[list[Entry], float]:
    """The entries that the area says least against, and how much."""
    penalties = [area.penalty(entry) for entry in entries]
    least = min(penalties)
    return [entry for entry, penalty in zip(entries, penalties, strict=True) if penalty <= least + TIE], least
