"""How alike a written street and a known one are."""

from collections.abc import Sequence

from rapidfuzz.distance import OSA
from rapidfuzz.fuzz import ratio

from atmr_pipeline.sources.geocoding.directory import Street
from atmr_pipeline.sources.geocoding.words import core, split_type

INITIAL_MATCH = 0.92
TYPE_WEIGHT = 0.14
CONNECTOR_WEIGHT = 0.04
NO_TYPE = 0.7
OTHER_TYPE = -0.6
"""Rue X and Pont X are two things: another type than the one written leaves a name below the threshold."""


def similarity(tokens: Sequence[str], street: Street) -> float:
    """Likeness of a phrase and a street, 0 to 1; 1 means the same words.

    The telling words count most (aligned one by one, initials included, or compared as one string, whichever is
    better), then the street's type, then the small words.
    """
    if tuple(tokens) == street.tokens:
        return 1.0
    kind, rest = split_type(list(tokens))
    written = core(rest)
    names = max(aligned(written, street.core), as_one(written, street))
    types = 1.0 if kind == street.kind else (NO_TYPE if not kind or not street.kind else OTHER_TYPE)
    small = ratio(" ".join(tokens), street.full) / 100.0
    return (1 - TYPE_WEIGHT - CONNECTOR_WEIGHT) * names + TYPE_WEIGHT * types + CONNECTOR_WEIGHT * small


def as_one(written: Sequence[str], street: Street) -> float:
    """Likeness of the words written together: a missing space or hyphen does not matter."""
    one, other = "".join(written), street.joined
    distance = OSA.distance(one, other, score_cutoff=4)
    length = max(len(one), len(other))
    return 0.0 if distance > allowed_typos(length) else 1.0 - distance / length


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
    extra = sum(len(word) for word in free)
    return matched / (total + extra) if total else 0.0


def word_likeness(written: str, known: str) -> float:
    """1 for the same word, less for an initial or a typo, 0 for another word."""
    if written == known:
        return 1.0
    if len(written) == 1 or len(known) == 1:
        return INITIAL_MATCH if written[0] == known[0] and not (written + known).isdigit() else 0.0
    length = max(len(written), len(known))
    distance = OSA.distance(written, known, score_cutoff=3)
    return 0.0 if distance > allowed_typos(length) else 1.0 - distance / length


def allowed_typos(length: int) -> int:
    """Typing errors that a name of this length may have and still be recognised."""
    if length <= 3:
        return 0
    if length <= 6:
        return 1
    return 2 if length <= 12 else 3
