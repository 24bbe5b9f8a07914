"""The constants that the definitions of the features rest on."""

FREE_FLOW_SPEED_KMH = 40.0
"""Speed without traffic: the fastest hour of the planning profile in :mod:`atmr_pipeline.sources.travel`."""
ROAD_DETOUR = 1.35
"""Road distance over great-circle distance, as in :mod:`atmr_pipeline.sources.travel`."""
PLANNED_SERVICE_MIN = 12.0
"""Boarding and alighting as planned: 5 and 7 min."""
PUNCTUALITY_WINDOW_DAYS = 30
TYPICAL_DELAY_WINDOW_DAYS = 60
TYPICAL_DELAY_LIMIT_MIN = 10.0
"""A delay beyond this, either way, counts as this one: what is typical of a driver is not what once went wrong."""
LONGEST_WINDOW_DAYS = max(PUNCTUALITY_WINDOW_DAYS, TYPICAL_DELAY_WINDOW_DAYS)
TRAFFIC_WINDOW_DAYS = 28
IMPLAUSIBLE_DELAY_H = 12
"""Half a day is a wrong date in the source, not a late driver; one such delay would drown all others."""
LONGEST_RIDE_KM, LONGEST_RIDE_H = 300, 4
"""Longer is no course of a Geneva company: the source is wrong, and the distance or ride time is not known."""
MIN_TRAFFIC_KM = 0.5
"""Shorter rides say how long boarding takes, not how dense the traffic is."""
RAIN_SLOWDOWN_PER_MM, RAIN_SLOWDOWN_MAX = 0.02, 0.16
SNOW_SLOWDOWN_PER_CM, SNOW_SLOWDOWN_MAX = 0.10, 0.40
"""Linear up to the largest speed losses that the US Federal Highway Administration reports for heavy rain (16 %) and
heavy snow (40 %), "How do weather events impact roads?"."""
URGENT_WEIGHT, MEDICAL_WEIGHT, OUTBOUND_WEIGHT = 4, 2, 1
"""Weights of booking_priority: powers of two, so urgency outranks a medical purpose, which outranks the leg."""


def sql_constants() -> dict[str, float]:
    """The constants above as named parameters of the feature queries."""
    return {
        "free_flow_speed_kmh": FREE_FLOW_SPEED_KMH,
        "road_detour": ROAD_DETOUR,
        "service_ms": round(PLANNED_SERVICE_MIN * 60_000),
        "punctuality_window_days": PUNCTUALITY_WINDOW_DAYS,
        "typical_delay_window_days": TYPICAL_DELAY_WINDOW_DAYS,
        "typical_delay_limit_min": TYPICAL_DELAY_LIMIT_MIN,
        "traffic_window_days": TRAFFIC_WINDOW_DAYS,
        "implausible_delay_h": IMPLAUSIBLE_DELAY_H,
        "longest_ride_km": LONGEST_RIDE_KM,
        "longest_ride_h": LONGEST_RIDE_H,
        "min_traffic_km": MIN_TRAFFIC_KM,
        "rain_slowdown_per_mm": RAIN_SLOWDOWN_PER_MM,
        "rain_slowdown_max": RAIN_SLOWDOWN_MAX,
        "snow_slowdown_per_cm": SNOW_SLOWDOWN_PER_CM,
        "snow_slowdown_max": SNOW_SLOWDOWN_MAX,
        "urgent_weight": URGENT_WEIGHT,
        "medical_weight": MEDICAL_WEIGHT,
        "outbound_weight": OUTBOUND_WEIGHT,
    }
