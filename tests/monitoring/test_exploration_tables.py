"""Every figure against another way of computing it; every row in exactly one group."""

import numpy as np
import pandas as pd
import pytest
from exploration_world import FEATURES, make_world
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from atmr_pipeline.domain.errors import TableContractError
from atmr_pipeline.monitoring.exploration import explore_delays
from atmr_pipeline.monitoring.exploration.cases import DIMENSIONS, measured_cases
from atmr_pipeline.monitoring.exploration.figures import histogram, mean_interval
from atmr_pipeline.monitoring.exploration.relations import CONSTANT, NOT_NUMERIC, TOO_FEW, correlations

LEFT_OUT = {"cancelled": 30, "pickup_unknown": 7}


@pytest.fixture(scope="module")
def world():
    return make_world()


@pytest.fixture(scope="module")
def explored(world):
    return explore_delays(*world, LEFT_OUT, features=FEATURES)


def dimension(explored, name):
    return explored.groups[explored.groups["dimension"] == name].set_index("group")


def test_the_distribution_is_that_of_the_labels(explored, world) -> None:
    delay = world[0]["delay_min"]
    assert explored.n == len(delay)
    assert explored.figure("mean_min") == pytest.approx(delay.mean())
    assert explored.figure("sd_min") == pytest.approx(delay.std())
    assert explored.figure("skewness") == pytest.approx(delay.skew())
    for name, share in (("p05", 0.05), ("q1", 0.25), ("median", 0.5), ("q3", 0.75), ("p95", 0.95)):
        assert explored.figure(f"{name}_min") == pytest.approx(delay.quantile(share))
    assert explored.figure("late_share") == pytest.approx((delay > 5).mean())
    assert explored.figure("over_15_min_share") == pytest.approx((delay > 15).mean())
    assert explored.figure("early_share") == pytest.approx((delay < 0).mean())
    reach = 1.5 * (delay.quantile(0.75) - delay.quantile(0.25))
    high, low = delay.quantile(0.75) + reach, delay.quantile(0.25) - reach
    assert explored.figure("outliers_high") == (delay > high).sum() > 0
    assert explored.figure("outliers_low") == (delay < low).sum()
    assert explored.figure("whisker_high_min") == delay[delay <= high].max()
    assert explored.figure("mean_low_min") < delay.mean() < explored.figure("mean_high_min")


def test_exactly_five_minutes_is_not_late_and_the_histogram_cuts_there() -> None:
    labels, bookings = make_world(rows=200)
    labels["delay_min"] = np.repeat([5.0, 5.0 + 1e-9, -2.0, 9.0], 50)
    found = explore_delays(labels, bookings, {}, features=FEATURES)
    assert found.figure("late_share") == 0.5
    bins = found.histogram
    assert bins.loc[bins["from_min"] >= 5.0, "n"].sum() == 100
    assert bins["n"].sum() == 200


def test_groups_are_those_of_the_bookings_and_features(explored, world) -> None:
    labels, bookings = world
    joined = labels.drop(columns="is_urgent").merge(bookings, on="booking_id")
    legs = dimension(explored, "leg")
    for leg, delay in joined.groupby("leg")["delay_min"]:
        assert legs.loc[leg, "n"] == len(delay)
        assert legs.loc[leg, "median_min"] == pytest.approx(delay.median())
        assert legs.loc[leg, "late_share"] == pytest.approx((delay > 5).mean())
    hours = dimension(explored, "hour")
    nine = joined[joined["scheduled_local"].dt.hour == 9]["delay_min"]
    assert hours.loc["09", "q3_min"] == pytest.approx(nine.quantile(0.75))
    assert dimension(explored, "weekday").loc["Wed", "n"] == (labels["service_day"].dt.day_name() == "Wednesday").sum()
    assert list(dimension(explored, "month").index) == ["2026-03", "2026-04"]
    weather = dimension(explored, "weather")
    snow, rain = labels["weather_snow_cm"] > 0, labels["weather_rain_mm"] >= 0.1
    assert weather["n"].to_dict() == {"dry": (~snow & ~rain).sum(), "rain": (~snow & rain).sum(), "snow": snow.sum()}
    assert "company" not in set(explored.groups["dimension"])


def test_small_groups_are_gathered_and_counted() -> None:
    labels, bookings = make_world(rows=400)
    labels.loc[:7, "driver_id"] = 90
    labels.loc[8:12, "driver_id"] = 91
    labels.loc[13:40, "driver_id"] = pd.NA
    drivers = explore_delays(labels, bookings, {}, features=[]).groups
    drivers = drivers[drivers["dimension"] == "driver"].set_index("kind")
    assert drivers.loc["gathered", ["n", "gathered"]].tolist() == [13, 2]
    assert drivers.loc["unknown", ["n", "gathered"]].tolist() == [28, 0]
    assert drivers.loc[["gathered", "unknown"], "group"].isna().all()
    assert (drivers.loc["named", "n"] >= 30).all()


def test_a_label_without_booking_is_unknown_not_dropped(world) -> None:
    labels, bookings = world
    found = explore_delays(labels, bookings.iloc[50:], {}, features=FEATURES)
    for name in ("leg", "hour", "leg_and_hour", "urgency"):
        rows = found.groups[found.groups["dimension"] == name].set_index("kind")
        assert rows.loc["unknown", "n"] == 50, name
    assert found.hour_weekday["n"].sum() == len(labels)
    assert found.hour_weekday.loc[found.hour_weekday["hour"].isna(), "n"].sum() == 50


def test_weeks_have_no_hole_and_the_trailing_mean_is_over_rows(world) -> None:
    labels, bookings = world
    gap = labels["service_day"].between(pd.Timestamp("2026-03-16"), pd.Timestamp("2026-03-22"))
    kept = labels[~gap]
    weeks = explore_delays(kept, bookings, {}, features=FEATURES).weeks.set_index("week")
    assert (np.diff(weeks.index) == np.timedelta64(7, "D")).all()
    assert weeks.loc[pd.Timestamp("2026-03-16"), "n"] == 0
    assert np.isnan(weeks.loc[pd.Timestamp("2026-03-16"), "mean_min"])
    assert weeks["n"].sum() == len(kept)
    window = kept["service_day"].between(pd.Timestamp("2026-03-16"), pd.Timestamp("2026-04-12"))
    assert weeks.loc[pd.Timestamp("2026-04-06"), "trailing_mean_min"] == pytest.approx(
        kept.loc[window, "delay_min"].mean()
    )
    assert weeks["trailing_mean_min"].iloc[:3].isna().all()


def test_bins_hold_equal_values_together_and_the_unknown_apart(explored, world) -> None:
    labels = world[0]
    assert set(explored.features["feature"]) == {"distance_km", "slack_min", "deadhead_km"}
    slack = explored.features[explored.features["feature"] == "slack_min"]
    unknown = slack[slack["kind"] == "unknown"]
    assert unknown["n"].tolist() == [labels["slack_min"].isna().sum()]
    for row in slack[slack["kind"] == "named"].itertuples():
        inside = labels[labels["slack_min"].between(row.from_value, row.to_value)]["delay_min"]
        assert (row.n, row.median_min) == (len(inside), pytest.approx(inside.median()))


def test_missing_and_infinite_values_are_counted(world) -> None:
    labels, bookings = world
    labels = labels.assign(deadhead_km=labels["deadhead_km"].mask(labels.index < 4, np.inf))
    missing = explore_delays(labels, bookings, {}, features=FEATURES).missing.set_index("feature")
    assert missing.loc["slack_min", "unknown"] == labels["slack_min"].isna().sum()
    assert missing.loc["slack_min", "unknown_share"] == pytest.approx(labels["slack_min"].isna().mean())
    assert missing.loc["deadhead_km", ["unknown", "infinite"]].tolist() == [0, 4]
    assert missing.index[0] == "slack_min"


def test_spearman_is_that_of_scipy_over_the_known_rows(explored, world) -> None:
    labels = world[0]
    with_delay = explored.with_delay.set_index("feature")
    known = labels.dropna(subset=["slack_min"])
    assert with_delay.loc["slack_min", "n"] == len(known)
    expected = stats.spearmanr(known["slack_min"], known["delay_min"]).statistic
    assert with_delay.loc["slack_min", "spearman"] == pytest.approx(expected)
    pairs = explored.among_features.set_index(["feature_a", "feature_b"])
    expected = stats.spearmanr(labels["distance_km"], labels["deadhead_km"]).statistic
    assert pairs.loc[("distance_km", "deadhead_km"), "spearman"] == pytest.approx(expected)
    assert len(pairs) == len(FEATURES) * (len(FEATURES) - 1) // 2
    assert explored.among_features["spearman"].abs().is_monotonic_decreasing


def test_a_correlation_that_does_not_exist_says_why(world) -> None:
    labels = world[0].assign(same=1.0, few=np.nan, word="a", none=np.nan)
    labels.loc[:20, "few"] = range(21)
    with_delay, among, rows = correlations(labels, ["same", "few", "word", "none", "distance_km"])
    reasons = with_delay.set_index("feature")["why_not"]
    assert reasons[["same", "few", "word", "none"]].tolist() == [CONSTANT, TOO_FEW, NOT_NUMERIC, TOO_FEW]
    assert pd.isna(reasons["distance_km"])
    assert with_delay["feature"].iloc[0] == "distance_km"
    assert among.empty
    assert rows == len(labels)


def test_large_tables_are_sampled_for_correlations_and_it_is_said(world, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("atmr_pipeline.monitoring.exploration.relations.MAX_CORRELATION_ROWS", 100)
    found = explore_delays(*world, {}, features=FEATURES)
    assert found.correlation_rows == 100
    assert found.with_delay["n"].max() == 100
    assert found.n == len(world[0])


def test_labels_account_for_every_assignment(explored, world) -> None:
    labels = explored.labels
    assert labels["rows"].tolist() == [len(world[0]), 30, 7]
    assert labels["reason"].iloc[1:].tolist() == ["cancelled", "pickup_unknown"]
    assert labels["share"].sum() == pytest.approx(1.0)


def test_outliers_are_the_farthest_by_assignment(explored, world) -> None:
    labels = world[0].sort_values("delay_min", ascending=False)
    assert explored.outliers["assignment_id"].iloc[0] == labels["assignment_id"].iloc[0]
    assert set(explored.outliers["side"]) == {"late"}
    assert len(explored.outliers) == min(20, int(explored.figure("outliers_high") + explored.figure("outliers_low")))


@pytest.mark.parametrize("rows", [0, 1, 2])
def test_almost_nothing_gives_null_not_zero(world, rows: int) -> None:
    labels, bookings = world
    found = explore_delays(labels.iloc[:rows], bookings, {}, features=FEATURES)
    assert found.n == rows
    assert np.isnan(found.figure("mean_low_min"))
    assert np.isnan(found.figure("skewness"))
    assert np.isnan(found.figure("late_share")) == (rows == 0)
    assert np.isnan(found.figure("sd_min")) == (rows < 2)
    assert found.with_delay["spearman"].isna().all()
    assert found.histogram["n"].sum() == rows
    assert (found.groups.groupby("dimension")["n"].sum() == rows).all()
    assert len(found.weeks) == min(rows, 1)


def test_columns_that_are_all_null_are_unknown_groups(world) -> None:
    labels, bookings = world
    labels = labels.assign(patient_area=pd.Series(None, index=labels.index, dtype="str"), weather_rain_mm=np.nan,
                           slack_min=np.nan, driver_id=pd.array([pd.NA] * len(labels), dtype="Int64"))  # fmt: skip
    found = explore_delays(labels.drop(columns="pickup_area"), bookings, {}, features=FEATURES)
    for name in ("patient_area", "pickup_area", "driver"):
        assert dimension(found, name)["kind"].tolist() == ["unknown"], name
    assert dimension(found, "weather")["kind"].tolist() == ["named", "unknown"]
    assert found.missing["unknown_share"].iloc[:2].tolist() == [1.0, 1.0]


def test_weather_falls_back_to_the_slowdown_without_mixing_classes(world) -> None:
    labels, bookings = world
    factor = np.where(labels["weather_rain_mm"] > 1.0, 1.03, 1.0)
    older = labels.drop(columns=["weather_rain_mm", "weather_snow_cm"])
    weather = measured_cases(older.assign(weather_factor=factor), bookings)["weather"]
    assert set(weather) == {"slowing", "dry"}
    assert measured_cases(older, bookings)["weather"].isna().all()
    partly = labels.assign(weather_factor=factor, weather_rain_mm=np.nan)
    assert set(measured_cases(partly, bookings)["weather"].dropna()) == {"snow"}


def test_one_driver_and_several_companies() -> None:
    labels, bookings = make_world(drivers=1)
    labels["company_id"] = np.where(labels.index < 300, 1, 2)
    found = explore_delays(labels, bookings, {}, features=FEATURES)
    assert dimension(found, "driver")["n"].to_dict() == {"1": 600}
    assert dimension(found, "company")["n"].to_dict() == {"1": 300, "2": 300}


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda labels, bookings: (labels.drop(columns="driver_id"), bookings), "driver_id"),
        (lambda labels, bookings: (labels, bookings.drop(columns="leg")), "leg"),
        (lambda labels, bookings: (pd.concat([labels, labels]), bookings), "assignment_id stands twice"),
        (lambda labels, bookings: (labels, pd.concat([bookings, bookings])), "booking_id stands twice"),
        (lambda labels, bookings: (labels.assign(delay_min=np.inf), bookings), "600 labels"),
        (lambda labels, bookings: (labels.assign(service_day=pd.NaT), bookings), "no service day"),
        (lambda labels, bookings: (labels.drop(columns="slack_min"), bookings), "lacks 1 of the features"),
    ],
)
def test_unusable_tables_are_refused_by_column_and_count(world, spoil, message: str) -> None:
    with pytest.raises(TableContractError, match=message):
        explore_delays(*spoil(*world), {}, features=FEATURES)


def test_the_same_tables_give_the_same_figures_in_any_order(world) -> None:
    labels, bookings = world
    mixed = labels.sample(frac=1.0, random_state=3)
    first = explore_delays(labels, bookings, {}, features=FEATURES)
    second = explore_delays(mixed, bookings.iloc[::-1], {}, features=FEATURES)
    sure = [name for name in first.groups.columns if name not in ("mean_low_min", "mean_high_min")]
    pd.testing.assert_frame_equal(first.groups[sure], second.groups[sure])
    pd.testing.assert_frame_equal(first.histogram, second.histogram)
    again = explore_delays(labels, bookings, {}, features=FEATURES)
    pd.testing.assert_frame_equal(first.groups, again.groups)
    pd.testing.assert_frame_equal(first.weeks, again.weeks)


def test_the_interval_covers_the_mean_on_few_and_on_many_days() -> None:
    rng = np.random.default_rng(1)
    for days, least in ((5, 0.87), (25, 0.89)):
        hits = 0
        for repeat in range(300):
            day = np.repeat(np.arange(days), rng.poisson(11.5, days) + 1)
            delay = rng.normal(0.0, 1.5, days)[day] + rng.gamma(1.2, 5.0, len(day)) - 1.6
            low, high = mean_interval(delay, day, repeat)
            hits += low <= 4.4 <= high
        assert hits / 300 >= least, days
    assert np.isnan(mean_interval(np.arange(40.0), np.repeat(np.arange(4), 10))).all()


@settings(max_examples=25, deadline=None)
@given(
    rows=st.integers(0, 80),
    drivers=st.integers(1, 6),
    unknown=st.floats(0.0, 1.0),
    min_rows=st.integers(1, 40),
    seed=st.integers(0, 1000),
)
def test_groups_always_add_up(rows: int, drivers: int, unknown: float, min_rows: int, seed: int) -> None:
    labels, bookings = make_world(seed, rows, drivers, days=9)
    hidden = np.random.default_rng(seed).random(rows) < unknown
    labels["driver_id"] = labels["driver_id"].mask(hidden)
    labels["patient_area"] = labels["patient_area"].mask(hidden)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("atmr_pipeline.monitoring.exploration.figures.DRAWS", 20)
        found = explore_delays(labels, bookings[~hidden], {}, features=FEATURES, min_rows=min_rows)
    if rows:
        assert set(found.groups["dimension"]) == set(DIMENSIONS) - {"company"}
    for name, part in found.groups.groupby("dimension"):
        assert part["n"].sum() == rows, name
        assert part["share"].sum() == pytest.approx(1.0)
        assert (part["n"] * part["mean_min"]).sum() == pytest.approx(labels["delay_min"].sum())
        assert (part["n"] * part["late_share"]).sum() == pytest.approx((labels["delay_min"] > 5).sum())
        assert (part.loc[part["kind"] == "named", "n"] >= min_rows).all()
        assert (part["q1_min"] <= part["median_min"]).all()
        assert (part["median_min"] <= part["q3_min"]).all()
    for table in (found.weeks, found.hour_weekday, found.histogram):
        assert table["n"].sum() == rows
    for _, part in found.features.groupby("feature"):
        assert part["n"].sum() == rows


@given(st.lists(st.floats(-700.0, 700.0, allow_subnormal=False), max_size=60))
def test_every_delay_falls_into_the_bin_that_says_so(delays: list[float]) -> None:
    values = np.asarray(delays, dtype=np.float64)
    bins = histogram(values)
    for row in bins.itertuples():
        assert row.n == ((values > row.from_min) & (values <= row.to_min)).sum()
    assert bins["n"].sum() == len(values)
