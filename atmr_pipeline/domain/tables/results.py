"""Tables that the pipeline derives: the history of each day, and what was predicted."""

from atmr_pipeline.domain.tables.columns import LOCAL, UTC, column, schema

HISTORICAL_DISPATCHES = schema(
    "historical_dispatches",
    "One record a company, day and source: loads, load gap, distance, lateness, quality score.",
    ["company_id", "service_day", "source"],
    {
        "company_id": column("int64", "company"),
        "service_day": column(LOCAL, "local calendar day, midnight"),
        "source": column("str", "database or workbook", isin=["database", "workbook"]),
        "bookings": column("int64", "bookings of the day, cancelled ones excluded"),
        "drivers_on_duty": column("Int64", "drivers on duty; NULL where the source has no shifts", nullable=True),
        "unknown_driver": column("int64", "bookings whose driver is not known"),
        "loads_json": column("str", "bookings per driver id, JSON object, on-duty drivers with 0 included"),
        "load_gap": column(
            "Int64", "max - min bookings per on-duty driver; NULL if a driver is unknown", nullable=True
        ),
        "distance_km": column("float64", "loaded km; NULL if any leg's distance is unknown", nullable=True),
        "unknown_distance": column("int64", "legs whose distance is not known"),
        "late": column("Int64", "pickups more than 5 min late; NULL where no actual time is known", nullable=True),
        "measured_pickups": column("int64", "bookings whose actual pickup is known"),
        "quality_score": column(
            "float64", "100 - 10 load_gap - 0.5 distance_km - 5 late; NULL if a part is", nullable=True
        ),
    },
)

DELAY_PREDICTIONS = schema(
    "delay_predictions",
    "The champion's prediction for each assignment of a coming day.",
    ["assignment_id"],
    {
        "assignment_id": column("int64", "assignment scored"),
        "booking_id": column("int64", "its booking"),
        "driver_id": column("Int64", "its driver", nullable=True),
        "service_day": column(LOCAL, "service day, midnight"),
        "model_version": column("str", "version of the delay model that answered"),
        "decided_at": column(UTC, "decision time: features use nothing later"),
        "expected_delay_min": column("float64", "expected pickup delay, minutes; negative is early"),
        "low_min": column("float64", "lower end of the 90 % interval, minutes"),
        "high_min": column("float64", "upper end of the 90 % interval, minutes"),
        "p_late": column("float64", "probability of a pickup more than 5 min late"),
        "slack_min": column(
            "float64", "time left between the driver's courses as planned; NULL before the first one", nullable=True
        ),
    },
)
