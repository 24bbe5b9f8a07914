"""The fit finds a known world's speeds, is not led astray by wrong trips, and says honestly how good it is."""

import numpy as np
import pandas as pd
import pytest

from atmr_pipeline.domain.errors import NotEnoughDataError, SourceError, TableContractError
from atmr_pipeline.sources.travel import fit_speed_profile
from atmr_pipeline.sources.travel.fitting import ASSUMED, CONSTANT, FITTED, ONE_SPEED
from atmr_pipeline.sources.travel.pictures import profile_picture
from atmr_pipeline.sources.travel.profile import DAYS, HOURS

DETOUR, FIXED_MIN = 1.4, 13.0
WORKING_HOURS = np.arange(7, 19)


def true_speeds():
    """Rush hours at 8 and 17, slower on Fridays, faster at weekends."""
    hour = np.arange(HOURS)
    speed = 34.0 - 12.0 * np.exp(-((hour - 8) ** 2) / 4.0) - 14.0 * np.exp(-((hour - 17) ** 2) / 4.0)
    return speed * np.array([1.0, 1.0, 1.0, 1.0, 0.92, 1.15, 1.2])[:, None]


def company(days=180, a_day=14, *, seed=1, speeds=None, sigma=0.2, fixed=FIXED_MIN):
    """Trips of a fictional company: fewer at weekends, as in life."""
    rng = np.random.default_rng(seed)
    service_day = np.repeat(pd.date_range("2026-01-05", periods=days), a_day)
    frame = pd.DataFrame({"service_day": service_day, "weekday": service_day.weekday, "hour": 0})
    frame = frame[(frame["weekday"] < 5) | (rng.random(len(frame)) < 0.1)].reset_index(drop=True)
    frame["hour"] = rng.choice(WORKING_HOURS, len(frame))
    frame["straight_km"] = rng.gamma(2.0, 2.5, len(frame)) + 0.2
    frame["road_km"] = DETOUR * frame["straight_km"] * rng.lognormal(0.0, 0.1, len(frame))
    speed = (true_speeds() if speeds is None else speeds)[frame["weekday"], frame["hour"]]
    ride = 60.0 * DETOUR * frame["straight_km"] / speed * rng.lognormal(-(sigma**2) / 2, sigma, len(frame))
    frame["minutes"] = fixed * rng.lognormal(-0.02, 0.2, len(frame)) + ride
    return frame


@pytest.fixture(scope="module")
def fit():
    return fit_speed_profile(company())


def test_the_world_is_found_again(fit):
    profile, truth = fit.profile, true_speeds()
    assert profile.detour == pytest.approx(DETOUR, rel=0.01)
    assert profile.detour_pairs > 1_500
    assert profile.fixed_min == pytest.approx(FIXED_MIN, abs=0.7)
    assert profile.fixed_sd_min < 0.3
    busy = profile.trips >= 10
    assert busy.sum() >= 5 * len(WORKING_HOURS)
    assert np.abs(profile.speed_kmh / truth - 1.0)[busy].mean() < 0.06
    assert np.abs(profile.speed_kmh / truth - 1.0)[busy].max() < 0.2
    assert profile.trips.sum() == fit.trained + fit.held_out == len(company())
    assert profile.speed_kmh[4, WORKING_HOURS].mean() < profile.speed_kmh[0, WORKING_HOURS].mean()
    assert profile.speed_kmh[5, WORKING_HOURS].mean() > profile.speed_kmh[0, WORKING_HOURS].mean()


def test_hours_without_a_trip_have_the_speed_of_all_hours(fit):
    night = fit.profile.speed_kmh[:, :6]
    assert fit.profile.trips[:, :6].sum() == 0
    assert np.ptp(night) < 1e-6
    by_hour = fit.profile.any_day_kmh[WORKING_HOURS]
    assert by_hour.min() < night[0, 0] < by_hour.max()


def test_few_trips_are_believed_a_little():
    trips = company()
    lone = trips.iloc[[0]].assign(hour=3, weekday=2, straight_km=10.0, minutes=FIXED_MIN + 60.0 * DETOUR * 10.0 / 90.0)
    profile = fit_speed_profile(pd.concat([trips, lone])).profile
    assert profile.trips[2, 3] == 1
    all_hours = profile.speed_kmh[2, 1]
    assert all_hours < profile.speed_kmh[2, 3] < 0.5 * (all_hours + 90.0)
    # The same hour on other days learns from it too, less the farther the day type.
    assert profile.speed_kmh[2, 3] > profile.speed_kmh[1, 3] > profile.speed_kmh[6, 3] > all_hours


def test_it_beats_the_constant_on_days_it_has_not_seen(fit):
    errors = fit.errors.set_index("method")
    assert list(errors.index) == [FITTED, ONE_SPEED, CONSTANT, ASSUMED]
    assert errors.loc[FITTED, "mae_min"] < errors.loc[[ONE_SPEED, CONSTANT, ASSUMED], "mae_min"].min()
    assert fit.beats()
    assert fit.beats(ONE_SPEED)
    assert not fit.beats(FITTED)
    row = errors.loc[CONSTANT]
    assert row["difference_low_min"] < row["difference_min"] < row["difference_high_min"] < 0.0
    assert row["difference_min"] == pytest.approx(errors.loc[FITTED, "mae_min"] - row["mae_min"])
    assert abs(errors.loc[FITTED, "bias_min"]) < 0.5
    assert f"{row['mae_min']:.2f}" in fit.summary()


def test_where_a_constant_is_true_the_profile_does_not_claim_to_beat_it():
    fit = fit_speed_profile(company(speeds=np.full((DAYS, HOURS), 30.0)))
    assert not fit.beats()
    difference = fit.errors.set_index("method").loc[CONSTANT, "difference_min"]
    assert abs(difference) < 0.2


def test_the_held_out_days_are_the_last_and_teach_nothing(fit):
    trips = company()
    last = trips["service_day"] > pd.Timestamp(fit.judged.last_day)
    assert last.sum() == fit.held_out
    assert (
        trips.loc[last, "service_day"].nunique() == fit.held_out_days == np.ceil(0.2 * trips["service_day"].nunique())
    )
    other = trips.copy()
    other.loc[last, "minutes"] *= 2.0
    changed = fit_speed_profile(other)
    assert changed.judged.to_dict() == fit.judged.to_dict()
    assert changed.profile.to_dict() != fit.profile.to_dict()
    assert changed.errors["mae_min"][0] > 2.0 * fit.errors["mae_min"][0]


def test_the_order_of_rows_changes_nothing(fit):
    shuffled = fit_speed_profile(company().sample(frac=1.0, random_state=3))
    assert shuffled.profile.speed_kmh == pytest.approx(fit.profile.speed_kmh, rel=1e-6)
    assert shuffled.errors["difference_high_min"].tolist() == pytest.approx(fit.errors["difference_high_min"].tolist())


def test_drivers_who_forget_to_end_a_trip_hardly_move_it(fit):
    trips = company()
    forgotten = np.random.default_rng(5).random(len(trips)) < 0.03
    trips.loc[forgotten, "minutes"] += 90.0
    moved = fit_speed_profile(trips).profile
    assert moved.fixed_min == pytest.approx(fit.profile.fixed_min, abs=0.7)
    assert moved.speed_kmh[:5, WORKING_HOURS] == pytest.approx(fit.profile.speed_kmh[:5, WORKING_HOURS], rel=0.08)


def test_without_road_distances_the_detour_is_assumed_and_says_so():
    trips = company().assign(road_km=np.nan)
    profile = fit_speed_profile(trips, assumed_detour=1.25).profile
    assert (profile.detour, profile.detour_pairs) == (1.25, 0)
    assert "detour assumed" in profile.source


def test_impossible_road_distances_do_not_count():
    trips = company()
    trips.loc[::3, "road_km"] = 0.0
    trips.loc[1::3, "road_km"] *= 50.0
    profile = fit_speed_profile(trips).profile
    assert profile.detour == pytest.approx(DETOUR, rel=0.02)
    assert profile.detour_pairs < len(trips) / 3 + 1


def test_trips_of_one_length_cannot_tell_the_ride_from_the_boarding():
    trips = company().assign(straight_km=5.0, road_km=np.nan)
    trips["minutes"] = np.random.default_rng(2).normal(27.0, 4.0, len(trips)).clip(5.0)
    profile = fit_speed_profile(trips).profile
    assert profile.fixed_min == pytest.approx(12.0, abs=0.1)
    assert profile.fixed_sd_min > 4.0


@pytest.mark.parametrize("rows", [0, 1, 299])
def test_few_trips_are_not_enough(rows):
    with pytest.raises(NotEnoughDataError, match="completed trips for a speed profile: needs 300"):
        fit_speed_profile(company().head(rows))


def test_few_days_are_not_enough():
    with pytest.raises(NotEnoughDataError, match="days with completed trips for a speed profile: needs 30, has 20"):
        fit_speed_profile(company(days=20, a_day=40).query("weekday < 7"))


@pytest.mark.parametrize(
    "minutes",
    [
        lambda trips: 60.0 - 0.5 * trips["straight_km"],
        lambda trips: 1.0 + 0.01 * trips["straight_km"],
        lambda trips: 30.0 * trips["straight_km"],
    ],
    ids=["shorter the farther", "faster than 120 km/h", "slower than 3 km/h"],
)
def test_times_that_cannot_be_true_give_no_profile(minutes):
    trips = company()
    with pytest.raises(SourceError, match="no plausible speed"):
        fit_speed_profile(trips.assign(minutes=minutes(trips)))


def test_a_missing_column_is_named():
    with pytest.raises(TableContractError, match="straight_km"):
        fit_speed_profile(company().drop(columns="straight_km"))


def test_an_unknown_value_is_counted():
    trips = company()
    trips.loc[[3, 5], "minutes"] = np.nan
    with pytest.raises(TableContractError, match="minutes in 2 rows"):
        fit_speed_profile(trips)


def test_the_picture_is_a_small_png(fit):
    picture = profile_picture(fit)
    assert picture.startswith(b"\x89PNG")
    assert 1_000 < len(picture) < 60_000
    flat = fit_speed_profile(company(speeds=np.full((DAYS, HOURS), 30.0)))
    assert profile_picture(flat) != picture
