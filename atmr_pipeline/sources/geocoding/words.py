"""Words of Swiss and French addresses in one spelling."""

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache

ABBREVIATIONS = {
    "av": "avenue",
    "ave": "avenue",
    "aven": "avenue",
    "ch": "chemin",
    "che": "chemin",
    "chem": "chemin",
    "rte": "route",
    "rt": "route",
    "bd": "boulevard",
    "bld": "boulevard",
    "blv": "boulevard",
    "blvd": "boulevard",
    "boul": "boulevard",
    "bvd": "boulevard",
    "pl": "place",
    "plce": "place",
    "q": "quai",
    "r": "rue",
    "imp": "impasse",
    "pass": "passage",
    "prom": "promenade",
    "sq": "square",
    "all": "allee",
    "espl": "esplanade",
    "sent": "sentier",
    "carref": "carrefour",
    "st": "saint",
    "ste": "sainte",
    "gd": "grand",
    "gde": "grande",
    "gds": "grands",
    "pt": "petit",
    "pte": "petite",
    "hop": "hopital",
    "hopit": "hopital",
    "clin": "clinique",
    "cli": "clinique",
    "gen": "general",
    "prof": "professeur",
    "dr": "docteur",
    "rev": "reverend",
    "mgr": "monseigneur",
    "geneva": "geneve",
    "genf": "geneve",
    "ge": "",
}
_BEGIN_IN_TEXT = (
    "rue chemin route avenue place boulevard quai passage promenade square allee impasse ruelle sentier esplanade"
)
_BEGIN_A_NAME = (
    "rampe cours carrefour cite parc pont ponts port passerelle plage plaine plateau greve debarcadere ponton tunnel "
    "viaduc tranchee terrasse quartier hameau jardin sente voie via clos cour"
)
CUTTING_TYPES = frozenset(_BEGIN_IN_TEXT.split())
"""Words that begin a street within running text, unless a connector stands before them ("rue de la Place")."""
TYPES = CUTTING_TYPES | frozenset(_BEGIN_A_NAME.split())
CONNECTORS = frozenset({"de", "du", "des", "la", "le", "les", "au", "aux", "en", "et"})

LIGATURES = str.maketrans({"œ": "oe", "Œ": "OE", "æ": "ae", "Æ": "AE", "ß": "ss", "’": "'", "`": "'", "´": "'"})
NOT_ASCII = re.compile(r"[^\x00-\x7f]+")
MARKS = re.compile(r"[\u0300-\u036f]+")
ELIDED = {"d": "de", "l": "la"}
NEVER_ELIDED_AFTER = frozenset({"le", "les", "du", "des"})
L_ELIDED_AFTER = frozenset({"de", "a", "au", "sur", "sous", "dans", "chez"})
WORD = re.compile(r"[a-z0-9]+")


def fold(text: str) -> str:
    """Lower case without accents or ligatures; punctuation and spacing stay."""
    if not text.isascii():
        text = NOT_ASCII.sub(lambda match: _plain(match[0]), text)
    return text.lower().replace("`", "'")


@lru_cache(maxsize=4096)
def _plain(letters: str) -> str:
    """What NFKD leaves of letters when their marks are taken off."""
    return MARKS.sub("", unicodedata.normalize("NFKD", letters.translate(LIGATURES))).casefold()


def words(folded: str) -> list[str]:
    """Words of a folded text, abbreviations written out.

    ``d'`` and ``l'`` are the small words they stand for, but ``d.`` or ``d-`` is somebody's initial, and
    so is the ``l`` of "Chemin L Exemple"; a lone ``r`` or ``q`` is a street or a quay only at the start.
    """
    found = WORD.findall(folded)
    if len(found) < 2 or min(map(len, found[1:])) > 1:
        return [full for word in found if (full := ABBREVIATIONS.get(word, word))]
    result: list[str] = []
    for match in WORD.finditer(folded):
        word = match[0]
        if len(word) > 1 or not result:
            full = ABBREVIATIONS.get(word, word)
        elif word in ELIDED and _is_elided(word, folded[match.end() : match.end() + 1], result[-1]):
            full = ELIDED[word]
        else:
            full = word
        if full:
            result.append(full)
    return result


def _is_elided(letter: str, next_char: str, word_before: str) -> bool:
    if next_char == "'":
        return len(word_before) > 1 and word_before not in NEVER_ELIDED_AFTER
    if next_char != " " or len(word_before) == 1 or word_before in NEVER_ELIDED_AFTER:
        return False
    return letter != "l" or word_before in L_ELIDED_AFTER


def number_key(text: str) -> str:
    """A house number in one spelling: ``12 Bis`` is ``12bis``, ``3-5`` is ``3/5``."""
    return fold(text).replace(" ", "").replace("-", "/")


def split_type(tokens: list[str]) -> tuple[str, list[str]]:
    """Street type (empty if none) and the words after it."""
    if len(tokens) > 1 and tokens[0] in TYPES:
        return tokens[0], tokens[1:]
    return "", tokens


def core(tokens: Sequence[str]) -> tuple[str, ...]:
    """The words that tell streets apart: without connectors, unless nothing else is left."""
    kept = tuple(token for token in tokens if token not in CONNECTORS)
    return kept or tuple(tokens)
