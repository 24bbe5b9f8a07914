"""Driver initials: one spelling, up to two drivers in a cell, and never a driver by default."""

import re
import unicodedata
from collections.abc import Mapping

from atmr_pipeline.sources.workbooks.cells import Cell, is_empty

MAX_INITIALS, MAX_SEVERAL = 4, 14
UNREADABLE = "?"
"""In place of a text that is too long for initials: a clerk may have typed a name or a note, which must go no further.
The row and its text are in the workbook; here it is only counted."""
SEPARATORS = re.compile(r"[/+&,;|\n]|\s+(?:-|et|and)\s+", re.IGNORECASE)


def normalise_initials(text: str) -> str:
    """Upper case letters and digits only: ``"a. b."`` and ``"A-B"`` are ``"AB"``; empty if nothing is left."""
    folded = "".join(char for char in unicodedata.normalize("NFKD", text) if not unicodedata.combining(char))
    return "".join(char for char in folded.upper() if char.isalnum())


def read_initials(cell: Cell) -> tuple[str | None, str | None]:
    """Initials of the outbound and of the return driver.

    One driver drives both legs. Of two, the first drives the outbound leg and the second the return; a blank side
    (``"A.B/"``) is unknown. More than two are kept together as one unknown driver: who drove which leg is not said.
    """
    if is_empty(cell):
        return None, None
    text = str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell)
    names = [normalise_initials(piece) for piece in SEPARATORS.split(text)]
    if len(names) == 1:
        pieces = [normalise_initials(piece) for piece in text.split()]
        # "A. B." is one driver written with a space; "A.B C.D" are two.
        names = (
            pieces if len(pieces) > 1 and all(len(piece) in (2, 3) for piece in pieces) else [normalise_initials(text)]
        )
    names = [name if len(name) <= MAX_INITIALS else UNREADABLE for name in names]
    if len(names) > 2:
        both = "/".join(name for name in names if name) or None
        return (both, both) if both is None or len(both) <= MAX_SEVERAL else (UNREADABLE, UNREADABLE)
    return names[0] or None, names[-1] or None


def driver_mapping(driver_ids: Mapping[str, int]) -> dict[str, int]:
    """The mapping with normalised initials; initials that then name several drivers are left out."""
    ids: dict[str, set[int]] = {}
    for initials, driver_id in driver_ids.items():
        ids.setdefault(normalise_initials(initials), set()).add(int(driver_id))
    return {initials: next(iter(found)) for initials, found in ids.items() if initials and len(found) == 1}
