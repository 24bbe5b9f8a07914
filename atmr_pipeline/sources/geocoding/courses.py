"""Workbook legs with coordinates: each distinct address is asked once."""

import numpy as np
import pandas as pd

from atmr_pipeline.domain.tables import ADDRESS_REVIEW, GEOCODED_COURSES, conform, empty
from atmr_pipeline.domain.travel import TravelProvider
from atmr_pipeline.domain.vocabulary import AddressPrecision
from atmr_pipeline.sources.geocoding.gazetteer import Gazetteer

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


def geocode_addresses(addresses: pd.DataFrame, gazetteer: Gazetteer) -> pd.DataFrame:
    """Place each distinct address.

    Parameters
    ----------
    addresses : DataFrame
        ``address_key``, ``address_text``.

    Returns
    -------
    DataFrame
        One row an address key: ``address_key, lat, lon, precision, source, score, reason, entry_key``; coordinates
        NaN and a reason where unresolved. No address text.
    """
    distinct = addresses.drop_duplicates("address_key")
    records = []
    for key, text in zip(distinct["address_key"], distinct["address_text"], strict=True):
        answer = gazetteer.locate(str(text))
        records.append({"address_key": key, **vars(answer), "precision": answer.precision.value})
    return pd.DataFrame(records, columns=list(ANSWER_COLUMNS)).astype(ANSWER_COLUMNS)


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
    km = pd.Series(np.nan, index=legs.index)
    source = pd.Series(None, index=legs.index, dtype="str")
    known = legs[resolved].assign(hour=legs["scheduled_local"].dt.hour.astype("float64").fillna(NOON))
    for _, group in known.groupby(["pickup_lat", "pickup_lon", "hour"]):
        origin = group[["pickup_lat", "pickup_lon"]].iloc[:1].to_numpy(dtype=float)
        hour = float(group["hour"].iloc[0])
        ends = group.groupby(["dropoff_lat", "dropoff_lon"], sort=False)
        points = np.array(list(ends.groups), dtype=float)
        members = list(ends.groups.values())
        for start in range(0, len(points), PAIRS_PER_MATRIX):
            matrix = travel.matrix(origin, points[start : start + PAIRS_PER_MATRIX], hour)
            for index, distance_km in enumerate(matrix.km[0]):
                km.loc[members[start + index]] = distance_km
                source.loc[members[start + index]] = matrix.source
    return km, source.where(km.notna())


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
