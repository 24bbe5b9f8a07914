"""What the postcode and the town of an address say about a candidate."""

from dataclasses import dataclass
from functools import cache

from atmr_pipeline.sources.geocoding.directory import Directory, Entry, nearest_km
from atmr_pipeline.sources.geocoding.words import fold, words

NEAR_KM, FAR_KM = 2.5, 5.0
NEXT_TOWN, NEXT_POSTCODE, WRONG_AREA = 0.05, 0.02, 0.25
OTHER_HALF = 0.004
"""Only one of postal locality and commune has the town's name: enough to prefer the part where both do."""


@dataclass(frozen=True)
class Area:
    """What an address says of its area.

    Parameters
    ----------
    postcode : str or None
    postcode_entries : list of Entry
        The directory's localities of that postcode; empty if it knows none.
    towns : tuple of str
        Recognised town names, in one spelling.
    town_entries : list of Entry
        Their localities and communes.
    is_foreign : bool
        The postcode or the town lies outside the directory.
    """

    postcode: str | None
    postcode_entries: list[Entry]
    towns: tuple[str, ...]
    town_entries: list[Entry]
    is_foreign: bool = False

    @property
    def is_known(self) -> bool:
        """Whether there is any evidence to weigh."""
        return bool(self.town_entries or self.postcode_entries)

    def with_town(self, town: str | None, directory: Directory) -> "Area":
        """This area with one more town name."""
        if town is None or town in self.towns:
            return self
        return make_area(self.postcode, (*self.towns, town), directory)

    def penalty(self, entry: Entry) -> float:
        """What the area takes off a candidate's score: 0 if it agrees, up to :data:`WRONG_AREA`.

        Postcodes of streets are often computed from the nearest locality, so a neighbouring one costs little.
        """
        by_postcode = self._postcode_penalty(entry)
        if not self.town_entries:
            return by_postcode
        by_town = self._town_penalty(entry)
        if by_town <= OTHER_HALF:
            return by_town + min(by_postcode, NEXT_POSTCODE)
        if by_postcode == 0.0 and self.postcode_entries:
            return min(by_town, NEXT_TOWN) / 2
        return by_town + by_postcode

    def _postcode_penalty(self, entry: Entry) -> float:
        if not self.postcode_entries or entry.postcode == self.postcode:
            return 0.0
        return _by_distance(entry, self.postcode_entries, NEXT_POSTCODE)

    def _town_penalty(self, entry: Entry) -> float:
        hits = (plain_town(entry.locality) in self.towns) + (plain_town(entry.commune) in self.towns)
        if hits:
            return 0.0 if hits == 2 else OTHER_HALF
        return _by_distance(entry, self.town_entries, NEXT_TOWN)


def make_area(
    postcode: str | None,
    towns: tuple[str, ...],
    directory: Directory,
    unknown_town: bool = False,
    *,
    elsewhere: bool = False,
) -> Area:
    """Gather what the directory knows of a postcode and town names."""
    by_postcode = directory.postcodes.get(postcode or "", [])
    by_town = [entry for town in towns for entry in directory.towns.get(town, [])]
    outside = bool(postcode and directory.postcodes and not by_postcode)
    is_foreign = elsewhere or (outside and (unknown_town or not towns))
    return Area(postcode, by_postcode, towns, by_town, is_foreign)


@cache
def plain_town(name: str) -> str:
    """A town's name in one spelling, without article or canton."""
    tokens = words(fold(name))
    return " ".join(tokens[1:] if len(tokens) > 1 and tokens[0] in {"le", "la", "les"} else tokens)


def _by_distance(entry: Entry, others: list[Entry], next_door: float) -> float:
    distance = nearest_km(entry, others)
    if distance <= NEAR_KM:
        return next_door
    return WRONG_AREA if distance > FAR_KM else (next_door + WRONG_AREA) / 2
