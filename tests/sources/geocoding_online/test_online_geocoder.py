import logging
import multiprocessing
import traceback
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from online_answers import LAT, geoadmin_answer, geoadmin_house, nominatim_house
from online_workers import AGENT, locate_at_once
from scripted_service import HTML, Reply, ScriptedService, as_json

from atmr_pipeline.domain.errors import SettingsError
from atmr_pipeline.sources.geocoding.online import (
    GeoAdminProvider,
    NominatimProvider,
    OnlineGeocoder,
    nominatim,
    online_geocoders,
)
from atmr_pipeline.sources.services import JsonGateway, SharedBreaker, SharedLimiter
from atmr_pipeline.state.geocode_cache import claim_question, read_answers
from atmr_pipeline.state.schema import metadata

START = datetime(2026, 3, 2, 12, tzinfo=UTC)


def pair(number: int) -> tuple[str, str]:
    return f"{number:032x}", f"Rue des Licornes {number}, 1205 Genève"


def asked_number(words: str) -> str:
    return words.split()[3].strip(",")


def nominatim_knows(seen) -> Reply:
    number = asked_number(seen.params["q"])
    return as_json([nominatim_house(number, osm_id=int(number))])


def geoadmin_knows(seen) -> Reply:
    number = asked_number(seen.params["searchText"])
    return as_json(geoadmin_answer(geoadmin_house(f"Rue des Licornes {number}", feature=f"{number}_0")))


def nothing(seen) -> Reply:
    return as_json(geoadmin_answer() if "searchText" in seen.params else [])


class World:
    """Two servers, one store, a clock that stands still, and geocoders as often as a run begins."""

    def __init__(self, store, osm: ScriptedService, federal: ScriptedService) -> None:
        self.store, self.osm, self.federal = store, osm, federal
        self.at = START
        self.naps: list[float] = []

    def now(self) -> datetime:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.naps.append(seconds)
        self.at += timedelta(seconds=seconds)

    def gateway(self, name: str, url: str) -> JsonGateway:
        return JsonGateway(
            name,
            url,
            user_agent=AGENT,
            attempts=2,
            limiter=SharedLimiter(self.store, name, 1.0, sleep=self.sleep, now=self.now),
            breaker=SharedBreaker(self.store, name, threshold=3, cool_down_s=300, now=self.now),
            sleep=self.sleep,
        )

    def geocoder(self) -> OnlineGeocoder:
        providers = [
            NominatimProvider(self.gateway("nominatim", self.osm.url)),
            GeoAdminProvider(self.gateway("geoadmin", self.federal.url)),
        ]
        return OnlineGeocoder(providers, self.store, now=self.now, sleep=self.sleep)

    def locate(self, *numbers: int) -> tuple[list[str], dict]:
        """One run: the outcome of each address, and the report."""
        with self.geocoder() as geocoder:
            answers = geocoder.locate_many([pair(number) for number in numbers])
            outcomes = [answers[pair(number)[0]] for number in numbers]
            return [answer.reason or answer.precision.value for answer in outcomes], geocoder.report()


@pytest.fixture
def world(store):
    with ScriptedService(nominatim_knows) as osm, ScriptedService(geoadmin_knows) as federal:
        yield World(store, osm, federal)


def test_each_distinct_address_is_asked_once_over_two_runs(world):
    outcomes, report = world.locate(1, 2, 1)
    assert outcomes == ["house"] * 3
    assert len(world.osm.requests) == 2
    assert report == {
        "asked": 2,
        "cached": 0,
        "answered": 2,
        "not_found": 0,
        "ambiguous": 0,
        "rejected": 0,
        "unavailable": 0,
        "placed_by": {"nominatim": 2},
        "errors": {},
    }
    outcomes, report = world.locate(1, 2, 3)
    assert outcomes == ["house"] * 3
    assert (report["asked"], report["cached"], report["answered"]) == (1, 2, 3)
    assert len(world.osm.requests) == 3
    assert world.federal.requests == []


def test_a_kept_answer_is_the_answer(world):
    with world.geocoder() as geocoder:
        first = geocoder.locate_many([pair(1)])
    with world.geocoder() as geocoder:
        assert geocoder.locate_many([pair(1)]) == first
    assert first[pair(1)[0]].source == "nominatim"
    assert first[pair(1)[0]].lat == LAT


def test_the_next_provider_is_asked_where_the_first_finds_nothing(world):
    world.osm.answer = nothing
    outcomes, report = world.locate(1)
    assert outcomes == ["house"]
    assert report["placed_by"] == {"geoadmin": 1}
    assert report["asked"] == 2
    outcomes, report = world.locate(1)
    assert outcomes == ["house"]
    assert (report["asked"], report["cached"]) == (0, 2)


def test_nothing_found_is_believed_for_a_shorter_time(world):
    world.federal.answer = nothing
    world.osm.answer = lambda seen: nothing(seen) if " 2," in seen.params["q"] else nominatim_knows(seen)
    assert world.locate(1, 2)[0] == ["house", "not_found"]
    world.at = START + timedelta(days=13)
    assert world.locate(1, 2)[1]["asked"] == 0
    world.at = START + timedelta(days=15)
    world.osm.answer = nominatim_knows
    outcomes, report = world.locate(1, 2)
    assert outcomes == ["house", "house"]
    assert report["asked"] == 1
    world.at = START + timedelta(days=181)
    assert world.locate(1)[1]["asked"] == 1


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (Reply(503), "unavailable"),
        (Reply(403), "refused"),
        (HTML, "bad_response"),
        (Reply(404), "bad_request"),
        (Reply(429), "rate_limited"),
    ],
)
def test_an_outage_is_not_an_answer_and_is_not_kept(world, reply, kind):
    for service in (world.osm, world.federal):
        service.answer = lambda seen: reply
    outcomes, report = world.locate(1)
    assert outcomes == ["service_unavailable"]
    assert report["errors"] == {"nominatim": {kind: 1}, "geoadmin": {kind: 1}}
    assert (report["asked"], report["unavailable"], report["not_found"]) == (0, 1, 0)
    world.at += timedelta(seconds=301)
    world.osm.answer = nominatim_knows
    assert world.locate(1)[0] == ["house"]


def test_the_next_provider_stands_in_for_one_that_is_out(world):
    world.osm.answer = lambda seen: Reply(500)
    outcomes, report = world.locate(1)
    assert outcomes == ["house"]
    assert report["placed_by"] == {"geoadmin": 1}
    assert report["errors"] == {"nominatim": {"unavailable": 1}}


def test_not_found_needs_everybody_heard(world):
    world.osm.answer = nothing
    world.federal.answer = lambda seen: Reply(500)
    assert world.locate(1)[0] == ["service_unavailable"]
    world.at += timedelta(seconds=301)
    world.federal.answer = nothing
    outcomes, report = world.locate(1)
    assert outcomes == ["not_found"]
    assert (report["cached"], report["asked"]) == (1, 1)


def test_the_most_telling_reason_is_given(world):
    world.osm.answer = lambda seen: as_json([nominatim_house("1"), nominatim_house("1", lat=LAT + 0.01, osm_id=2)])
    world.federal.answer = nothing
    outcomes, report = world.locate(1)
    assert outcomes == ["ambiguous"]
    assert report["ambiguous"] == 1
    world.osm.answer = lambda seen: as_json([nominatim_house("2", postcode="1260", town="Nyon")])
    outcomes, report = world.locate(2)
    assert outcomes == ["mismatch"]
    assert report["rejected"] == 1


def test_a_provider_that_keeps_failing_is_left_alone_then_tried_with_one_question(world):
    world.osm.answer = lambda seen: Reply(500)
    outcomes, report = world.locate(*range(1, 11))
    assert outcomes == ["house"] * 10
    assert len(world.osm.requests) == 3
    assert report["errors"] == {"nominatim": {"unavailable": 2, "circuit_open": 8}}
    world.at += timedelta(seconds=301)
    world.locate(11, 12)
    assert len(world.osm.requests) == 4
    world.at += timedelta(seconds=301)
    world.osm.answer = nominatim_knows
    outcomes, report = world.locate(13, 14)
    assert report["placed_by"] == {"nominatim": 2}
    assert report["errors"] == {}


def test_a_pause_is_kept_by_whoever_runs_next(world):
    world.osm.then(Reply(429, headers={"Retry-After": "40"}))
    outcomes, report = world.locate(1)
    assert (outcomes, report["errors"]) == (["house"], {})
    assert world.at >= START + timedelta(seconds=40)
    world.osm.then(Reply(429, headers={"Retry-After": "7200"}))
    _, report = world.locate(2, 3, 4)
    assert report["placed_by"] == {"geoadmin": 3}
    assert report["errors"] == {"nominatim": {"rate_limited": 1, "circuit_open": 2}}
    asked = len(world.osm.requests)
    _, report = world.locate(5)
    assert report["errors"] == {"nominatim": {"rate_limited": 1}}
    assert len(world.osm.requests) == asked


def test_a_run_that_breaks_off_keeps_what_was_answered(world, monkeypatch):
    plain_locate = NominatimProvider.locate

    def breaks_at_the_third(self, text):
        if text == pair(3)[1]:
            raise KeyboardInterrupt
        return plain_locate(self, text)

    monkeypatch.setattr(NominatimProvider, "locate", breaks_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        world.locate(1, 2, 3, 4)
    keys = [pair(number)[0] for number in (1, 2, 3, 4)]
    assert set(read_answers(world.store, keys, "nominatim", at=world.at)) == set(keys[:2])
    monkeypatch.undo()
    outcomes, report = world.locate(1, 2, 3, 4)
    assert outcomes == ["house"] * 4
    assert (report["cached"], report["asked"]) == (2, 2)
    assert max(world.naps) <= 1.0  # the right to ask for the third was given back: nobody waits for it


def test_what_another_process_asks_for_is_waited_for_not_asked_again(world):
    key = pair(1)[0]
    until = START + timedelta(seconds=30)
    claim_question(world.store, key, "nominatim", owner="another", at=START, until=until)
    outcomes, _ = world.locate(1, 2)
    assert outcomes == ["house", "house"]
    assert [asked_number(seen.params["q"]) for seen in world.osm.requests] == ["2", "1"]
    assert world.at >= until


def test_processes_share_the_work(store):
    pairs = [pair(number) for number in range(1, 21)]

    def answer(seen) -> Reply:
        if "searchText" in seen.params:
            return geoadmin_knows(seen)
        known = int(asked_number(seen.params["q"])) % 2
        return nominatim_knows(seen) if known else nothing(seen)

    with ScriptedService(answer) as service:
        context = multiprocessing.get_context("spawn")
        barrier, results = context.Barrier(2), context.Queue()
        url = store.url.render_as_string(hide_password=False)
        arguments = (url, store.schema, service.url, pairs, barrier, results)
        processes = [context.Process(target=locate_at_once, args=arguments) for _ in range(2)]
        for process in processes:
            process.start()
        runs = [results.get(timeout=120) for _ in processes]
        for process in processes:
            process.join(timeout=120)
    assert all(outcomes == {key: "house" for key, _ in pairs} for outcomes, _ in runs)
    assert len(service.requests) == 20 + 10
    assert sum(report["asked"] for _, report in runs) == 30


def test_no_address_reaches_a_log_a_row_or_an_error(world, caplog):
    caplog.set_level(logging.DEBUG)
    for name in ("geopy", "httpx", "httpcore.http11", "httpcore.connection"):
        caplog.set_level(logging.DEBUG, name)
    bad = as_json([nominatim_house() | {"lat": None}])
    world.osm.then(bad, Reply(503, b"Rue des Licornes"), Reply(403, b"Rue des Licornes"))
    world.osm.then(Reply(302, headers={"Location": "/search?q=Licornes"}))
    world.federal.answer = nothing
    world.locate(1, 2, 3, 4)
    world.at += timedelta(seconds=301)
    world.locate(1, 2, 3, 4)
    said = [record.getMessage() for record in caplog.records]
    assert not [line for line in said if "icornes" in line.lower()]
    with world.store.read() as connection:
        rows = [row for table in metadata.tables.values() for row in connection.execute(sa.select(table))]
    assert len(rows) > 6
    assert not [row for row in rows if "icornes" in str(row).lower() or "genève" in str(row).lower()]
    provider = NominatimProvider(JsonGateway("nominatim", world.osm.url, user_agent=AGENT))
    world.osm.answer = lambda seen: bad
    with pytest.raises(Exception, match="no coordinates") as caught:
        provider.locate(pair(1)[1])
    assert "icornes" not in "".join(traceback.format_exception(caught.value)).lower()


def test_the_factory_builds_what_settings_name(store, monkeypatch):
    monkeypatch.setattr(nominatim, "INTERVAL_S", 0.01)
    with ScriptedService(nominatim_knows) as service:
        urls = {"nominatim_url": f"{service.url}/own", "geoadmin_url": service.url}
        with online_geocoders(["nominatim", "geoadmin"], store, user_agent=AGENT, **urls) as geocoder:
            (answer,) = geocoder.locate_many([pair(1)]).values()
    assert answer.source == "nominatim"
    assert service.requests[0].path == "/own/search"
    assert service.requests[0].headers["User-Agent"] == AGENT


@pytest.mark.parametrize("names", [[], ["google"], ["nominatim", "nominatim"], ["nominatim", "Geoadmin"]])
def test_an_unknown_geocoder_is_a_setting_to_correct(names):
    with pytest.raises(SettingsError, match="nominatim and geoadmin"):
        online_geocoders(names, None, user_agent=AGENT)


@pytest.mark.parametrize("options", [{"user_agent": ""}, {"user_agent": AGENT, "nominatim_url": "nowhere"}])
def test_an_unusable_setting_is_told(store, options):
    with pytest.raises(SettingsError):
        online_geocoders(["nominatim"], store, **options)


def test_a_geocoder_needs_providers_and_time(world):
    provider = NominatimProvider(world.gateway("nominatim", world.osm.url))
    for providers in ([], [provider, provider]):
        with pytest.raises(ValueError, match="providers"):
            OnlineGeocoder(providers, world.store)
    with pytest.raises(ValueError, match="days"):
        OnlineGeocoder([provider], world.store, negative_days=0)
