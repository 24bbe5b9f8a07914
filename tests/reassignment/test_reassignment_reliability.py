"""How far predicted differences between drivers came true, and that many plans at once are as good as one by one."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from reassignment_day import DAY, HABIT_MIN, LATE, NOW, PUNCTUAL, HabitAndChain, Scene, filled, fleet_row, history

from atmr_pipeline.domain.errors import NotEnoughDataError
from atmr_pipeline.domain.tables import ASSIGNMENTS, BOOKINGS, CALENDAR_DAYS, DRIVERS
from atmr_pipeline.features.contract import FEATURES
from atmr_pipeline.features.delay import delay_features, delay_training_set
from atmr_pipeline.features.sources import FeatureSources
from atmr_pipeline.models.delay import DelayModel
from atmr_pipeline.models.delay.reassignment import ModelScorer, gain_reliability
from atmr_pipeline.models.delay.reassignment.day_copies import DayCopies, with_drivers
from atmr_pipeline.sources.calendar import calendar_days


@pytest.fixture(scope="module")
def company() -> FeatureSources:
    booked, driven = history(list(HABIT_MIN), days=200)
    rng = np.random.default_rng(5)
    for row in driven:
        noise = pd.Timedelta(seconds=round(60 * rng.normal(0.0, 2.0)))
        row |= {
            "actual_pickup_at": row["actual_pickup_at"] + noise,
            "actual_dropoff_at": row["actual_dropoff_at"] + noise,
        }
    return FeatureSources(
        filled(booked, BOOKINGS), filled(driven, ASSIGNMENTS), filled([fleet_row(d) for d in HABIT_MIN], DRIVERS)
    )


@pytest.fixture(scope="module")
def training_set(company: FeatureSources) -> pd.DataFrame:
    return delay_training_set(company)[0]


@pytest.fixture(scope="module")
def model(training_set: pd.DataFrame) -> DelayModel:
    names = [feature.name for feature in FEATURES]
    return DelayModel().fit(training_set[names], training_set["delay_min"], training_set["decided_at"])


def test_differences_that_came_true_count_in_full(
    model: DelayModel, training_set: pd.DataFrame, company: FeatureSources
) -> None:
    judged = gain_reliability(model, training_set, company)
    assert judged.slope == pytest.approx(1.0, abs=0.15)
    assert judged.share > 0.75
    assert "driver_avg_delay_30d" in judged.features
    assert "slack_min" in judged.features
    assert not {"time_of_day", "distance_km", "weather_factor"} & set(judged.features)
    assert judged.days >= 20
    assert judged == gain_reliability(model, training_set, company)


def test_differences_that_did_not_come_true_count_for_nothing(
    model: DelayModel, training_set: pd.DataFrame, company: FeatureSources
) -> None:
    since = pd.Timestamp(str(model.blocks_.set_index("block").loc["calibration", "first_decided_at"]))
    unseen = training_set["decided_at"] >= since
    mixed = training_set.copy()
    rng = np.random.default_rng(2)
    mixed.loc[unseen, "delay_min"] = rng.permutation(mixed.loc[unseen, "delay_min"].to_numpy())
    assert gain_reliability(model, mixed, company).share < 0.25


def test_a_model_that_sees_no_difference_gains_nothing(training_set: pd.DataFrame, company: FeatureSources) -> None:
    names = ["time_of_day", "distance_km"]
    blind = DelayModel().fit(training_set[names], training_set["delay_min"], training_set["decided_at"])
    judged = gain_reliability(blind, training_set, company)
    assert (judged.slope, judged.share, judged.features) == (0.0, 0.0, ())


def test_too_few_days_after_the_fit_are_a_typed_error(
    model: DelayModel, training_set: pd.DataFrame, company: FeatureSources
) -> None:
    since = pd.Timestamp(str(model.blocks_.set_index("block").loc["calibration", "first_decided_at"]))
    few = training_set[training_set["decided_at"] < since + pd.Timedelta(days=5)]
    with pytest.raises(NotEnoughDataError, match="days decided after"):
        gain_reliability(model, few, company)


@pytest.mark.parametrize("covered", [0, 30])
def test_many_plans_at_once_have_the_features_of_each_alone(covered: int) -> None:
    scene = Scene(
        [(8.0, LATE, 0.0), (8.0, PUNCTUAL, 3.0), (8.5, LATE, 5.0), (9.25, PUNCTUAL, 1.0), (9.25, LATE, 0.0)],
    )
    sources = scene.tables().sources
    if covered:
        last = DAY + pd.Timedelta(days=covered)
        sources = replace(sources, calendar=calendar_days(DAY.date(), last.date()))
    assert list(sources.calendar.columns) == list(CALENDAR_DAYS.columns)
    ahead = sources.assignments[sources.assignments["service_day"] == DAY].sort_values("assignment_id")
    decisions = ahead[["assignment_id", "booking_id", "driver_id"]].assign(decided_at=NOW).reset_index(drop=True)
    plans: list[dict[int, int]] = [{}, {10: PUNCTUAL}, {30: PUNCTUAL, 40: LATE}, {50: 3}]
    copies = DayCopies(sources, decisions["booking_id"])
    together = copies.of(plans)
    for number, changes in enumerate(plans):
        planned = with_drivers(decisions, changes)
        alone = delay_features(planned, replace(sources, assignments=with_drivers(sources.assignments, changes)))
        copied = planned.assign(booking_id=copies.booking_ids(planned["booking_id"], number))
        found = delay_features(copied, together).assign(booking_id=alone["booking_id"])
        pd.testing.assert_frame_equal(found, alone)


def test_a_plan_is_predicted_once() -> None:
    class Counting(HabitAndChain):
        rows = 0

        def predict(self, features: pd.DataFrame) -> pd.DataFrame:
            self.rows += len(features)
            return super().predict(features)

    sources = Scene([(8.0, LATE, 0.0), (12.0, PUNCTUAL, 3.0)]).tables().sources
    ahead = sources.assignments[sources.assignments["service_day"] == DAY]
    model = Counting()
    scorer = ModelScorer(model, sources, ahead, NOW)
    first = scorer.whole_days([{}, {10: PUNCTUAL}, {}])
    again = scorer.whole_days([{10: PUNCTUAL}])
    assert model.rows == 4
    pd.testing.assert_frame_equal(first[1], again[0])
    assert not first[0].equals(first[1])
