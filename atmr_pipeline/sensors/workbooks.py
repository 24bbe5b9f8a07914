"""A new workbook in the inbox, or a corrected drivers file, starts the import; a failed import is asked for again."""

import hashlib
import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg

from atmr_pipeline.jobs.definitions import excel_import
from atmr_pipeline.resources.fingerprints import file_hash
from atmr_pipeline.resources.inbox import IMPORTED, drivers_fingerprint, workbooks_in
from atmr_pipeline.resources.workspace import opened_state
from atmr_pipeline.settings import Settings, load_settings
from atmr_pipeline.state.types import utc_now

MAX_ATTEMPTS = 3
ASK_AGAIN_AFTER = timedelta(minutes=30)
"""A run that failed on a full disk or an absent database may succeed later; a third failure asks for a person."""


@dg.sensor(
    job=excel_import,
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="A workbook whose content was never imported starts excel_import, and so does a drivers file that a "
    "person changed; a file still being copied waits a tick.",
)
def new_workbook(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
    """Ask for one import when settled contents were not imported yet.

    The cursor remembers each file's size and time from the last tick (a file that changed since is still being copied)
    and how often each content was asked for. The run key is made of the contents and the attempt, so the daemon never
    runs the same request twice.
    """
    settings = load_settings()
    cursor = {"stats": {}, "asked": {}, **(json.loads(context.cursor) if context.cursor else {})}
    seen = {path: _size_and_time(path) for path in _watched(settings)}
    stats = {path.name: stat for path, stat in seen.items() if stat is not None}
    settled = [path for path in seen if path.name in stats and cursor["stats"].get(path.name) == stats[path.name]]
    pending = _not_imported(settings, settled)
    now = utc_now()
    due = sorted(digest for digest in pending if _is_due(cursor["asked"].get(digest), now))
    # A request is remembered while its file is away or being copied: the same content asks once, whatever its name.
    asked = dict(cursor["asked"])
    for digest in due:
        asked[digest] = {"times": asked.get(digest, {"times": 0})["times"] + 1, "at": now.isoformat()}
    state = json.dumps({"stats": stats, "asked": asked})
    if not due:
        context.update_cursor(state)
        return dg.SkipReason(_why_nothing(len(stats), pending))
    attempts = "".join(f"{digest}:{asked[digest]['times']}" for digest in due)
    key = hashlib.sha256(attempts.encode()).hexdigest()[:32]
    return dg.SensorResult(run_requests=[dg.RunRequest(run_key=f"workbooks:{key}")], cursor=state)


def _watched(settings: Settings) -> list[Path]:
    drivers = [settings.drivers_path] if settings.drivers_path.is_file() else []
    return [*workbooks_in(settings.inbox_dir), *drivers]


def _is_due(asked: dict[str, Any] | None, now: datetime) -> bool:
    if asked is None:
        return True
    return asked["times"] < MAX_ATTEMPTS and now - datetime.fromisoformat(asked["at"]) >= ASK_AGAIN_AFTER


def _why_nothing(watched: int, pending: set[str]) -> str:
    return f"{watched} files watched, {len(pending)} of them asked for and not imported yet"


def _not_imported(settings: Settings, settled: list[Path]) -> set[str]:
    """Contents that no run has imported, by hand or otherwise; a workbook that was refused whole is settled too."""
    drivers = settings.drivers_path
    known: set[str] = set()
    workbooks = {file_hash(path) for path in settled if path != drivers}
    imported: dict[str, Any] = {}
    if settings.state_url or (settings.root / "state.db").exists():
        from atmr_pipeline.state.pipeline_state import get_state
        from atmr_pipeline.state.workbook_files import find_workbook_file

        with opened_state(settings) as store:
            imported = get_state(store, IMPORTED) or {}
            known = {digest for digest in workbooks if find_workbook_file(store, digest) is not None}
    pending = workbooks - known - set(imported.get("refused", []))
    if drivers in settled and drivers_fingerprint(drivers) != imported.get("drivers", drivers_fingerprint(None)):
        pending.add(drivers_fingerprint(drivers))
    return pending


def _size_and_time(path: Path) -> list[int] | None:
    """Size and modification time; None for a file that was taken away meanwhile."""
    try:
        stat = path.stat()
    except FileNotFoundError:
        return None
    return [stat.st_size, stat.st_mtime_ns]
