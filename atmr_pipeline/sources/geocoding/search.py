"""Finding an address in the directory: candidates, evidence, a threshold and a margin; a doubt stays a doubt.

Each phrase of the address is tried as a street and as a named place. A candidate's score is its likeness
(:mod:`.similarity`) less what postcode and town say against it (:mod:`.evidence`). The best one is the answer
only above a threshold and clear of the next by a margin (:mod:`.candidates`).
"""

from collections.abc import Sequence

from atmr_pipeline.domain.vocabulary import AddressPrecision
from atmr_pipeline.sources.geocoding.addresses import ParsedAddress, Phrase, parse_address
from atmr_pipeline.sources.geocoding.candidates import MARGIN, street_candidates
from atmr_pipeline.sources.geocoding.directory import Directory, spread_km
from atmr_pipeline.sources.geocoding.evidence import Area, plain_town
from atmr_pipeline.sources.geocoding.places import SAME_PLACE_KM, Finding, best_place
from atmr_pipeline.sources.geocoding.points import area_point, street_point
from atmr_pipeline.sources.geocoding.towns import is_elsewhere, take_towns
from atmr_pipeline.sources.geocoding.words import CUTTING_TYPES, TYPES, core

LONGEST_TEXT = 500
"""Longer texts are no addresses; the time that a text may take is bounded by its length."""


def search(text: str, directory: Directory) -> Finding:
    """Find one address; see :meth:`atmr_pipeline.sources.geocoding.gazetteer.Gazetteer.locate`."""
    if len(text) > LONGEST_TEXT:
        return Finding(reason="not_found")
    address = parse_address(text)
    if is_elsewhere(address, directory):
        return Finding(reason="not_found")
    phrases, area = take_towns(address, directory)
    if area.is_foreign:
        return Finding(reason="not_found")
    if not phrases:
        return Finding(reason="not_found") if address.number else area_point(area)
    street = _best_street(phrases, address, area, directory)
    if street.entry is not None:
        return _at_its_door(street, phrases, address, area, directory)
    place = best_place(phrases, area, directory)
    if place.entry is not None and not any(_asks_for_street(phrase, directory) for phrase in phrases):
        return place
    if street.reason == "ambiguous" or place.reason is None:
        return street
    return Finding(street.score, reason=place.reason)


def _best_street(phrases: Sequence[Phrase], address: ParsedAddress, area: Area, directory: Directory) -> Finding:
    """The best street over all phrases; a phrase that stands before the house number goes first.

    Where a phrase begins like a street, the others are places, people and floors, whatever streets are called alike:
    one before a number counts only if it is a street's name to the letter. And where such a phrase has the number,
    the address is there or nowhere.
    """
    explicit = [phrase for phrase in phrases if _begins_like_street(phrase, TYPES, directory)]
    numbered = [phrase for phrase in phrases if phrase.before_number]
    asked = [phrase for phrase in explicit if phrase.before_number] or explicit
    asked = [*asked, *(phrase for phrase in numbered if phrase not in asked)] if explicit else list(phrases)
    findings = []
    for phrase in sorted(asked, key=lambda item: not item.before_number):
        to_the_letter = bool(explicit) and phrase not in explicit
        finding = _street_of(phrase, address.number, area, directory, to_the_letter=to_the_letter)
        if finding.entry is not None and phrase.before_number:
            return finding
        findings.append(finding)
    placed = [finding for finding in findings if finding.entry is not None]
    if placed:
        best = max(placed, key=lambda finding: finding.score)
        rivals = [finding.entry for finding in placed if finding.entry and finding.score > best.score - MARGIN]
        return best if spread_km(rivals) <= SAME_PLACE_KM else Finding(best.score, reason="ambiguous")
    return max(findings, key=lambda finding: (finding.reason == "ambiguous", finding.score))


def _street_of(phrase: Phrase, number: str | None, area: Area, directory: Directory, *, to_the_letter: bool) -> Finding:
    ranked = street_candidates(phrase, area, directory)
    if not ranked:
        return Finding(reason="not_found")
    best = ranked[0]
    is_refused = best.score < best.needed or (to_the_letter and best.likeness < 1)
    # One misspelt word that nothing says to be a street may be anything.
    says_street = phrase.tokens[0] in TYPES or phrase.before_number
    if is_refused or (not says_street and len(best.street.core) < 2 and best.likeness < 1):
        return Finding(best.score, reason="not_found")
    if any(rival.score > best.score - best.margin for rival in ranked[1:]):
        return Finding(best.score, reason="ambiguous")
    return street_point(best, number, directory)


def _asks_for_street(phrase: Phrase, directory: Directory) -> bool:
    """Whether a phrase speaks of a street, known or not; a known place that begins like one does not."""
    if phrase.before_number:
        return not _is_place(phrase, directory)
    return _begins_like_street(phrase, CUTTING_TYPES, directory)


def _begins_like_street(phrase: Phrase, types: frozenset[str], directory: Directory) -> bool:
    return len(phrase.tokens) > 1 and phrase.tokens[0] in types and not _is_place(phrase, directory)


def _is_place(phrase: Phrase, directory: Directory) -> bool:
    return " ".join(core(phrase.tokens)) in directory.places


def _at_its_door(
    street: Finding, phrases: Sequence[Phrase], address: ParsedAddress, area: Area, directory: Directory
) -> Finding:
    """The point of a named place where the address names it and it stands on that very street and number."""
    if street.entry is None or street.precision != AddressPrecision.STREET:
        return street
    place = best_place(phrases, area, directory, to_the_letter=True)
    if place.entry is None:
        return street
    same_number = not address.number or place.entry.number in {"", address.number}
    same_street = plain_town(place.entry.street) == plain_town(street.entry.street or street.entry.name)
    return place if same_street and same_number else street
