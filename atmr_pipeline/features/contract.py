"""What each feature means.

A model records :data:`FEATURE_CONTRACT_VERSION` at training; a serving process with another version must not use it.
"""

import hashlib
import json
from dataclasses import asdict, dataclass

from atmr_pipeline.features.constants import sql_constants


@dataclass(frozen=True)
class Feature:
    """One input of the delay model.

    Parameters
    ----------
    name : str
        Column name.
    unit : str
        Unit, or the closed set of values.
    dtype : str
        pandas dtype.
    null_meaning : str
        What NULL says; ``"never"`` where it cannot be.
    source : str
        Where it comes from and how.
    is_slow : bool
        Changes with the season or over weeks, and many rows in a row share it. Tests of drift take rows for
        independent, so such a feature would raise an alarm every few weeks; it is not watched.
    """

    name: str
    unit: str
    dtype: str
    null_meaning: str
    source: str
    is_slow: bool = False


_TIME = (
    Feature(
        "time_of_day",
        "hours after local midnight, 0 to 24",
        "float64",
        "never",
        "wall clock of the booking's scheduled pickup",
    ),
    Feature(
        "day_of_week",
        "0 Monday to 6 Sunday",
        "int64",
        "never",
        "local calendar day of the booking's scheduled pickup",
    ),
    Feature("month", "1 to 12", "int64", "never", "local calendar day of the booking's scheduled pickup", is_slow=True),
    Feature("is_weekend", "true or false", "bool", "never", "Saturday or Sunday"),
    Feature("is_rush_hour", "true or false", "bool", "never", "Monday to Friday, 7 to 9 and 16 to 18 o'clock"),
    Feature(
        "is_public_holiday",
        "true or false",
        "boolean",
        "the calendar does not know the day",
        "canton of Geneva",
        is_slow=True,
    ),
    Feature(
        "is_school_holiday",
        "true or false",
        "boolean",
        "the calendar does not know the school year",
        "canton of Geneva",
        is_slow=True,
    ),
    Feature("time_to_pickup_min", "min", "float64", "never", "from the decision to the scheduled pickup"),
)

_BOOKING = (
    Feature(
        "distance_km",
        "km by road",
        "float64",
        "no distance and no coordinates within the service area",
        "the booking's distance; else great circle between its coordinates x road detour",
    ),
    Feature(
        "is_urban",
        "true or false",
        "boolean",
        "the pickup has no coordinates within the service area",
        "the pickup lies nearest to a municipality with more than 2,500 inhabitants a km2",
    ),
    Feature(
        "altitude_diff_m",
        "m",
        "float64",
        "no height is known within 300 m of one end or both",
        "drop-off minus pickup, from the table of heights; no table is shipped",
    ),
    Feature("is_return", "true or false", "bool", "never", "the leg that brings the patient home"),
    Feature("is_round_trip", "true or false", "bool", "never", "part of a round trip"),
    Feature("is_medical", "true or false", "bool", "never", "the booking names a medical facility or service"),
    Feature(
        "is_return_from_medical",
        "true or false",
        "bool",
        "never",
        "is_return and is_medical: the patient is ready when the appointment ends",
    ),
    Feature("is_return_from_hospital", "true or false", "bool", "never", "is_return, and a hospital service is named"),
    Feature("is_wheelchair", "true or false", "boolean", "not said", "a wheelchair is carried or needed"),
    Feature("is_urgent", "true or false", "bool", "never", "the booking is urgent"),
    Feature(
        "booking_priority",
        "0 to 7",
        "int64",
        "never",
        "4 if urgent + 2 if medical + 1 if outbound (late to an appointment costs the appointment)",
    ),
)

_DRIVER_HISTORY = (
    Feature(
        "driver_punctuality_score",
        "share, 0 to 1",
        "float64",
        "no driver, or no trip of the driver in the window",
        "share of the driver's trips that were at most 5 min late, among those that ended in the 30 days before the "
        "decision",
        is_slow=True,
    ),
    Feature(
        "driver_avg_delay_30d",
        "min",
        "float64",
        "no driver, or no trip of the driver in the window",
        "mean delay of the driver's trips that ended in the 30 days before the decision",
        is_slow=True,
    ),
    Feature(
        "driver_completed_count_30d",
        "trips",
        "float64",
        "no driver",
        "the driver's trips that ended in the 30 days before the decision",
        is_slow=True,
    ),
    Feature(
        "driver_typical_outbound_delay_min",
        "min",
        "float64",
        "no driver, or no such trip in the window",
        "mean delay, clipped to 10 min either way, of the driver's outbound trips that were not urgent and ended in "
        "the 60 days before the decision: the driver's habit, apart from appointments that overrun",
        is_slow=True,
    ),
    Feature(
        "driver_cancellation_rate_30d",
        "share, 0 to 1",
        "float64",
        "no driver, or no assignment in the window",
        "share of the driver's assignments that were cancelled or met nobody, among those that ended so or were driven "
        "in the 30 days before the decision",
        is_slow=True,
    ),
)

_DRIVER_DAY = (
    Feature(
        "driver_current_load",
        "courses",
        "float64",
        "no driver",
        "other courses that the driver has on that day, as planned at the decision",
    ),
    Feature(
        "driver_hours_worked_today",
        "h",
        "float64",
        "no driver, or a way or ride before it is not known",
        "planned service, rides and empty ways from the driver's first course of the day on, without waiting",
    ),
    Feature(
        "is_first_course",
        "true or false",
        "boolean",
        "no driver",
        "the driver has no course before it on that day, as planned at the decision",
    ),
    Feature(
        "deadhead_km",
        "km by road",
        "float64",
        "no driver, no course before it, or an end of the way is not known",
        "great circle x road detour from the previous course's drop-off to this pickup",
    ),
    Feature(
        "deadhead_min", "min", "float64", "as deadhead_km", "deadhead_km at the planning speed of the pickup's hour"
    ),
    Feature(
        "slack_min",
        "min",
        "float64",
        "as deadhead_km, or the previous ride is not known",
        "time left from the previous course's scheduled pickup to this one after 12 min of service, its ride and the "
        "empty way; negative is too tight",
    ),
    Feature(
        "projected_lateness_min",
        "min, 0 or more",
        "float64",
        "no driver, or a way or ride before it is not known",
        "how late the plan itself makes this pickup when every course before it starts on time or as soon as the "
        "driver gets there",
    ),
)

_ROAD = (
    Feature(
        "traffic_density",
        "ratio, 1 is free flow",
        "float64",
        "no ride in that hour in the window",
        "mean of actual ride minutes over free-flow minutes, rides picked up in the same local hour of weekdays "
        "(Monday to Friday) or weekends that ended in the 28 days before the decision",
        is_slow=True,
    ),
    Feature(
        "traffic_speed_kmh",
        "km/h",
        "float64",
        "no ride in that hour in the window",
        "km over hours, service included, of the same rides",
        is_slow=True,
    ),
    Feature(
        "weather_factor",
        "ratio, 1 is dry",
        "float64",
        "no forecast of both rain and snow was issued for that hour",
        "1 + rain slowdown + snow slowdown of the pickup's hour, from the latest forecast issued by the decision",
        is_slow=True,
    ),
    Feature(
        "weather_rain_mm",
        "mm in the hour",
        "float64",
        "no forecast of it was issued",
        "the same forecast",
        is_slow=True,
    ),
    Feature(
        "weather_snow_cm",
        "cm in the hour",
        "float64",
        "no forecast of it was issued",
        "the same forecast",
        is_slow=True,
    ),
    Feature(
        "weather_temp_c",
        "degrees Celsius",
        "float64",
        "no forecast of it was issued",
        "the same forecast",
        is_slow=True,
    ),
)

FEATURES: tuple[Feature, ...] = (*_TIME, *_BOOKING, *_DRIVER_HISTORY, *_DRIVER_DAY, *_ROAD)

FEATURE_NAMES: tuple[str, ...] = tuple(feature.name for feature in FEATURES)

SLOW_FEATURES: frozenset[str] = frozenset(feature.name for feature in FEATURES if feature.is_slow)


def contract_version(features: tuple[Feature, ...], constants: dict[str, float]) -> str:
    """First 12 hex digits of the SHA-256 of the features and constants: any change of meaning changes it."""
    content = json.dumps([[asdict(feature) for feature in features], constants], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()[:12]


FEATURE_CONTRACT_VERSION = contract_version(FEATURES, sql_constants())
