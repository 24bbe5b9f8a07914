"""A new workbook in the inbox starts its import, once."""

import hashlib
import json
from pathlib import Path

import dagster as dg

from atmr_pipeline.jobs.definitions import excel_import
from atmr_pipeline.resources.fingerprints import file_hash
from atmr_pipeline.settings import load_settings

WORKBOOK_SUFFIXES = (".xlsx", ".xlsm", ".xls", ".xlsb", ".ods", ".csv")


def workbooks_in(inbox: Path) -> list[Path]:
    """Workbooks in the inbox; Excel's own lock files (``~$...``) and hidden files are not workbooks."""
    if not inbox.exists():
        return []
    return sorted(
        path
        for path in inbox.iterdir()
        if path.is_file() and path.suffix.lower() in WORKBOOK_SUFFIXES and not path.name.startswith(("~$", "."))
    )


@dg.sensor(
    job=excel_import,
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="A workbook whose content was never seen starts excel_import; one still being copied waits a tick.",
)
def new_workbook(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
    """Ask for one import when the set of settled contents changes.

    The cursor remembers each file's size and time from the last tick: a file that changed since is still being
    copied. The run key is made of the contents, so the daemon never runs the same set twice.
    """
    inbox = load_settings().inbox_dir
    cursor = json.loads(context.cursor) if context.cursor else {"stats": {}, "done": []}
    stats = {path.name: [path.stat().st_size, path.stat().st_mtime_ns] for path in workbooks_in(inbox)}
    settled = [path for path in workbooks_in(inbox) if cursor["stats"].get(path.name) == stats[path.name]]
    hashes = sorted({file_hash(path) for path in settled})
    fresh = [digest for digest in hashes if digest not in cursor["done"]]
    state = json.dumps({"stats": stats, "done": sorted({*cursor["done"], *fresh})})
    if not fresh:
        context.update_cursor(state)
        return dg.SkipReason(f"{len(stats)} workbooks in the inbox, none new")
    key = hashlib.sha256("".join(fresh).encode()).hexdigest()[:32]
    return dg.SensorResult(run_requests=[dg.RunRequest(run_key=f"workbooks:{key}")], cursor=state)
