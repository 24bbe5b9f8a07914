"""Measured pickups with the groups that an analyst asks about; nothing else of a row is carried on.

What a group is not known for stays NULL here and is counted as a group of its own later.
"""

import numpy as np
import pandas as pd

from atmr_pipeline.domain.errors import TableContractError
from atmr_pipeline.domain.vocabulary import Leg

WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
LEGS = tuple(str(leg) for leg in Leg)
URGENCIES = ("urgent", "planned")
WEATHERS = ("dry", "rain", "snow", "slowing")
RAIN_FROM_MM = 0.1
"""A wet hour has a tenth of a millimetre at least: the smallest amount that forecasts state."""

AMOUNTS = ("weather_rain_mm", "weather_snow_cm")

DIMENSIONS = (
    "leg", "hour", "leg_and_hour", "weekday", "month", "driver", "patient_area", "pickup_area", "urgency",
    "weather", "company",
)  # fmt: skip
TRAINING_COLUMNS = ["assignment_id", "booking_id", "driver_id", "company_id", "service_day", "delay_min"]
BOOKING_COLUMNS = ["booking_id", "leg", "scheduled_local", "is_urgent"]
"""What is read of a booking: no key of the patient, no coordinates."""


def measured_cases(training_set: pd.DataFrame, bookings: pd.DataFrame) -> pd.DataFrame:
    """Every label with the groups it belongs to.

    Parameters
    ----------
    training_set : DataFrame
        DELAY_TRAINING_SET, or at least its columns :data:`TRAINING_COLUMNS`. ``patient_area``, ``pickup_area`` and the
        weather features are used where they are present; every other column is ignored.
    bookings : DataFrame
        BOOKINGS, or at least :data:`BOOKING_COLUMNS`. A label whose booking is missing has an unknown leg, hour and
        urgency.

    Returns
    -------
    DataFrame
        ``assignment_id, service_day, delay_min`` and one text column for each of :data:`DIMENSIONS`, NULL where it is
        not known; the rows of ``training_set`` in their order.

    Raises
    ------
    TableContractError
        A column is missing, an assignment or booking stands twice, a service day is NULL, or a delay is not a number.
    """
    _check(training_set, bookings)
    booked = bookings[BOOKING_COLUMNS].set_index("booking_id").reindex(training_set["booking_id"]).reset_index()
    day = training_set["service_day"].reset_index(drop=True)
    cases = pd.DataFrame(
        {
            "assignment_id": training_set["assignment_id"].to_numpy(),
            "service_day": day,
            "delay_min": training_set["delay_min"].to_numpy(dtype=np.float64),
            "leg": booked["leg"],
            "hour": booked["scheduled_local"].dt.strftime("%H"),
            "leg_and_hour": booked["leg"].astype("str") + " " + booked["scheduled_local"].dt.strftime("%H"),
            "weekday": day.dt.dayofweek.map(dict(enumerate(WEEKDAYS))),
            "month": day.dt.strftime("%Y-%m"),
            "driver": training_set["driver_id"].reset_index(drop=True).astype("Int64").astype("string"),
            "patient_area": _given(training_set, "patient_area"),
            "pickup_area": _given(training_set, "pickup_area"),
            "urgency": booked["is_urgent"].astype("boolean").map({True: "urgent", False: "planned"}),
            "weather": _weather(training_set),
            "company": training_set["company_id"].reset_index(drop=True).astype("Int64").astype("string"),
        }
    )
    return cases.astype(dict.fromkeys(DIMENSIONS, "str"))


def numbers(column: pd.Series) -> np.ndarray:
    """A numeric or boolean column as floats, NaN where it is NULL; infinities stay."""
    return column.to_numpy(dtype=np.float64, na_value=np.nan)


def _check(training_set: pd.DataFrame, bookings: pd.DataFrame) -> None:
    for name, frame, needed in (
        ("training set", training_set, TRAINING_COLUMNS),
        ("bookings", bookings, BOOKING_COLUMNS),
    ):
        missing = [column for column in needed if column not in frame.columns]
        if missing:
            raise TableContractError(f"exploration: the {name} lack the columns {', '.join(missing)}")
        if frame[needed[0]].duplicated().any():
            raise TableContractError(f"exploration: {needed[0]} stands twice in the {name}")
    without_day = int(training_set["service_day"].isna().sum())
    if without_day:
        raise TableContractError(f"exploration: {without_day} labels have no service day")
    unusable = int((~np.isfinite(numbers(training_set["delay_min"]))).sum())
    if unusable:
        raise TableContractError(f"exploration: {unusable} labels have a delay that is not a finite number")


def _given(frame: pd.DataFrame, name: str) -> pd.Series:
    if name in frame.columns:
        return frame[name].reset_index(drop=True).astype("str")
    return pd.Series(None, index=range(len(frame)), dtype="str")


def _weather(frame: pd.DataFrame) -> pd.Series:
    """Class of the forecast that was known at the decision: from rain and snow, else from the slowdown they give."""
    # The two kinds of class are never mixed: "dry" would mean two things.
    if set(AMOUNTS) <= set(frame.columns):
        rain, snow = (numbers(frame[name]) for name in AMOUNTS)
        chosen = np.select(
            [snow > 0.0, (rain >= RAIN_FROM_MM) & (snow == 0.0), (rain < RAIN_FROM_MM) & (snow == 0.0)],
            ["snow", "rain", "dry"],
            default="",
        )
    elif "weather_factor" in frame.columns:
        factor = numbers(frame["weather_factor"])
        chosen = np.select([factor > 1.0, factor <= 1.0], ["slowing", "dry"], default="")
    else:
        chosen = np.full(len(frame), "")
    return pd.Series(chosen, dtype="str").mask(lambda text: text == "")
