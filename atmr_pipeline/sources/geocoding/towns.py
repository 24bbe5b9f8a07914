"""The town names in an address, and what is left of it without them."""

from collections.abc import Sequence
from dataclasses import replace

from atmr_pipeline.sources.geocoding.addresses import ParsedAddress, Phrase
from atmr_pipeline.sources.geocoding.directory import Directory
from atmr_pipeline.sources.geocoding.evidence import Area, make_area, plain_town
from atmr_pipeline.sources.geocoding.neighbours import NEIGHBOUR_TOWNS
from atmr_pipeline.sources.geocoding.words import ABBREVIATIONS, TYPES, core

BESIDE_CUTOFF, ALONE_CUTOFF = 80.0, 90.0
"""Likeness, 0 to 100, at which a misspelt town is recognised where a town stands, and elsewhere."""
SHORTEST_ALONE = 6
NEAR_TOWNS = 4
COUNTRY = frozenset({"suisse", "switzerland", "schweiz"})
_NO_TOWNS = """ascenseur batiment cabinet centre clinique dentiste docteur domicile ems entree etage fondation foyer
    hopital immeuble institut interphone madame maison mme monsieur permanence pharmacie residence tour villa"""
NO_TOWNS = frozenset(_NO_TOWNS.split())
"""What begins like this behind a house number is no town."""


def take_towns(address: ParsedAddress, directory: Directory) -> tuple[list[Phrase], Area]:
    """The phrases without towns, and the area that towns and postcode tell of."""
    towns: list[str] = []
    phrases: list[Phrase] = []
    unknown_town = False
    for index, phrase in enumerate(address.phrases):
        is_behind_street = index > 0 and _may_be_street(address.phrases[index - 1])
        town, rest = _leading_town(phrase, address.postcode, directory, is_beside=is_behind_street)
        if town:
            towns.append(town)
            if rest:
                phrases.append(Phrase(rest, before_number=phrase.before_number))
        else:
            unknown_town = unknown_town or phrase.after_postcode
            phrases.append(phrase)
    area = make_area(address.postcode, tuple(dict.fromkeys(towns)), directory, unknown_town)
    if not area.is_known and _ends_elsewhere(phrases, directory):
        area = make_area(None, (), directory, elsewhere=True)
    return phrases, area


def is_elsewhere(address: ParsedAddress, directory: Directory) -> bool:
    """Whether the address names a town that the directory does not cover."""
    for phrase in address.phrases:
        name = " ".join(phrase.tokens)
        if name not in NEIGHBOUR_TOWNS or name in directory.towns:
            continue
        # "1233 Berne" is a slip for the town of that postcode, Bernex.
        if _misspelt_town(phrase, address.postcode, directory) not in _towns_of(address.postcode, directory):
            return True
    return False


def _may_be_street(phrase: Phrase) -> bool:
    return phrase.before_number or phrase.tokens[0] in TYPES


def _ends_elsewhere(phrases: Sequence[Phrase], directory: Directory) -> bool:
    """Whether something unknown stands where the town would: at the end, behind the house number."""
    last = phrases[-1] if phrases else None
    if last is None or last.before_number or last.tokens[0] in TYPES | NO_TOWNS:
        return False
    is_behind_number = any(phrase.before_number for phrase in phrases[:-1])
    return is_behind_number and " ".join(core(last.tokens)) not in directory.places


def _leading_town(
    phrase: Phrase, postcode: str | None, directory: Directory, *, is_beside: bool
) -> tuple[str | None, tuple[str, ...]]:
    """The town that a phrase is, or begins with right after a postcode or before a street; and the words left."""
    if len(phrase.tokens) > 1 and phrase.tokens[-1] in COUNTRY and phrase.tokens[0] not in TYPES:
        phrase = replace(phrase, tokens=phrase.tokens[:-1])
    whole = " ".join(phrase.tokens)
    if whole in directory.towns:
        return plain_town(whole), ()
    for length in range(min(directory.longest_town, len(phrase.tokens) - 1), 0, -1):
        start, rest = " ".join(phrase.tokens[:length]), phrase.tokens[length:]
        if start in directory.towns:
            # "1205 Genève R. des Bains": the lone letter is a street now that it comes first.
            rest = (ABBREVIATIONS.get(rest[0], rest[0]), *rest[1:])
            if phrase.after_postcode or (rest[0] in TYPES and len(rest) > 1):
                return plain_town(start), rest
    return _misspelt_town(phrase, postcode, directory, is_beside=is_beside), ()


def _misspelt_town(
    phrase: Phrase, postcode: str | None, directory: Directory, *, is_beside: bool = False
) -> str | None:
    """The town that is nearly the one written; one of the address's postcode goes before a nearer one."""
    if phrase.tokens[0] in TYPES or (phrase.before_number and not phrase.after_postcode):
        return None
    name = " ".join(phrase.tokens)
    beside = is_beside or phrase.after_postcode or phrase.after_number
    if not beside and len(name) < SHORTEST_ALONE:
        return None
    near = directory.town_names.near(name, cutoff=BESIDE_CUTOFF if beside else ALONE_CUTOFF, limit=NEAR_TOWNS)
    found = [plain_town(town) for town, _ in near]
    here = _towns_of(postcode, directory)
    return next((town for town in found if town in here), found[0] if found else None)


def _towns_of(postcode: str | None, directory: Directory) -> set[str]:
    entries = directory.postcodes.get(postcode or "", [])
    return {plain_town(name) for entry in entries for name in (entry.locality, entry.commune) if name}
