import pytest
from online_answers import (
    ADDRESS,
    LAT,
    LON,
    nominatim_house,
    nominatim_place,
    nominatim_road,
    nominatim_town,
)
from scripted_service import HTML, Reply, ScriptedService, as_json, closed_port_url

from atmr_pipeline.sources.geocoding.online import NominatimProvider
from atmr_pipeline.sources.geocoding.online.hits import entry_key
from atmr_pipeline.sources.services import (
    BadRequestError,
    BadResponseError,
    JsonGateway,
    RateLimitedError,
    ServiceRefusedError,
    ServiceUnavailableError,
)

AGENT = "atmr-test/1 (ops@example.org)"


@pytest.fixture
def server():
    with ScriptedService(lambda seen: as_json([])) as running:
        yield running


def provider_at(url: str, timeout_s: float = 5.0) -> NominatimProvider:
    gateway = JsonGateway(
        "nominatim", url, user_agent=AGENT, timeout_s=timeout_s, attempts=1, max_response_bytes=100_000
    )
    return NominatimProvider(gateway)


@pytest.fixture
def provider(server):
    ready = provider_at(server.url)
    yield ready
    ready.close()


def test_the_question_is_bounded_and_ours(provider, server):
    provider.locate(ADDRESS)
    (seen,) = server.requests
    assert seen.path == "/search"
    assert seen.headers["User-Agent"] == AGENT
    assert seen.params == {
        "q": "rue des licornes 12, 1205 geneve",
        "format": "json",
        "limit": "5",
        "addressdetails": "1",
        "accept-language": "fr",
        "countrycodes": "ch,fr",
        "viewbox": "5.7,45.9,6.9,46.6",
        "bounded": "1",
    }


def test_a_server_of_ones_own_may_stand_below_a_path(server):
    provider_at(f"{server.url}/maps/nominatim/").locate(ADDRESS)
    assert server.requests[0].path == "/maps/nominatim/search"


def test_a_house_is_found(provider, server):
    server.then(as_json([nominatim_house()]))
    answer = provider.locate(ADDRESS)
    assert (answer.lat, answer.lon, answer.precision.value) == (LAT, LON, "house")
    assert (answer.source, answer.reason) == ("nominatim", None)
    assert answer.entry_key == entry_key("nominatim", "way:4711")


@pytest.mark.parametrize(
    ("text", "item", "precision"),
    [
        (ADDRESS, nominatim_house(), "house"),
        (ADDRESS, nominatim_house(place_rank=None), "house"),
        (ADDRESS, nominatim_house(**{"class": "place", "type": "house"}, place_rank=None), "house"),
        (ADDRESS, nominatim_place("Clinique des Nuages", "Rue des Licornes", "12"), "house"),
        (ADDRESS, nominatim_house("14"), "street"),
        (ADDRESS, nominatim_road(), "street"),
        (ADDRESS, nominatim_road(place_rank=None), "street"),
        (
            "Place des Licornes, 1205 Genève",
            nominatim_road("Place des Licornes", type="square", place_rank=25),
            "street",
        ),
        ("Clinique des Nuages, 1205 Genève", nominatim_place("Clinique des Nuages"), "place"),
        ("Clinique des Nuages, Genève", nominatim_place("Clinique des Nuages", place_rank=None), "place"),
        ("Clinique des Nuages, Genève", nominatim_place("Clinique des Nuages", **{"class": "building"}), "place"),
        ("1227", nominatim_town("Carouge", 0.5, type="postcode", address={"postcode": "1227"}), "postcode"),
        ("1227 Carouge", nominatim_town("Carouge"), "postcode"),
        ("Carouge", nominatim_town("Carouge", place_rank=None), "postcode"),
        ("Carouge", nominatim_town("Carouge", place_rank=None, **{"class": "place", "type": "town"}), "postcode"),
    ],
)
def test_what_was_found_says_how_exactly(provider, server, text, item, precision):
    server.then(as_json([item]))
    assert provider.locate(text).precision.value == precision


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ([], "not_found"),
        ({"error": "Unable to geocode"}, "not_found"),
        ([nominatim_house(lat=0, lon=0)], "outside_service_area"),
        ([nominatim_house(lat=47.37, lon=8.54)], "outside_service_area"),
        ([nominatim_house(postcode="1260", town="Nyon")], "mismatch"),
        ([nominatim_house(street="Rue des Dragons")], "mismatch"),
        ([nominatim_town("Genève", 0.1)], "too_coarse"),
        ([nominatim_house(), nominatim_house(lat=LAT + 0.01, osm_id=4712)], "ambiguous"),
    ],
)
def test_what_is_no_answer(provider, server, value, reason):
    server.then(as_json(value))
    answer = provider.locate(ADDRESS)
    assert (answer.lat, answer.lon, answer.precision.value, answer.reason) == (None, None, "unresolved", reason)


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (HTML, BadResponseError),
        (Reply(200, b'[{"lat": "46.2", "l'), BadResponseError),
        (Reply(200, b""), BadResponseError),
        (as_json(None), BadResponseError),
        (as_json({}), BadResponseError),
        (as_json(""), BadResponseError),
        (as_json({"place_id": 1}), BadResponseError),
        (as_json(["x"]), BadResponseError),
        (as_json([None]), BadResponseError),
        (as_json({"error": "Bandwidth limit exceeded for Rue des Licornes"}), BadResponseError),
        (as_json({"error": {"code": 400, "message": "Nothing to search for."}}), BadResponseError),
        (as_json([nominatim_house() | {"lat": None}]), BadResponseError),
        (as_json([{"place_id": 1, "display_name": "Rue des Licornes"}]), BadResponseError),
        (as_json([nominatim_house(), {"place_id": 1}]), BadResponseError),
        (as_json([nominatim_house() | {"lat": "north"}]), BadResponseError),
        (as_json([nominatim_house() | {"lat": "nan"}]), BadResponseError),
        (as_json([nominatim_house() | {"lat": "91"}]), BadResponseError),
        (as_json([nominatim_house() | {"display_name": None}]), BadResponseError),
        (as_json([nominatim_house(osm_id=1, osm_type=None, place_id=None)]), BadResponseError),
        (as_json([nominatim_house()] * 500), BadResponseError),
        (Reply(302, headers={"Location": "https://elsewhere.example/search"}), BadResponseError),
        (Reply(400), BadRequestError),
        (Reply(404), BadRequestError),
        (Reply(403, b"<html>Access blocked</html>"), ServiceRefusedError),
        (Reply(429), RateLimitedError),
        (Reply(429, headers={"Retry-After": "30"}), RateLimitedError),
        (Reply(500), ServiceUnavailableError),
        (Reply(502), ServiceUnavailableError),
        (Reply(503), ServiceUnavailableError),
        (Reply(504), ServiceUnavailableError),
    ],
)
def test_a_failure_is_never_not_found(provider, server, reply, error):
    server.then(reply)
    with pytest.raises(error) as caught:
        provider.locate(ADDRESS)
    assert caught.type is error
    assert "icornes" not in str(caught.value)


def test_the_pause_asked_for_is_told(provider, server):
    server.then(Reply(429, headers={"Retry-After": "30"}))
    with pytest.raises(RateLimitedError) as caught:
        provider.locate(ADDRESS)
    assert caught.value.retry_after_s == 30


def test_nobody_there_and_nobody_answering(server):
    with pytest.raises(ServiceUnavailableError):
        provider_at(closed_port_url()).locate(ADDRESS)
    server.then(Reply(hangs=True))
    with pytest.raises(ServiceUnavailableError) as caught:
        provider_at(server.url, timeout_s=0.1).locate(ADDRESS)
    assert caught.value.kind == "timeout"


def test_an_address_that_says_nothing_is_not_sent(provider, server):
    assert provider.locate("M. Exemple").reason == "not_found"
    assert server.requests == []


@pytest.mark.parametrize(
    "changes",
    [
        {"address": "Rue des Licornes 12"},
        {"address": {"road": ["Rue des Licornes"], "house_number": 12, "postcode": None}},
        {"boundingbox": ["x"]},
        {"class": None, "type": None, "addresstype": None, "place_rank": "30"},
        {"name": None},
    ],
)
def test_odd_fields_place_nothing_by_accident(provider, server, changes):
    server.then(as_json([nominatim_house() | changes]))
    answer = provider.locate(ADDRESS)
    assert answer.lat in (None, LAT)
    assert (answer.lat is None) == (answer.reason is not None)
