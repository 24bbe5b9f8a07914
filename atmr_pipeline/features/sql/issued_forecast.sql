-- Forecasts by the hour they speak of and when they were issued.
CREATE TEMP TABLE issued_forecast AS
SELECT
    issued_at AT TIME ZONE 'UTC' AS issued_utc,
    valid_at AT TIME ZONE 'UTC' AS valid_utc,
    rain_mm,
    snow_cm,
    temperature_c
FROM weather;
