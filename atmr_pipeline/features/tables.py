"""Schemas of the feature tables, derived from the feature contract."""

import pandera.pandas as pa

from atmr_pipeline.domain.tables import ASSIGNMENTS, BOOKINGS, UTC
from atmr_pipeline.features.contract import FEATURES


def _instant(description: str) -> pa.Column:
    return pa.Column(UTC, description=description, metadata={"dtype": UTC})


_FEATURE_COLUMNS = {
    feature.name: pa.Column(
        feature.dtype,
        nullable=feature.null_meaning != "never",
        description=f"{feature.source} ({feature.unit}); NULL: {feature.null_meaning}",
        metadata={"dtype": feature.dtype},
    )
    for feature in FEATURES
}

_CONTEXT_COLUMNS = {
    "pickup_area": pa.Column(
        "str", nullable=True, metadata={"dtype": "str"},
        description="municipality of the pickup, by nearest centre; NULL if the point is not known",
    ),
    "patient_area": pa.Column(
        "str", nullable=True, metadata={"dtype": "str"},
        description="municipality of the patient's end of the leg; NULL if the point is not known",
    ),
}  # fmt: skip

DELAY_CONTEXT: tuple[str, ...] = tuple(_CONTEXT_COLUMNS)
"""Columns that come with the features and are not learned from: figures are cut by them."""

_DECISION_COLUMNS = {
    "assignment_id": ASSIGNMENTS.columns["assignment_id"],
    "booking_id": ASSIGNMENTS.columns["booking_id"],
    "driver_id": ASSIGNMENTS.columns["driver_id"],
    "decided_at": _instant("decision time: features use nothing later"),
}

DECISIONS = pa.DataFrameSchema(
    _DECISION_COLUMNS,
    name="decisions",
    description="Pairs of a booking and a driver, and when the choice is made.",
    strict=True,
    ordered=True,
)

DELAY_FEATURES = pa.DataFrameSchema(
    {**_DECISION_COLUMNS, **_CONTEXT_COLUMNS, **_FEATURE_COLUMNS},
    name="delay_features",
    description="What the delay model may know of a decision, at the time of the decision.",
    strict=True,
    ordered=True,
)

DELAY_TRAINING_SET = pa.DataFrameSchema(
    {
        "assignment_id": ASSIGNMENTS.columns["assignment_id"],
        "booking_id": ASSIGNMENTS.columns["booking_id"],
        "driver_id": ASSIGNMENTS.columns["driver_id"],
        "company_id": BOOKINGS.columns["company_id"],
        "service_day": BOOKINGS.columns["service_day"],
        "decided_at": _instant("decision time: features use nothing later"),
        "known_at": _instant("when the outcome was known: the actual drop-off"),
        **_CONTEXT_COLUMNS,
        **_FEATURE_COLUMNS,
        "delay_min": pa.Column(
            "float64",
            description="actual minus scheduled pickup, minutes; negative is early",
            metadata={"dtype": "float64"},
        ),
        "is_late": pa.Column("bool", description="more than 5 min late", metadata={"dtype": "bool"}),
    },
    name="delay_training_set",
    description="Features and label of every completed assignment, in order of decision.",
    strict=True,
    ordered=True,
    unique=["assignment_id"],
)
