"""Addresses as people at a telephone write them, made from a directory: the noise model of the geocoding benchmark.

A variant of a street part draws each noise below on its own, so several meet in one address. The probabilities stand
in :data:`PROBABILITY`; they are assumptions, chosen harsher than the addresses that the company's workbooks show.
"""

import random
import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass

PROBABILITY = {
    # The street's name.
    "type_abbreviated": 0.45,
    "type_dropped": 0.02,
    "type_misspelt": 0.02,
    "initials": 0.30,
    "saint_abbreviated": 0.50,
    "one_typo": 0.20,
    "two_typos": 0.03,
    "small_word_lost": 0.04,
    "small_word_changed": 0.04,
    "hyphens_to_spaces": 0.35,
    "hyphens_lost": 0.03,
    # The number.
    "number_missing": 0.08,
    "number_suffix": 0.30,
    "number_first": 0.12,
    # Postcode and town.
    "postcode_missing": 0.18,
    "postcode_of_neighbour": 0.05,
    "postcode_mistyped": 0.02,
    "postcode_with_country": 0.04,
    "town_missing": 0.08,
    "town_is_commune": 0.08,
    "town_is_city": 0.04,
    "town_misspelt": 0.05,
    "town_with_canton": 0.06,
    # Around them.
    "place_first": 0.25,
    "extra": 0.12,
    "town_before_street": 0.12,
    "accents_lost": 0.30,
    "upper_case": 0.12,
    "lower_case": 0.12,
    "space_lost": 0.03,
}
"""Initials, Saint and two typos: of the names that can have them. City: of parts within 5 km of the centre."""

TYPES = {
    "Avenue": ("Av.", "av.", "Ave", "Av"),
    "Chemin": ("Ch.", "ch.", "Ch", "Che.", "chem."),
    "Route": ("Rte", "rte", "Rte.", "Rt."),
    "Boulevard": ("Bd", "Bld", "Blvd", "boul.", "Bd."),
    "Place": ("Pl.", "pl.", "Pl"),
    "Quai": ("Q.", "quai"),
    "Rue": ("R.", "r.", "rue", "R"),
    "Passage": ("Pass.", "passage"),
    "Promenade": ("Prom.", "promenade"),
    "Square": ("Sq.", "square"),
    "Allée": ("All.", "allee"),
    "Impasse": ("Imp.", "impasse"),
    "Sentier": ("Sent.", "sentier"),
    "Esplanade": ("Espl.", "esplanade"),
}
_GIVEN_NAMES = """Adolphe Adrien Albert Alexandre Alfred Alice André Antoine Auguste Camille Caroline Charles Daniel
    David Edmond Edouard Emile Emma Ernest Etienne Eugène Ferdinand François Françoise Frédéric Gabriel Gabrielle
    Georges Guillaume Gustave Henri Henry Isaac Jacob Jacques James Jean Jeanne John Joseph Jules Léon Louis Louise
    Lucien Marc Marie Maurice Michel Nicolas Paul Philippe Pierre Robert Samuel Simon Théodore Victor William Willy"""
GIVEN_NAMES = frozenset(_GIVEN_NAMES.split())
_NEAR_KEYS = """a:qzs e:zrd i:uok o:ipl u:yij r:etf s:qdz t:ryg n:bhm l:kmo m:lnp c:xvd d:sfe p:ol g:fht h:gj b:vn
    v:cb f:dg"""
NEAR_KEYS = dict(pair.split(":") for pair in _NEAR_KEYS.split())
BY_EAR = (("ph", "f"), ("ss", "s"), ("ll", "l"), ("nn", "n"), ("tt", "t"), ("rr", "r"), ("mm", "m"), ("eau", "o"))
BY_EAR += (("au", "o"), ("ai", "é"), ("y", "i"), ("qu", "k"), ("th", "t"), ("en", "an"), ("x", ""), ("z", "s"))
ONE_WORD_PLACES = ("Cabinet", "Dentiste", "Domicile", "EMS", "Foyer", "Ergothérapie", "Dialyse", "Radiologie")
PLACE_HEADS = ("Cabinet", "Résidence", "EMS", "Foyer", "Centre", "Clinique", "Dr", "Maison", "Pharmacie", "Institut")
PLACE_TAILS = ("Les Tilleuls", "Exemple", "du Parc", "Les Pins", "Fictif", "médical", "de physiothérapie", "Le Léman")
PLACE_TAILS += ("des Alpes", "Martin", "de la Gare", "dentaire", "Bellevue", "du Lac", "Mme Exemple", "St-Jean")
EXTRAS = ("c/o Mme Exemple", "p.a. Exemple", "2ème étage", "3e étage", "1er ét.", "Appt 12", "Bât. B", "code 1234")
EXTRAS += ("Tél. 022 000 00 00", "chez Mme Fictive", "rez-de-chaussée", "5ème", "entrée C", "case postale 120")
SUFFIXES = ("{0}bis", "{0} bis", "{0}A", "{0} B", "{0}c", "{0}/{1}", "{0}-{1}", "no {0}", "n° {0}", "{0} ter")
CANTONS = (" GE", " (GE)", ", Suisse", " Suisse")
SEPARATORS = (", ", "  ", "   ", "\n", " - ", " · ", "\u00a0\u00a0", " / ", " ; ")
SMALL_WORDS = re.compile(r"^(?:de la |de l'|des |du |de |d')", re.IGNORECASE)


@dataclass(frozen=True)
class StreetPart:
    """A part of a street in the directory; ``is_near_city`` within 5 km of Geneva's centre."""

    street: str
    postcode: str
    locality: str
    commune: str
    lat: float
    lon: float
    is_near_city: bool
    neighbour_postcodes: tuple[str, ...]


class Noise:
    """Draws variants.

    Parameters
    ----------
    seed : int
        The same seed gives the same variants.
    """

    def __init__(self, seed: int) -> None:
        self._draw = random.Random(seed)
        self._met: list[str] = []

    def choose(self, parts: Sequence[StreetPart]) -> StreetPart:
        """Any of the parts."""
        return self._draw.choice(parts)

    def variant(self, part: StreetPart) -> tuple[str, list[str]]:
        """One way to write an address in a street, and the noises in it."""
        self._met = []
        line, town = self._line(part), self._town(part)
        pieces = [town, line] if self._meets("town_before_street") else [line, town]
        if self._meets("extra"):
            pieces.insert(pieces.index(line) + 1, self._draw.choice(EXTRAS))
        if self._meets("place_first"):
            pieces.insert(0, self._place())
        written = [piece for piece in pieces if piece]
        is_bare = len(written) == 2 and line[-1:].isdigit() and self._draw.random() < 0.1
        text = (" " if is_bare else self._draw.choice(SEPARATORS)).join(written)
        if self._meets("accents_lost"):
            text = "".join(char for char in unicodedata.normalize("NFKD", text) if not unicodedata.combining(char))
        if self._meets("upper_case"):
            text = text.upper()
        elif self._meets("lower_case"):
            text = text.lower()
        if self._meets("space_lost"):
            text = re.sub(self._draw.choice((r"(?<=[a-z]) (?=\d)", r"(?<=\d{4}) (?=[A-Z])", r"(?<=,) ")), "", text)
        return text, self._met

    def _meets(self, noise: str) -> bool:
        meets = self._draw.random() < PROBABILITY[noise]
        if meets:
            self._met.append(noise)
        return meets

    def _line(self, part: StreetPart) -> str:
        street = self._street(part.street)
        if self._meets("number_missing"):
            return street
        number = self._draw.randrange(1, 140)
        text = str(number)
        if self._meets("number_suffix"):
            text = self._draw.choice(SUFFIXES).format(number, number + 2)
        if self._meets("number_first"):
            return f"{text}{self._draw.choice((', ', ' '))}{street}"
        return f"{street} {text}"

    def _street(self, name: str) -> str:
        kind, _, rest = name.partition(" ")
        if kind not in TYPES or not rest:
            kind, rest = "", name
        rest = self._name(rest)
        if not kind:
            return rest
        if self._meets("type_abbreviated"):
            kind = self._draw.choice(TYPES[kind])
        elif self._meets("type_dropped"):
            return rest
        elif len(kind) > 4 and self._meets("type_misspelt"):
            kind = self._misspelt(kind)
        return f"{kind} {rest}"

    def _name(self, name: str) -> str:
        head, _, person = name.rpartition(" ")
        given = person.split("-")
        if len(given) > 1 and given[0] in GIVEN_NAMES and self._meets("initials"):
            letters = [word[0] for word in given[:-1]]
            forms = ("-".join(f"{x}." for x in letters) + "-", "".join(f"{x}." for x in letters) + " ")
            forms += ("-".join(letters) + " ", ". ".join(letters) + ". ")
            name = f"{head} {self._draw.choice(forms)}{given[-1]}".strip()
        if self._meets("one_typo"):
            name = self._with_typo(name)
        elif len(name) >= 10 and self._meets("two_typos"):
            name = self._with_typo(self._with_typo(name))
        if re.search("Sainte?-", name) and self._meets("saint_abbreviated"):
            ending = self._draw.choice(("-", " ", ". "))
            name = re.sub("Saint(e?)-", rf"St\1{ending}", name)
        if SMALL_WORDS.match(name) and self._meets("small_word_lost"):
            name = SMALL_WORDS.sub("", name)
        elif SMALL_WORDS.match(name) and self._meets("small_word_changed"):
            name = SMALL_WORDS.sub(self._draw.choice(("de ", "du ", "des ", "de la ")), name)
        if "-" in name and self._meets("hyphens_to_spaces"):
            return name.replace("-", " ")
        return name.replace("-", "") if "-" in name and self._meets("hyphens_lost") else name

    def _with_typo(self, name: str) -> str:
        """A typing error in a word of at least five letters, never in its first letter."""
        long = list(re.finditer(r"[^\W\d_]{5,}", name))
        if not long:
            return name
        word = self._draw.choice(long)
        return name[: word.start()] + self._misspelt(word[0]) + name[word.end() :]

    def _misspelt(self, word: str) -> str:
        draw, low = self._draw, word.lower()
        heard = [(one, other) for one, other in BY_EAR if one in low[1:]]
        if heard and draw.random() < 0.35:
            one, other = draw.choice(heard)
            at = low.index(one, 1)
            return word[:at] + other + word[at + len(one) :]
        at = draw.randrange(1, len(word))
        wrong = draw.choice(NEAR_KEYS.get(low[at], "aeiou"))
        slips: Sequence[Callable[[], str]] = (
            lambda: word[: at - 1] + word[at] + word[at - 1] + word[at + 1 :] if at > 1 else word[:1] + word[2:],
            lambda: word[:at] + word[at + 1 :],
            lambda: word[:at] + word[at] + word[at:],
            lambda: word[:at] + wrong + word[at + 1 :],
            lambda: word[:at] + wrong + word[at:],
        )
        return draw.choice(slips)()

    def _town(self, part: StreetPart) -> str:
        postcode, town = part.postcode, part.locality
        if self._meets("postcode_missing"):
            postcode = ""
        elif part.neighbour_postcodes and self._meets("postcode_of_neighbour"):
            postcode = self._draw.choice(part.neighbour_postcodes)
        elif self._meets("postcode_mistyped"):
            at = self._draw.randrange(1, 3)
            postcode = postcode[:at] + postcode[at + 1] + postcode[at] + postcode[at + 2 :]
        elif self._meets("postcode_with_country"):
            postcode = f"CH-{postcode}"
        if self._meets("town_missing"):
            town = ""
        elif self._meets("town_is_commune"):
            town = part.commune
        elif part.is_near_city and self._meets("town_is_city"):
            town = "Genève"
        elif len(town) > 4 and self._meets("town_misspelt"):
            town = self._misspelt(town)
        if town and self._meets("town_with_canton"):
            town += self._draw.choice(CANTONS)
        return f"{postcode} {town}".strip()

    def _place(self) -> str:
        if self._draw.random() < 0.35:
            return self._draw.choice(ONE_WORD_PLACES)
        return f"{self._draw.choice(PLACE_HEADS)} {self._draw.choice(PLACE_TAILS)}"
