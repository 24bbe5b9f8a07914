"""Which service days a run must read: those never read, those that changed, those that may still change.

A change is seen in two ways. The watermark asks the source for rows changed since the last complete extraction, less a
window for transactions that end late. The digests compare, day by day, what the source holds with what is stored: they
see what no row tells, such as a deleted booking, or one that moved to another day or lost its time.
"""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from atmr_pipeline.domain.vocabulary import LOCAL_TIMEZONE
from atmr_pipeline.jobs.partitions import SERVICE_DAYS
from atmr_pipeline.resources.extracted import OPERATIONS_TABLES, stored_digests

if TYPE_CHECKING:
    from atmr_pipeline.resources.workspace import Workspace

WATERMARK = "operations"
MAX_RANGES = 8
"""More gaps than this are bridged: one run over a wider range costs less than many runs."""


def days_to_extract(workspace: "Workspace", all_days: Sequence[str]) -> list[str]:
    """Service days of ``all_days`` that were never extracted, or that differ from the source."""
    from atmr_pipeline.state.watermarks import get_watermark

    span = workspace.operations.span()
    first = span[0].isoformat() if span else all_days[-1]
    stored = [{day.isoformat() for day in workspace.tables.days(name)} for name in OPERATIONS_TABLES]
    # A day counts as extracted only when every table has it: a run may have died between two of them. A day ahead
    # without bookings is extracted too: an empty day is known, a missing one is not.
    have = set.intersection(*stored)
    missing = {day for day in all_days if first <= day and day not in have}
    since = get_watermark(workspace.state, WATERMARK)
    window = timedelta(days=workspace.settings.late_window_days)
    changed = workspace.operations.changed_days(since, late_window=window) if since else []
    touched = {day.isoformat() for day in (*changed, *days_that_differ(workspace))}
    return sorted(missing | touched & set(all_days))


def days_that_differ(workspace: "Workspace") -> list[date]:
    """Days on which the source and the tables do not hold the same rows in the same state."""
    from atmr_pipeline.sources.operations import changed_by_digest

    return changed_by_digest(workspace.operations.day_digests(), stored_digests(workspace.tables))


def open_days(workspace: "Workspace", now: datetime) -> list[str]:
    """Service days whose records may still change at ``now``: the late window, and what is booked ahead.

    Raises
    ------
    ValueError
        If the history has not begun at ``now``.
    """
    known = SERVICE_DAYS.get_partition_keys(current_time=now)
    if not known:
        raise ValueError("the service days are empty: ATMR_HISTORY_START lies in the future")
    local_day = now.astimezone(ZoneInfo(LOCAL_TIMEZONE)).date()
    first = (local_day - timedelta(days=workspace.settings.late_window_days)).isoformat()
    return [day for day in known if day >= first] or [known[-1]]


def day_ranges(days: Sequence[str], all_days: Sequence[str]) -> list[tuple[str, str]]:
    """Inclusive ranges without gaps, in order; one range over all of them where there would be too many."""
    position = {day: index for index, day in enumerate(all_days)}
    ranges: list[tuple[str, str]] = []
    for day in sorted(day for day in days if day in position):
        if ranges and position[day] == position[ranges[-1][1]] + 1:
            ranges[-1] = (ranges[-1][0], day)
        else:
            ranges.append((day, day))
    return ranges if len(ranges) <= MAX_RANGES else [(ranges[0][0], ranges[-1][1])]
