"""Which workbooks were imported, and the account of their rows."""

from dataclasses import asdict, dataclass
from datetime import datetime

import sqlalchemy as sa

from atmr_pipeline.domain.errors import TableContractError
from atmr_pipeline.state.schema import workbook_file
from atmr_pipeline.state.store import StateStore
from atmr_pipeline.state.types import utc_now
from atmr_pipeline.state.upsert import insert


@dataclass(frozen=True)
class WorkbookFile:
    """The account of one workbook: every row read is accepted, quarantined, a duplicate or ignored.

    Parameters
    ----------
    content_hash : str
        SHA-256 of the file, hex: the same file under another name is the same workbook.
    file_name : str
    rows_read, rows_accepted, rows_quarantined, rows_duplicate, rows_ignored : int
        Rows of the sheets. Ignored are headers, totals and blank rows.
    imported_at : datetime, optional
        Aware; now by default.

    Raises
    ------
    TableContractError
        If the rows do not add up.
    """

    content_hash: str
    file_name: str
    rows_read: int
    rows_accepted: int
    rows_quarantined: int
    rows_duplicate: int
    rows_ignored: int
    imported_at: datetime | None = None

    def __post_init__(self) -> None:
        accounted = self.rows_accepted + self.rows_quarantined + self.rows_duplicate + self.rows_ignored
        if accounted != self.rows_read:
            raise TableContractError(f"workbook account: {self.rows_read} rows read but {accounted} accounted for")


def record_workbook_file(store: StateStore, file: WorkbookFile) -> bool:
    """Write a workbook's account; importing the same content again renews it.

    Returns
    -------
    bool
        True if this content was not known.
    """
    values = {**asdict(file), "imported_at": file.imported_at or utc_now()}
    with store.begin() as connection:
        known = connection.execute(_by_hash(file.content_hash)).first() is not None
        statement = insert(connection, workbook_file).values(values)
        statement = statement.on_conflict_do_update(
            index_elements=["content_hash"],
            set_={name: statement.excluded[name] for name in values if name != "content_hash"},
        )
        connection.execute(statement)
        return not known


def find_workbook_file(store: StateStore, content_hash: str) -> WorkbookFile | None:
    """The account of a workbook by its content; None if it was never imported."""
    with store.read() as connection:
        row = connection.execute(_by_hash(content_hash)).mappings().first()
    return WorkbookFile(**row) if row else None


def list_workbook_files(store: StateStore) -> list[WorkbookFile]:
    """Every imported workbook, oldest import first."""
    query = sa.select(workbook_file).order_by(workbook_file.c.imported_at, workbook_file.c.content_hash)
    with store.read() as connection:
        return [WorkbookFile(**row) for row in connection.execute(query).mappings()]


def _by_hash(content_hash: str) -> sa.Select[tuple[object, ...]]:
    return sa.select(workbook_file).where(workbook_file.c.content_hash == content_hash)
