"""What happened is told: alarms, models promoted and refused, fallbacks, failed runs; each once a channel."""

import json
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import dagster as dg

from atmr_pipeline.resources.notifiers import ui_url, usable_channels
from atmr_pipeline.resources.workspace import opened_state
from atmr_pipeline.sensors.failures import failed_runs_since
from atmr_pipeline.settings import Settings, load_settings
from atmr_pipeline.state.types import utc_now

if TYPE_CHECKING:
    from atmr_pipeline.notifications.notification import Notification
    from atmr_pipeline.state import StateStore

LOOK_BACK = timedelta(days=7)
"""How far back a first tick looks, and every later one at least: what was told is known, so nothing is told twice."""


@dg.sensor(
    name="notifications",
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Tells alarms, promotions, refusals, fallbacks and failed runs: to alerts.jsonl, and by webhook and "
    "mail where these are set. Each once a channel; what fails is tried again for most of a day.",
)
def notifications(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    """Deliver what is not delivered.

    The cursor holds the instant before which nothing is left to do, so that what happened while the daemon was away for
    longer than the look back is still told.
    """
    from atmr_pipeline.notifications.deliver import deliver

    settings, now = load_settings(), utc_now()
    targets, problem = usable_channels(settings)
    since = _since(context.cursor, now)
    with opened_state(settings) as store:
        wanted = happened_since(store, context.instance, settings, since)
        done = deliver(store, wanted, targets)
    if problem is not None:
        # The tick fails, visibly and with the cursor where it was, until the setting is mended.
        raise problem
    # An hour of overlap: what is committed late carries the time at which it began.
    unsettled = min((told.occurred_at for told in done.waiting), default=now)
    context.update_cursor(json.dumps({"since": (min(unsettled, now) - timedelta(hours=1)).isoformat()}))
    if done.given_up:
        context.log.error(f"{done.given_up} notifications given up: see {settings.root / 'alerts.jsonl'}")
    return dg.SkipReason(done.summary())


def happened_since(
    store: "StateStore", instance: dg.DagsterInstance, settings: Settings, since: datetime
) -> "list[Notification]":
    """All that a person should know of what happened since an instant, oldest first."""
    from atmr_pipeline.notifications.events import events_to_notifications
    from atmr_pipeline.notifications.reading import drift_events_since, model_events_since

    ui = ui_url(settings)
    told = events_to_notifications(
        drift_events_since(store, since), model_events_since(store, since), ui_url=ui, since=since
    )
    return sorted([*told, *failed_runs_since(instance, since, ui)], key=lambda each: each.occurred_at)


def _since(cursor: str | None, now: datetime) -> datetime:
    settled = datetime.fromisoformat(json.loads(cursor)["since"]) if cursor else now
    return min(settled, now - LOOK_BACK)
