"""Streets that a phrase may mean, with what speaks for and against each."""

from collections.abc import Iterable
from dataclasses import dataclass

from rapidfuzz.distance import OSA

from atmr_pipeline.sources.geocoding.addresses import Phrase
from atmr_pipeline.sources.geocoding.directory import Directory, Street
from atmr_pipeline.sources.geocoding.evidence import Area
from atmr_pipeline.sources.geocoding.places import THRESHOLD, readings
from atmr_pipeline.sources.geocoding.similarity import Written, allowed_typos, similarity
from atmr_pipeline.sources.geocoding.words import CONNECTORS, CUTTING_TYPES, TYPES

MARGIN, EXACT_MARGIN, MARGIN_WITHOUT_AREA = 0.04, 0.015, 0.08
"""How far the next street must be behind: for a misspelt name, one to the letter, a misspelt one without a town."""
AGREED, WITHOUT_AREA = 0.78, 0.9
"""Least score of a misspelt street whose type, postcode and town are right, and of one without postcode and town."""
SURE = 0.95
TO_THE_LETTER = 0.999
FUZZY_CUTOFF, FUZZY_LIMIT, LONGER = 76.0, 8, 2
COMMON_WORD = 60
SHORTEST_MISSPELT, WORD_CUTOFF, WORD_LIMIT = 5, 80.0, 4
LONGEST_PLACE_WORDS = 5


@dataclass(frozen=True, slots=True)
class Candidate:
    """A street with its likeness, and the score left after the evidence."""

    street: Street
    likeness: float
    score: float
    area: Area
    same_type: bool

    @property
    def needed(self) -> float:
        """The score below which it is no answer."""
        if not self.area.is_known:
            return WITHOUT_AREA
        return AGREED if self.same_type and self.score == self.likeness else THRESHOLD

    @property
    def margin(self) -> float:
        """How far the next must be behind."""
        if self.likeness > TO_THE_LETTER:
            return EXACT_MARGIN
        return MARGIN if self.area.is_known else MARGIN_WITHOUT_AREA


def street_candidates(phrase: Phrase, area: Area, directory: Directory) -> list[Candidate]:
    """Streets that a phrase may mean, best first."""
    found: dict[int, Candidate] = {}
    for tokens, within in readings(phrase.tokens, area, directory):
        _collect(tokens, within, directory, found)
        if _top(found) < SURE and (mended := _mended(tokens)):
            _collect(mended, within, directory, found)
    if phrase.before_number and phrase.tokens[0] not in TYPES and _top(found) < THRESHOLD:
        # A place name may run into a street whose type has a typing error.
        for start in range(1, min(len(phrase.tokens) - 1, LONGEST_PLACE_WORDS + 1)):
            rest = _mended(phrase.tokens[start:])
            if rest and phrase.tokens[start - 1] not in CONNECTORS:
                _collect(rest, area, directory, found)
    return sorted(found.values(), key=lambda candidate: -candidate.score)


def _top(found: dict[int, Candidate]) -> float:
    return max((candidate.score for candidate in found.values()), default=0.0)


def _mended(tokens: tuple[str, ...]) -> tuple[str, ...] | None:
    """The phrase with a mistyped street type put right; None if its first word is no mistyped type."""
    first = tokens[0]
    if len(tokens) < 2 or first in TYPES or len(first) < 2:
        return None
    near = [
        kind
        for kind in CUTTING_TYPES
        if kind[0] == first[0] and OSA.distance(kind, first) <= (1 if len(kind) < 7 else 2)
    ]
    return (near[0], *tokens[1:]) if len(near) == 1 else None


def _collect(tokens: tuple[str, ...], area: Area, directory: Directory, into: dict[int, Candidate]) -> None:
    written = Written.of(tokens)
    _weigh(directory.by_joined.get(written.joined, []), written, area, into)
    if _top(into) >= SURE:
        return
    for word in written.core:
        for known in _known_words(word, directory):
            streets = directory.by_word[known]
            if len(streets) <= COMMON_WORD:
                _weigh(streets, written, area, into)
    if _top(into) < SURE and len(written.joined) >= 3:
        # Names that share words were weighed above; here they are compared as one string, which has few typos.
        edits = 2 * allowed_typos(len(written.joined) + LONGER)
        near = directory.street_names.near(written.joined, cutoff=FUZZY_CUTOFF, limit=FUZZY_LIMIT, most_edits=edits)
        for name, _ in near:
            _weigh(directory.by_joined[name], written, area, into)


def _known_words(word: str, directory: Directory) -> list[str]:
    """The word if a street has it, else those it may be a slip for: "J.-D.-Mailard" has no other word to go by."""
    if word in directory.by_word:
        return [word]
    if len(word) < SHORTEST_MISSPELT:
        return []
    near = directory.street_words.near(word, cutoff=WORD_CUTOFF, limit=WORD_LIMIT)
    return [known for known, _ in near]


def _weigh(streets: Iterable[Street], written: Written, area: Area, into: dict[int, Candidate]) -> None:
    for street in streets:
        likeness = similarity(written, street)
        if likeness < AGREED:
            continue
        score = likeness - min(area.penalty(part) for part in street.parts)
        known = into.get(id(street))
        if known is None or score > known.score:
            into[id(street)] = Candidate(street, likeness, score, area, written.kind == street.kind)
