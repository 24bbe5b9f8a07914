"""The parts of an address as people write them: phrases, a number, a postcode; in any order."""

import re
from dataclasses import dataclass

from atmr_pipeline.sources.geocoding.words import CONNECTORS, CUTTING_TYPES, TYPES, fold, words

NOISE = re.compile(
    r"\b(?:(?:case postale|boite postale|c\.?p\.?|b\.?p\.?)\s*\d+\b|(?:digi)?code\b\.?\s*:?\s*[\da-z*#]*\d[\da-z*#]*"
    r"|\d{1,2}\s?(?:e|er|ere|eme|ieme)\s?(?:etage|et\b\.?)|\d{1,2}\s?(?:er|eme|ieme)(?=\s*(?:;|$))"
    r"|etage\s*:?\s*\d+\b|rez(?:[ -]de[ -]chaussee)?\b"
    r"|(?:bat|batiment|entree|app|appt|appartement|interphone|ascenseur)\b\.?\s*:?\s*(?:[a-z]|\d+[a-z]?)\b"
    r"|(?:c/o|p\.\s?a\.|chez|sonner)\s[^;\d]*(?=;|$)|c/o\b|p\.\s?a\."
    r"|tel\b\.?\s*:?[\d +./()]+)|[;(]\s*(?:suisse|switzerland|schweiz)\b\)?"
)
"""Floors, doors, door codes, people at the door, post-office boxes and telephone numbers."""
GLUED = re.compile(r"(?<=[a-z]{3})(?=\d)|(?<=\d)(?<=\b\d{4})(?=[a-z]{3})")
"""Where a space is missing: ``Rue Exemple12``, ``1205Genève``."""
POSTCODE = re.compile(r"(?<![\d/-])(?:(?:ch|f)\s?-\s?)?(\d{5}|[1-9]\d{3})(?![\d/-]|\s?(?:chf|m2)\b)")
NUMBER = re.compile(
    r"(?<![\w'-])(?:n[o°]\s?)?(\d{1,3})\s?(bis|ter|quater|[a-h])?(?![a-z'])(?:\s?[/-]\s?(\d{1,3})\s?([a-h])?(?![a-z]))?(?![\w'])"
)
_MONTHS = "janvier fevrier mars avril mai juin juillet aout septembre octobre novembre decembre cantons"
MONTHS = frozenset(_MONTHS.split())
DATE_IN_NAME = re.compile(rf"[^a-z0-9]*(?:{'|'.join(sorted(MONTHS))})\b")
WORD_AFTER = re.compile(r"[^a-z0-9]*[a-z0-9]")
SEPARATOR = re.compile(r"[\n\r\t,;·•|()\u00a0]+|\s(?:\s+|[-–—/]\s+)")
BREAK = " ; "
NUMBER_AT_A_TOWN = re.compile(r" (?<=\d )à ")
MARK_POSTCODE = "\x01"
MARK_NUMBER = "\x02"


@dataclass(frozen=True)
class Phrase:
    """Words that stand together: a street, a place, a town.

    Parameters
    ----------
    tokens : tuple of str
        In one spelling.
    after_postcode : bool
        Right after the postcode, where the town stands.
    after_number : bool
        Right after a house number.
    before_number : bool
        Right before a house number, where the street stands.
    """

    tokens: tuple[str, ...]
    after_postcode: bool = False
    after_number: bool = False
    before_number: bool = False


@dataclass(frozen=True)
class ParsedAddress:
    """An address taken apart; ``number`` is folded (``12bis``, ``3/5``), ``postcode`` has its digits only."""

    phrases: tuple[Phrase, ...]
    number: str | None
    postcode: str | None


def parse_address(text: str) -> ParsedAddress:
    """Take an address apart.

    Parts may be separated by line breaks, commas, middle dots, no-break spaces, runs of spaces or nothing; the street
    may come before or after the postcode; a place name may come first.
    """
    folded = GLUED.sub(" ", fold(SEPARATOR.sub(BREAK, NUMBER_AT_A_TOWN.sub(BREAK, text.strip()))))
    folded = NOISE.sub(BREAK, folded)
    folded, postcode = _take_postcode(folded)
    folded, number = _take_number(folded)
    return ParsedAddress(tuple(_phrases(folded)), number, postcode)


def _take_postcode(folded: str) -> tuple[str, str | None]:
    found = list(POSTCODE.finditer(folded))
    if not found:
        return folded, None
    last = found[-1]
    return f"{folded[: last.start()]}{BREAK}{MARK_POSTCODE}{folded[last.end() :]}", last[1]


def _take_number(folded: str) -> tuple[str, str | None]:
    """Cut at every house number; the address's is the one beside its street ("Bâtiment 2, rue Exemple 5, allée 3")."""
    pieces: list[str] = []
    found: list[tuple[bool, str]] = []
    at = 0
    for match in NUMBER.finditer(folded):
        if _is_part_of_name(folded, match):
            continue
        before = folded[at : match.start()]
        pieces.append(f"{before}{BREAK}{MARK_NUMBER}")
        at = match.end()
        tokens = words(before.rpartition(BREAK.strip())[2])
        found.append((bool(CUTTING_TYPES.intersection(tokens[:-1])), _number_of(match)))
    text = "".join(pieces) + folded[at:]
    if not found:
        return text, None
    return text, next((number for beside_street, number in found if beside_street), found[0][1])


def _number_of(match: re.Match[str]) -> str:
    number = match[1] + (match[2] or "")
    return f"{number}/{match[3]}{match[4] or ''}" if match[3] else number


def _is_part_of_name(folded: str, match: re.Match[str]) -> bool:
    """Whether a figure belongs to a name: "rue du 31-Décembre", "place des 22-Cantons"."""
    if DATE_IN_NAME.match(folded, match.end()):
        return True
    before = folded[max(0, match.start() - 12) : match.start()].split()
    return bool(before) and before[-1] in {"du", "des"} and WORD_AFTER.match(folded, match.end()) is not None


def _phrases(folded: str) -> list[Phrase]:
    result: list[Phrase] = []
    for part in folded.split(BREAK.strip()):
        after_postcode, after_number = MARK_POSTCODE in part, MARK_NUMBER in part
        if after_number and result:
            result[-1] = Phrase(result[-1].tokens, result[-1].after_postcode, result[-1].after_number, True)
        groups = _cut_at_types(words(part))
        result += [
            Phrase(tuple(group), after_postcode and index == 0, after_number and index == 0)
            for index, group in enumerate(groups)
        ]
    return result


def _cut_at_types(tokens: list[str]) -> list[list[str]]:
    groups: list[list[str]] = []
    for index, token in enumerate(tokens):
        starts_street = token in CUTTING_TYPES and index + 1 < len(tokens) and groups and groups[-1]
        if (
            starts_street
            and tokens[index - 1] not in CONNECTORS | TYPES
            and tokens[index - 1] not in {"grand", "grande", "vieux"}
        ):
            groups.append([token])
        elif groups:
            groups[-1].append(token)
        else:
            groups.append([token])
    return groups
