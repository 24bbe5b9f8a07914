"""Finding an address in the directory: candidates, evidence, a threshold and a margin; a doubt stays a doubt.

Each phrase of the address is tried as a street and as a named place. A candidate's score is its likeness
(:mod:`.similarity`) less what postcode and town say against it (:mod:`.evidence`). The best one is the answer
only above a threshold and clear of the next by a margin.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rapidfuzz import process
from rapidfuzz.distance import OSA
from rapidfuzz.fuzz import ratio

from atmr_pipeline.domain.vocabulary import AddressPrecision
from atmr_pipeline.sources.geocoding.addresses import ParsedAddress, Phrase, parse_address
from atmr_pipeline.sources.geocoding.directory import STREET_KINDS, Directory, Entry, Street, central, spread_km
from atmr_pipeline.sources.geocoding.evidence import NEIGHBOUR_TOWNS, Area, make_area, plain_town
from atmr_pipeline.sources.geocoding.places import SAME_PLACE_KM, THRESHOLD, Finding, best_place, readings
from atmr_pipeline.sources.geocoding.similarity import similarity
from atmr_pipeline.sources.geocoding.words import ABBREVIATIONS, CUTTING_TYPES, TYPES, core, split_type

MARGIN, EXACT_MARGIN = 0.04, 0.015
SURE = 0.95
SAME_STREET_KM, SAME_HOUSE_KM, SAME_AREA_KM = 2.5, 0.2, 3.0
FUZZY_CUTOFF, FUZZY_LIMIT = 76.0, 8
TOWN_CUTOFF = 84.0
COMMON_WORD = 60


@dataclass(frozen=True)
class Candidate:
    """A street with its likeness, and the score left after the evidence."""

    street: Street
    likeness: float
    score: float
    area: Area


def search(text: str, directory: Directory) -> Finding:
    """Find one address; see :meth:`atmr_pipeline.sources.geocoding.gazetteer.Gazetteer.locate`."""
    address = parse_address(text)
    if any(" ".join(phrase.tokens) in NEIGHBOUR_TOWNS for phrase in address.phrases):
        return Finding(reason="not_found")
    phrases, area = _take_towns(address, directory)
    if area.is_foreign:
        return Finding(reason="not_found")
    if not phrases:
        return Finding(reason="not_found") if address.number else _area_only(area)
    place = best_place(phrases, area, directory)
    street = _best_street(phrases, address, area, directory)
    if street.entry is not None:
        return _at_its_door(street, place, address)
    asks_for_street = any(_is_street(phrase, directory) for phrase in phrases)
    if place.entry is not None and not asks_for_street:
        return place
    return (
        street if street.reason == "ambiguous" or place.reason is None else Finding(street.score, reason=place.reason)
    )


def _take_towns(address: ParsedAddress, directory: Directory) -> tuple[list[Phrase], Area]:
    towns: list[str] = []
    phrases: list[Phrase] = []
    unknown_town = False
    for phrase in address.phrases:
        town, rest = _leading_town(phrase, directory)
        if town:
            towns.append(town)
            if rest:
                phrases.append(Phrase(rest, before_number=phrase.before_number))
        else:
            unknown_town = unknown_town or phrase.after_postcode
            phrases.append(phrase)
    return phrases, make_area(address.postcode, tuple(dict.fromkeys(towns)), directory, unknown_town)


def _leading_town(phrase: Phrase, directory: Directory) -> tuple[str | None, tuple[str, ...]]:
    """The town that a phrase is, or begins with right after a postcode or before a street; and the words left."""
    whole = " ".join(phrase.tokens)
    if whole in directory.towns:
        return plain_town(whole), ()
    for length in range(min(directory.longest_town, len(phrase.tokens) - 1), 0, -1):
        start, rest = " ".join(phrase.tokens[:length]), phrase.tokens[length:]
        if start in directory.towns:
            # "1205 Genève R. des Bains": the lone letter is a street now that it comes first.
            rest = (ABBREVIATIONS.get(rest[0], rest[0]), *rest[1:])
            if phrase.after_postcode or rest[0] in TYPES:
                return plain_town(start), rest
    if (phrase.after_postcode or phrase.after_number) and phrase.tokens[0] not in TYPES:
        found = process.extractOne(whole, directory.town_names, scorer=ratio, score_cutoff=TOWN_CUTOFF)
        if found:
            return plain_town(found[0]), ()
    return None, ()


def _area_only(area: Area) -> Finding:
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


def _is_street(phrase: Phrase, directory: Directory) -> bool:
    """Whether a phrase speaks of a street, known or not; a known place that begins like one does not."""
    if " ".join(core(phrase.tokens)) in directory.places:
        return False
    return (len(phrase.tokens) > 1 and phrase.tokens[0] in CUTTING_TYPES) or phrase.before_number


def _best_street(phrases: Sequence[Phrase], address: ParsedAddress, area: Area, directory: Directory) -> Finding:
    """The best street over all phrases; a phrase that stands before the house number goes first."""
    findings = []
    for phrase in sorted(phrases, key=lambda item: not item.before_number):
        finding = _street_of(phrase, address.number, area, directory)
        if finding.entry is not None and phrase.before_number:
            return finding
        findings.append(finding)
    placed = [finding for finding in findings if finding.entry is not None]
    if placed:
        best = max(placed, key=lambda finding: finding.score)
        rivals = [finding.entry for finding in placed if finding.entry and finding.score > best.score - MARGIN]
        return best if spread_km(rivals) <= SAME_PLACE_KM else Finding(best.score, reason="ambiguous")
    return max(findings, key=lambda finding: (finding.reason == "ambiguous", finding.score))


def _street_of(phrase: Phrase, number: str | None, area: Area, directory: Directory) -> Finding:
    candidates: dict[int, Candidate] = {}
    for tokens, within in readings(phrase.tokens, area, directory):
        _collect(_mended(tokens, directory), within, directory, candidates)
    if phrase.before_number and phrase.tokens[0] not in TYPES and _top(candidates) < THRESHOLD:
        # A place name may run into a street whose type has a typing error.
        for start in range(1, min(len(phrase.tokens) - 1, 6)):
            rest = _mended(phrase.tokens[start:], directory)
            if rest[0] in CUTTING_TYPES:
                _collect(rest, area, directory, candidates)
    ranked = sorted(candidates.values(), key=lambda candidate: -candidate.score)
    if not ranked or ranked[0].score < THRESHOLD:
        return Finding(ranked[0].score if ranked else 0.0, reason="not_found")
    best = ranked[0]
    if (
        not split_type(list(phrase.tokens))[0]
        and not phrase.before_number
        and len(best.street.core) < 2
        and best.likeness < 1
    ):
        return Finding(best.score, reason="not_found")
    point = _point(best, number)
    if point.entry is None:
        return point
    margin = EXACT_MARGIN if best.likeness > 0.999 else MARGIN
    rivals = [candidate for candidate in ranked[1:] if candidate.score > best.score - margin]
    for rival in rivals:
        other = _point(rival, number)
        if other.entry is None or spread_km([point.entry, other.entry]) > SAME_HOUSE_KM:
            return Finding(best.score, reason="ambiguous")
    return point


def _top(candidates: dict[int, Candidate]) -> float:
    return max((candidate.score for candidate in candidates.values()), default=0.0)


def _mended(tokens: tuple[str, ...], directory: Directory) -> tuple[str, ...]:
    """The phrase with a mistyped street type put right."""
    first = tokens[0]
    if len(tokens) < 2 or first in TYPES or first in directory.by_word or len(first) < 2:
        return tokens
    near = [
        kind
        for kind in CUTTING_TYPES
        if kind[0] == first[0] and OSA.distance(kind, first) <= (1 if len(kind) < 7 else 2)
    ]
    return (near[0], *tokens[1:]) if len(near) == 1 else tokens


def _collect(tokens: tuple[str, ...], area: Area, directory: Directory, into: dict[int, Candidate]) -> None:
    written = core(split_type(list(tokens))[1])
    joined = "".join(written)
    _weigh(directory.by_joined.get(joined, []), tokens, area, into)
    if _top(into) >= SURE:
        return
    for word in written:
        streets = directory.by_word.get(word, [])
        if len(streets) <= COMMON_WORD:
            _weigh(streets, tokens, area, into)
    if _top(into) < SURE and len(joined) >= 3:
        near = process.extract(
            joined, directory.joined_names, scorer=ratio, score_cutoff=FUZZY_CUTOFF, limit=FUZZY_LIMIT
        )
        for name, _, _ in near:
            _weigh(directory.by_joined[name], tokens, area, into)


def _weigh(streets: Iterable[Street], tokens: tuple[str, ...], area: Area, into: dict[int, Candidate]) -> None:
    for street in streets:
        likeness = similarity(tokens, street)
        if likeness < THRESHOLD:
            continue
        score = likeness - min(area.penalty(part) for part in _parts(street))
        known = into.get(id(street))
        if known is None or score > known.score:
            into[id(street)] = Candidate(street, likeness, score, area)


def _parts(street: Street) -> list[Entry]:
    """Points of a street: its parts, else its houses, else the places that give it as their address."""
    return street.parts or [entry for entries in street.houses.values() for entry in entries]


def _point(candidate: Candidate, number: str | None) -> Finding:
    """Where on the street: at the house if the directory knows it, else on the part that the area names."""
    area, street = candidate.area, candidate.street
    houses = street.houses.get(number or "", [])
    for entries, precision, limit_km in (
        (houses, AddressPrecision.HOUSE, SAME_HOUSE_KM),
        (_parts(street), AddressPrecision.STREET, SAME_STREET_KM),
    ):
        if not entries:
            continue
        least = min(area.penalty(entry) for entry in entries)
        kept = [entry for entry in entries if area.penalty(entry) == least]
        if precision == AddressPrecision.HOUSE and candidate.likeness - least < THRESHOLD:
            continue
        if spread_km(kept) > limit_km:
            return Finding(candidate.score, reason="ambiguous")
        entry = central(kept)
        if precision == AddressPrecision.HOUSE and entry.kind not in STREET_KINDS:
            precision = AddressPrecision.PLACE
        return Finding(candidate.score, entry, precision, entry.lat, entry.lon)
    return Finding(candidate.score, reason="not_found")


def _at_its_door(street: Finding, place: Finding, address: ParsedAddress) -> Finding:
    """The point of a named place where the address names it and it stands on that very street and number."""
    if street.entry is None or place.entry is None or street.precision != AddressPrecision.STREET:
        return street
    same_number = not address.number or place.entry.number in {"", address.number}
    same_street = plain_town(place.entry.street) == plain_town(street.entry.street or street.entry.name)
    return place if same_street and same_number else street
