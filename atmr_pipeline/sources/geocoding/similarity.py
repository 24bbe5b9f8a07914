"""How alike a written street and a known one are."""

from collections.abc import Sequence
from dataclasses import dataclass

from rapidfuzz.distance import OSA
from rapidfuzz.fuzz import ratio

from atmr_pipeline.sources.geocoding.directory import Street
from atmr_pipeline.sources.geocoding.words import core, split_type

INITIAL_MATCH = 0.92
STRAY_INITIAL = 0.2
"""Taken off for an initial that no word of the street begins with: "G. Exemple" is not "de l'Exemple"."""
TYPE_WEIGHT = 0.14
CONNECTOR_WEIGHT = 0.04
NO_TYPE = 0.7
OTHER_TYPE = -0.6
"""Rue X and Pont X are two things: another type than the one written leaves a name below the threshold."""


@dataclass(frozen=True, slots=True)
class Written:
    """A phrase read as a street: its words, its type, its telling words, and forms of them in one string."""

    tokens: tuple[str, ...]
    kind: str
    core: tuple[str, ...]
    full: str
    joined: str
    glued: str
    initials: tuple[str, ...]

    @classmethod
    def of(cls, tokens: Sequence[str]) -> "Written":
        """Read these words."""
        kind, rest = split_type(list(tokens))
        telling = core(rest)
        initials = tuple(word for word in telling if len(word) == 1 and word.isalpha())
        return cls(tuple(tokens), kind, telling, " ".join(tokens), "".join(telling), "".join(rest), initials)


def similarity(written: Written, street: Street) -> float:
    """Likeness of a phrase and a street, 0 to 1; 1 means the same words.

    The telling words count most (aligned one by one, initials included, or compared as one string, whichever is
    better), then the street's type, then the small words.
    """
    if written.tokens == street.tokens:
        return 1.0
    names = as_one(written, street)
    if names < 1.0:
        names = max(names, aligned(written.core, street.core))
        names -= STRAY_INITIAL * sum(
            not any(word[0] == letter for word in street.tokens) for letter in written.initials
        )
    types = 1.0 if written.kind == street.kind else (NO_TYPE if not written.kind or not street.kind else OTHER_TYPE)
    small = ratio(written.full, street.full) / 100.0
    return (1 - TYPE_WEIGHT - CONNECTOR_WEIGHT) * names + TYPE_WEIGHT * types + CONNECTOR_WEIGHT * small


def as_one(written: Written, street: Street) -> float:
    """Likeness of the words written together: a missing space or hyphen does not matter."""
    if written.glued == street.glued:
        return 1.0
    # Written without any space, the small words are in it too: "PontdeSierne".
    known = street.glued if len(written.core) == 1 and len(street.core) > 1 else street.joined
    length = max(len(written.joined), len(known))
    typos = allowed_typos(length)
    distance = OSA.distance(written.joined, known, score_cutoff=typos)
    return 0.0 if distance > typos else 1.0 - distance / length


def aligned(written: Sequence[str], known: Sequence[str]) -> float:
    """Share of letters whose word is found on the other side: ``j`` finds ``jacob``, a typo its original."""
    free = list(written)
    matched = total = 0.0
    for word in known:
        weight = float(len(word))
        total += weight
        best, at = 0.0, -1
        for index, other in enumerate(free):
            likeness = word_likeness(other, word)
            if likeness > best:
                best, at = likeness, index
        if at >= 0:
            free.pop(at)
            matched += weight * best
    extra = sum(map(len, free))
    return matched / (total + extra) if total else 0.0


def word_likeness(written: str, known: str) -> float:
    """1 for the same word, less for an initial or a typo, 0 for another word."""
    if written == known:
        return 1.0
    if len(written) == 1 or len(known) == 1:
        return INITIAL_MATCH if written[0] == known[0] and not (written + known).isdigit() else 0.0
    length = max(len(written), len(known))
    typos = allowed_typos(length)
    distance = OSA.distance(written, known, score_cutoff=typos)
    return 0.0 if distance > typos else 1.0 - distance / length


def allowed_typos(length: int) -> int:
    """Typing errors that a name of this length may have and still be recognised."""
    if length <= 3:
        return 0
    if length <= 6:
        return 1
    return 2 if length <= 12 else 3
