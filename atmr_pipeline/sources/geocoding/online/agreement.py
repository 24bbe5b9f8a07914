"""Whether what a provider found is what the address asks for, and how exactly."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rapidfuzz.fuzz import ratio

from atmr_pipeline.domain.vocabulary import AddressPrecision
from atmr_pipeline.sources.geocoding.addresses import ParsedAddress, Phrase
from atmr_pipeline.sources.geocoding.online.hits import Hit, Level
from atmr_pipeline.sources.geocoding.similarity import aligned
from atmr_pipeline.sources.geocoding.words import CONNECTORS, CUTTING_TYPES, core, fold, split_type, words

Words = tuple[str, ...]

ALIKE, GLUED_ALIKE = 0.82, 0.9
"""Likeness from which two names are one: word by word, and written together."""
TOWN_ALIKE = 84.0
NO_TYPE, ONE_AGAINST, NO_AREA = 0.05, 0.05, 0.1
"""Taken off the score: no type of street written; postcode and town contradict each other; neither is written."""
LARGEST_AREA_KM = 3.0
"""The centre of anything larger is no answer: nobody lives at the centre of a city."""
COUNTRIES = frozenset({"suisse", "france"})


@dataclass(frozen=True)
class Agreement:
    """A hit that fits the address; ``score`` 0 to 1."""

    hit: Hit
    precision: AddressPrecision
    score: float


@dataclass(frozen=True)
class _Match:
    """Where a name stands in an address: words ``start`` to ``end`` of a phrase."""

    likeness: float
    phrase: int
    start: int
    end: int


def agree(asked: ParsedAddress, hit: Hit) -> Agreement | str:
    """Compare a hit with the address.

    The name must be alike, type of street included, and postcode and town must not both speak against it. A house is
    the answer only if its number is the one asked for; another number leaves the street.

    Returns
    -------
    Agreement or str
        Where it does not fit, the reason code: ``mismatch``, or ``too_coarse`` for a town in answer to more.
    """
    if hit.level is Level.AREA:
        return _agree_on_area(asked, hit)
    towns = _names(hit.towns)
    street, place = _find_street(hit, asked.phrases), _find_place(hit, asked.phrases, towns)
    precision = _precision(asked, hit, street, place)
    match = place if precision is AddressPrecision.PLACE else street
    if precision is AddressPrecision.UNRESOLVED or match is None:
        return "mismatch"
    penalty = _area_penalty(asked, hit, towns, _left(asked.phrases, street, place))
    if penalty is None:
        return "mismatch"
    return Agreement(hit, precision, max(0.0, match.likeness - penalty))


def _precision(asked: ParsedAddress, hit: Hit, street: _Match | None, place: _Match | None) -> AddressPrecision:
    if street is not None:
        if hit.level is not Level.STREET and _numbers(asked.number or "") & _numbers(hit.number):
            return AddressPrecision.HOUSE
        at_its_door = place is not None and not (asked.number and hit.number)
        return AddressPrecision.PLACE if at_its_door else AddressPrecision.STREET
    on_another_street = bool(hit.street) and any(map(_is_street, asked.phrases))
    return AddressPrecision.UNRESOLVED if place is None or on_another_street else AddressPrecision.PLACE


def _agree_on_area(asked: ParsedAddress, hit: Hit) -> Agreement | str:
    names = _names((hit.name, *hit.towns))
    says_more = asked.number or not all(_names_town(phrase.tokens, names) for phrase in asked.phrases)
    if says_more or hit.extent_km is None or hit.extent_km > LARGEST_AREA_KM:
        return "too_coarse"
    if asked.postcode and asked.postcode != hit.postcode and (hit.postcode or not asked.phrases):
        return "mismatch"
    return Agreement(hit, AddressPrecision.POSTCODE, 1.0)


def _area_penalty(asked: ParsedAddress, hit: Hit, towns: Sequence[Words], left: Sequence[Words]) -> float | None:
    """What postcode and town take off the score; None if they say that it is elsewhere.

    Words that are neither street nor place nor one of the hit's towns may name another town. They are forgiven only
    where the postcode agrees.
    """
    is_town_named = any(_names_town(tokens, towns) for tokens in left)
    may_name_another = bool(left) and not is_town_named
    if asked.postcode and hit.postcode:
        if asked.postcode == hit.postcode:
            return ONE_AGAINST if may_name_another else 0.0
        return ONE_AGAINST if is_town_named else None
    if is_town_named:
        return 0.0
    return None if may_name_another else NO_AREA


def _find_street(hit: Hit, phrases: Sequence[Phrase]) -> _Match | None:
    """The street of a hit in the address: among the phrases that speak of streets, if any does."""
    known = _tokens(hit.street or (hit.name if hit.level is Level.STREET else ""))
    streets = [index for index, phrase in enumerate(phrases) if _is_street(phrase)]
    best: _Match | None = None
    for index in streets or range(len(phrases)):
        tokens = phrases[index].tokens
        for start, end in _windows(len(tokens), len(known)):
            written = tokens[start:end]
            may_lack_type = start == 0 and phrases[index].before_number
            likeness = _likeness(written, known)
            if split_type(list(known))[0] and not split_type(list(written))[0]:
                likeness = likeness - NO_TYPE if may_lack_type else 0.0
            if likeness >= ALIKE and (best is None or likeness > best.likeness):
                best = _Match(likeness, index, start, end)
    return best


def _find_place(hit: Hit, phrases: Sequence[Phrase], towns: Sequence[Words]) -> _Match | None:
    """The name of a hit in the address: a whole phrase, or all of it but the town at its end."""
    known = _tokens(hit.name) if hit.level is Level.PLACE else ()
    for index, phrase in enumerate(phrases):
        for _, end in _windows(len(phrase.tokens), len(known)):
            likeness = _likeness(phrase.tokens[:end], known)
            rest = phrase.tokens[end:]
            if likeness >= ALIKE and (not rest or _names_town(rest, towns)):
                return _Match(likeness, index, 0, end)
    return None


def _windows(written: int, known: int) -> Iterable[tuple[int, int]]:
    """Starts and ends of runs of words about as long as the known name, earliest and longest first."""
    for start in range(written if known else 0):
        for end in range(min(written, start + known + 2), start, -1):
            yield start, end


def _left(phrases: Sequence[Phrase], *matches: _Match | None) -> list[Words]:
    """The words of an address that the matches do not explain."""
    left: list[Words] = []
    for index, phrase in enumerate(phrases):
        explained = {at for match in matches if match and match.phrase == index for at in range(match.start, match.end)}
        rest = _plain(tuple(token for at, token in enumerate(phrase.tokens) if at not in explained))
        if rest:
            left.append(rest)
    return left


def _likeness(written: Words, known: Words) -> float:
    """Likeness of two names, 0 to 1; 0 for another type of street or another figure in the name."""
    if not written or not known:
        return 0.0
    if written == known:
        return 1.0
    (written_type, written_rest), (known_type, known_rest) = split_type(list(written)), split_type(list(known))
    if written_type and known_type and written_type != known_type:
        return 0.0
    one, other = core(written_rest), core(known_rest)
    if [word for word in one if word.isdigit()] != [word for word in other if word.isdigit()]:
        return 0.0
    glued = ratio("".join(one), "".join(other)) / 100.0
    return min(0.99, max(aligned(one, other), glued if glued >= GLUED_ALIKE else 0.0))


def _is_street(phrase: Phrase) -> bool:
    return phrase.before_number or (len(phrase.tokens) > 1 and phrase.tokens[0] in CUTTING_TYPES)


def _names_town(tokens: Words, towns: Sequence[Words]) -> bool:
    """Whether words are, or hold, the name of one of the towns."""
    for town in towns:
        if any(tokens[at : at + len(town)] == town for at in range(len(tokens))):
            return True
        if ratio(" ".join(_plain(tokens)), " ".join(town)) >= TOWN_ALIKE:
            return True
    return False


def _names(texts: Iterable[str]) -> list[Words]:
    return [name for name in (_plain(_tokens(text)) for text in texts) if name]


def _plain(tokens: Words) -> Words:
    """Without articles before it and countries in it."""
    start = next((at for at, token in enumerate(tokens) if token not in CONNECTORS), len(tokens))
    return tuple(token for token in tokens[start:] if token not in COUNTRIES)


def _tokens(name: str) -> Words:
    return tuple(words(fold(name)))


def _numbers(text: str) -> set[str]:
    """House numbers in a text: ``3-5`` and ``3;5`` are two, ``12 bis`` is one."""
    folded = fold(text).replace(" ", "")
    for sign in ";,-+":
        folded = folded.replace(sign, "/")
    return {number for number in folded.split("/") if number}
