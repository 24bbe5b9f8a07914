-- Great-circle distance in km between points in degrees, as atmr_pipeline.domain.geo.haversine_km; a macro takes no
-- parameter, so the Earth's radius stands here too (a test compares). Not clipped to 1 with least(), which passes over
-- NULL: points of one canton are never opposite each other.
CREATE TEMP MACRO great_circle_km(lat_from, lon_from, lat_to, lon_to) AS
    2.0 * 6371.0088 * asin(sqrt(
        pow(sin((radians(lat_to) - radians(lat_from)) / 2.0), 2)
        + cos(radians(lat_from)) * cos(radians(lat_to)) * pow(sin((radians(lon_to) - radians(lon_from)) / 2.0), 2)
    ));
