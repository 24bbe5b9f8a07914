"""The folder where clerks put workbooks."""

from pathlib import Path

from atmr_pipeline.sources.workbooks.containers import WORKBOOK_SUFFIXES


def workbooks_in(inbox: Path) -> list[Path]:
    """Workbooks in the inbox, by name; Excel's own lock files (``~$...``) and hidden files are not workbooks."""
    if not inbox.exists():
        return []
    return sorted(
        path
        for path in inbox.iterdir()
        if path.is_file() and path.suffix.lower() in WORKBOOK_SUFFIXES and not path.name.startswith(("~$", "."))
    )
