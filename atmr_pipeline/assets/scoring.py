"""The assignments that lie ahead, with their features, scored by any delay model: the champion or its challenger."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from atmr_pipeline.resources.serving import Served, features_for

if TYPE_CHECKING:
    from atmr_pipeline.features.sources import FeatureSources

OPEN_ASSIGNMENTS = ("SCHEDULED", "EN_ROUTE_PICKUP", "ARRIVED_PICKUP")


@dataclass(frozen=True)
class OpenCourses:
    """Assignments ahead that can be scored.

    Parameters
    ----------
    keys : DataFrame
        ``DELAY_PREDICTIONS`` without what a model says, and ``company_id``; one row an assignment.
    features : DataFrame
        On the same index.
    driver_missing : int
        Assignments ahead that are left out: their driver is not in the fleet.
    """

    keys: pd.DataFrame
    features: pd.DataFrame
    driver_missing: int


def open_assignments(assignments: pd.DataFrame, bookings: pd.DataFrame) -> pd.DataFrame:
    """Assignments that still lie ahead: not begun, on a day that no measured pickup has passed."""
    begun = assignments.loc[assignments["actual_pickup_at"].notna(), "service_day"]
    last_begun = begun.max() if len(begun) else pd.Timestamp.min
    usable = bookings.loc[bookings["scheduled_at"].notna() & (bookings["status"] != "CANCELED"), "booking_id"]
    return assignments[
        assignments["status"].isin(OPEN_ASSIGNMENTS)
        & assignments["actual_pickup_at"].isna()
        & assignments["booking_id"].isin(usable)
        & (assignments["service_day"] >= last_begun)
    ]


def unknown_drivers(ahead: pd.DataFrame, drivers: pd.DataFrame) -> set[int]:
    """Drivers that assignments name and the fleet does not know: nothing can be said of their delays."""
    return set(ahead["driver_id"].dropna()) - set(drivers["driver_id"])


def open_courses(sources: "FeatureSources") -> OpenCourses:
    """What can be scored now, as it is known now."""
    from atmr_pipeline.features.delay import decisions_of, delay_features

    ahead = open_assignments(sources.assignments, sources.bookings)
    decisions = decisions_of(sources)
    wanted = decisions["assignment_id"].isin(ahead["assignment_id"])
    decisions = decisions[wanted & ~decisions["driver_id"].isin(unknown_drivers(ahead, sources.drivers))]
    features = delay_features(decisions.reset_index(drop=True), sources)
    told = features[["assignment_id", "decided_at", "slack_min"]]
    keys = told.merge(ahead, on="assignment_id", how="left", validate="one_to_one")
    companies = sources.bookings[["booking_id", "company_id"]]
    keys = keys.merge(companies, on="booking_id", how="left", validate="many_to_one")
    return OpenCourses(keys, features, len(ahead) - len(keys))


def scored_by(served: Served, courses: OpenCourses) -> pd.DataFrame:
    """The courses with what a model says of them, and its version.

    Raises
    ------
    ModelIntegrityError
        If the model knows features that are no longer made.
    """
    predicted = served.model.predict(features_for(served.model, courses.features)).reset_index(drop=True)
    return pd.concat([courses.keys, predicted], axis=1).assign(model_version=served.version_id)
