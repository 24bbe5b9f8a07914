"""Tables of what surrounds the courses: weather and calendar."""

from atmr_pipeline.domain.tables.columns import LOCAL, UTC, column, schema

WEATHER_FORECAST = schema(
    "weather_forecast",
    "Hourly forecasts with the time they were issued, so that features use only what was known.",
    ["issued_at", "valid_at"],
    {
        "issued_at": column(UTC, "when the forecast was published"),
        "valid_at": column(UTC, "the hour it speaks of"),
        "rain_mm": column("float64", "rain in that hour", nullable=True),
        "snow_cm": column("float64", "fresh snow in that hour", nullable=True),
        "temperature_c": column("float64", "air temperature", nullable=True),
    },
)

WEATHER_OBSERVED = schema(
    "weather_observed",
    "Hourly weather as it was, known after the fact: for reports, never a forecast.",
    ["valid_at"],
    {
        "valid_at": column(UTC, "the hour it speaks of, its start"),
        "rain_mm": column("float64", "rain and showers in that hour", nullable=True),
        "snow_cm": column("float64", "fresh snow in that hour", nullable=True),
        "temperature_c": column("float64", "air temperature at the start of that hour", nullable=True),
        "source": column("str", "who says so: a service or a file"),
    },
)

CALENDAR_DAYS = schema(
    "calendar_days",
    "What kind of day each service day is: Geneva's public holidays and the canton's school holidays.",
    ["service_day"],
    {
        "service_day": column(LOCAL, "local calendar day, midnight"),
        "weekday": column("int64", "0 is Monday, 6 is Sunday"),
        "is_weekend": column("bool", "Saturday or Sunday"),
        "is_public_holiday": column("bool", "public holiday in the canton of Geneva"),
        "public_holiday": column("str", "its French name; NULL on other days", nullable=True),
        "public_service_leave": column(
            "str", "why administration and public hospitals have leave on a day that is no holiday", nullable=True
        ),
        "is_bridge_day": column("bool", "working day between two free days, one of them a public holiday"),
        "is_school_holiday": column(
            "boolean", "cantonal schools have holidays; NULL outside the school years known", nullable=True
        ),
        "school_holiday": column("str", "their French name; NULL on other days", nullable=True),
    },
)
