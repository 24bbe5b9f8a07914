"""OSRM tables against a real HTTP server: every pair right, few requests, and nothing unusable ever used."""

import contextlib
import logging

import numpy as np
import pytest
from travel_osrm_server import Handler, way

from atmr_pipeline.sources.services import (
    BadRequestError,
    BadResponseError,
    CircuitOpenError,
    LocalBreaker,
    RateLimitedError,
    ServiceError,
    ServiceUnavailableError,
)
from atmr_pipeline.sources.travel import OsrmTravel

NOON = 12.0


def points(count, seed=0):
    rng = np.random.default_rng(seed)
    return np.stack([rng.uniform(46.1, 46.3, count), rng.uniform(6.0, 6.3, count)], axis=1)


def by_road(start, end):
    """Minutes and km of the made-up map, between the points as they are snapped to 4 decimals."""
    seconds, metres = way((round(start[1], 4), round(start[0], 4)), (round(end[1], 4), round(end[0], 4)))
    return seconds / 60.0, metres / 1000.0


def assert_right(matrix, origins, destinations, known=None):
    for row, start in enumerate(origins):
        for column, end in enumerate(destinations):
            if known is None or known[row, column]:
                assert (matrix.minutes[row, column], matrix.km[row, column]) == pytest.approx(by_road(start, end))
            else:
                assert np.isnan([matrix.minutes[row, column], matrix.km[row, column]]).all()


def test_minutes_and_km_by_road_with_their_source(osrm, gateway):
    origins, destinations = points(3), points(4, seed=1)
    matrix = OsrmTravel(gateway(), cache=None).matrix(origins, destinations, NOON, weekday=2)
    assert_right(matrix, origins, destinations)
    assert (matrix.source, matrix.fallback_reason, matrix.fallback_pairs) == ("osrm", None, 0)
    (request,) = osrm.requests
    assert request.path.startswith("/table/v1/driving/6.")
    assert request.headers["User-Agent"] == "atmr-pipeline tests"


def test_large_matrices_are_asked_in_tables_that_the_server_takes(osrm, gateway):
    origins, destinations = points(250), points(250, seed=1)
    matrix = OsrmTravel(gateway(), cache=None).matrix(origins, destinations, np.full(250, NOON))
    expected = np.array([[by_road(start, end) for end in destinations] for start in origins])
    assert matrix.minutes == pytest.approx(expected[..., 0])
    assert matrix.km == pytest.approx(expected[..., 1])
    assert max(len(request.points) for request in osrm.requests) <= 100
    assert len(osrm.requests) == 25
    assert sum(len(request.pairs()) for request in osrm.requests) == 250 * 250


def test_a_point_is_sent_once_however_often_it_stands(osrm, gateway):
    near = points(1).repeat(3, axis=0) + np.array([[0, 0], [1e-6, 0], [0, -1e-6]])
    matrix = OsrmTravel(gateway(), cache=None, batch=2).matrix(near, near, NOON)
    assert [len(request.points) for request in osrm.requests] == [1]
    assert np.array_equal(matrix.minutes, np.zeros((3, 3)))


def test_unknown_points_are_never_sent(osrm, gateway):
    origins, destinations = points(4), points(3, seed=1)
    origins[1] = np.nan
    origins[2, 1] = np.nan
    destinations[0, 0] = np.inf
    destinations[2] = (91.0, 6.1)
    travel = OsrmTravel(gateway(), cache=None)
    known = np.zeros((4, 3), dtype=bool)
    known[np.ix_([0, 3], [1])] = True
    assert_right(travel.matrix(origins, destinations, NOON), origins, destinations, known)
    (request,) = osrm.requests
    assert len(request.points) == 3
    assert travel.matrix(origins[1:3], destinations, NOON).minutes.shape == (2, 3)
    assert travel.matrix(np.empty((0, 2)), destinations, NOON).km.shape == (0, 3)
    assert len(osrm.requests) == 1


def test_no_way_is_unknown(osrm, gateway):
    origins, destinations = np.round(points(3), 4), points(2, seed=1)
    osrm.unreachable = {(origins[1, 1], origins[1, 0])}
    known = np.array([[True] * 2, [False] * 2, [True] * 2])
    assert_right(OsrmTravel(gateway(), cache=None).matrix(origins, destinations, NOON), origins, destinations, known)
    osrm.failures = [lambda handler: handler.json(400, {"code": "NoTable"})]
    assert np.isnan(OsrmTravel(gateway(), cache=None).matrix(origins, destinations, NOON).km).all()


def test_a_point_off_the_map_spoils_nothing_but_its_own_pairs(osrm, gateway):
    origins, destinations = np.round(points(30), 4), np.round(points(20, seed=1), 4)
    osrm.off_road = {(origins[17, 1], origins[17, 0]), (destinations[4, 1], destinations[4, 0])}
    known = np.ones((30, 20), dtype=bool)
    known[17], known[:, 4] = False, False
    assert_right(OsrmTravel(gateway(), cache=None).matrix(origins, destinations, NOON), origins, destinations, known)
    assert len(osrm.requests) < 30


def test_points_that_are_all_off_the_map_are_unknown_or_the_wrong_map(osrm, gateway):
    origins = np.round(points(80), 4)
    osrm.off_road = {(lon, lat) for lat, lon in origins}
    few = OsrmTravel(gateway(), cache=None).matrix(origins[:2], origins[2:4], NOON)
    assert np.isnan(few.minutes).all()
    alone = OsrmTravel(gateway(), cache=None).matrix(origins[:1], origins[:1], NOON)
    assert np.isnan(alone.minutes).all()
    osrm.requests.clear()
    travel = OsrmTravel(gateway(), cache=None)
    with pytest.raises(BadRequestError, match="its map does not cover the points"):
        travel.matrix(origins[:40], origins[40:], NOON)
    assert len(osrm.requests) <= 66
    # What was found is not looked for again: two requests a point find them all.
    with contextlib.suppress(BadRequestError):
        travel.matrix(origins[:40], origins[40:], NOON)
    assert np.isnan(travel.matrix(origins[:40], origins[40:], NOON).km).all()
    assert len(osrm.requests) <= 2 * 80 + 3


@pytest.mark.parametrize(
    ("code", "hint"),
    [
        ("TooBig", "ask for fewer coordinates a request"),
        ("InvalidQuery", "check its URL and profile"),
        ("InvalidValue", "check its URL and profile"),
        ("Something 46.2044,6.1432", "another code"),
        (None, "another code"),
        ({"a": 1}, "another code"),
    ],
)
def test_a_refused_request_says_why(osrm, gateway, code, hint):
    osrm.failures = [lambda handler: handler.json(400, {"code": code, "message": "6.1432,46.2044"})]
    with pytest.raises(BadRequestError, match=hint) as caught:
        OsrmTravel(gateway(), cache=None).matrix(points(2), points(2, seed=1), NOON)
    assert caught.value.kind == "bad_request"
    assert "46.2" not in str(caught.value)
    assert len(osrm.requests) == 1


def test_a_server_that_takes_fewer_coordinates_needs_a_smaller_batch(osrm, gateway):
    osrm.most_points = 10
    origins, destinations = points(12), points(9, seed=1)
    with pytest.raises(BadRequestError, match="TooBig"):
        OsrmTravel(gateway(), cache=None).matrix(origins, destinations, NOON)
    assert_right(OsrmTravel(gateway(), cache=None, batch=10).matrix(origins, destinations, NOON), origins, destinations)


def table(durations, distances=((1000.0, 2000.0),)):
    return {"code": "Ok", "durations": durations, "distances": distances}


@pytest.mark.parametrize(
    "body",
    [
        table([[60.0]]),
        table([[60.0, 90.0, 90.0]]),
        table([[60.0, 90.0], [60.0, 90.0]]),
        table([]),
        table([60.0, 90.0]),
        table(None),
        table("60"),
        table({"0": [60.0, 90.0]}),
        table([[60.0, -0.1]]),
        table([[60.0, 86_400.1]]),
        table([[60.0, 214_748_364.7]]),
        table([[60.0, 10**400]]),
        table([[60.0, "90"]]),
        table([[60.0, True]]),
        table([[60.0, [90.0]]]),
        table([[60.0, float("nan")]]),
        table([[60.0, float("inf")]]),
        table([[60.0, 90.0]], [[1000.0, 3_000_001.0]]),
        table([[60.0, 90.0]], [[1000.0]]),
        {"code": "Ok", "durations": [[60.0, 90.0]]},
        {"durations": [[60.0, 90.0]], "distances": [[1.0, 2.0]]},
        {"code": "NoTable"},
        [],
        None,
        "Ok",
    ],
)
def test_an_answer_that_is_no_table_is_never_used(osrm, gateway, sqlite_store, body):
    osrm.failures = [lambda handler: handler.json(200, body)]
    travel = OsrmTravel(gateway(), cache=sqlite_store)
    with pytest.raises(BadResponseError) as caught:
        travel.matrix(points(1), points(2, seed=1), NOON)
    assert caught.value.kind == "bad_response"
    # Nor was it kept: the next question goes out again and is answered.
    assert_right(travel.matrix(points(1), points(2, seed=1), NOON), points(1), points(2, seed=1))
    assert len(osrm.requests) == 2


def test_one_of_minutes_and_km_alone_is_no_answer(osrm, gateway):
    osrm.failures = [lambda handler: handler.json(200, table([[60.0, None]], [[None, 2000.0]]))]
    matrix = OsrmTravel(gateway(), cache=None).matrix(points(1), points(2, seed=1), NOON)
    assert np.isnan(matrix.minutes).all()
    assert np.isnan(matrix.km).all()


def slow(handler: Handler) -> None:
    handler.state.released.wait(30.0)
    handler.close_connection = True


FAILURES = {
    "unavailable": (ServiceUnavailableError, lambda handler: handler.raw(500, b"<html>oops</html>")),
    "rate_limited": (RateLimitedError, lambda handler: handler.raw(429, b"", Retry_After="2")),
    "timeout": (ServiceUnavailableError, slow),
}
FINAL_FAILURES = {
    "cut JSON": lambda handler: handler.raw(200, b'{"code":"Ok","durations":[[1', "application/json"),
    "HTML": lambda handler: handler.raw(200, b"<html>maintenance</html>"),
    "NaN": lambda handler: handler.raw(200, b'{"code":"Ok","durations":[[NaN,1]],"distances":[[1,1]]}'),
}


@pytest.mark.parametrize("kind", FAILURES)
def test_what_may_pass_is_tried_again(osrm, gateway, kind):
    expected, failure = FAILURES[kind]
    travel = OsrmTravel(gateway(timeout_s=0.5), cache=None)
    osrm.failures = [failure, failure]
    assert_right(travel.matrix(points(2), points(2, seed=1), NOON), points(2), points(2, seed=1))
    assert len(osrm.requests) == 3
    osrm.failures = [failure] * 3
    with pytest.raises(expected) as caught:
        travel.matrix(points(2), points(2, seed=1), NOON)
    assert caught.value.kind == kind


@pytest.mark.parametrize("failure", FINAL_FAILURES.values(), ids=list(FINAL_FAILURES))
def test_garbage_is_a_bad_response(osrm, gateway, failure):
    osrm.failures = [failure]
    with pytest.raises(BadResponseError):
        OsrmTravel(gateway(), cache=None).matrix(points(1), points(2, seed=1), NOON)


def test_nobody_there_is_unavailable_and_opens_the_breaker(osrm, gateway):
    osrm.failures = [lambda handler: handler.raw(503, b"")] * 2
    travel = OsrmTravel(gateway(attempts=2, breaker=LocalBreaker("osrm", threshold=2)), cache=None)
    with pytest.raises(ServiceUnavailableError):
        travel.matrix(points(1), points(1, seed=1), NOON)
    with pytest.raises(CircuitOpenError) as caught:
        travel.matrix(points(1), points(1, seed=1), NOON)
    assert caught.value.kind == "circuit_open"
    assert len(osrm.requests) == 2


def test_no_log_and_no_error_holds_a_coordinate(osrm, gateway, caplog):
    caplog.set_level(logging.DEBUG)
    home = np.array([[46.1987, 6.1234]])
    travel = OsrmTravel(gateway(), cache=None)
    said = []
    travel.matrix(home, home + 0.01, NOON)
    for failure in (*(failure for _, failure in list(FAILURES.values())[:2]), *FINAL_FAILURES.values()):
        osrm.failures = [failure] * 3
        with pytest.raises(ServiceError) as caught:
            travel.matrix(home, home + 0.01, NOON)
        said += [str(caught.value), repr(caught.value)]
        osrm.failures = []
    said += [record.getMessage() for record in caplog.records]
    assert not [text for text in said if "6.12" in text or "46.19" in text]


@pytest.mark.parametrize(
    "options",
    [{"batch": 1}, {"snap_decimals": 2}, {"snap_decimals": 7}, {"expiry_days": 0.0}, {"unknown_expiry_days": 91.0},
     {"profile": "../route"}, {"profile": ""}],
)  # fmt: skip
def test_options_are_checked(gateway, options):
    with pytest.raises(ValueError, match="must be"):
        OsrmTravel(gateway(), cache=None, **options)
