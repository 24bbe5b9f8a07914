"""What of an address is sent to a provider: where it is, not who lives there."""

import re

from atmr_pipeline.sources.geocoding.addresses import MONTHS, SEPARATOR
from atmr_pipeline.sources.geocoding.words import ABBREVIATIONS, CUTTING_TYPES, fold

LONGEST_QUERY = 200
TOWN_WORDS = 4
_PERSON = r"mme|mlle|mrs?|monsieur|madame|mademoiselle|famille|fam\.|docteur|dre?\.?"
_PLACE_ENDS = r"(?=[,;\n]|\b(?:ch|f)?\s?-?\s?\d{4,5}\b|$)"
REMARKS = re.compile(
    rf"\b(?:c/o|p/a|chez\s+(?:{_PERSON}|m\.))\W.*?{_PLACE_ENDS}"
    r"|\b(?:tel|natel|mobile|portable|fax)\b\.?\s*:?\s*[+\d][\d\s./'-]*"
    r"|(?:\+|\b00)\d{2}[\d\s./'()-]{7,}|\b0\d{2}[\s./]?\d{3}[\s./]?\d{2}[\s./]?\d{2}\b"
    r"|\b(?:digi)?code\b[^,;\n]*|\b(?:interphone|sonnette|sonner)\b[^,;\n]*"
    rf"|\b\d{{0,2}}\s?(?:er|e|eme)?\s*(?:etage|et\.)\s*\d*\b|\b(?:appt?|appartement)\b\.?\s*\w*?{_PLACE_ENDS}",
    re.DOTALL,
)
"""In folded text: persons, telephones, door codes, floors."""
PERSON_FIRST = re.compile(rf"(?:{_PERSON}|m\.|mm\.|chez|att\.?|patiente?|resident(?:e)?)\s")
NUMBER = re.compile(r"\d{1,3}(?:[/-]\d{1,3})?(?:bis|ter|quater|[a-h])?(?:[/-]\d{1,3}[a-h]?)?")
SUFFIX = re.compile(r"bis|ter|quater|[a-h]")
POSTCODE = re.compile(r"(?:(?:ch|f)-)?\d{4,5}")


def query_text(text: str) -> str:
    """The part of an address that a provider needs.

    Street, number, postcode and town where the address has a street with a number; place names, telephone numbers,
    persons and remarks around them stay here. Otherwise (a named place, a street alone) what is left without persons,
    telephone numbers, door codes and floors.

    Returns
    -------
    str
        Folded (providers do not care for case and accents), at most :data:`LONGEST_QUERY` characters; empty if nothing
        is left to ask.
    """
    parts = [part.strip(" .:-–/") for part in SEPARATOR.split(REMARKS.sub(" ; ", fold(text)))]
    parts = [part for part in parts if part and not PERSON_FIRST.match(part)]
    for index, part in enumerate(parts):
        found = _street_with_number(part.split())
        if found:
            street, rest = found
            area = _area(
                [rest, *(other.split() for other in parts[index + 1 :])], [other.split() for other in parts[:index]]
            )
            return ", ".join(filter(None, (street, area)))[:LONGEST_QUERY]
    return ", ".join(parts)[:LONGEST_QUERY].strip(" ,")


def _street_with_number(words: list[str]) -> tuple[str, list[str]] | None:
    """A street with its number, as written, and the words behind it."""
    plain = [word.strip(".,") for word in words]
    start = next((at for at, word in enumerate(plain) if ABBREVIATIONS.get(word, word) in CUTTING_TYPES), None)
    if start is None:
        return None
    for at in range(start + 2, len(plain)):
        if POSTCODE.fullmatch(plain[at]):
            break
        is_date = at + 1 < len(plain) and plain[at + 1] in MONTHS
        if NUMBER.fullmatch(plain[at]) and not is_date:
            end = at + 2 if at + 1 < len(plain) and SUFFIX.fullmatch(plain[at + 1]) else at + 1
            return " ".join(words[start:end]), words[end:]
    if start and NUMBER.fullmatch(plain[start - 1]):
        # As in France: the number stands first.
        end = next((at for at in range(start, len(plain)) if POSTCODE.fullmatch(plain[at])), len(plain))
        return " ".join(words[start - 1 : end]), words[end:]
    return None


def _area(later: list[list[str]], earlier: list[list[str]]) -> str:
    """Postcode and town: behind the number, else in an earlier part; a town alone only behind the number."""
    for words in (*later, *earlier):
        at = next((at for at, word in enumerate(words) if POSTCODE.fullmatch(word.strip("., "))), None)
        if at is not None:
            return " ".join(words[at : at + 1 + TOWN_WORDS])
    town = next((words for words in later if words), [])
    is_name = len(town) <= TOWN_WORDS and not any(char.isdigit() for word in town for char in word)
    return " ".join(town) if is_name else ""
