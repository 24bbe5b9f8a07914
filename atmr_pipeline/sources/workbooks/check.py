"""What a workbook would give, before it is imported."""

from collections import Counter
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd

from atmr_pipeline.domain.vocabulary import AddressPrecision, Leg
from atmr_pipeline.sources.geocoding.courses import geocode_addresses
from atmr_pipeline.sources.geocoding.gazetteer import Gazetteer
from atmr_pipeline.sources.workbooks.limits import WorkbookLimits
from atmr_pipeline.sources.workbooks.parse import parse_workbook
from atmr_pipeline.sources.workbooks.results import ParsedWorkbook

LEG_COLUMNS = (
    "sheet",
    "row",
    "leg",
    "scheduled_local",
    "driver_initials",
    "pickup_lat",
    "pickup_lon",
    "pickup_precision",
    "dropoff_lat",
    "dropoff_lon",
    "dropoff_precision",
    "reason",
)
REPORTED_PRECISION = {
    AddressPrecision.HOUSE: "house",
    # A named place is known to about a hundred metres, like a street, not to its door.
    AddressPrecision.PLACE: "street",
    AddressPrecision.STREET: "street",
    AddressPrecision.POSTCODE: "postcode",
    AddressPrecision.UNRESOLVED: "unresolved",
}


def check_workbook(
    path: Path,
    *,
    gazetteer: Gazetteer,
    hash_key: bytes,
    limits: WorkbookLimits | None = None,
    driver_ids: Mapping[str, int] | None = None,
    occasional: AbstractSet[str] = frozenset(),
    today: date | None = None,
) -> tuple[dict[str, Any], pd.DataFrame]:
    """Read and geocode one workbook without keeping anything.

    Parameters
    ----------
    path : Path
        The workbook.
    gazetteer : Gazetteer
        Who places the addresses.
    hash_key : bytes
        The company's secret for keyed hashes.
    limits : WorkbookLimits, optional
        What is refused as too large.
    driver_ids : mapping of str to int, optional
        Drivers by initials. Without it no initials are known: all are reported as unknown.
    occasional : set of str, optional
        Initials of drivers outside the fleet; they are not reported as unknown.
    today : date, optional
        See :func:`parse_workbook`.

    Returns
    -------
    report : dict
        ``rows`` (read = accepted + quarantined + duplicate + ignored), ``legs`` (each leg in one of outbound, return,
        set_aside), ``reasons`` (quarantined rows and set-aside legs by code), ``drivers`` (legs by initials),
        ``unknown_drivers`` (those that name no known driver; blank under ``""``), ``addresses`` (each distinct address
        under its precision). The reasons add up to ``rows.quarantined`` + ``legs.set_aside``. No patient, no address.
    legs : DataFrame
        One row a leg, columns :data:`LEG_COLUMNS`; coordinates are NaN where an address is not placed.

    Raises
    ------
    WorkbookError
        If the file cannot be read.
    """
    parsed = parse_workbook(
        path, hash_key=hash_key, driver_ids=driver_ids or {}, occasional=occasional, limits=limits, today=today
    )
    answers = geocode_addresses(parsed.addresses, gazetteer)
    legs = _placed_legs(parsed.courses, answers)
    return _report(parsed, answers, legs), legs[list(LEG_COLUMNS)].reset_index(drop=True)


def _placed_legs(courses: pd.DataFrame, answers: pd.DataFrame) -> pd.DataFrame:
    by_key = answers.set_index("address_key")
    legs = courses.copy()
    for end in ("pickup", "dropoff"):
        found = by_key.reindex(legs[f"{end}_address_key"])
        legs[f"{end}_lat"], legs[f"{end}_lon"] = found["lat"].to_numpy(), found["lon"].to_numpy()
        legs[f"{end}_precision"] = [REPORTED_PRECISION[AddressPrecision(value)] for value in found["precision"]]
    unplaced = (legs["pickup_precision"] == "unresolved") | (legs["dropoff_precision"] == "unresolved")
    reason = legs["set_aside_reason"]
    legs["reason"] = reason.where(reason.notna() | ~unplaced, "address_unresolved")
    # A spreadsheet opens a CSV cell that begins with one of these as a formula.
    legs["sheet"] = legs["sheet"].str.replace(r"^(?=[=+\-@\t])", "'", regex=True)
    return legs


def _report(parsed: ParsedWorkbook, answers: pd.DataFrame, legs: pd.DataFrame) -> dict[str, Any]:
    counts = parsed.counts
    usable = legs.loc[legs["reason"].isna(), "leg"]
    reasons = Counter(parsed.quarantined["reason"]) + Counter(legs["reason"].dropna())
    precisions = Counter(REPORTED_PRECISION[AddressPrecision(value)] for value in answers["precision"])
    return {
        "rows": {
            "read": counts.read,
            "accepted": counts.accepted,
            "quarantined": counts.quarantined,
            "duplicate": counts.duplicate,
            "ignored": counts.ignored,
        },
        "legs": {
            "outbound": int((usable == Leg.OUTBOUND).sum()),
            "return": int((usable == Leg.RETURN).sum()),
            "set_aside": int(legs["reason"].notna().sum()),
        },
        "reasons": dict(sorted(reasons.items())),
        "drivers": parsed.initials,
        "unknown_drivers": parsed.unknown_initials,
        "addresses": {
            "distinct": len(answers),
            **{name: precisions.get(name, 0) for name in ("house", "street", "postcode", "unresolved")},
        },
    }
