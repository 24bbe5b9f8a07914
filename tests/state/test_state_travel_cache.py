from dataclasses import replace
from datetime import UTC, datetime, timedelta

from atmr_pipeline.state.travel_cache import CachedTravel, delete_expired_travel, read_travel, write_travel

NOW = datetime(2026, 3, 2, 3, tzinfo=UTC)
ANSWER = CachedTravel("osrm:driving", "46.2000,6.1000", "46.1900,6.1500", 12.5, 6.25, NOW, NOW + timedelta(days=90))


def test_answers_are_kept_by_provider_and_direction(store):
    no_way = replace(ANSWER, destination="46.0000,6.9000", minutes=None, km=None, expires_at=NOW + timedelta(days=7))
    write_travel(store, [ANSWER, no_way])
    write_travel(store, [])
    origins, destinations = [ANSWER.origin], [ANSWER.destination, no_way.destination]
    known = (ANSWER.origin, ANSWER.destination, 12.5, 6.25)
    unknown = (ANSWER.origin, no_way.destination, None, None)
    assert sorted(read_travel(store, "osrm:driving", origins, destinations, now=NOW)) == sorted([known, unknown])
    assert read_travel(store, "osrm:taxi", origins, destinations, now=NOW) == []
    assert read_travel(store, "osrm:driving", destinations, origins, now=NOW) == []
    assert read_travel(store, "osrm:driving", origins, destinations, now=NOW + timedelta(days=7)) == [known]
    assert read_travel(store, "osrm:driving", [], destinations, now=NOW) == []


def test_a_newer_answer_replaces_the_older(store):
    newer = replace(ANSWER, minutes=11.0, answered_at=NOW + timedelta(days=1), expires_at=NOW + timedelta(days=91))
    write_travel(store, [ANSWER])
    write_travel(store, [newer])
    assert read_travel(store, ANSWER.provider, [ANSWER.origin], [ANSWER.destination], now=NOW + timedelta(days=90)) == [
        (ANSWER.origin, ANSWER.destination, 11.0, 6.25)
    ]


def test_more_points_than_a_query_takes(store):
    points = [f"46.{number:04d},6.1000" for number in range(900)]
    write_travel(store, [replace(ANSWER, origin=point, destination=points[0]) for point in points])
    assert len(read_travel(store, ANSWER.provider, points, points, now=NOW)) == 900


def test_expired_answers_are_deleted(store):
    write_travel(store, [ANSWER, replace(ANSWER, origin="46.3000,6.1000", expires_at=NOW + timedelta(days=7))])
    assert delete_expired_travel(store, now=NOW) == 0
    assert delete_expired_travel(store, now=NOW + timedelta(days=7)) == 1
    assert len(read_travel(store, ANSWER.provider, [ANSWER.origin], [ANSWER.destination], now=NOW)) == 1
