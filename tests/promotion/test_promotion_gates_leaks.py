"""The leak test refuses what knows the future, and only that; the latency gate refuses what is slow."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest

from atmr_pipeline.features.contract import FEATURE_NAMES
from atmr_pipeline.features.delay import delay_features, delay_training_set
from atmr_pipeline.features.sources import FeatureSources
from atmr_pipeline.promotion.gates import latency_verdict, measure_latency
from atmr_pipeline.promotion.latency import LatencyLimits
from atmr_pipeline.promotion.leaks import audit_leaks, late_labels, leak_verdict
from atmr_pipeline.promotion.worlds import altered, as_known

FRAMES = Path(__file__).parents[1] / "features" / "feature_frames.py"
NAMES = list(FEATURE_NAMES)


@pytest.fixture(scope="module")
def frames() -> ModuleType:
    if "feature_frames" in sys.modules:
        return sys.modules["feature_frames"]
    spec = importlib.util.spec_from_file_location("feature_frames", FRAMES)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def sources(frames: ModuleType) -> FeatureSources:
    return frames.random_world(21, bookings=240, days=30)


@pytest.fixture(scope="module")
def training_set(sources: FeatureSources) -> pd.DataFrame:
    return delay_training_set(sources)[0]


@pytest.fixture(scope="module")
def holdout(training_set: pd.DataFrame) -> pd.DataFrame:
    return training_set[training_set["service_day"] > training_set["service_day"].max() - pd.Timedelta(days=7)]


def test_the_features_as_they_are_know_no_future(holdout: pd.DataFrame, sources: FeatureSources) -> None:
    audit = audit_leaks(holdout, sources, NAMES, instants=4)
    assert (audit.instants, audit.leaking, audit.stale, audit.not_made) == (4, {}, {}, ())
    verdict = leak_verdict(audit)
    assert verdict.passed
    assert verdict.n == audit.decisions >= 4


def test_a_planted_feature_that_looks_at_the_drivers_whole_day_is_refused(
    holdout: pd.DataFrame, sources: FeatureSources
) -> None:
    def leaking(decisions: pd.DataFrame, known: FeatureSources) -> pd.DataFrame:
        made = delay_features(decisions, known)
        driven = known.assignments.assign(seen=known.assignments["actual_pickup_at"].notna())
        share = driven.groupby("driver_id")["seen"].mean()
        return made.assign(driver_punctuality_score=decisions["driver_id"].map(share).astype("float64").to_numpy())

    stored = holdout.assign(
        driver_punctuality_score=leaking(holdout[["assignment_id", "booking_id", "driver_id", "decided_at"]], sources)[
            "driver_punctuality_score"
        ].to_numpy()
    )
    audit = audit_leaks(stored, sources, NAMES, instants=2, make=leaking)
    assert set(audit.leaking) == {"driver_punctuality_score"}
    assert audit.stale == {}
    verdict = leak_verdict(audit)
    assert not verdict.passed
    assert "driver_punctuality_score depends on the future" in verdict.detail


def test_a_stored_feature_that_the_sources_do_not_give_is_refused(
    holdout: pd.DataFrame, sources: FeatureSources
) -> None:
    planted = holdout.assign(slack_min=holdout["delay_min"])
    audit = audit_leaks(planted, sources, [*NAMES, "tomorrows_delay"], instants=2)
    assert set(audit.stale) == {"slack_min"}
    assert audit.not_made == ("tomorrows_delay",)
    verdict = leak_verdict(audit)
    assert not verdict.passed
    assert "tomorrows_delay is not made from the sources" in verdict.detail


def test_a_level_that_follows_later_pickups_is_refused(
    holdout: pd.DataFrame, sources: FeatureSources, training_set: pd.DataFrame
) -> None:
    def honest(rows: pd.DataFrame, history: pd.DataFrame) -> pd.Series:
        known = [history.loc[history["known_at"] < at, "delay_min"].mean() for at in rows["decided_at"]]
        return pd.Series(known, index=rows.index)

    def leaking(rows: pd.DataFrame, history: pd.DataFrame) -> pd.Series:
        return pd.Series(history["delay_min"].mean(), index=rows.index)

    options = {"instants": 1, "history": training_set}
    assert audit_leaks(holdout, sources, NAMES, predict=honest, **options).predictions == 0
    audit = audit_leaks(holdout, sources, NAMES, predict=leaking, **options)
    assert audit.predictions == audit.decisions
    assert not leak_verdict(audit).passed


def test_labels_that_came_after_the_first_held_out_decision_are_counted(training_set: pd.DataFrame) -> None:
    first = training_set["decided_at"].quantile(0.8)
    in_time = training_set[(training_set["known_at"] < first) & (training_set["decided_at"] < first)]
    last = in_time["decided_at"].max()

    def blocks(rows: int, last_decided: pd.Timestamp) -> pd.DataFrame:
        return pd.DataFrame({"rows": [rows], "last_decided_at": [last_decided.isoformat()]})

    assert late_labels(training_set, blocks(len(in_time), last), first) == 0
    assert late_labels(training_set, blocks(len(in_time) + 4, last), first) == 4
    assert late_labels(training_set, blocks(len(in_time), first), first) >= 1, "decided at the first held-out decision"


def test_no_decision_to_make_again_is_no_proof(holdout: pd.DataFrame, sources: FeatureSources) -> None:
    assert not leak_verdict(audit_leaks(holdout.iloc[:0], sources, NAMES)).passed


def test_the_worlds_differ_from_the_real_one_only_after_the_decision(sources: FeatureSources) -> None:
    at = sources.assignments["created_at"].quantile(0.5)
    known = as_known(sources, at, pd.Series([], dtype="int64"))
    other = altered(sources, at, np.random.default_rng(0))
    assert known.assignments["created_at"].max() <= at
    assert not (known.assignments["actual_pickup_at"] >= at).any()
    assert (known.weather["issued_at"] <= at).all()
    ended_bookings = sources.assignments.loc[sources.assignments["actual_dropoff_at"] < at, "booking_id"]
    unended = known.bookings[~known.bookings["booking_id"].isin(ended_bookings)]
    assert not (unended["updated_at"] > at).any(), "what is changed later on a course that had ended stays as it is"
    ended = sources.assignments["actual_dropoff_at"] < at
    settled = sources.assignments.loc[ended].set_index("assignment_id")
    for world in (known, other):
        again = world.assignments.set_index("assignment_id").loc[settled.index, settled.columns]
        pd.testing.assert_frame_equal(again, settled)
    later = sources.assignments["created_at"] > at
    changed = other.assignments.set_index("assignment_id")["driver_id"]
    before = sources.assignments[later].set_index("assignment_id")["driver_id"].reindex(changed.index).dropna()
    assert (changed[before.index] != before).any()
    assert len(other.assignments) < len(sources.assignments)


class Clock:
    """A clock that only a sleeping model moves."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(("seconds", "passes"), [(0.049, True), (0.051, False)])
def test_a_slow_model_is_refused(seconds: float, passes: bool) -> None:
    clock = Clock()

    def slow(rows: pd.DataFrame) -> pd.DataFrame:
        clock.now += seconds
        return rows

    latency = measure_latency(slow, pd.DataFrame({"x": range(7)}), clock=clock)
    assert latency.decision_p99_ms == pytest.approx(1000 * seconds)
    assert latency.decisions_per_s == pytest.approx(1000 / seconds)
    verdict = latency_verdict(latency)
    assert (verdict.passed, verdict.threshold) == (passes, 50.0)


def test_one_slow_decision_in_a_hundred_and_a_busy_round_are_forgiven_and_a_slow_batch_is_not() -> None:
    clock, calls = Clock(), iter(range(10_000))

    def hiccups(rows: pd.DataFrame) -> None:
        number = next(calls)
        busy = 5 <= number < 106
        clock.now += 0.2 if busy or number == 150 else 0.004 * len(rows)

    latency = measure_latency(hiccups, pd.DataFrame({"x": [1]}), clock=clock)
    assert latency.decision_p99_ms == pytest.approx(4.0)
    assert latency_verdict(latency).passed
    strict = LatencyLimits(min_decisions_per_s=10_000.0)
    assert not latency_verdict(latency, strict).passed
    assert not latency_verdict(measure_latency(hiccups, pd.DataFrame({"x": []}))).passed, "nothing was measured"
