"""What the concurrency tests run in processes of their own."""

from datetime import date

from atmr_pipeline.state.drift_events import DriftEvent, insert_drift_event
from atmr_pipeline.state.store import StateStore


def migrate_and_insert(url: str, schema: str, barrier, results) -> None:
    barrier.wait()
    store = StateStore(url, schema=schema)
    store.migrate()
    event = DriftEvent("shared-event", "residual_drift", date(2026, 3, 2), "critical")
    results.put(insert_drift_event(store, event))
    store.close()
