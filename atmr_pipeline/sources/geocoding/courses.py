"""Workbook legs with coordinates: each distinct address is asked once."""

import numpy as np
import pandas as pd

from atmr_pipeline.domain.tables import ADDRESS_REVIEW, GEOCODED_COURSES, conform, empty
from atmr_pipeline.domain.travel import TravelProvider
from atmr_pipeline.domain.vocabulary import AddressPrecision
from atmr_pipeline.sources.geocoding.gazetteer import Answer, Gazetteer, OnlineGeocoder

ANSWER_COLUMNS = {
    "address_key": "str",
    "lat": "float64",
    "lon": "float64",
    "precision": "str",
    "source": "str",
    "score": "float64",
    "reason": "str",
    "entry_key": "str",
}
PAIRS_PER_MATRIX = 100
NOON = 12.0
TRIP = ["pickup_lat", "pickup_lon", "dropoff_lat", "dropoff_lon", "hour"]


def geocode_addresses(
    addresses: pd.DataFrame, gazetteer: Gazetteer, online: OnlineGeocoder | None = None
) -> pd.DataFrame:
    """Place each distinct address.

    Parameters
    ----------
    addresses : DataFrame
        ``address_key``, ``address_text``; ``question_key``, where it is given, is the key of that text: online answers
        are kept by what was asked, and a corrected address has another text than its key says.
    gazetteer : Gazetteer
        Asked first; nothing leaves the machine.
    online : OnlineGeocoder, optional
        Asked for what the gazetteer leaves unresolved. Without it no address is sent anywhere.

    Returns
    -------
    DataFrame
        One row an address key: ``address_key, lat, lon, precision, source, score, reason, entry_key``; coordinates
        NaN and a reason where unresolved: ``not_found``, ``ambiguous``, or one of the online geocoder's, such as
        ``service_unavailable``. No address text.

    Raises
    ------
    ValueError
        If the online geocoder leaves out an address that it was asked for.
    """
    distinct = addresses.drop_duplicates("address_key")
    texts = dict(zip(distinct["address_key"], distinct["address_text"].astype(str), strict=True))
    answers = {key: gazetteer.locate(text) for key, text in texts.items()}
    if online is not None:
        unresolved = [key for key, answer in answers.items() if answer.reason is not None]
        named = "question_key" if "question_key" in distinct else "address_key"
        questions = dict(zip(distinct["address_key"], distinct[named], strict=True))
        heard = _heard(online, {questions[key]: texts[key] for key in unresolved})
        answers |= {key: _better(answers[key], heard[questions[key]]) for key in unresolved}
    records = [
        {"address_key": key, **vars(answer), "precision": answer.precision.value} for key, answer in answers.items()
    ]
    return pd.DataFrame(records, columns=list(ANSWER_COLUMNS)).astype(ANSWER_COLUMNS)


def _heard(online: OnlineGeocoder, questions: dict[str, str]) -> dict[str, Answer]:
    heard = online.locate_many(list(questions.items())) if questions else {}
    if missing := len(questions.keys() - heard.keys()):
        raise ValueError(f"the online geocoder gave no answer for {missing} of {len(questions)} addresses")
    return heard


def _better(offline: Answer, online: Answer) -> Answer:
    """The online answer; where it found nothing either, what is known of the doubt: ambiguous says more."""
    if online.reason == "not_found" and offline.reason == "ambiguous":
        return offline
    return online


def geocode_courses(
    courses: pd.DataFrame, answers: pd.DataFrame, travel: TravelProvider
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Join coordinates and distances to the legs.

    Parameters
    ----------
    courses : DataFrame
        ``WORKBOOK_COURSES``.
    answers : DataFrame
        What :func:`geocode_addresses` gave; an address without an answer is unresolved.
    travel : TravelProvider
        Measures the distance at the leg's hour.

    Returns
    -------
    geocoded : DataFrame
        ``GEOCODED_COURSES``; a leg with an unresolved end is set aside as ``address_unresolved``, without a distance.
    review : DataFrame
        ``ADDRESS_REVIEW``: each unresolved address and the legs that wait for it.
    """
    if courses.empty:
        return empty(GEOCODED_COURSES), empty(ADDRESS_REVIEW)
    by_key = answers.set_index("address_key")
    legs = courses.reset_index(drop=True)
    for end in ("pickup", "dropoff"):
        found = by_key.reindex(legs[f"{end}_address_key"]).reset_index(drop=True)
        placed = found["lat"].notna() & found["lon"].notna()
        legs[f"{end}_lat"], legs[f"{end}_lon"] = found["lat"].where(placed), found["lon"].where(placed)
        legs[f"{end}_precision"] = found["precision"].where(placed, AddressPrecision.UNRESOLVED.value)
        legs[f"{end}_source"] = found["source"].where(placed)
        legs[f"{end}_entry_key"] = found["entry_key"].where(placed)
    resolved = legs["pickup_lat"].notna() & legs["dropoff_lat"].notna()
    legs["distance_km"], legs["distance_source"] = _distances(legs, resolved, travel)
    legs["set_aside_reason"] = legs["set_aside_reason"].where(
        legs["set_aside_reason"].notna() | resolved, "address_unresolved"
    )
    return conform(legs, GEOCODED_COURSES), _review(legs, by_key)


def _distances(legs: pd.DataFrame, resolved: pd.Series, travel: TravelProvider) -> tuple[pd.Series, pd.Series]:
    """Kilometres of each resolved leg; each pair of points and hour is asked once.

    A leg without a time is measured at noon: a distance hardly depends on the hour, and no duration is kept.
    """
    known = legs.assign(hour=legs["scheduled_local"].dt.hour.astype("float64").fillna(NOON)).loc[resolved, TRIP]
    distinct = known.drop_duplicates().sort_values(TRIP, ignore_index=True)
    values = distinct.to_numpy(dtype=float)
    km = np.full(len(distinct), np.nan)
    source = np.full(len(distinct), None, dtype=object)
    for members in distinct.groupby(["pickup_lat", "pickup_lon"]).indices.values():
        for start in range(0, len(members), PAIRS_PER_MATRIX):
            trips = members[start : start + PAIRS_PER_MATRIX]
            points = values[trips]
            matrix = travel.matrix(points[:1, :2], points[:, 2:4], points[:, 4])
            km[trips], source[trips] = matrix.km[0], matrix.source
    answers = known.merge(distinct.assign(km=km, source=source), on=TRIP, how="left").set_axis(known.index)
    return answers["km"].reindex(legs.index), answers["source"].where(answers["km"].notna()).reindex(legs.index)


def _review(legs: pd.DataFrame, by_key: pd.DataFrame) -> pd.DataFrame:
    waiting = pd.concat(
        [
            legs.loc[legs[f"{end}_lat"].isna(), ["leg_key", f"{end}_address_key"]].set_axis(
                ["leg_key", "address_key"], axis=1
            )
            for end in ("pickup", "dropoff")
        ]
    ).drop_duplicates()
    if waiting.empty:
        return empty(ADDRESS_REVIEW)
    review = waiting.groupby("address_key", sort=True).size().rename("legs").reset_index()
    reasons = by_key["reason"].reindex(review["address_key"]).reset_index(drop=True)
    return conform(review.assign(reason=reasons.fillna("not_found")), ADDRESS_REVIEW)
