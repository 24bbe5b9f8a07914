import pytest
from online_answers import ADDRESS, LAT, LON, geoadmin_answer, geoadmin_house
from scripted_service import HTML, Reply, ScriptedService, as_json, closed_port_url

from atmr_pipeline.sources.geocoding.online import GeoAdminProvider
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
    with ScriptedService(lambda seen: as_json(geoadmin_answer())) as running:
        yield running


def provider_at(url: str, timeout_s: float = 5.0) -> GeoAdminProvider:
    gateway = JsonGateway(
        "geoadmin", url, user_agent=AGENT, timeout_s=timeout_s, attempts=1, max_response_bytes=100_000
    )
    return GeoAdminProvider(gateway)


@pytest.fixture
def provider(server):
    ready = provider_at(server.url)
    yield ready
    ready.close()


def test_the_question_is_in_the_services_words(provider, server):
    provider.locate(ADDRESS)
    (seen,) = server.requests
    assert seen.path == "/rest/services/api/SearchServer"
    assert seen.headers["User-Agent"] == AGENT
    assert seen.params == {
        "type": "locations",
        "origins": "address",
        "sr": "4326",
        "limit": "20",
        "searchText": "rue des licornes 12 1205 geneve",
    }


def test_never_more_words_than_the_service_takes(provider, server):
    provider.locate("Rue de la Très Longue Allée des Petites Licornes Bleues 12, 1205 Genève")
    words = server.requests[0].params["searchText"].split()
    assert len(words) == 10
    assert words[-3:] == ["12", "1205", "geneve"]


def test_a_house_is_found(provider, server):
    server.then(as_json(geoadmin_answer(geoadmin_house())))
    answer = provider.locate(ADDRESS)
    assert (answer.lat, answer.lon, answer.precision.value) == (LAT, LON, "house")
    assert (answer.source, answer.score, answer.reason) == ("geoadmin", 1.0, None)
    assert answer.entry_key == entry_key("geoadmin", "990001_0")


@pytest.mark.parametrize(
    ("text", "line", "precision"),
    [
        (ADDRESS, "Rue des Licornes 12", "house"),
        ("Rue des Licornes 12bis, 1205 Genève", "Rue des Licornes 12bis", "house"),
        ("Rue des Licornes 12 B, 1205 Genève", "Rue des Licornes 12b", "house"),
        ("Rue du 31-Décembre 8, 1205 Genève", "Rue du 31-Décembre 8", "house"),
        ("Rue du 31-Décembre, 1205 Genève", "Rue du 31-Décembre", "street"),
        (ADDRESS, "<i>Rue des Licornes</i> 12", "house"),
        (ADDRESS, "Rue des Licornes 12a", "street"),
        (ADDRESS, "Rue des Licornes 120", "street"),
        ("Rue des Licornes, 1205 Genève", "Rue des Licornes 12", "street"),
    ],
)
def test_labels_are_taken_apart(provider, server, text, line, precision):
    server.then(as_json(geoadmin_answer(geoadmin_house(line))))
    assert provider.locate(text).precision.value == precision


def test_the_commune_is_evidence_too(provider, server):
    server.then(as_json(geoadmin_answer(geoadmin_house(postcode="1234", town="Vessy", commune="veyrier"))))
    assert provider.locate("Rue des Licornes 12, 1255 Veyrier").precision.value == "house"


def test_houses_of_a_street_are_one_street(provider, server):
    houses = [
        geoadmin_house(f"Rue des Licornes {number}", lat=LAT + number / 10_000, feature=f"{number}_0")
        for number in (1, 30, 90)
    ]
    server.then(as_json(geoadmin_answer(*houses)))
    answer = provider.locate("Rue des Licornes, 1205 Genève")
    assert (answer.precision.value, answer.entry_key) == ("street", entry_key("geoadmin", "30_0"))


@pytest.mark.parametrize(
    ("results", "reason"),
    [
        ([], "not_found"),
        ([geoadmin_house(lat=0.0, lon=0.0)], "outside_service_area"),
        ([geoadmin_house(postcode="3012", town="Bern", lat=46.95, lon=7.44)], "outside_service_area"),
        ([geoadmin_house(postcode="1260", town="Nyon", commune="nyon")], "mismatch"),
        ([geoadmin_house("Chemin des Licornes 12")], "mismatch"),
        ([geoadmin_house(), geoadmin_house(lat=LAT + 0.01, feature="990002_0")], "ambiguous"),
    ],
)
def test_what_is_no_answer(provider, server, results, reason):
    server.then(as_json(geoadmin_answer(*results)))
    answer = provider.locate(ADDRESS)
    assert (answer.lat, answer.precision.value, answer.reason) == (None, "unresolved", reason)


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (HTML, BadResponseError),
        (Reply(200, b'{"results": [{"at'), BadResponseError),
        (as_json([]), BadResponseError),
        (as_json({}), BadResponseError),
        (as_json({"results": None}), BadResponseError),
        (as_json({"results": [None]}), BadResponseError),
        (as_json({"results": [{"id": 1}]}), BadResponseError),
        (as_json(geoadmin_answer(geoadmin_house(lat=None))), BadResponseError),
        (as_json(geoadmin_answer(geoadmin_house(lon="east"))), BadResponseError),
        (as_json(geoadmin_answer(geoadmin_house(label=None))), BadResponseError),
        (as_json(geoadmin_answer(geoadmin_house(label="Rue des Licornes 12"))), BadResponseError),
        (as_json(geoadmin_answer(geoadmin_house(featureId=None))), BadResponseError),
        (as_json(geoadmin_answer(*[geoadmin_house()] * 1000)), BadResponseError),
        (Reply(307, headers={"Location": "https://elsewhere.example/"}), BadResponseError),
        (Reply(400, b"Please provide a search text"), BadRequestError),
        (Reply(404), BadRequestError),
        (Reply(403), ServiceRefusedError),
        (Reply(429), RateLimitedError),
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


def test_nobody_there_and_nobody_answering(server):
    with pytest.raises(ServiceUnavailableError):
        provider_at(closed_port_url()).locate(ADDRESS)
    server.then(Reply(hangs=True))
    with pytest.raises(ServiceUnavailableError):
        provider_at(server.url, timeout_s=0.1).locate(ADDRESS)


def test_an_address_that_says_nothing_is_not_sent(provider, server):
    assert provider.locate("Mme Exemple").reason == "not_found"
    assert server.requests == []
