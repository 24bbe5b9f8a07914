"""Feature and label drift: power, false alarms, and every input that could crash or lull."""

from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest

from atmr_pipeline.domain.errors import SettingsError, TableContractError
from atmr_pipeline.monitoring.drift import DriftSettings, DriftWindow, feature_drift, feature_kinds, label_drift

LAST = date(2025, 11, 28)
START = "2025-11-01"


def row_of(table: pd.DataFrame, feature: str, days: int, aspect: str = "value") -> pd.Series:
    found = table[(table.feature == feature) & (table.window_days == days) & (table.aspect == aspect)]
    assert len(found) == 1
    return found.iloc[0]


def test_unchanged_features_are_tested_and_quiet(reference, courses, kinds):
    table = feature_drift(reference, courses(1, 28, START), kinds, as_of=LAST)
    assert len(table) == len(kinds) * 2 * 3
    assert table["company_id"].isna().all()
    assert not table["alarm"].fillna(False).any()
    month = table[(table.window_days == 28) & (table.aspect == "value")]
    assert month["alarm"].notna().all(), month[["feature", "skipped_reason"]]
    assert dict(zip(month.feature, month.test, strict=True)) == {
        "distance_km": "ks",
        "time_of_day": "ks",
        "weather_factor": "ks",
        "day_of_week": "chi2",
        "is_medical": "chi2",
    }


def test_thresholds_are_shared_by_all_planned_tests(reference, courses):
    now = courses(1, 28, START)
    one = feature_drift(reference, now, {"distance_km": "numeric"}, as_of=LAST)
    two = feature_drift(reference, now, {"distance_km": "numeric", "is_medical": "boolean"}, as_of=LAST)
    assert row_of(one, "distance_km", 28).threshold == pytest.approx(0.005 / 2)
    assert row_of(two, "distance_km", 28).threshold == pytest.approx(0.005 / 4)
    assert row_of(two, "distance_km", 7).threshold == pytest.approx(0.002 / 4)


def test_large_changes_alarm_with_their_severity(reference, courses, kinds):
    now = courses(1, 28, START, longer=2.0)
    now["is_medical"] = True
    now["day_of_week"] = 7
    table = feature_drift(reference, now, kinds, as_of=LAST)
    for feature in ("distance_km", "is_medical", "day_of_week"):
        row = row_of(table, feature, 28)
        assert row.alarm, feature
        assert row.severity == "critical", feature
    assert not row_of(table, "time_of_day", 28).alarm


def test_windows_hold_only_their_days(reference, courses):
    now = pd.concat([courses(1, 21, START), courses(2, 7, "2025-11-22"), courses(3, 5, "2025-11-29", longer=9.0)])
    table = feature_drift(reference, now, {"distance_km": "numeric"}, as_of=LAST)
    assert row_of(table, "distance_km", 28).n_current == 28 * 12
    assert row_of(table, "distance_km", 7).n_current == 7 * 12
    assert not table["alarm"].any(), "days after the look must not be seen"


def test_rising_null_share_is_an_alarm_of_its_own(reference, courses):
    now = courses(1, 28, START)
    now.loc[now.index % 3 == 0, "distance_km"] = np.nan
    table = feature_drift(reference, now, {"distance_km": "numeric"}, as_of=LAST)
    nulls = row_of(table, "distance_km", 28, "null_share")
    assert nulls.alarm
    assert nulls.distance == pytest.approx(1 / 3, abs=0.01)
    assert nulls.severity == "critical"
    assert not row_of(table, "distance_km", 28).alarm, "the values themselves did not change"


def test_an_all_null_column_alarms_by_its_nulls_and_says_that_values_were_not_tested(reference, courses):
    now = courses(1, 28, START).assign(distance_km=np.nan)
    table = feature_drift(reference, now, {"distance_km": "numeric"}, as_of=LAST)
    value = row_of(table, "distance_km", 28)
    assert pd.isna(value.alarm)
    assert "0 known values" in value.skipped_reason
    assert row_of(table, "distance_km", 28, "null_share").alarm


def test_infinite_values_count_as_unknown(reference, courses):
    now = courses(1, 28, START)
    now.loc[:99, "distance_km"] = np.inf
    table = feature_drift(reference, now, {"distance_km": "numeric"}, as_of=LAST)
    assert row_of(table, "distance_km", 28).n_current == 28 * 12 - 100
    assert row_of(table, "distance_km", 28, "null_share").alarm


def degenerate(name: str, frame: pd.DataFrame) -> pd.DataFrame:
    match name:
        case "empty":
            return frame.iloc[:0]
        case "one row":
            return frame.iloc[:1]
        case "all null objects":
            return frame.assign(distance_km=pd.Series([None] * len(frame), dtype="object"))
        case "nullable integers":
            return frame.assign(distance_km=frame.distance_km.round().astype("Int64").where(frame.distance_km > 3))
        case "dates":
            return frame.assign(distance_km=frame.service_day)
        case "text":
            return frame.assign(distance_km="7 km")
        case "constant":
            return frame.assign(distance_km=4.0)
        case "missing column":
            return frame.drop(columns="distance_km")
    raise AssertionError(name)


CASES = ["empty", "one row", "all null objects", "nullable integers", "dates", "text", "constant", "missing column"]


@pytest.mark.parametrize("kind", ["numeric", "categorical"])
@pytest.mark.parametrize("which", ["reference", "current", "both"])
@pytest.mark.parametrize("case", CASES)
def test_degenerate_columns_never_crash_and_never_pass_in_silence(courses, case, which, kind):
    old, new = courses(0, 40), courses(1, 28, START)
    if which in ("reference", "both"):
        old = degenerate(case, old)
    if which in ("current", "both"):
        new = degenerate(case, new)
    table = feature_drift(old, new, {"distance_km": kind}, as_of=LAST)
    assert len(table) == 2 * 3
    silent = table["alarm"].isna() & table["skipped_reason"].isna()
    assert not silent.any()
    assert (table["alarm"].isna() == table["skipped_reason"].notna()).all()
    value = row_of(table, "distance_km", 28)
    if case in ("empty", "one row", "all null objects", "missing column"):
        assert pd.isna(value.alarm)
    if case in ("dates", "text") and kind == "numeric":
        assert "not numeric" in value.skipped_reason


def test_a_category_is_the_same_whatever_its_dtype(reference, courses):
    now = courses(1, 28, START)
    for dtype in ("float64", "Int64", "boolean", "object"):
        table = feature_drift(
            reference, now.assign(is_medical=now.is_medical.astype(dtype)), {"is_medical": "boolean"}, as_of=LAST
        )
        assert row_of(table, "is_medical", 28).p_value > 0.01, dtype


def test_a_slow_feature_is_not_mistaken_for_many_independent_rows(courses):
    """One value a day: 28 dry days in a climate with 30 % rain are 28 observations, not 336."""
    old, now = courses(0, 250), courses(1, 28, START)
    rainy_days = pd.Series(range(28)).isin(range(0, 28, 2)).to_numpy()
    now["weather_factor"] = np.repeat(np.where(rainy_days, 1.16, 1.0), 12)
    assert not row_of(feature_drift(old, now, {"weather_factor": "numeric"}, as_of=LAST), "weather_factor", 28).alarm
    rng = np.random.default_rng(5)
    old["weather_factor"] = np.where(rng.random(len(old)) < 0.3, 1.16, 1.0)
    now["weather_factor"] = np.where(rng.random(len(now)) < 0.5, 1.16, 1.0)
    assert row_of(feature_drift(old, now, {"weather_factor": "numeric"}, as_of=LAST), "weather_factor", 28).alarm


def test_false_alarms_are_rare_on_quiet_worlds(courses, kinds):
    looks = alarms = 0
    for seed in range(12):
        old, now = courses(1000 + seed, 250), courses(2000 + seed, 98, "2025-10-01")
        for week in range(10):
            table = feature_drift(old, now, kinds, as_of=date(2025, 10, 28) + timedelta(days=7 * week))
            label = label_drift(old, now, as_of=date(2025, 10, 28) + timedelta(days=7 * week))
            alarms += int(table["alarm"].fillna(False).any() or label["alarm"].fillna(False).any())
            looks += 1
    assert looks == 120
    assert alarms <= 2, "a look spends less than .8 % by design"


def test_distance_forty_percent_longer_is_found_within_weeks(courses, kinds):
    found = []
    changed = date(2025, 10, 29)
    for seed in range(15):
        now = pd.concat([courses(seed, 28, "2025-10-01"), courses(seed + 100, 28, "2025-10-29", longer=1.4)])
        old = courses(seed + 200, 250)
        for days in (4, 8, 12, 16, 20, 24, 28):
            table = feature_drift(old, now, kinds, as_of=changed + timedelta(days=days - 1))
            if row_of(table, "distance_km", 28).alarm or row_of(table, "distance_km", 7).alarm:
                found.append(days)
                break
        else:
            found.append(99)
    assert np.median(found) <= 20
    assert np.mean(np.array(found) <= 28) >= 0.9


def test_label_drift_is_found_and_unlabelled_rows_are_left_out(reference, courses):
    now = courses(1, 28, START, later_min=5.0)
    now.loc[now.index % 4 == 0, "delay_min"] = np.nan
    table = label_drift(reference, now, as_of=LAST)
    assert table["alarm"].all()
    assert (table["severity"] == "critical").all()
    assert set(table["aspect"]) == {"value"}
    assert row_of(table, "delay_min", 28).n_current == 28 * 9
    assert row_of(table, "delay_min", 28).threshold == pytest.approx(0.001 / 3)


def test_no_label_yet_is_said(reference, courses):
    table = label_drift(reference, courses(1, 28, START).assign(delay_min=np.nan), as_of=LAST)
    assert table["alarm"].isna().all()
    assert table["skipped_reason"].str.contains("0 known values").all()


def test_the_day_is_required(reference, courses, kinds):
    now = courses(1, 28, START)
    with pytest.raises(TableContractError, match="service_day"):
        feature_drift(reference.drop(columns="service_day"), now, kinds, as_of=LAST)
    now.loc[3, "service_day"] = pd.NaT
    with pytest.raises(TableContractError, match="NULL in 1 rows"):
        feature_drift(reference, now, kinds, as_of=LAST)
    with pytest.raises(TableContractError, match="cannot be read as dates"):
        feature_drift(reference, now.assign(service_day="soon"), kinds, as_of=LAST)
    with pytest.raises(TableContractError, match="kind must be one of"):
        feature_drift(reference, now, {"distance_km": "number"}, as_of=LAST)


@pytest.mark.parametrize(
    "wrong",
    [
        {"label_alpha": 0.0},
        {"cusum_limit": -1.0},
        {"cusum_ceiling": 0.5},
        {"feature_windows": ()},
        {"label_windows": (0,)},
        {"label_windows_to_confirm": 4},
        {"quiet_days_to_close": 0},
    ],
)
def test_nonsense_settings_are_refused(wrong):
    with pytest.raises(SettingsError, match=next(iter(wrong))):
        DriftSettings(**wrong)


def test_nonsense_windows_are_refused():
    with pytest.raises(SettingsError, match="alpha"):
        DriftWindow(28, 1.5)


def test_kinds_follow_dtypes(reference):
    kinds = feature_kinds(reference.assign(zone="GE"), ["distance_km", "day_of_week", "is_medical", "zone"])
    assert kinds == {
        "distance_km": "numeric",
        "day_of_week": "numeric",
        "is_medical": "boolean",
        "zone": "categorical",
    }
    with pytest.raises(TableContractError, match="unheard_of"):
        feature_kinds(reference, ["unheard_of"])


def test_no_features_give_an_empty_table_with_columns(reference, courses):
    table = feature_drift(reference, courses(1, 28, START), {}, as_of=LAST)
    assert table.empty
    assert {"feature", "alarm", "skipped_reason"} <= set(table.columns)
