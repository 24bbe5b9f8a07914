"""Each pair of points is asked once: what is kept, for how long, and for whom."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atmr_pipeline.sources.services import ServiceUnavailableError
from atmr_pipeline.sources.travel import OsrmTravel
from atmr_pipeline.sources.travel.osrm import requests_for
from atmr_pipeline.state.travel_cache import delete_expired_travel

NOW = datetime(2026, 3, 2, 3, tzinfo=UTC)
NOON = 12.0
HOMES = np.array([[46.2, 6.1], [46.21, 6.12], [46.22, 6.14], [46.23, 6.16]])
CLINICS = np.array([[46.19, 6.15], [46.18, 6.11], [46.17, 6.13]])


def same(one, other):
    return np.array_equal(one.minutes, other.minutes, equal_nan=True) and np.array_equal(
        one.km, other.km, equal_nan=True
    )


def test_a_pair_is_asked_once_by_any_process(osrm, gateway, store):
    first = OsrmTravel(gateway(), cache=store).matrix(HOMES, CLINICS, 7.0)
    again = OsrmTravel(gateway(), cache=store).matrix(HOMES[::-1], CLINICS, NOON, weekday=3)
    assert len(osrm.requests) == 1
    assert np.array_equal(again.minutes, first.minutes[::-1])
    assert np.array_equal(again.km, first.km[::-1])


def test_a_new_point_asks_for_its_own_pairs_only(osrm, gateway, store):
    travel = OsrmTravel(gateway(), cache=store)
    travel.matrix(HOMES[:3], CLINICS[:2], NOON)
    osrm.requests.clear()
    whole = travel.matrix(HOMES, CLINICS, NOON)
    asked = [pair for request in osrm.requests for pair in request.pairs()]
    assert len(asked) == len(set(asked)) == 4 * 3 - 3 * 2
    assert same(whole, OsrmTravel(gateway(), cache=None).matrix(HOMES, CLINICS, NOON))


def test_the_way_back_is_another_pair(osrm, gateway, store):
    travel = OsrmTravel(gateway(), cache=store)
    there = travel.matrix(HOMES[:1], CLINICS[:1], NOON)
    back = travel.matrix(CLINICS[:1], HOMES[:1], NOON)
    assert len(osrm.requests) == 2
    assert there.minutes[0, 0] != back.minutes[0, 0]


def test_answers_expire_and_no_way_sooner(osrm, gateway, store):
    osrm.unreachable = {(6.15, 46.19)}
    clock = [NOW]
    travel = OsrmTravel(gateway(), cache=store, expiry_days=90, unknown_expiry_days=7, now=lambda: clock[0])
    first = travel.matrix(HOMES, CLINICS, NOON)
    assert np.isnan(first.minutes[:, 0]).all()
    clock[0] = NOW + timedelta(days=7) - timedelta(seconds=1)
    assert same(travel.matrix(HOMES, CLINICS, NOON), first)
    assert len(osrm.requests) == 1
    osrm.unreachable = set()
    clock[0] = NOW + timedelta(days=7)
    corrected = travel.matrix(HOMES, CLINICS, NOON)
    assert np.isfinite(corrected.minutes).all()
    assert [len(request.pairs()) for request in osrm.requests] == [12, 4]
    clock[0] = NOW + timedelta(days=90)
    assert delete_expired_travel(store, now=clock[0]) == 8
    assert same(travel.matrix(HOMES, CLINICS, NOON), corrected)
    assert [len(request.pairs()) for request in osrm.requests] == [12, 4, 8]


def test_another_server_or_profile_is_asked_itself(osrm, gateway, store):
    OsrmTravel(gateway(), cache=store).matrix(HOMES, CLINICS, NOON)
    OsrmTravel(gateway(), cache=store, profile="taxi").matrix(HOMES, CLINICS, NOON)
    osrm.url += "/"
    OsrmTravel(gateway(), cache=store).matrix(HOMES, CLINICS, NOON)
    assert len(osrm.requests) == 2
    osrm.url = osrm.url.replace("127.0.0.1", "localhost")
    OsrmTravel(gateway(), cache=store).matrix(HOMES, CLINICS, NOON)
    assert len(osrm.requests) == 3
    assert "/table/v1/taxi/" in osrm.requests[1].path


def test_an_outage_in_the_middle_loses_no_answer(osrm, gateway, sqlite_store):
    travel = OsrmTravel(gateway(attempts=1), cache=sqlite_store, batch=4)
    osrm.failures = [
        lambda handler: handler.table(osrm.requests[-1]),
        lambda handler: handler.raw(503, b""),
    ]
    with pytest.raises(ServiceUnavailableError):
        travel.matrix(HOMES, CLINICS, NOON)
    whole = travel.matrix(HOMES, CLINICS, NOON)
    answered = [pair for index, request in enumerate(osrm.requests) if index != 1 for pair in request.pairs()]
    assert len(answered) == len(set(answered)) == 12
    assert same(whole, OsrmTravel(gateway(), cache=None).matrix(HOMES, CLINICS, NOON))


@given(
    st.integers(0, 12).flatmap(
        lambda height: st.integers(0, 12).flatmap(
            lambda width: st.lists(
                st.lists(st.booleans(), min_size=width, max_size=width), min_size=height, max_size=height
            ).map(lambda rows: np.array(rows, dtype=bool).reshape(height, width))
        )
    ),
    st.integers(2, 9),
)
def test_requests_cover_what_is_missing_within_the_limit(missing, batch):
    covered = np.zeros(missing.shape, dtype=np.int64)
    requests = requests_for(missing, batch)
    for rows, columns in requests:
        assert 0 < len(rows) + len(columns) <= batch
        covered[np.ix_(rows, columns)] += 1
    assert covered[missing].all()
    assert covered.max(initial=0) <= 1
    assert len(requests) <= missing.sum()
    if missing.all():
        fewest = min(
            (-(-missing.shape[0] // high) * -(-missing.shape[1] // (batch - high)) for high in range(1, batch)),
            default=0,
        )
        assert len(requests) == (fewest if missing.size else 0)


def test_the_diagonal_is_asked_in_one_request_rather_than_in_many():
    ((rows, columns),) = requests_for(np.eye(25, dtype=bool), 100)
    assert len(rows) == len(columns) == 25
