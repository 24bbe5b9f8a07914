"""Driver initials: one spelling, up to two drivers in a cell, and never a driver by default."""

import re
import unicodedata
from collections.abc import Mapping
from functools import lru_cache

from atmr_pipeline.sources.workbooks.cells import Cell, is_empty, is_error

MAX_INITIALS, MAX_SEVERAL = 4, 14
UNREADABLE = "?"
"""In place of a text that is too long for initials or leaves the driver open: a clerk may have typed a name or a note,
which must go no further. The row and its text are in the workbook; here it is only counted."""
SEPARATORS = re.compile(r"[/+&,;|\n\\>\u2192\u00bb]|\s+(?:[-\u2013\u2014]|et|and|puis|then)\s+", re.IGNORECASE)
EITHER = re.compile(r"\b(?:ou|or)\b", re.IGNORECASE)
NONE_WRITTEN = re.compile(r"\s*n/a\.?\s*", re.IGNORECASE)


def normalise_initials(text: str) -> str:
    """Upper case letters and digits only: ``"a. b."`` and ``"A-B"`` are ``"AB"``; empty if nothing is left."""
    folded = "".join(char for char in unicodedata.normalize("NFKD", text) if not unicodedata.combining(char))
    return "".join(char for char in folded.upper() if char.isalnum())


def read_initials(cell: Cell) -> tuple[str | None, str | None]:
    """Initials of the outbound and of the return driver.

    One driver drives both legs. Of two, the first drives the outbound leg and the second the return; a blank side
    (``"A.B/"``) is unknown. More than two are kept together as one unknown driver: who drove which leg is not said.
    """
    if is_empty(cell) or is_error(cell):
        return None, None
    return _names_in(str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell))


@lru_cache(maxsize=1024)
def _names_in(text: str) -> tuple[str | None, str | None]:
    if NONE_WRITTEN.fullmatch(text):
        return None, None
    if EITHER.search(text):
        return UNREADABLE, UNREADABLE
    names = [_one(piece) for piece in _pieces(text)]
    if len(names) > 2:
        both = "/".join(name for name in names if name) or None
        return (both, both) if both is None or len(both) <= MAX_SEVERAL else (UNREADABLE, UNREADABLE)
    return names[0] or None, names[-1] or None


def _pieces(text: str) -> list[str]:
    pieces = SEPARATORS.split(text)
    if len(pieces) > 1:
        return pieces
    # "A. B." and "A.-B." are one driver; "A.B C.D" and "A.B-C.D" are two.
    words = [word for word in text.split() if normalise_initials(word)]
    if len(words) > 1 and all(len(normalise_initials(word)) in (2, 3) for word in words):
        return words
    halves = text.split("-")
    if len(halves) == 2 and all(len(normalise_initials(half)) in (2, 3) for half in halves):
        return halves
    return [text]


def _one(piece: str) -> str:
    name = normalise_initials(piece)
    return UNREADABLE if len(name) > MAX_INITIALS or ("?" in piece and name) else name


def driver_mapping(driver_ids: Mapping[str, int]) -> dict[str, int]:
    """The mapping with normalised initials; initials that then name several drivers are left out."""
    ids: dict[str, set[int]] = {}
    for initials, driver_id in driver_ids.items():
        ids.setdefault(normalise_initials(initials), set()).add(int(driver_id))
    return {initials: next(iter(found)) for initials, found in ids.items() if initials and len(found) == 1}
