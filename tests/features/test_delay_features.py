"""The delay features: right by definition, exact in time, the same for training and serving."""

import numpy as np
import pandas as pd
import pytest
from feature_frames import (
    FEATURES_FROM_HISTORY,
    World,
    random_world,
    slow_day_features,
    slow_history_features,
)
from hypothesis import example, given, settings
from hypothesis import strategies as st

from atmr_pipeline.domain.errors import TableContractError
from atmr_pipeline.domain.tables import WEATHER_FORECAST, empty
from atmr_pipeline.domain.wallclock import to_local
from atmr_pipeline.features.contract import FEATURE_NAMES
from atmr_pipeline.features.delay import delay_training_set

seeds = st.integers(0, 2**31 - 1)


@pytest.fixture(scope="module")
def world() -> World:
    return random_world(11)


def test_history_features_equal_their_definition(world: World) -> None:
    features = world.features()
    for row in range(0, len(features), 3):
        expected = slow_history_features(world, features.iloc[row])
        got = {name: float(features.loc[row, name]) for name in expected}
        # One millionth: ratios are summed as whole millionths so that sums are exact.
        assert got == pytest.approx(expected, abs=1e-3, rel=3e-4, nan_ok=True)
    for name in [*FEATURES_FROM_HISTORY, "weather_factor"]:
        assert 0 < features[name].notna().sum() < len(features), f"{name}: both known and unknown values are tested"


def test_features_of_the_day_equal_their_definition() -> None:
    world = random_world(12, bookings=120, days=8, drivers=2)
    features = world.features()
    for row in range(len(features)):
        expected = slow_day_features(world, features.iloc[row])
        got = {
            name: float(features.loc[row, name]) if pd.notna(features.loc[row, name]) else np.nan for name in expected
        }
        # A thousandth of a minute: every step is rounded to a millisecond.
        assert got == pytest.approx(expected, abs=1e-3, nan_ok=True)
    assert (features["projected_lateness_min"] > 0).sum() > 10
    assert features["driver_current_load"].max() > 5
    assert set(features["is_first_course"].dropna()) == {True, False}


def test_booking_features(world: World) -> None:
    features, bookings = world.features().sort_values("booking_id", ignore_index=True), world.bookings
    local = bookings["scheduled_local"]
    assert features["time_of_day"].tolist() == (local.dt.hour + local.dt.minute / 60).tolist()
    assert features["day_of_week"].tolist() == local.dt.dayofweek.tolist()
    known = bookings["distance_km"].notna()
    assert features.loc[known, "distance_km"].tolist() == bookings.loc[known, "distance_km"].tolist()
    assert features["distance_km"].notna().all(), "coordinates stand in for a missing distance"
    priority = 4 * bookings["is_urgent"] + 2 * bookings["is_medical"] + bookings["leg"].eq("outbound")
    assert features["booking_priority"].tolist() == priority.tolist()
    assert features["is_medical"].equals(bookings["is_medical"])
    assert features["is_urgent"].equals(bookings["is_urgent"])
    is_return = bookings["leg"].eq("return")
    assert features["is_return_from_hospital"].equals((is_return & bookings["is_hospital"]).rename(None))
    assert features["is_return_from_medical"].equals((is_return & bookings["is_medical"]).rename(None))
    assert features["month"].tolist() == local.dt.month.tolist()
    rush = local.dt.hour.isin([7, 8, 16, 17]) & (local.dt.dayofweek < 5)
    assert features["is_rush_hour"].tolist() == rush.tolist()
    assert features["is_weekend"].tolist() == (local.dt.dayofweek >= 5).tolist()
    ahead = bookings["scheduled_at"] - features["decided_at"]
    assert features["time_to_pickup_min"].to_numpy() == pytest.approx(ahead.dt.total_seconds() / 60, abs=1e-4)
    calendar = world.calendar.set_index("service_day")["is_public_holiday"]
    assert features["is_public_holiday"].tolist() == calendar.loc[bookings["service_day"]].tolist()


def test_a_plan_is_decided_when_it_is_complete(world: World) -> None:
    rows = world.assignments.merge(world.dispatch_runs, on="dispatch_run_id", how="left")
    rows = rows.merge(world.bookings[["booking_id", "scheduled_at"]], on="booking_id")
    decided = (
        world.decisions().set_index("assignment_id").loc[rows["assignment_id"], "decided_at"].reset_index(drop=True)
    )
    with_plan = (rows["completed_at"] > rows["created_at"]) & (rows["completed_at"] < rows["scheduled_at"])
    with_plan &= rows["started_at"] <= rows["created_at"]
    assert 20 < with_plan.sum() < len(rows) - 20
    assert decided[with_plan].equals(rows.loc[with_plan, "completed_at"].rename("decided_at"))
    assert decided[~with_plan].equals(rows.loc[~with_plan, "created_at"].rename("decided_at"))


@pytest.mark.parametrize("minutes", [-5.0, 0.0, 30_000.0, np.inf])
def test_an_absurd_ride_or_distance_is_not_known(world: World, minutes: float) -> None:
    wrong = world.with_(bookings=world.bookings.assign(duration_min=minutes, distance_km=minutes)).features()
    without = world.with_(bookings=world.bookings.assign(duration_min=np.nan, distance_km=np.nan)).features()
    pd.testing.assert_frame_equal(wrong, without, check_exact=True)


def test_areas_and_heights(world: World) -> None:
    heights = pd.DataFrame({"lat": [46.2, 46.233], "lon": [6.1, 6.076], "elevation_m": [380.0, 430.0]})
    bookings = world.bookings.assign(pickup_lat=46.2, pickup_lon=6.1, dropoff_lat=46.233, dropoff_lon=6.076)
    bookings.loc[0, "dropoff_lat"] = 46.25
    bookings.loc[1, ["pickup_lat", "pickup_lon"]] = [46.5, 6.8]
    bookings.loc[2, "pickup_lat"] = np.nan
    placed = world.with_(bookings=bookings, elevation=heights)
    features = placed.features().sort_values("booking_id", ignore_index=True)
    assert features["altitude_diff_m"].iloc[3:].eq(50.0).all()
    assert features["altitude_diff_m"].iloc[:3].isna().all()
    assert features["pickup_area"].iloc[3:].eq("Vernier").all()
    assert features["is_urban"].tolist()[:4] == [True, False, pd.NA, True]
    assert features.loc[1, "pickup_area"] == "(outside the canton)"
    assert pd.isna(features.loc[2, "pickup_area"])
    home = np.where(bookings["leg"].eq("return"), "Meyrin", "Vernier")
    assert features["patient_area"].tolist()[3:] == home.tolist()[3:]


@pytest.mark.parametrize(("lat", "lon"), [(0.0, 0.0), (np.nan, 6.1), (47.37, 8.54)])
def test_no_distance_from_a_point_that_cannot_be(world: World, lat: float, lon: float) -> None:
    lost = world.with_(bookings=world.bookings.assign(distance_km=np.nan, pickup_lat=lat, pickup_lon=lon))
    features = lost.features()
    assert features["distance_km"].isna().all()
    assert features["traffic_density"].isna().all()


def test_local_hour_is_the_wall_clocks(world: World) -> None:
    local = world.bookings["scheduled_local"]
    offset = (local.dt.tz_localize("UTC") - world.bookings["scheduled_at"]).dt.total_seconds()
    assert set(offset) == {3600.0, 7200.0}, "both sides of the clock change are in the test"
    assert set(np.floor(world.features()["time_of_day"])) == {8.0, 9.0, 14.0}


def test_edges_of_the_windows() -> None:
    world = random_world(3, bookings=2, drivers=1)
    rows = world.assignments.assign(driver_id=1, status="COMPLETED").astype({"driver_id": "Int64"})
    end = pd.Timestamp("2025-03-01 10:00", tz="UTC")
    world = world.with_(bookings=world.bookings.assign(scheduled_at=(end - pd.Timedelta(minutes=25)).as_unit("us")))
    rows["actual_pickup_at"] = end - pd.Timedelta(minutes=20)
    rows["actual_dropoff_at"] = end
    rows = rows.iloc[:1].astype({"actual_pickup_at": "datetime64[us, UTC]", "actual_dropoff_at": "datetime64[us, UTC]"})
    instants = [
        end,
        end + pd.Timedelta("1us"),
        end + pd.Timedelta("30D"),
        end + pd.Timedelta("30D") + pd.Timedelta("1us"),
    ]
    decisions = pd.DataFrame(
        {"assignment_id": range(4), "booking_id": 2, "driver_id": 1, "decided_at": pd.Series(instants)}
    )
    known = world.with_(assignments=rows).features(decisions)["driver_punctuality_score"].notna()
    assert known.tolist() == [False, True, True, False], "known after the drop-off, for 30 days"


def test_forecast_counts_from_its_issue_on(world: World) -> None:
    booking = world.bookings.iloc[0]
    hour = booking["scheduled_at"].floor("h")
    issued = hour - pd.Timedelta(hours=5)
    forecast = pd.DataFrame(
        {"issued_at": [issued, issued + pd.Timedelta(hours=2)], "valid_at": hour, "rain_mm": [1.0, 1000.0],
         "snow_cm": [0.0, 1000.0], "temperature_c": np.nan}
    ).astype({"issued_at": "datetime64[us, UTC]", "valid_at": "datetime64[us, UTC]"})  # fmt: skip
    decisions = pd.DataFrame(
        {"assignment_id": [1, 2, 3], "booking_id": booking["booking_id"], "driver_id": 1,
         "decided_at": [issued - pd.Timedelta("1us"), issued, issued + pd.Timedelta(hours=2)]}
    )  # fmt: skip
    factor = world.with_(weather=forecast).features(decisions)["weather_factor"]
    assert np.isnan(factor[0])
    assert factor[1] == pytest.approx(1.02)
    assert factor[2] == pytest.approx(1 + 0.16 + 0.40), "slowdowns are capped"


def scrambled_future(world: World, decided_at: pd.Timestamp, seed: int) -> World:
    """The same world as known at ``decided_at``, with another future."""
    rng = np.random.default_rng(seed)
    rows = world.assignments.copy()
    future = (rows["actual_dropoff_at"].isna() | (rows["actual_dropoff_at"] >= decided_at)).to_numpy()
    shift = pd.Series(pd.to_timedelta(rng.integers(0, 10**6, len(rows)), unit="s"))
    pickup = (decided_at + shift).where(pd.Series(rng.random(len(rows)) < 0.8)).astype("datetime64[us, UTC]")
    unwritten = (rows["created_at"] > decided_at).to_numpy()
    # How a course ended, written after the decision; a last change before it was already seen.
    unsettled = future & ((rows["updated_at"] > decided_at).to_numpy() | unwritten)
    changed = {
        "actual_pickup_at": (pickup, future),
        "actual_dropoff_at": (pickup + pd.Timedelta(minutes=int(rng.integers(1, 300))), future),
        "driver_id": (pd.Series(rng.integers(1, 4, len(rows)), dtype="Int64"), unwritten),
        "status": (
            pd.Series(rng.choice(["COMPLETED", "CANCELLED", "NO_SHOW", "REASSIGNED"], len(rows)), dtype="str"),
            unsettled,
        ),
        "updated_at": (decided_at + shift + pd.Timedelta("1s"), unsettled),
    }
    for name, (values, where) in changed.items():
        rows[name] = rows[name].mask(where, values)
    keep = ~(unwritten & (rng.random(len(rows)) < 0.3))
    weather = world.weather.copy()
    later = weather["issued_at"] > decided_at
    weather["rain_mm"] = weather["rain_mm"].mask(later, 99.0)
    weather = weather[~(later & (rng.random(len(weather)) < 0.5))]
    return world.with_(
        assignments=rows[keep].sample(frac=1, random_state=seed % 2**32),
        weather=weather.sample(frac=1, random_state=seed % 2**32),
        bookings=world.bookings.sample(frac=1, random_state=seed % 2**32),
    )


@example(seed=268435456, at=0.5625)
@settings(max_examples=8, deadline=None)
@given(seed=seeds, at=st.floats(0.05, 1.0))
def test_no_feature_knows_the_future(seed: int, at: float) -> None:
    world = random_world(seed, bookings=120)
    decisions = world.decisions()
    decided_at = decisions["decided_at"].quantile(at)
    past = decisions[decisions["decided_at"] <= decided_at]
    expected = world.features(past)
    for other in range(2):
        pd.testing.assert_frame_equal(
            scrambled_future(world, decided_at, seed + other).features(past), expected, check_exact=True
        )


def test_past_does_matter(world: World) -> None:
    decisions = world.decisions()
    later = world.assignments["actual_pickup_at"] + pd.Timedelta(hours=2)
    changed = world.with_(
        assignments=world.assignments.assign(
            actual_pickup_at=later, actual_dropoff_at=world.assignments["actual_dropoff_at"] + pd.Timedelta(hours=3)
        )
    )
    before, after = world.features(decisions), changed.features(decisions)
    for name in FEATURES_FROM_HISTORY:
        assert not before[name].equals(after[name])
    slower = world.with_(bookings=world.bookings.assign(duration_min=90.0))
    assert not before["slack_min"].equals(slower.features(decisions)["slack_min"])


def as_known(world: World, at: pd.Timestamp) -> World:
    """What a server holds at an instant: no future, and 62 days of history."""
    seen = world.assignments[world.assignments["created_at"] <= at].copy()
    unfinished = ~(seen["actual_dropoff_at"] < at)
    seen.loc[unfinished, ["actual_pickup_at", "actual_dropoff_at"]] = pd.NaT
    today = to_local(pd.Series([at]))[0].normalize()
    # An end that was written later was not known yet, however old the course.
    seen.loc[unfinished & (seen["updated_at"] > at), "status"] = "SCHEDULED"
    seen.loc[seen["updated_at"] > at, "updated_at"] = seen["created_at"]
    bookings = world.bookings.copy()
    later = bookings["updated_at"] > at
    bookings.loc[later, "status"] = "ASSIGNED"
    return world.with_(
        assignments=seen[seen["service_day"] > today - pd.Timedelta(days=62)],
        bookings=bookings,
        weather=world.weather[world.weather["issued_at"] <= at],
    )


@settings(max_examples=5, deadline=None)
@given(seed=seeds)
def test_training_and_serving_rows_are_identical(seed: int) -> None:
    world = random_world(seed, bookings=120)
    training, _ = delay_training_set(world)
    assert list(training.columns[9:-2]) == list(FEATURE_NAMES)
    for row in np.random.default_rng(seed).choice(len(training), 4, replace=False):
        decision = training.iloc[[row]].reset_index(drop=True)
        decided_at = decision.loc[0, "decided_at"]
        served = as_known(world, decided_at).features(
            decision[["assignment_id", "booking_id", "driver_id", "decided_at"]]
        )
        pd.testing.assert_frame_equal(served, decision[list(served.columns)], check_exact=True)


def test_order_and_duplicates_of_decisions_are_kept(world: World) -> None:
    decisions = world.decisions().sample(frac=1, random_state=5)
    decisions = pd.concat([decisions, decisions.iloc[:7]])
    features = world.features(decisions)
    assert features["assignment_id"].tolist() == decisions["assignment_id"].tolist()
    straight = world.features().set_index("assignment_id").loc[decisions["assignment_id"]].reset_index()
    pd.testing.assert_frame_equal(features, straight, check_exact=True)


def test_without_history_or_weather_features_are_unknown(world: World) -> None:
    bare = world.with_(assignments=world.assignments.iloc[:0], weather=empty(WEATHER_FORECAST))
    features = bare.features(world.decisions())
    assert features[[*FEATURES_FROM_HISTORY, "weather_factor", "deadhead_km"]].isna().all(axis=None)
    assert features["altitude_diff_m"].isna().all(), "no table of heights is given"
    assert bare.features(world.decisions().iloc[:0]).empty


def test_decisions_that_cannot_be_answered(world: World) -> None:
    decisions = world.decisions().iloc[:3].reset_index(drop=True)
    with pytest.raises(TableContractError, match="1 decisions name a booking"):
        world.features(decisions.assign(booking_id=[1, 2, 10**6]))
    with pytest.raises(TableContractError, match="3 decisions name a driver"):
        world.features(decisions.assign(driver_id=77))
    untimed = world.bookings.assign(scheduled_at=pd.NaT)
    with pytest.raises(TableContractError, match="without a scheduled time"):
        world.with_(bookings=untimed).features(decisions)
    with pytest.raises(TableContractError, match="decided_at"):
        world.features(decisions.assign(decided_at=pd.NaT))


def test_time_zone_of_the_machine_does_not_matter(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = world.features()
    monkeypatch.setenv("TZ", "America/New_York")
    pd.testing.assert_frame_equal(world.features(), expected, check_exact=True)
