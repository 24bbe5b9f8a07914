"""Where an address is: an offline directory, its precision and its source; never a default point."""

from atmr_pipeline.sources.geocoding.courses import geocode_addresses, geocode_courses
from atmr_pipeline.sources.geocoding.gazetteer import Answer, Gazetteer, OnlineGeocoder

__all__ = [
    "Answer",
    "Gazetteer",
    "OnlineGeocoder",
    "geocode_addresses",
    "geocode_courses",
]
