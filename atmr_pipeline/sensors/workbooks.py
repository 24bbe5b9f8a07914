"""A new workbook in the inbox starts its import, once."""

import hashlib
import json
from pathlib import Path

import dagster as dg

from atmr_pipeline.jobs.definitions import excel_import
from atmr_pipeline.resources.fingerprints import file_hash
from atmr_pipeline.resources.inbox import workbooks_in
from atmr_pipeline.resources.workspace import opened_state
from atmr_pipeline.settings import load_settings


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
    seen = {path: _size_and_time(path) for path in workbooks_in(inbox)}
    stats = {path.name: stat for path, stat in seen.items() if stat is not None}
    settled = [path for path in seen if path.name in stats and cursor["stats"].get(path.name) == stats[path.name]]
    hashes = sorted({file_hash(path) for path in settled})
    unseen = [digest for digest in hashes if digest not in cursor["done"]]
    state = json.dumps({"stats": stats, "done": sorted({*cursor["done"], *unseen})})
    fresh = _not_imported(unseen)
    if not fresh:
        context.update_cursor(state)
        return dg.SkipReason(f"{len(stats)} workbooks in the inbox, none new")
    key = hashlib.sha256("".join(fresh).encode()).hexdigest()[:32]
    return dg.SensorResult(run_requests=[dg.RunRequest(run_key=f"workbooks:{key}")], cursor=state)


def _not_imported(digests: list[str]) -> list[str]:
    """Those that no run has imported yet, by hand or otherwise."""
    settings = load_settings()
    if not digests or not (settings.state_url or (settings.root / "state.db").exists()):
        return digests
    from atmr_pipeline.state.workbook_files import find_workbook_file

    with opened_state(settings) as store:
        return [digest for digest in digests if find_workbook_file(store, digest) is None]


def _size_and_time(path: Path) -> list[int] | None:
    """Size and modification time; None for a file that was taken away meanwhile."""
    try:
        stat = path.stat()
    except FileNotFoundError:
        return None
    return [stat.st_size, stat.st_mtime_ns]
