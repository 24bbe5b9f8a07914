"""The distance of a booking, for features and history alike."""

import numpy as np
import pandas as pd

from atmr_pipeline.domain.geo import haversine_km, in_service_area
from atmr_pipeline.features.constants import ROAD_DETOUR


def with_leg_km(bookings: pd.DataFrame) -> pd.DataFrame:
    """Bookings with a column ``leg_km``: the source's distance, else great circle x road detour, else NaN.

    Coordinates outside the service area, such as (0, 0), give no distance.
    """
    ends = [bookings[name].to_numpy(dtype=float) for name in ("pickup_lat", "pickup_lon", "dropoff_lat", "dropoff_lon")]
    placed = in_service_area(ends[0], ends[1]) & in_service_area(ends[2], ends[3])
    estimate = np.where(placed, ROAD_DETOUR * haversine_km(*ends), np.nan)
    return bookings.assign(leg_km=bookings["distance_km"].fillna(pd.Series(estimate, index=bookings.index)))
