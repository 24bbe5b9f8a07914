"""Labels: what is excluded is counted by reason, and nothing is lost."""

import pandas as pd
import pytest
from feature_frames import World, random_world

from atmr_pipeline.features.delay import delay_training_set


def build(world: World) -> tuple[pd.DataFrame, dict[str, int]]:
    return delay_training_set(world)


@pytest.fixture(scope="module")
def complete() -> World:
    world = random_world(5, bookings=40)
    rows = world.assignments
    pickup = rows["planned_pickup_at"] + pd.Timedelta(minutes=5)
    return world.with_(
        assignments=rows.assign(
            status="COMPLETED", actual_pickup_at=pickup, actual_dropoff_at=pickup + pd.Timedelta(minutes=10)
        )
    )


def test_every_assignment_is_a_row_or_a_reason() -> None:
    world = random_world(5)
    training, excluded = build(world)
    assert len(training) + sum(excluded.values()) == len(world.assignments)
    assert set(excluded) == {"cancelled", "reassigned", "pickup_unknown"}
    ordered = training.sort_values(["decided_at", "assignment_id"], ignore_index=True)
    pd.testing.assert_frame_equal(training, ordered)
    assert (training["known_at"] > training["decided_at"]).all()


def test_label(complete: World) -> None:
    rows = complete.assignments.copy()
    rows.loc[0, "actual_pickup_at"] += pd.Timedelta("1us")
    rows.loc[1, "actual_pickup_at"] -= pd.Timedelta(minutes=12, seconds=30)
    training, excluded = build(complete.with_(assignments=rows))
    labels = training.set_index("assignment_id")
    assert excluded == {}
    assert labels.loc[2, "delay_min"] == -7.5
    assert labels.loc[3, "delay_min"] == 5.0
    assert labels["is_late"].sum() == 1, "exactly 5 min is not late"
    assert labels.loc[1, "is_late"]


@pytest.mark.parametrize(
    ("table", "column", "value", "reason"),
    [
        ("assignments", "status", "CANCELLED", "cancelled"),
        ("bookings", "status", "CANCELED", "cancelled"),
        ("assignments", "status", "NO_SHOW", "no_show"),
        ("assignments", "status", "REASSIGNED", "reassigned"),
        ("assignments", "booking_id", 10**6, "booking_missing"),
        ("assignments", "driver_id", 77, "driver_missing"),
        ("bookings", "scheduled_at", pd.NaT, "scheduled_time_unknown"),
        ("assignments", "actual_pickup_at", pd.NaT, "pickup_unknown"),
        ("assignments", "actual_dropoff_at", pd.NaT, "dropoff_unknown"),
        ("assignments", "actual_dropoff_at", pd.Timestamp(2025, 1, 1, tz="UTC"), "dropoff_before_pickup"),
        ("assignments", "created_at", pd.Timestamp(2026, 1, 1, tz="UTC"), "decided_after_pickup"),
    ],
)
def test_reasons(complete: World, table: str, column: str, value: object, reason: str) -> None:
    changed = getattr(complete, table).copy()
    changed.loc[4, column] = value
    training, excluded = build(complete.with_(**{table: changed}))
    assert excluded == {reason: 1}
    assert 5 not in training["assignment_id"].tolist()
    assert len(training) == 39


def test_empty_history(complete: World) -> None:
    training, excluded = build(complete.with_(assignments=complete.assignments.iloc[:0]))
    assert training.empty
    assert excluded == {}
    assert "delay_min" in training.columns
