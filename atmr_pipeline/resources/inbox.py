"""The folder where clerks put workbooks, and the file that says who the initials are."""

from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from atmr_pipeline.resources.fingerprints import fingerprint
from atmr_pipeline.settings import Settings
from atmr_pipeline.sources.workbooks.containers import WORKBOOK_SUFFIXES

if TYPE_CHECKING:
    from atmr_pipeline.sources.workbooks import WorkbookLimits

IMPORTED = "workbook_import"
"""State key of the last import: what it read besides the workbooks that it recorded one by one."""


def workbooks_in(inbox: Path) -> list[Path]:
    """Workbooks in the inbox, by name; Excel's own lock files (``~$...``) and hidden files are not workbooks."""
    if not inbox.exists():
        return []
    return sorted(
        path
        for path in inbox.iterdir()
        if path.is_file() and path.suffix.lower() in WORKBOOK_SUFFIXES and not path.name.startswith(("~$", "."))
    )


def drivers_fingerprint(path: Path | None) -> str:
    """Hash of what a drivers file decides; its counts and comments, and initials nobody has filled in, are no decision.

    Raises
    ------
    SourceError
        If the file cannot be understood.
    """
    from atmr_pipeline.sources.workbooks.driver_file import DriverFile, read_driver_file

    file = DriverFile() if path is None else read_driver_file(path)
    return fingerprint({"driver_ids": dict(file.driver_ids), "occasional": sorted(file.occasional)})


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
    )
