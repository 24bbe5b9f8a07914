"""A noise model of addresses: how people at a telephone write the streets of a directory.

Each variant of a street draws, with the probabilities below: an abbreviated type, initials for given names, lost
accents and hyphens, one typing error in a long word, upper case, a house number with its suffixes, a place name before
the street, a missing or neighbouring postcode, a missing town, postcode and town first, and a separator.
"""

import random
import unicodedata
from dataclasses import dataclass

ABBREVIATED = {
    "Avenue": ["Av.", "av", "Ave"],
    "Chemin": ["Ch.", "ch", "Chem."],
    "Route": ["Rte", "rte."],
    "Boulevard": ["Bd", "Bld", "boul."],
    "Place": ["Pl.", "pl"],
    "Quai": ["Q.", "quai"],
    "Rue": ["R.", "rue"],
    "Saint": ["St", "St."],
    "Sainte": ["Ste", "Ste."],
}
_GIVEN_NAMES = """Jean Jacques Louis Charles Marie Henri Pierre Jacob Daniel François Philippe Albert Alexandre Alfred
    Antoine Auguste Camille Edmond Edouard Emile Ernest Eugène Ferdinand Frédéric Gabriel Georges Gustave Isaac Joseph
    Jules Léon Marc Michel Paul Robert Théodore William Willy"""
GIVEN_NAMES = set(_GIVEN_NAMES.split())
PLACE_PREFIXES = (
    "Cabinet Dr Fictif",
    "EMS Les Tilleuls Fictifs",
    "Centre de physiothérapie",
    "Résidence Exemple",
    "Dentiste",
)
SEPARATORS = (", ", "   ", "\n", " · ", " ", "\u00a0\u00a0", " - ")
NUMBERS = ("3", "12", "27", "104", "3/5", "12bis", "4 A", "18b", "9-11")


@dataclass(frozen=True)
class Street:
    """A street part of the directory."""

    name: str
    postcode: str
    locality: str
    lat: float
    lon: float


def variant(street: Street, draw: random.Random) -> str:
    """One way to write an address in a street."""
    name = _written_name(street.name, draw)
    number = draw.choice(NUMBERS) if draw.random() < 0.9 else ""
    line = f"{number}, {name}" if number and draw.random() < 0.07 else f"{name} {number}".strip()
    town = _town(street, draw)
    separator = draw.choice(SEPARATORS) if number else draw.choice(SEPARATORS[:4])
    parts = [line, town] if draw.random() < 0.9 else [town, line]
    if draw.random() < 0.2:
        parts.insert(0, draw.choice(PLACE_PREFIXES))
        separator = draw.choice(SEPARATORS[:4])
    text = separator.join(part for part in parts if part)
    if draw.random() < 0.3:
        text = "".join(char for char in unicodedata.normalize("NFKD", text) if not unicodedata.combining(char))
    return text.upper() if draw.random() < 0.1 else text


def _town(street: Street, draw: random.Random) -> str:
    postcode = street.postcode if draw.random() < 0.8 else ""
    if postcode and draw.random() < 0.03:
        postcode = str(int(postcode) + draw.choice((-1, 1)))
    locality = street.locality if draw.random() < 0.95 else ""
    return f"{postcode} {locality}".strip()


def _written_name(name: str, draw: random.Random) -> str:
    if draw.random() < 0.15:
        name = _with_initials(name)
    if draw.random() < 0.25:
        name = _with_typo(name, draw)
    first, _, rest = name.partition(" ")
    if rest and first in ABBREVIATED and draw.random() < 0.5:
        name = f"{draw.choice(ABBREVIATED[first])} {rest}"
    if draw.random() < 0.5:
        for long in ("Sainte", "Saint"):
            name = name.replace(f"{long}-", f"{draw.choice(ABBREVIATED[long])}-")
    return name.replace("-", " ") if draw.random() < 0.3 else name


def _with_initials(name: str) -> str:
    head, _, person = name.rpartition(" ")
    given = person.split("-")
    if len(given) < 2 or given[0] not in GIVEN_NAMES:
        return name
    short = [f"{word[0]}." if word in GIVEN_NAMES else word for word in given[:-1]]
    return f"{head} {'-'.join([*short, given[-1]])}".strip()


def _with_typo(name: str, draw: random.Random) -> str:
    """One letter swapped, lost, doubled or replaced, in a word of at least five letters after the type."""
    places = []
    start = name.find(" ") + 1
    for index in range(start + 1, len(name) - 1):
        left = max(name.rfind(char, 0, index) for char in " -'")
        right = min((name.find(char, index) for char in " -'" if name.find(char, index) >= 0), default=len(name))
        if right - left > 5 and name[index - 1 : index + 2].isalpha():
            places.append(index)
    if not places:
        return name
    at = draw.choice(places)
    kind = draw.randrange(4)
    if kind == 0:
        return name[: at - 1] + name[at] + name[at - 1] + name[at + 1 :]
    if kind == 1:
        return name[:at] + name[at + 1 :]
    if kind == 2:
        return name[:at] + name[at] + name[at:]
    return name[:at] + draw.choice("aeiourstln") + name[at + 1 :]
