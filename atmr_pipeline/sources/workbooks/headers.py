"""Which column holds what: a header row is recognised wherever it stands, in French or English."""

from enum import StrEnum

from atmr_pipeline.domain.identity import normalise
from atmr_pipeline.sources.workbooks.cells import Cell, is_empty

MAX_HEADER_CHARACTERS = 60


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


Header = dict[Column, list[int]]
NEEDED = (Column.WHEN, Column.PICKUP, Column.DROPOFF)

# In the order of trial: "Heure de départ" is a time before a departure, "Nom du chauffeur" a driver before a name.
KEYWORDS: tuple[tuple[Column, tuple[str, ...]], ...] = (
    (
        Column.INITIALS,
        ("cft", "chauffeur", "chauffeurs", "conducteur", "driver", "drivers", "initiales", "initials", "chf"),
    ),
    (Column.WHEN, ("date", "dates", "jour", "day")),
    (Column.RETURN_TIME, ("heure retour", "heure de retour", "heure du retour", "return time", "retour", "return")),
    (Column.TIME, ("heure", "heures", "horaire", "time", "hour")),
    (Column.PICKUP, ("depart", "pickup", "pick up", "prise en charge", "origine", "origin", "from", "provenance")),
    (Column.DROPOFF, ("arrivee", "destination", "dropoff", "drop off", "depose", "to")),
    (Column.COURSE, ("course", "courses", "trajet", "trip", "sens", "leg", "a r")),
    (Column.PATIENT, ("nom", "prenom", "patient", "client", "beneficiaire", "name", "passenger", "passager")),
)
FOREIGN_WORDS = {"naissance", "birth", "facture", "invoice", "telephone", "tel", "phone", "email", "assurance"}
NAME_WORDS = {"nom", "prenom", "de", "famille", "du", "name", "first", "last", "family", "patient", "client"}


def read_header(cells: tuple[Cell, ...]) -> Header | None:
    """Columns of a header row; None if the row is not one.

    A header row names at least a date, a pickup and a drop-off in different cells, and holds text only. Where
    several columns answer to one meaning, the one with the plainer name comes first.
    """
    found: dict[Column, list[tuple[int, int]]] = {}
    for index, cell in enumerate(cells):
        if is_empty(cell):
            continue
        if not isinstance(cell, str):
            return None
        column, rank = _column_of(normalise(cell))
        if column:
            found.setdefault(column, []).append((rank, index))
    if not all(column in found for column in NEEDED):
        return None
    header = {column: [index for _, index in sorted(places)] for column, places in found.items()}
    if Column.PATIENT in header:
        header[Column.PATIENT] = _name_columns(header[Column.PATIENT], cells)
    return header


def _column_of(text: str) -> tuple[Column | None, int]:
    if not text or len(text) > MAX_HEADER_CHARACTERS or FOREIGN_WORDS & set(text.split()):
        return None, 0
    if text == "type":
        return Column.COURSE, 99
    padded = f" {text} "
    for column, keywords in KEYWORDS:
        for rank, keyword in enumerate(keywords):
            if f" {keyword} " in padded:
                return column, rank
    return None, 0


def _name_columns(indices: list[int], cells: tuple[Cell, ...]) -> list[int]:
    """A name may be cut over two columns (surname, first name); other columns about the patient are not part of it."""
    names = [index for index in indices if set(normalise(str(cells[index])).split()) <= NAME_WORDS]
    return sorted(names) if names else indices[:1]
