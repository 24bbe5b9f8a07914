"""Online geocoders, off unless named in the settings: patients' addresses leave the machine only then."""

from atmr_pipeline.sources.geocoding.online.factory import PROVIDERS, online_geocoders
from atmr_pipeline.sources.geocoding.online.geoadmin import GeoAdminProvider
from atmr_pipeline.sources.geocoding.online.geocoder import OnlineGeocoder, Provider
from atmr_pipeline.sources.geocoding.online.nominatim import NominatimProvider

__all__ = [
    "PROVIDERS",
    "GeoAdminProvider",
    "NominatimProvider",
    "OnlineGeocoder",
    "Provider",
    "online_geocoders",
]
