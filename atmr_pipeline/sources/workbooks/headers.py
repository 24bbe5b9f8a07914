"""Which column holds what: a header row is recognised wherever it stands, in French or English."""

import re
from collections.abc import Mapping, Sequence
from datetime import date, time
from enum import StrEnum
from functools import lru_cache

from atmr_pipeline.domain.identity import normalise
from atmr_pipeline.sources.workbooks.cells import Cell

MAX_HEADER_CHARACTERS = 60
DATED = re.compile(r"\s*\d{1,4}\s?[./-]\s?\d")
"""How a date begins, and no column's name."""


class Column(StrEnum):
    """What a column of a workbook holds."""

    PATIENT = "patient"
    WHEN = "when"
    TIME = "time"
    RETURN_TIME = "return_time"
    COURSE = "course"
    PICKUP = "pickup"
    DROPOFF = "dropoff"
    INITIALS = "initials"
    RETURN_INITIALS = "return_initials"
    SECOND_INITIALS = "second_initials"


Header = dict[Column, list[int]]
"""Columns (from 0) of each meaning. A patient's or an address's value is that of all its columns together; of the
others only the first is read."""
NEEDED = (Column.WHEN, Column.PICKUP, Column.DROPOFF)
JOINED = (Column.PATIENT, Column.PICKUP, Column.DROPOFF)

# In the order of trial: "Heure de départ" is a time before a departure, "Nom du chauffeur" a driver before a name.
_DRIVER = r"cft|c f t|chauff(?:eurs?|euse)?|conduct(?:eurs?|rice)|drivers?|drv|initiales?|initials|chf"
_BACK = r"retour|return|r"
MEANINGS: tuple[tuple[Column, tuple[str, ...]], ...] = (
    (Column.RETURN_INITIALS, (rf"(?:{_DRIVER}) (?:du |de )?(?:{_BACK})", rf"(?:{_BACK}) (?:{_DRIVER})")),
    (Column.SECOND_INITIALS, (rf"(?:{_DRIVER}) 2", rf"(?:second|2e|2nd) (?:{_DRIVER})")),
    (Column.INITIALS, ("cft", "c f t", _DRIVER)),
    (Column.RETURN_TIME, (r"date .*(?:retour|return)", r"(?:retour|return) date.*", r"return date.*")),
    (Column.WHEN, ("dates?", "jours?", "days?")),
    (
        Column.RETURN_TIME,
        (
            r"(?:heures?|h|horaire) (?:du |de )?(?:retour|r|2)",
            r"(?:return|retour) (?:time|hour|heure)",
            r"(?:seconde?|deuxieme) (?:heure|time)",
            r"(?:time|hour) (?:2|return)",
            "retour",
            "return",
        ),
    ),
    (Column.TIME, (r"heures?", "horaires?", "time", "hour", r"h", "aller", "outbound")),
    (Column.WHEN, ("when", "quand", "scheduled", "prevue? le", "planned")),
    (
        Column.PICKUP,
        ("depart", "pickup", "pick up", "prise en charge", "pec", "origine", "origin", "from", "provenance", r"^de$"),
    ),
    (
        Column.DROPOFF,
        ("arrivee", "destination", "dropoff", "drop off", "depose", r"^to$", "to", "arrival", r"^vers$", r"^a$"),
    ),
    (Column.COURSE, ("courses?", "trajet", "trip", "sens", "leg", "direction", r"^type$")),
    (
        Column.PATIENT,
        ("nom", "prenom", "patiente?", "cliente?", "beneficiaire", "resident", "name", "passenger", "passager"),
    ),
)
ROUND_TRIP = re.compile(r"\b(?:aller(?: et| ou)? retour|a r|round trip)\b")
_PATTERNS = [
    (column, rank, re.compile(word if word.startswith("^") else rf"\b(?:{word})\b"))
    for column, words in MEANINGS
    for rank, word in enumerate(words)
]
_FOREIGN = """
    naissance birth facture factures facturation invoice billing telephone tel phone mobile email mail assurance
    insurance remarque remarques note notes commentaire commentaires comment comments observation observations motif
    reason reel reelle reels reelles effectif effective actual prix tarif montant price amount cout cost km kilometres
    distance duree duration creation created saisie reservation commande paiement paye payment paid modification
    modified updated inscription validite statut status etage digicode dossier avs
"""
_NUMBER = "numero num nr no n id ref reference"
_PLACE = "adresse adresses adr address lieu lieux location place"
_PART = "npa cp code postal postcode zip ville localite town city commune rue street"
_SECOND_TIME = "arrivee arrival rdv rendez appointment consultation fin end"
_NAME = "nom prenom noms prenoms de famille du et name first last family patient patiente client"
FOREIGN_WORDS = frozenset(_FOREIGN.split())
"""Words of columns that are about something else, whatever other word stands beside them."""
NUMBER_WORDS = frozenset(_NUMBER.split())
"""Words of columns that number something, unless they are about a place."""
PLACE_WORDS, PART_WORDS = frozenset(_PLACE.split()), frozenset(_PART.split())
"""Words of an address column, and of columns that hold a part of an address beside it."""
SECOND_TIMES = frozenset(_SECOND_TIME.split())
"""Words of a time that is not the departure's, if there is another time."""
NAME_WORDS = frozenset(_NAME.split())


def read_header(cells: Sequence[Cell], spans: Mapping[int, int] | None = None) -> Header | None:
    """Columns of a header row; None if the row is not one.

    A header row names at least a date, a pickup and a drop-off in different cells, and holds no date. Where several
    columns answer to one meaning, the one with the plainer name comes first; parts of an address (postcode, town)
    beside its column belong to it.

    Parameters
    ----------
    spans : mapping of int to int, optional
        Last column under each merged header cell, both from 0: the columns below it have its name.
    """
    # Nearly every row ends here: it holds a date.
    if any(DATED.match(cell) if isinstance(cell, str) else isinstance(cell, date | time) for cell in cells):
        return None
    found: dict[Column, list[tuple[int, int]]] = {}
    for index, cell in enumerate(cells):
        if isinstance(cell, str) and len(cell) <= MAX_HEADER_CHARACTERS:
            column, rank = _column_of(cell)
            if column:
                found.setdefault(column, []).append((rank, index))
    if not all(column in found for column in NEEDED):
        return None
    header = {column: [index for _, index in sorted(places)] for column, places in found.items()}
    names = {index: frozenset(normalise(str(cells[index])).split()) for places in header.values() for index in places}
    if names[header[Column.DROPOFF][0]] == {"a"} and names[header[Column.PICKUP][0]] != {"de"}:
        # "À" heads a column only beside "De"; alone it is rather an A for "aller".
        return None
    for column in (Column.PICKUP, Column.DROPOFF):
        header[column] = _address_columns(header[column], names)
    if Column.PATIENT in header:
        header[Column.PATIENT] = _name_columns(header[Column.PATIENT], names)
    _add_spans(header, spans or {})
    return header


@lru_cache(maxsize=4096)
def _column_of(cell: str) -> tuple[Column | None, int]:
    text = normalise(cell)
    words = set(text.split())
    if not text or FOREIGN_WORDS & words or (NUMBER_WORDS & words and not PLACE_WORDS & words):
        return None, 0
    # "Dates aller/retour" is about dates; "Aller/Retour" alone is the kind of course.
    without = ROUND_TRIP.sub(" ", text)
    for column, rank, pattern in _PATTERNS:
        if pattern.search(without.strip()):
            if column in (Column.TIME, Column.RETURN_TIME) and PLACE_WORDS & words:
                return None, 0
            return column, rank + (100 if column == Column.TIME and SECOND_TIMES & words else 0)
    return (Column.COURSE, 1) if without != text else (None, 0)


def _address_columns(indices: list[int], names: Mapping[int, frozenset[str]]) -> list[int]:
    """The column of the address itself, and beside it those of its parts, in the order of the sheet."""
    whole = [index for index in indices if not PART_WORDS & names[index] or PLACE_WORDS & names[index]]
    parts = [index for index in indices if index not in whole]
    named = [index for index in whole if PLACE_WORDS & names[index]]
    return sorted([*(named or whole)[:1], *parts])


def _name_columns(indices: list[int], names: Mapping[int, frozenset[str]]) -> list[int]:
    """A name may be cut over two columns (surname, first name); other columns about the patient are not part of it."""
    kept = [index for index in indices if names[index] <= NAME_WORDS]
    return sorted(kept) if kept else indices[:1]


def _add_spans(header: Header, spans: Mapping[int, int]) -> None:
    """Columns below a merged header cell: the rest of an address, or the time beside its date."""
    for column, indices in list(header.items()):
        below = [extra for index in indices for extra in range(index + 1, spans.get(index, index) + 1)]
        if column in JOINED:
            header[column] = sorted([*indices, *below])
        elif column == Column.WHEN and below and Column.TIME not in header:
            header[Column.TIME] = below[:1]
            if below[1:] and Column.RETURN_TIME not in header:
                header[Column.RETURN_TIME] = below[1:2]
