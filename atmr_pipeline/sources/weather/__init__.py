"""Hourly weather: forecasts with their time of issue, and weather as it was, from files or from Open-Meteo."""

from atmr_pipeline.sources.weather.collect import weather_from_services
from atmr_pipeline.sources.weather.files import read_weather_forecast, read_weather_observed
from atmr_pipeline.sources.weather.open_meteo import OpenMeteoClient

__all__ = ["OpenMeteoClient", "read_weather_forecast", "read_weather_observed", "weather_from_services"]
