"""The contract of the features, and the content hash of a table."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from feature_frames import random_world

from atmr_pipeline.domain.geo import haversine_km
from atmr_pipeline.features import constants
from atmr_pipeline.features.contract import FEATURE_CONTRACT_VERSION, FEATURE_NAMES, FEATURES, contract_version
from atmr_pipeline.features.duck import connect, read_sql
from atmr_pipeline.features.fingerprint import frame_fingerprint
from atmr_pipeline.features.tables import DELAY_FEATURES
from atmr_pipeline.sources.travel import PLANNING_SPEED_KMH, HaversineTravel


def test_features_are_documented_and_named_once() -> None:
    base = {
        "time_of_day", "day_of_week", "distance_km", "is_medical", "is_urgent", "booking_priority",
        "driver_punctuality_score", "traffic_density", "weather_factor",
    }  # fmt: skip
    assert base < set(FEATURE_NAMES)
    assert len(set(FEATURE_NAMES)) == len(FEATURE_NAMES)
    assert tuple(DELAY_FEATURES.columns)[-len(FEATURES) :] == FEATURE_NAMES
    assert all(feature.unit and feature.source and feature.null_meaning for feature in FEATURES)


def test_the_macro_measures_like_the_domain() -> None:
    with connect() as connection:
        for statement in read_sql("macros"):
            connection.execute(statement.text)
        measured = connection.execute(
            "SELECT great_circle_km(46.2, 6.14, 46.31, 6.24), great_circle_km(NULL, 6, 46, 6)"
        )
        km, unknown = measured.fetchall()[0]
    assert km == pytest.approx(float(haversine_km(46.2, 6.14, 46.31, 6.24)), abs=1e-9)
    assert unknown is None


def test_features_keep_their_contract() -> None:
    features = random_world(4, bookings=80).features()
    for feature in FEATURES:
        assert str(features[feature.name].dtype) == feature.dtype
        assert feature.null_meaning != "never" or features[feature.name].notna().all()


def test_version_changes_with_any_meaning() -> None:
    given = constants.sql_constants()
    version = contract_version(FEATURES, given)
    assert len(FEATURE_CONTRACT_VERSION) == 12
    assert contract_version(FEATURES[::-1], given) != version
    assert contract_version(FEATURES, {**given, "traffic_window_days": 29}) != version


def test_constants_agree_with_the_planning_travel_times() -> None:
    assert HaversineTravel().detour == constants.ROAD_DETOUR
    assert PLANNING_SPEED_KMH.max() == constants.FREE_FLOW_SPEED_KMH


@pytest.fixture
def frame() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "name": pd.Series(["a", "b", None], dtype="str"),
            "count": pd.Series([1, None, 3], dtype="Int64"),
            "said": pd.Series([True, None, False], dtype="boolean"),
            "at": pd.to_datetime(["2025-01-01", None, "2025-03-01"], utc=True).astype("datetime64[us, UTC]"),
            "km": [0.5, np.nan, -1.0],
        }
    )


def test_fingerprint_ignores_order_only(frame: pd.DataFrame) -> None:
    original = frame_fingerprint(frame)
    assert frame_fingerprint(frame.sample(frac=1, random_state=3)) == original
    assert frame_fingerprint(frame.set_index(pd.Index([7, 8, 9]))) == original
    changed = [
        frame.assign(km=[0.5, np.nan, -1.5]),
        frame.assign(name=pd.Series(["a", "b", "nan"], dtype="str")),
        frame.assign(said=pd.Series([True, False, False], dtype="boolean")),
        frame.assign(at=frame["at"] + pd.Timedelta("1us")),
        frame.assign(km=frame["km"].astype("float32")),
        frame.rename(columns={"km": "mi"}),
        frame[["count", "name", "said", "at", "km"]],
        pd.concat([frame, frame.iloc[:1]]),
        frame.iloc[:2],
        frame.iloc[:0],
        frame.assign(name=frame["name"].iloc[[1, 0, 2]].to_numpy()),
    ]
    assert len({frame_fingerprint(other) for other in changed} | {original}) == len(changed) + 1


def test_fingerprint_is_the_same_in_another_process(frame: pd.DataFrame) -> None:
    program = (
        "import pandas as pd; from atmr_pipeline.features.fingerprint import frame_fingerprint;"
        "print(frame_fingerprint(pd.DataFrame({'name': pd.Series(['a', None], dtype='str'), 'km': [0.1, 2.0]})))"
    )
    here = frame_fingerprint(pd.DataFrame({"name": pd.Series(["a", None], dtype="str"), "km": [0.1, 2.0]}))
    for seed in ("1", "2"):
        ran = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": seed}
        )
        assert ran.stdout.strip() == here
