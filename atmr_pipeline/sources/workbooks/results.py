"""What reading workbooks gives: legs, refused rows, private addresses, and the account of every row."""

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

import pandas as pd

if TYPE_CHECKING:
    from atmr_pipeline.state.workbook_files import WorkbookFile


@dataclass(frozen=True)
class RowCounts:
    """The account of rows: ``read`` non-empty rows, each counted once more in one of the others.

    Ignored are titles, headers, totals and notes, and the lists on sheets without a header. A duplicate repeats a row
    read before, or gave way to its correction.
    """

    read: int = 0
    accepted: int = 0
    quarantined: int = 0
    duplicate: int = 0
    ignored: int = 0

    def __post_init__(self) -> None:
        if self.read != self.accepted + self.quarantined + self.duplicate + self.ignored:
            raise ValueError(f"the rows do not add up: {self}")

    def to_dict(self) -> dict[str, int]:
        """The counts by name."""
        return asdict(self)

    def __add__(self, other: "RowCounts") -> "RowCounts":
        return RowCounts(
            self.read + other.read,
            self.accepted + other.accepted,
            self.quarantined + other.quarantined,
            self.duplicate + other.duplicate,
            self.ignored + other.ignored,
        )


@dataclass(frozen=True)
class ParsedWorkbook:
    """What one workbook gave.

    Parameters
    ----------
    courses : DataFrame
        ``WORKBOOK_COURSES``, in the order of the rows; an outbound leg stands before its return.
    quarantined : DataFrame
        ``QUARANTINED_COURSES``.
    addresses : DataFrame
        ``address_key``, ``address_text``, ``written_text``: each distinct address once, under the key of what was
        written; the text is the corrected one where a review workbook gives it. Private.
    counts : RowCounts
        The account of the rows.
    initials, unknown_initials : dict of str to int
        Legs by driver initials; those that name no driver, or several, with blank ones under ``""``.
    occasional_initials : dict of str to int
        Legs by the initials of drivers outside the fleet.
    row_hashes : frozenset of str
        Keyed hashes of the accepted rows' contents: pass them as ``already_seen`` to find the same rows elsewhere.
    content_hash : str
        SHA-256 of the file, hex.
    raw_quarantined : DataFrame
        The refused rows with their cells as text, for the review workbook. Private.
    raw_set_aside : DataFrame
        The accepted rows of which a leg waits, likewise. Private.
    """

    courses: pd.DataFrame
    quarantined: pd.DataFrame
    addresses: pd.DataFrame = field(repr=False)
    counts: RowCounts
    initials: dict[str, int]
    unknown_initials: dict[str, int]
    occasional_initials: dict[str, int]
    row_hashes: frozenset[str]
    content_hash: str
    raw_quarantined: pd.DataFrame = field(repr=False)
    raw_set_aside: pd.DataFrame = field(repr=False)


@dataclass(frozen=True)
class ParsedInbox:
    """What several workbooks gave together: ``files`` are those that were read, ``refused`` the others' reasons."""

    courses: pd.DataFrame
    quarantined: pd.DataFrame
    addresses: pd.DataFrame = field(repr=False)
    counts: RowCounts
    initials: dict[str, int]
    unknown_initials: dict[str, int]
    occasional_initials: dict[str, int]
    row_hashes: frozenset[str]
    files: list["WorkbookFile"]
    refused: dict[str, str]
    raw_quarantined: pd.DataFrame = field(repr=False)
    raw_set_aside: pd.DataFrame = field(repr=False)
