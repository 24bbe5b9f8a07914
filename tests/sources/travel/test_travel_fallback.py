"""What the first provider cannot answer, the second does, and the matrix says so."""

import logging

import numpy as np
import pytest

from atmr_pipeline.dispatch.travel_arrays import travel_arrays
from atmr_pipeline.domain.errors import SourceError
from atmr_pipeline.domain.travel import TravelMatrix
from atmr_pipeline.sources.services import LocalBreaker, ServiceUnavailableError
from atmr_pipeline.sources.travel import FallbackTravel, HaversineTravel, OsrmTravel
from atmr_pipeline.state.store import StateStore

HOMES = np.array([[46.2, 6.1], [46.21, 6.12], [46.22, 6.14]])
CLINICS = np.array([[46.19, 6.15], [46.18, 6.11]])


@pytest.fixture
def travel(osrm, gateway):
    def build(**options):
        return FallbackTravel(OsrmTravel(gateway(attempts=1, **options), cache=None), HaversineTravel())

    return build


def test_as_long_as_the_first_answers_the_second_is_not_asked(osrm, travel):
    matrix = travel().matrix(HOMES, CLINICS, 9.0, weekday=1)
    assert (matrix.source, matrix.fallback_reason, matrix.fallback_pairs) == ("osrm", None, 0)


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        (lambda handler: handler.raw(503, b""), "unavailable"),
        (lambda handler: handler.raw(403, b""), "refused"),
        (lambda handler: handler.raw(429, b"", Retry_After="7200"), "rate_limited"),
        (lambda handler: handler.raw(200, b"<html>"), "bad_response"),
        (lambda handler: handler.json(400, {"code": "TooBig"}), "bad_request"),
    ],
)
def test_an_outage_is_answered_whole_by_the_second_and_says_so(osrm, travel, failure, reason, caplog):
    osrm.failures = [failure, failure]
    both = travel()
    homes = np.vstack([HOMES, [np.nan, 6.1]])
    matrix = both.matrix(homes, CLINICS, 17.0, weekday=4)
    expected = HaversineTravel().matrix(homes, CLINICS, 17.0, weekday=4)
    assert np.array_equal(matrix.minutes, expected.minutes, equal_nan=True)
    assert np.array_equal(matrix.km, expected.km, equal_nan=True)
    # The row of the unknown home was answered by nobody.
    assert (matrix.source, matrix.fallback_reason, matrix.fallback_pairs) == ("haversine:assumed", reason, 6)
    both.matrix(homes, CLINICS, 17.0)
    warnings = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 1
    assert "travel times come from the fallback" in warnings[0].getMessage()


def test_an_open_breaker_is_a_reason_too(osrm, travel):
    osrm.failures = [lambda handler: handler.raw(503, b"")]
    both = travel(breaker=LocalBreaker("osrm", threshold=1))
    reasons = [both.matrix(HOMES, CLINICS, 9.0).fallback_reason for _ in range(2)]
    assert reasons == ["unavailable", "circuit_open"]
    assert len(osrm.requests) == 1


def test_single_pairs_without_a_way_come_from_the_second(osrm, travel):
    osrm.unreachable = {(6.12, 46.21)}
    matrix = travel().matrix(HOMES, CLINICS, 9.0, weekday=1)
    by_road = OsrmTravel(travel().first._table._gateway, cache=None).matrix(HOMES, CLINICS, 9.0)
    straight = HaversineTravel().matrix(HOMES, CLINICS, 9.0, weekday=1)
    assert np.array_equal(matrix.minutes[[0, 2]], by_road.minutes[[0, 2]])
    assert np.array_equal(matrix.minutes[1], straight.minutes[1])
    assert np.array_equal(matrix.km[1], straight.km[1])
    assert (matrix.source, matrix.fallback_reason, matrix.fallback_pairs) == ("osrm+haversine:assumed", "no_way", 2)
    osrm.unreachable = {(lon, lat) for lat, lon in CLINICS}
    matrix = travel().matrix(HOMES, CLINICS, 9.0, weekday=1)
    assert (matrix.source, matrix.fallback_reason, matrix.fallback_pairs) == ("haversine:assumed", "no_way", 6)


def test_unknown_points_are_no_fallback(osrm, travel):
    homes = np.vstack([HOMES, [np.nan, np.nan]])
    matrix = travel().matrix(homes, CLINICS, 9.0)
    assert (matrix.source, matrix.fallback_reason, matrix.fallback_pairs) == ("osrm", None, 0)
    assert np.isnan(matrix.minutes[3]).all()
    nowhere = travel().matrix(homes[3:], CLINICS, 9.0)
    assert (nowhere.source, nowhere.fallback_pairs) == ("osrm", 0)


def test_an_error_that_is_no_outage_is_raised(gateway, tmp_path):
    never_migrated = StateStore(f"sqlite:///{tmp_path / 'state.db'}")
    with pytest.raises(SourceError, match="migrate it first"):
        FallbackTravel(OsrmTravel(gateway(), cache=never_migrated), HaversineTravel()).matrix(HOMES, CLINICS, 9.0)
    never_migrated.close()


def test_an_outage_shows_in_the_arrays_of_a_day(osrm, travel):
    # The ways to the pickups are answered, then the service goes away before the rides.
    osrm.failures = [lambda handler: handler.table(osrm.requests[-1]), lambda handler: handler.raw(503, b"")]
    day = travel_arrays(travel(), HOMES[:1], HOMES[1:], CLINICS, np.array([480.0, 540.0]), weekday=0)
    assert (day.source, day.fallback_reason, day.fallback_pairs) == ("osrm+haversine:assumed", "unavailable", 4)
    straight = HaversineTravel().matrix(HOMES[1:], CLINICS, np.array([8.0, 9.0])).minutes
    assert np.array_equal(day.ride_min, np.diagonal(straight))


def test_the_first_error_of_a_broken_second_is_raised(osrm, travel):
    class Broken:
        def matrix(self, origins, destinations, hour, *, weekday=None) -> TravelMatrix:
            raise ServiceUnavailableError("second", "is out of order")

    osrm.failures = [lambda handler: handler.raw(503, b"")]
    with pytest.raises(ServiceUnavailableError, match="second"):
        FallbackTravel(travel().first, Broken()).matrix(HOMES, CLINICS, 9.0)
