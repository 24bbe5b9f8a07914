"""What each feature means, and the constants its definition rests on.

A model records :data:`FEATURE_CONTRACT_VERSION` at training; a serving process with another version must not use it.
"""

import hashlib
import json
from dataclasses import asdict, dataclass

FREE_FLOW_SPEED_KMH = 40.0
"""Speed without traffic: the fastest hour of the planning profile in :mod:`atmr_pipeline.sources.travel`."""
ROAD_DETOUR = 1.35
"""Road distance over great-circle distance, as in :mod:`atmr_pipeline.sources.travel`."""
PUNCTUALITY_WINDOW_DAYS = 30
TRAFFIC_WINDOW_DAYS = 28
MIN_TRAFFIC_KM = 0.5
"""Shorter rides say how long boarding takes, not how dense the traffic is."""
RAIN_SLOWDOWN_PER_MM, RAIN_SLOWDOWN_MAX = 0.02, 0.16
SNOW_SLOWDOWN_PER_CM, SNOW_SLOWDOWN_MAX = 0.10, 0.40
"""Linear up to the largest speed losses that the US Federal Highway Administration reports for heavy rain (16 %) and
heavy snow (40 %), "How do weather events impact roads?"."""
URGENT_WEIGHT, MEDICAL_WEIGHT, OUTBOUND_WEIGHT = 4, 2, 1
"""Weights of booking_priority: powers of two, so urgency outranks a medical purpose, which outranks the leg."""


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
    """

    name: str
    unit: str
    dtype: str
    null_meaning: str
    source: str


FEATURES: tuple[Feature, ...] = (
    Feature(
        "time_of_day", "hours after local midnight, 0 to 24", "float64", "never",
        "wall clock of the booking's scheduled pickup",
    ),
    Feature(
        "day_of_week", "0 Monday to 6 Sunday", "int64", "never",
        "local calendar day of the booking's scheduled pickup",
    ),
    Feature(
        "distance_km", "km by road", "float64", "no distance and no coordinates within the service area",
        "the booking's distance; else great circle between its coordinates x road detour",
    ),
    Feature("is_medical", "true or false", "bool", "never", "the booking names a medical facility or service"),
    Feature("is_urgent", "true or false", "bool", "never", "the booking is urgent"),
    Feature(
        "booking_priority", "0 to 7", "int64", "never",
        "4 if urgent + 2 if medical + 1 if outbound (late to an appointment costs the appointment)",
    ),
    Feature(
        "driver_punctuality_score", "share, 0 to 1", "float64", "no driver, or no trip of the driver in the window",
        "share of the driver's trips that were at most 5 min late, among those that ended in the 30 days before the "
        "decision",
    ),
    Feature(
        "traffic_density", "ratio, 1 is free flow", "float64", "no ride in that hour in the window",
        "mean of actual ride minutes over free-flow minutes, rides picked up in the same local hour of weekdays "
        "(Monday to Friday) or weekends that ended in the 28 days before the decision",
    ),
    Feature(
        "weather_factor", "ratio, 1 is dry", "float64", "no forecast of both rain and snow was issued for that hour",
        "1 + rain slowdown + snow slowdown of the pickup's hour, from the latest forecast issued by the decision",
    ),
)  # fmt: skip

FEATURE_NAMES: tuple[str, ...] = tuple(feature.name for feature in FEATURES)


def sql_constants() -> dict[str, float]:
    """The constants above as named parameters of the feature queries."""
    return {
        "free_flow_speed_kmh": FREE_FLOW_SPEED_KMH,
        "punctuality_window_days": PUNCTUALITY_WINDOW_DAYS,
        "traffic_window_days": TRAFFIC_WINDOW_DAYS,
        "min_traffic_km": MIN_TRAFFIC_KM,
        "rain_slowdown_per_mm": RAIN_SLOWDOWN_PER_MM,
        "rain_slowdown_max": RAIN_SLOWDOWN_MAX,
        "snow_slowdown_per_cm": SNOW_SLOWDOWN_PER_CM,
        "snow_slowdown_max": SNOW_SLOWDOWN_MAX,
        "urgent_weight": URGENT_WEIGHT,
        "medical_weight": MEDICAL_WEIGHT,
        "outbound_weight": OUTBOUND_WEIGHT,
    }


def contract_version(features: tuple[Feature, ...], constants: dict[str, float]) -> str:
    """First 12 hex digits of the SHA-256 of the features and constants: any change of meaning changes it."""
    content = json.dumps([[asdict(feature) for feature in features], constants], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()[:12]


FEATURE_CONTRACT_VERSION = contract_version(FEATURES, {**sql_constants(), "road_detour": ROAD_DETOUR})
