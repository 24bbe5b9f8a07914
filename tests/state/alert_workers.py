"""What the test of the alerts runs in processes of their own."""

from datetime import UTC, datetime

import pandas as pd

from atmr_pipeline.state.alerts import send_alerts
from atmr_pipeline.state.store import StateStore

NOW = datetime(2026, 3, 2, 3, tzinfo=UTC)


def risks(assignments: list[int], **changes: object) -> pd.DataFrame:
    """Risks of fictional assignments, as they come to be sent."""
    n = len(assignments)
    columns = {
        "assignment_id": assignments, "booking_id": [100 + one for one in assignments],
        "driver_id": pd.array([5] * n, dtype="Int64"), "service_day": pd.Timestamp("2026-03-02"), "level": "high",
        "p_late": 0.4, "expected_delay_min": 6.5, "threshold": 0.3, "threshold_source": "model",
        "advice": pd.Series([[{"code": "leave_earlier", "minutes": 4}]] * n, dtype=object), "model_version": "v1",
    }  # fmt: skip
    return pd.DataFrame({**columns, **changes})


def once_a_booking(assessed: pd.DataFrame):
    """Sends what was never sent for the booking."""

    def decide(earlier: pd.DataFrame) -> pd.DataFrame:
        known = assessed["booking_id"].isin(earlier["booking_id"])
        return assessed.assign(outcome=known.map({True: "not_escalated", False: "sent"}).astype("str"))

    return decide


def send_in_rounds(url: str, schema: str, model: str, rounds: list[list[int]], barrier, results) -> None:
    store = StateStore(url, schema=schema)
    sent = []
    for assignments in rounds:
        assessed = risks(assignments, model_version=model)
        barrier.wait()
        decided = send_alerts(store, assessed, once_a_booking(assessed), sent_at=NOW)
        sent += decided.loc[decided["outcome"] == "sent", "booking_id"].tolist()
    results.put(sent)
    store.close()
