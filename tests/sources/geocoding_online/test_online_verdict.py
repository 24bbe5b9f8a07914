from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atmr_pipeline.domain.geo import in_service_area
from atmr_pipeline.domain.vocabulary import AddressPrecision
from atmr_pipeline.sources.geocoding.online.hits import Hit, Level
from atmr_pipeline.sources.geocoding.online.verdict import decide

ADDRESS = "Rue des Licornes 12, 1205 Genève"
HOUSE = Hit(46.1951, 6.1402, Level.HOUSE, "", "Rue des Licornes", "12", "1205", ("Genève",), "house")
ROAD = replace(HOUSE, level=Level.STREET, name="Rue des Licornes", number="", entry_key="road", extent_km=0.4)
PLACE = replace(HOUSE, level=Level.PLACE, name="Clinique des Nuages", entry_key="place")
AREA = replace(HOUSE, level=Level.AREA, name="Carouge", street="", number="", postcode="1227", towns=("Carouge",))
AREA = replace(AREA, entry_key="area", extent_km=2.0)
KM_NORTH = 1 / 111.2


def moved(hit: Hit, km: float, **changes) -> Hit:
    return replace(hit, lat=hit.lat + km * KM_NORTH, **changes)


def outcome(text: str, *hits: Hit) -> str:
    """The precision, or the reason where there is none."""
    answer = decide("fictional", text, hits)
    if answer.reason is not None:
        assert (answer.lat, answer.lon, answer.entry_key, answer.source) == (None, None, None, None)
        assert answer.precision is AddressPrecision.UNRESOLVED
        return answer.reason
    assert answer.source == "fictional"
    assert answer.entry_key is not None
    assert 0 < answer.score <= 1
    return answer.precision.value


def test_an_answer_tells_point_precision_source_and_entry():
    answer = decide("fictional", ADDRESS, [HOUSE])
    assert (answer.lat, answer.lon, answer.precision) == (46.1951, 6.1402, AddressPrecision.HOUSE)
    assert (answer.source, answer.score, answer.reason, answer.entry_key) == ("fictional", 1.0, None, "house")


@pytest.mark.parametrize(
    "text",
    [
        ADDRESS,
        "rue des licornes 12 1205 geneve",
        "R. des Licornes 12 - 1205 Genève",
        "Clinique des Nuages   Rue des Licornes 12   1205 Genève",
        "1205 Genève, Rue des Licornes 12",
        "Rue des Licornnes 12, 1205 Genève",
        "Rue des Licornes 12, Genève",
        "Rue des Licornes 12, 1205",
        "Licornes 12, 1205 Genève",
        "Rue des Licornes 12, 1205 Plainpalais",
        "Rue des Licornes 12, 1207 Genève",
        "Rue des Licornes 12",
        "Rue des Licornes 12 Genève, Suisse",
    ],
)
def test_the_house_that_is_meant(text):
    assert outcome(text, HOUSE) == "house"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Rue des Licornes 12, 1207 Carouge", "mismatch"),
        ("Rue des Licornes 12, 1260 Nyon", "mismatch"),
        ("Rue des Licornes 12, Nyon", "mismatch"),
        ("Nyon, Rue des Licornes 12", "mismatch"),
        ("Rue des Licornes 12, 1207", "mismatch"),
        ("Chemin des Licornes 12, 1205 Genève", "mismatch"),
        ("Rue des Dragons 12, 1205 Genève", "mismatch"),
        ("Rue de Genève 12, 1205 Genève", "mismatch"),
        ("Hôtel des Licornes, Genève", "mismatch"),
        ("Clinique des Nuages, 1205 Genève", "mismatch"),
        ("1205 Genève", "mismatch"),
    ],
)
def test_a_house_that_is_not_meant(text, reason):
    assert outcome(text, HOUSE) == reason


def test_a_town_in_a_streets_name_is_no_evidence():
    there = replace(HOUSE, street="Rue de Lausanne", postcode="1003", towns=("Lausanne",))
    assert outcome("Rue de Lausanne 12, 1201 Genève", there) == "mismatch"
    here = replace(HOUSE, street="Rue de Genève", towns=("Genève",))
    assert outcome("Rue de Lausanne 12, 1205 Genève", here) == "mismatch"


@pytest.mark.parametrize("number", ["14", "12bis", "112", ""])
def test_another_number_leaves_the_street(number):
    assert outcome(ADDRESS, replace(HOUSE, number=number)) == "street"


@pytest.mark.parametrize(
    ("asked", "known"),
    [("3/5", "3"), ("3/5", "3-5"), ("3", "3;5"), ("12bis", "12 bis"), ("4 A", "4a"), ("3-5", "5")],
)
def test_one_house_may_have_two_numbers(asked, known):
    assert outcome(f"Rue des Licornes {asked}, 1205 Genève", replace(HOUSE, number=known)) == "house"


def test_figures_in_a_name_are_not_typing_errors():
    hit = replace(HOUSE, street="Rue du 31-Décembre")
    assert outcome("Rue du 31-Décembre 12, 1205 Genève", hit) == "house"
    assert outcome("Rue du 30-Décembre 12, 1205 Genève", hit) == "mismatch"


def test_a_street_is_a_street():
    assert outcome("Rue des Licornes, 1205 Genève", ROAD) == "street"
    assert outcome(ADDRESS, ROAD) == "street"
    assert outcome("Rue des Licornes, 1205 Genève", HOUSE) == "street"
    assert outcome(ADDRESS, ROAD, HOUSE) == "house"


def test_pieces_of_one_street_are_one():
    pieces = [moved(ROAD, km, entry_key=f"piece{km}") for km in (0.0, 0.5, 1.2)]
    answer = decide("fictional", "Rue des Licornes, 1205 Genève", pieces)
    assert (answer.precision, answer.entry_key) == (AddressPrecision.STREET, "piece0.5")
    other = moved(ROAD, 1.2, postcode="1227", towns=("Carouge",))
    assert outcome("Rue des Licornes", ROAD, other) == "ambiguous"
    assert outcome("Rue des Licornes, 1205 Genève", ROAD, other) == "street"


def test_a_street_too_long_for_one_point():
    assert outcome("Rue des Licornes, 1205 Genève", replace(ROAD, extent_km=6.0)) == "ambiguous"
    assert outcome("Rue des Licornes, 1205 Genève", ROAD, moved(ROAD, 3.0)) == "ambiguous"


def test_equally_good_houses_apart_are_ambiguous():
    twin = moved(HOUSE, 0.5, entry_key="twin")
    assert outcome(ADDRESS, HOUSE, twin) == "ambiguous"
    assert outcome(ADDRESS, HOUSE, moved(HOUSE, 0.1)) == "house"
    worse = replace(twin, postcode="1207")
    assert decide("fictional", ADDRESS, [worse, HOUSE]).entry_key == "house"


def test_a_named_place():
    assert outcome("Clinique des Nuages, Genève", PLACE) == "place"
    assert outcome("Clinique des Nuages Genève", PLACE) == "place"
    assert outcome("Clinique des Nuages, Rue des Licornes, 1205 Genève", PLACE) == "place"
    assert outcome("Clinique des Nuages, Rue des Licornes 12, 1205 Genève", PLACE) == "house"
    assert outcome("Clinique des Nuages, Rue des Licornes 99, 1205 Genève", PLACE) == "street"
    assert outcome("Clinique des Nuages, Rue des Dragons 12, 1205 Genève", PLACE) == "mismatch"
    assert outcome("Clinique des Vents, Genève", PLACE) == "mismatch"
    assert outcome("Hôpital des Nuages, Genève", replace(PLACE, name="Hôpital")) == "mismatch"
    assert outcome("Clinique des Nuages, 1260 Nyon", PLACE) == "mismatch"


def test_the_middle_of_a_town_stands_for_nothing_else():
    assert outcome("1227 Carouge", AREA) == "postcode"
    assert outcome("Carouge", AREA) == "postcode"
    assert outcome("1227", AREA) == "postcode"
    assert outcome("Rue des Licornes 12, 1227 Carouge", AREA) == "too_coarse"
    assert outcome("Clinique des Nuages, 1227 Carouge", AREA) == "too_coarse"
    assert outcome("1228", AREA) == "mismatch"
    assert outcome("Rue des Licornes 12, 1205 Genève", AREA, HOUSE) == "house"


@pytest.mark.parametrize("extent_km", [8.0, None])
def test_nobody_lives_at_the_middle_of_a_city(extent_km):
    city = replace(AREA, name="Genève", postcode="", towns=("Genève",), extent_km=extent_km)
    assert outcome("Genève", city) == "too_coarse"


def test_nothing_found_and_nothing_near():
    assert outcome(ADDRESS) == "not_found"
    assert outcome(ADDRESS, replace(HOUSE, lat=0.0, lon=0.0)) == "outside_service_area"
    assert outcome(ADDRESS, replace(HOUSE, lat=47.4, lon=8.5)) == "outside_service_area"
    assert outcome(ADDRESS, replace(HOUSE, lat=47.4, lon=8.5), HOUSE) == "house"


hits = st.builds(
    Hit,
    lat=st.floats(-90, 90),
    lon=st.floats(-180, 180),
    level=st.sampled_from(Level),
    name=st.text(max_size=20) | st.just("Clinique des Nuages"),
    street=st.text(max_size=20) | st.just("Rue des Licornes"),
    number=st.text(max_size=4) | st.just("12"),
    postcode=st.text(max_size=5) | st.just("1205"),
    towns=st.lists(st.text(max_size=12) | st.just("Genève"), max_size=3).map(tuple),
    entry_key=st.just("key"),
    extent_km=st.none() | st.floats(0, 100),
)
near = hits.map(lambda hit: replace(hit, lat=46.2 + hit.lat / 1_000, lon=6.1 + hit.lon / 1_000))


@given(st.just(ADDRESS) | st.text(max_size=60), st.lists(hits | near, max_size=6))
def test_whatever_a_provider_finds_an_answer_is_one_of_its_hits_or_none(text, found):
    answer = decide("fictional", text, found)
    if answer.reason is None:
        assert in_service_area(answer.lat, answer.lon)
        assert (answer.lat, answer.lon) in [(hit.lat, hit.lon) for hit in found]
    else:
        assert answer.lat is None
