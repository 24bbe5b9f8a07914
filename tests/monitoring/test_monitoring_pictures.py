"""Pictures are small PNG files, also when there is nothing to draw."""

import numpy as np
import pandas as pd
import pytest

from atmr_pipeline.monitoring.cusum import ResidualReference, residual_cusum, with_reference
from atmr_pipeline.monitoring.pictures import cusum_picture, distributions_picture, rolling_mae_picture

LARGEST_BYTES = 60_000


def assert_small_png(picture: bytes) -> None:
    assert picture.startswith(b"\x89PNG")
    assert 1_000 < len(picture) < LARGEST_BYTES


@pytest.mark.parametrize("days", [0, 1, 60, 365])
def test_cusum_picture(courses, days):
    frame = courses(1, days, later_min=3.0)
    frame["residual_min"] = frame["delay_min"] - 3.0
    assert_small_png(cusum_picture(residual_cusum(with_reference(frame, ResidualReference(0.0, 3.0, 1000)))))


def test_distributions_picture(reference, courses, kinds):
    many = {f"feature_{number}": "numeric" for number in range(12)}
    drawn = courses(1, 28, longer=1.4)
    old = reference.assign(**dict.fromkeys(many, reference.distance_km))
    new = drawn.assign(**dict.fromkeys(many, drawn.distance_km))
    assert_small_png(distributions_picture(old, new, kinds))
    assert_small_png(distributions_picture(old, new, many))


def test_distributions_picture_of_odd_columns(reference, courses):
    new = courses(1, 5).assign(distance_km=np.nan, time_of_day="morning", weather_factor=1.0)
    kinds = {"distance_km": "numeric", "time_of_day": "numeric", "weather_factor": "numeric", "absent": "numeric"}
    assert_small_png(distributions_picture(reference.assign(weather_factor=1.0), new, kinds))
    assert_small_png(distributions_picture(reference, new, {}))
    assert_small_png(distributions_picture(reference.iloc[:0], new.iloc[:0], kinds))


def test_rolling_mae_picture(courses):
    frame = courses(1, 200).rename(columns={"delay_min": "actual_delay_min"}).assign(expected_delay_min=3.0)
    assert_small_png(rolling_mae_picture(frame, 2.4))
    assert_small_png(rolling_mae_picture(frame.assign(actual_delay_min=np.nan), None))
    assert_small_png(rolling_mae_picture(pd.DataFrame(frame.iloc[:0]), float("nan")))
