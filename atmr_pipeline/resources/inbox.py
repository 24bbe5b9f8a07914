"""The folder where clerks put workbooks, and the file that says who the initials are."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from atmr_pipeline.domain.errors import SourceError
from atmr_pipeline.resources.fingerprints import file_hash, fingerprint
from atmr_pipeline.settings import Settings
from atmr_pipeline.sources.workbooks.containers import WORKBOOK_SUFFIXES

if TYPE_CHECKING:
    from atmr_pipeline.sources.workbooks import WorkbookLimits
    from atmr_pipeline.sources.workbooks.driver_file import DriverFile

IMPORTED = "workbook_import"
"""State key of the last complete import: what it read."""


def workbooks_in(inbox: Path) -> list[Path]:
    """Workbooks in the inbox, by name; Excel's own lock files (``~$...``) and hidden files are not workbooks."""
    if not inbox.exists():
        return []
    return sorted(
        path
        for path in inbox.iterdir()
        if path.is_file() and path.suffix.lower() in WORKBOOK_SUFFIXES and not path.name.startswith(("~$", "."))
    )


def content_key(path: Path) -> str:
    """Hash of a workbook's bytes; of its name, size and time where it may not be read."""
    try:
        return file_hash(path)
    except SourceError:
        stat = path.stat()
        return fingerprint({"unreadable": path.name, "size": stat.st_size, "time": stat.st_mtime_ns})


def drivers_fingerprint(path: Path | None) -> str:
    """Hash of what a drivers file decides; of its bytes where it cannot be understood, so that a correction shows.

    Its counts and comments, and initials nobody has filled in, are no decision.
    """
    from atmr_pipeline.sources.workbooks.driver_file import DriverFile, read_driver_file

    try:
        return decisions_of(DriverFile() if path is None else read_driver_file(path))
    except SourceError:
        return content_key(path) if path is not None else ""


def decisions_of(file: "DriverFile") -> str:
    """Hash of what a drivers file decides."""
    return fingerprint({"driver_ids": dict(file.driver_ids), "occasional": sorted(file.occasional)})


def inputs_of(workbooks: Iterable[str], drivers: str) -> str:
    """Hash of what one import reads: the contents of the inbox, whatever the file names, and the drivers' decisions."""
    return fingerprint({"workbooks": sorted(set(workbooks)), "drivers": drivers})


def driver_ids(drivers: pd.DataFrame) -> dict[str, int]:
    """Initials that name exactly one driver of the fleet; shared initials name nobody."""
    named = drivers.dropna(subset=["initials"]).drop_duplicates("initials", keep=False)
    return dict(zip(named["initials"].astype(str), named["driver_id"].astype(int).tolist(), strict=True))


def workbook_limits(settings: Settings) -> "WorkbookLimits":
    """What is refused as too large."""
    from atmr_pipeline.sources.workbooks import WorkbookLimits

    return WorkbookLimits(
        max_file_mb=settings.workbook_max_file_mb,
        max_uncompressed_mb=settings.workbook_max_uncompressed_mb,
        max_rows=settings.workbook_max_rows,
        max_columns=settings.workbook_max_columns,
        max_sheets=settings.workbook_max_sheets,
        max_cells=settings.workbook_max_cells,
    )
