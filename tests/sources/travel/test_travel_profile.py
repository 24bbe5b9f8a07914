"""A speed profile holds only what can be true, and survives its JSON."""

import json
from dataclasses import replace
from datetime import date

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from atmr_pipeline.domain.errors import TableContractError
from atmr_pipeline.sources.travel import SpeedProfile

PROFILE = SpeedProfile(
    detour=1.3,
    detour_pairs=250,
    speed_kmh=np.full((7, 24), 28.5),
    trips=np.ones((7, 24), dtype=np.int64),
    fixed_min=12.5,
    fixed_sd_min=0.2,
    first_day=date(2025, 11, 20),
    last_day=date(2026, 11, 19),
    source="168 completed trips of the company",
)


@given(
    hnp.arrays(np.float64, (7, 24), elements=st.floats(3.0, 120.0)),
    hnp.arrays(np.int64, (7, 24), elements=st.integers(0, 10**9)),
)
def test_json_gives_the_same_profile_back(speeds, trips):
    profile = replace(PROFILE, speed_kmh=speeds, trips=trips)
    read = SpeedProfile.from_dict(json.loads(json.dumps(profile.to_dict(), allow_nan=False)))
    assert np.array_equal(read.speed_kmh, speeds)
    assert np.array_equal(read.trips, trips)
    assert read.to_dict() == profile.to_dict()
    assert np.all((read.any_day_kmh >= speeds.min(axis=0) - 1e-9) & (read.any_day_kmh <= speeds.max(axis=0) + 1e-9))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("detour", 0.99),
        ("detour", 5.01),
        ("detour", float("nan")),
        ("detour_pairs", -1),
        ("speed_kmh", np.full((7, 24), 2.9)),
        ("speed_kmh", np.full((7, 24), 120.1)),
        ("speed_kmh", np.full((7, 24), np.nan)),
        ("speed_kmh", np.full(24, 30.0)),
        ("trips", np.full((7, 24), -1)),
        ("trips", np.ones((3, 24), dtype=np.int64)),
        ("fixed_min", -0.1),
        ("fixed_min", float("inf")),
        ("fixed_sd_min", float("nan")),
        ("last_day", date(2025, 11, 19)),
    ],
)
def test_what_cannot_be_true_is_refused_by_name(field, value):
    with pytest.raises(TableContractError, match=field):
        replace(PROFILE, **{field: value})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda raw: raw.pop("trips"), "exactly the keys"),
        (lambda raw: raw.update(more=1), "exactly the keys"),
        (lambda raw: raw.update(format=2), "another format"),
        (lambda raw: raw.update(detour="wide"), "wrong type"),
        (lambda raw: raw.update(detour=None), "wrong type"),
        (lambda raw: raw.update(speed_kmh=[[30.0], [30.0, 31.0]]), "wrong type"),
        (lambda raw: raw.update(speed_kmh=[30.0] * 24), "speed_kmh"),
        (lambda raw: raw.update(trips=[[0.5] * 24] * 7), "wrong type"),
        (lambda raw: raw.update(first_day="20.11.2025"), "wrong type"),
    ],
)
def test_json_that_is_no_profile_is_refused(change, message):
    raw = PROFILE.to_dict()
    change(raw)
    with pytest.raises(TableContractError, match=message):
        SpeedProfile.from_dict(raw)


def test_a_list_is_no_profile():
    with pytest.raises(TableContractError, match="exactly the keys"):
        SpeedProfile.from_dict([])
