"""The delay features: right by definition, exact in time, the same for training and serving."""

import numpy as np
import pandas as pd
import pytest
from feature_frames import FEATURES_FROM_HISTORY, World, random_world, slow_history_features
from hypothesis import given, settings
from hypothesis import strategies as st

from atmr_pipeline.domain.errors import TableContractError
from atmr_pipeline.domain.tables import WEATHER_FORECAST, empty
from atmr_pipeline.features.contract import FEATURE_NAMES
from atmr_pipeline.features.delay import delay_features, delay_training_set

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
        assert got == pytest.approx(expected, abs=1e-6, nan_ok=True)
    for name in [*FEATURES_FROM_HISTORY, "weather_factor"]:
        assert 0 < features[name].notna().sum() < len(features), f"{name}: both known and unknown values are tested"


def test_booking_features(world: World) -> None:
    features, bookings = world.features(), world.bookings
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
    changed = {
        "actual_pickup_at": pickup,
        "actual_dropoff_at": pickup + pd.Timedelta(minutes=int(rng.integers(1, 300))),
        "driver_id": pd.Series(rng.integers(1, 4, len(rows)), dtype="Int64"),
        "status": pd.Series(rng.choice(["COMPLETED", "CANCELLED", "NO_SHOW", "REASSIGNED"], len(rows)), dtype="str"),
        "updated_at": pickup,
    }
    for name, values in changed.items():
        rows[name] = rows[name].mask(future, values)
    keep = ~(future & (rng.random(len(rows)) < 0.3))
    weather = world.weather.copy()
    later = weather["issued_at"] > decided_at
    weather["rain_mm"] = weather["rain_mm"].mask(later, 99.0)
    weather = weather[~(later & (rng.random(len(weather)) < 0.5))]
    return world.with_(
        assignments=rows[keep].sample(frac=1, random_state=seed % 2**32),
        weather=weather.sample(frac=1, random_state=seed % 2**32),
        bookings=world.bookings.sample(frac=1, random_state=seed % 2**32),
    )


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


@settings(max_examples=5, deadline=None)
@given(seed=seeds)
def test_training_and_serving_rows_are_identical(seed: int) -> None:
    world = random_world(seed, bookings=120)
    training, _ = delay_training_set(world.bookings, world.assignments, world.drivers, world.weather)
    assert list(training.columns[7:-2]) == list(FEATURE_NAMES)
    for row in np.random.default_rng(seed).choice(len(training), 4, replace=False):
        decision = training.iloc[[row]].reset_index(drop=True)
        decided_at = decision.loc[0, "decided_at"]
        seen = world.assignments[world.assignments["created_at"] <= decided_at].copy()
        unfinished = ~(seen["actual_dropoff_at"] < decided_at)
        seen.loc[unfinished, ["actual_pickup_at", "actual_dropoff_at"]] = pd.NaT
        # A server holds 31 days of history, not all of it.
        seen = seen[unfinished | (seen["actual_dropoff_at"] > decided_at - pd.Timedelta(days=31))]
        served = delay_features(
            decision[["assignment_id", "booking_id", "driver_id", "decided_at"]],
            bookings=world.bookings, assignments=seen, drivers=world.drivers,
            weather=world.weather[world.weather["issued_at"] <= decided_at],
        )  # fmt: skip
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
    assert features[[*FEATURES_FROM_HISTORY, "weather_factor"]].isna().all(axis=None)
    assert bare.features(world.decisions().iloc[:0]).empty


def test_decisions_that_cannot_be_answered(world: World) -> None:
    decisions = world.decisions().iloc[:3].reset_index(drop=True)
    with pytest.raises(TableContractError, match="1 decisions name a booking"):
        world.features(decisions.assign(booking_id=[1, 2, 10**6]))
    with pytest.raises(TableContractError, match="3 decisions name a driver"):
        world.features(decisions.assign(driver_id=77))
    untimed = world.bookings.assign(scheduled_local=pd.NaT)
    with pytest.raises(TableContractError, match="without a scheduled time"):
        world.with_(bookings=untimed).features(decisions)
    with pytest.raises(TableContractError, match="decided_at"):
        world.features(decisions.assign(decided_at=pd.NaT))


def test_time_zone_of_the_machine_does_not_matter(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = world.features()
    monkeypatch.setenv("TZ", "America/New_York")
    pd.testing.assert_frame_equal(world.features(), expected, check_exact=True)
