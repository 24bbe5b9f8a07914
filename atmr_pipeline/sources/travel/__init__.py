"""Travel times: OSRM where one is configured, else great circle x detour at an hourly speed; always with the source."""

from atmr_pipeline.domain.travel import PLANNING_SPEED_KMH
from atmr_pipeline.sources.travel.fallback import FallbackTravel
from atmr_pipeline.sources.travel.fitting import SpeedProfileFit, fit_speed_profile
from atmr_pipeline.sources.travel.haversine import HaversineTravel
from atmr_pipeline.sources.travel.osrm import OsrmTravel
from atmr_pipeline.sources.travel.profile import SpeedProfile
from atmr_pipeline.sources.travel.trips import trips_from_tables

__all__ = [
    "PLANNING_SPEED_KMH",
    "FallbackTravel",
    "HaversineTravel",
    "OsrmTravel",
    "SpeedProfile",
    "SpeedProfileFit",
    "fit_speed_profile",
    "trips_from_tables",
]
