"""A change in the inbox or in the drivers file starts the import; an import that failed is asked for again."""

import hashlib
import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg

from atmr_pipeline.jobs.definitions import excel_import
from atmr_pipeline.resources.inbox import IMPORTED, content_key, drivers_fingerprint, inputs_of, workbooks_in
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
    description="A workbook that came, changed or went, or a drivers file that a person changed, starts excel_import; "
    "files still being copied wait a tick.",
)
def new_workbook(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
    """Ask for one import when what lies in the inbox is not what the last complete import read.

    The cursor remembers each file's size and time from the last tick (files that changed since are still being copied)
    and how often these contents were asked for. The run key is made of the contents and the attempt, so the daemon
    never runs the same request twice.
    """
    settings = load_settings()
    cursor = {"stats": None, "asked": {}, **(json.loads(context.cursor) if context.cursor else {})}
    watched = _watched(settings)
    stats = {path.name: _size_and_time(path) for path in watched}
    if cursor["stats"] != stats:
        context.update_cursor(json.dumps({**cursor, "stats": stats}))
        return dg.SkipReason(f"{len(stats)} files watched: waiting until none of them changes")
    inputs = _inputs(settings)
    if inputs == _last_import(settings):
        return dg.SkipReason(f"{len(stats)} files watched, all as they were last imported")
    now, asked = utc_now(), cursor["asked"].get(inputs)
    if not _is_due(asked, now):
        return dg.SkipReason(f"the import was asked for {asked['times']} times and has not succeeded")
    times = asked["times"] + 1 if asked else 1
    cursor["asked"][inputs] = {"times": times, "at": now.isoformat()}
    key = hashlib.sha256(f"{inputs}:{times}".encode()).hexdigest()[:32]
    return dg.SensorResult(run_requests=[dg.RunRequest(run_key=f"workbooks:{key}")], cursor=json.dumps(cursor))


def _watched(settings: Settings) -> list[Path]:
    drivers = [settings.drivers_path] if settings.drivers_path.is_file() else []
    return [*workbooks_in(settings.inbox_dir), *drivers]


def _inputs(settings: Settings) -> str:
    contents = [content_key(path) for path in workbooks_in(settings.inbox_dir)]
    return inputs_of(contents, drivers_fingerprint(settings.drivers_path))


def _last_import(settings: Settings) -> str:
    """What the last complete import read; an empty inbox where there was none."""
    nothing = inputs_of([], drivers_fingerprint(None))
    if not (settings.state_url or (settings.root / "state.db").exists()):
        return nothing
    from atmr_pipeline.state.pipeline_state import get_state

    with opened_state(settings) as store:
        return str((get_state(store, IMPORTED) or {"inputs": nothing})["inputs"])


def _is_due(asked: dict[str, Any] | None, now: datetime) -> bool:
    if asked is None:
        return True
    return asked["times"] < MAX_ATTEMPTS and now - datetime.fromisoformat(asked["at"]) >= ASK_AGAIN_AFTER


def _size_and_time(path: Path) -> list[int] | None:
    """Size and modification time; None for a file that was taken away meanwhile."""
    try:
        stat = path.stat()
    except FileNotFoundError:
        return None
    return [stat.st_size, stat.st_mtime_ns]
