"""Legs with coordinates, distances and what waits for a clerk."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest

from atmr_pipeline.domain.tables import ADDRESS_REVIEW, GEOCODED_COURSES, WORKBOOK_COURSES, conform, empty
from atmr_pipeline.domain.travel import FloatArray, TravelMatrix
from atmr_pipeline.domain.vocabulary import AddressPrecision
from atmr_pipeline.sources.geocoding import Answer, Gazetteer, geocode_addresses, geocode_courses
from atmr_pipeline.sources.travel import HaversineTravel

ADDRESSES = pd.DataFrame(
    {
        "address_key": ["palexpo", "mail", "nowhere", "unclear"],
        "address_text": ["Palexpo", "Uni Mail", "Rue Inventée 3, 1205 Genève", "HUG"],
    }
)


def legs(*ends: tuple[str, str], set_aside: str | None = None) -> pd.DataFrame:
    count = len(ends)
    local = pd.Series(pd.to_datetime(["2025-10-01 09:15"] * count)).astype("datetime64[us]")
    frame = pd.DataFrame(
        {
            "leg_key": [f"leg {index}" for index in range(count)],
            "parent_leg_key": None,
            "file_name": "a.xlsx",
            "sheet": "Feuil1",
            "row": range(2, count + 2),
            "service_day": local.dt.normalize(),
            "leg": "outbound",
            "is_round_trip": False,
            "scheduled_local": local,
            "scheduled_at": local.dt.tz_localize("Europe/Zurich").dt.tz_convert("UTC"),
            "scheduled_status": "exact",
            "patient_key": None,
            "driver_initials": None,
            "driver_id": None,
            "pickup_address_key": [pickup for pickup, _ in ends],
            "dropoff_address_key": [dropoff for _, dropoff in ends],
            "set_aside_reason": set_aside,
        }
    )
    return conform(frame, WORKBOOK_COURSES)


@pytest.fixture(scope="module")
def answers() -> pd.DataFrame:
    return geocode_addresses(ADDRESSES, Gazetteer.load())


def test_answers(answers: pd.DataFrame) -> None:
    assert list(answers.columns) == ["address_key", "lat", "lon", "precision", "source", "score", "reason", "entry_key"]
    assert list(answers["precision"]) == ["place", "place", "unresolved", "unresolved"]
    assert list(answers["reason"].fillna("")) == ["", "", "not_found", "ambiguous"]
    assert answers["lat"].isna().tolist() == [False, False, True, True]


def test_each_address_is_asked_once() -> None:
    asked: list[str] = []

    class Counting(Gazetteer):
        def locate(self, text: str) -> Answer:
            asked.append(text)
            return super().locate(text)

    repeated = pd.concat([ADDRESSES, ADDRESSES.head(2)])
    answers = geocode_addresses(repeated, Counting([]))
    assert (len(answers), sorted(asked)) == (4, sorted(ADDRESSES["address_text"]))


class Elsewhere:
    """An online geocoder that knows some addresses and keeps what it was asked."""

    def __init__(self, **known: Answer) -> None:
        self.known, self.asked = known, []  # type: ignore[var-annotated]

    def locate_many(self, pairs: Sequence[tuple[str, str]]) -> dict[str, Answer]:
        self.asked += pairs
        return {key: self.known[key] for key, _ in pairs if key in self.known}


def no_answer(reason: str) -> Answer:
    return Answer(None, None, AddressPrecision.UNRESOLVED, None, 0.0, reason, None)


def test_only_what_the_directory_does_not_place_is_asked_online_and_keeps_its_source() -> None:
    found = Answer(46.2, 6.1, AddressPrecision.HOUSE, "nominatim", 0.9, None, "abc")
    online = Elsewhere(nowhere=found, unclear=no_answer("service_unavailable"))
    answers = geocode_addresses(pd.concat([ADDRESSES, ADDRESSES]), Gazetteer.load(), online).set_index("address_key")
    assert [key for key, _ in online.asked] == ["nowhere", "unclear"]
    assert answers.loc["nowhere", ["lat", "precision", "source", "entry_key"]].tolist() == [
        46.2,
        "house",
        "nominatim",
        "abc",
    ]
    assert answers.loc["unclear", "reason"] == "service_unavailable"
    assert answers.loc["palexpo", "source"] != "nominatim"


def test_what_nobody_finds_keeps_the_more_telling_reason() -> None:
    online = Elsewhere(nowhere=no_answer("not_found"), unclear=no_answer("not_found"))
    answers = geocode_addresses(ADDRESSES, Gazetteer.load(), online).set_index("address_key")
    assert answers["reason"].fillna("").to_dict() == {
        "palexpo": "",
        "mail": "",
        "nowhere": "not_found",
        "unclear": "ambiguous",
    }


def test_an_online_geocoder_that_leaves_out_an_address() -> None:
    with pytest.raises(ValueError, match="no answer for 1 of 2 addresses"):
        geocode_addresses(ADDRESSES, Gazetteer.load(), Elsewhere(nowhere=no_answer("not_found")))


def test_nothing_is_asked_online_where_the_directory_places_everything() -> None:
    online = Elsewhere()
    geocode_addresses(ADDRESSES.head(2), Gazetteer.load(), online)
    assert online.asked == []


def test_courses(answers: pd.DataFrame) -> None:
    courses = legs(("palexpo", "mail"), ("mail", "palexpo"), ("palexpo", "nowhere"), ("unclear", "nowhere"))
    geocoded, review = geocode_courses(courses, answers, HaversineTravel())
    assert list(geocoded["set_aside_reason"].fillna("")) == ["", "", "address_unresolved", "address_unresolved"]
    assert geocoded["distance_km"].isna().tolist() == [False, False, True, True]
    assert geocoded["distance_km"][0] == pytest.approx(geocoded["distance_km"][1])
    assert 4 < geocoded["distance_km"][0] < 9
    assert list(geocoded["distance_source"].fillna("")) == ["haversine:assumed", "haversine:assumed", "", ""]
    assert geocoded["dropoff_lat"].isna().tolist() == [False, False, True, True]
    assert geocoded["dropoff_source"].isna().tolist() == [False, False, True, True]
    GEOCODED_COURSES.validate(geocoded)
    assert review.to_dict("records") == [
        {"address_key": "nowhere", "legs": 2, "reason": "not_found"},
        {"address_key": "unclear", "legs": 1, "reason": "ambiguous"},
    ]
    ADDRESS_REVIEW.validate(review)


def test_an_earlier_reason_is_kept_and_a_missing_answer_is_unresolved(answers: pd.DataFrame) -> None:
    geocoded, review = geocode_courses(
        legs(("palexpo", "never asked"), set_aside="return_time_missing"), answers, HaversineTravel()
    )
    assert geocoded["set_aside_reason"].tolist() == ["return_time_missing"]
    assert geocoded["dropoff_precision"].tolist() == ["unresolved"]
    assert review["reason"].tolist() == ["not_found"]


def test_every_pair_gets_its_own_distance() -> None:
    count = 250
    keys = [f"k{index}" for index in range(count)]
    answers = pd.DataFrame(
        {
            "address_key": keys,
            "lat": 46.1 + np.arange(count) / 1000,
            "lon": 6.1,
            "precision": "street",
            "source": "x",
            "reason": None,
            "entry_key": keys,
        }
    )
    asked: list[tuple[int, int]] = []

    class Recording(HaversineTravel):
        def matrix(self, origins: FloatArray, destinations: FloatArray, hour: FloatArray | float) -> TravelMatrix:
            asked.append((len(origins), len(destinations)))
            return super().matrix(origins, destinations, hour)

    geocoded, _ = geocode_courses(legs(*[("k0", key) for key in keys], ("k1", "k0")), answers, Recording(detour=1.0))
    assert geocoded["distance_km"].iloc[:count].to_numpy() == pytest.approx(np.arange(count) * 0.1112, abs=0.01)
    assert sum(destinations for _, destinations in asked) == count + 1
    assert max(destinations for _, destinations in asked) <= 100


def test_no_courses(answers: pd.DataFrame) -> None:
    geocoded, review = geocode_courses(empty(WORKBOOK_COURSES), answers, HaversineTravel())
    assert (len(geocoded), len(review)) == (0, 0)
    GEOCODED_COURSES.validate(geocoded)


def test_a_corrected_address_is_asked_online_by_its_new_text() -> None:
    class Online:
        def __init__(self) -> None:
            self.asked: list[tuple[str, str]] = []

        def locate_many(self, pairs):
            self.asked += pairs
            return {key: Answer(46.2, 6.14, AddressPrecision.HOUSE, "online", 1.0, None, "0" * 16) for key, _ in pairs}

    online = Online()
    addresses = pd.DataFrame(
        {"address_key": ["old", "same"], "address_text": ["Rue Inventée 99", "Rue Inventée 99"], "question_key": "new"}
    )
    answers = geocode_addresses(addresses, Gazetteer.load(), online)
    assert online.asked == [("new", "Rue Inventée 99")]
    assert answers["source"].tolist() == ["online", "online"]
