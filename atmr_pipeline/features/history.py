"""The company's past days, one record each, from the database and from the workbooks."""

import json

import pandas as pd

from atmr_pipeline.domain.errors import TableContractError
from atmr_pipeline.domain.tables import HISTORICAL_DISPATCHES, conform
from atmr_pipeline.domain.vocabulary import LATE_AFTER_MIN
from atmr_pipeline.features.distance import with_leg_km
from atmr_pipeline.features.duck import run_sql


def historical_dispatches(
    bookings: pd.DataFrame,
    assignments: pd.DataFrame,
    driver_shifts: pd.DataFrame,
    geocoded_courses: pd.DataFrame,
    *,
    workbook_company_id: int | None = None,
) -> pd.DataFrame:
    """Loads, load gap, distance, lateness and quality score of every past day.

    A leg counts whatever its state of preparation: a workbook leg whose address is not placed yet was driven all the
    same, so it is in the loads and its distance is unknown. Where a day has no shifts, the load gap is over the
    drivers who drove.

    Parameters
    ----------
    bookings, assignments, driver_shifts, geocoded_courses : DataFrame
        The tables of these names.
    workbook_company_id : int, optional
        Whose workbooks these are. Needed only when the database holds several companies, or none.

    Returns
    -------
    DataFrame
        HISTORICAL_DISPATCHES. ``quality_score`` is the company's formula,
        100 - 10 x load gap - 0.5 x km - 5 x late pickups.

    Raises
    ------
    TableContractError
        There are workbook legs and it is not clear whose they are.
    """
    if workbook_company_id is None and len(geocoded_courses):
        companies = sorted({int(value) for table in (bookings, driver_shifts) for value in table["company_id"]})
        if len(companies) != 1:
            raise TableContractError(
                f"the database holds {len(companies)} companies: say whose workbooks these are (workbook_company_id)"
            )
        workbook_company_id = companies[0]
    records = run_sql(
        "historical_dispatches",
        {
            "bookings": with_leg_km(bookings),
            "assignments": assignments,
            "driver_shifts": driver_shifts,
            "geocoded_courses": geocoded_courses,
        },
        {"late_after_min": LATE_AFTER_MIN, "workbook_company_id": workbook_company_id},
    )
    return conform(records, HISTORICAL_DISPATCHES)


def to_json(frame: pd.DataFrame) -> str:
    """A JSON array with one record a day on a line of its own; unknown values are null, loads an object.

    Parameters
    ----------
    frame : DataFrame
        HISTORICAL_DISPATCHES.
    """
    lines = [json.dumps(_record(row), ensure_ascii=False) for row in frame.to_dict(orient="records")]
    return "[" + ",\n".join(lines) + "]\n"


def _record(row: dict) -> dict[str, object]:
    record: dict[str, object] = {
        str(name): None if pd.isna(value) else value for name, value in row.items() if name != "loads_json"
    }
    record["service_day"] = row["service_day"].date().isoformat()
    record["loads"] = json.loads(row["loads_json"])
    return record
