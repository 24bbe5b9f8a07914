-- What features need of each booking. Points outside the service area, such as (0, 0), are not known, nor is a distance
-- or a ride time that no course can have: one absurd ride would make a whole day late, and a model with it.
-- Instants are naive UTC timestamps; a query that means the wall clock says so.
CREATE TEMP TABLE leg AS
WITH placed AS (
    SELECT
        *,
        pickup_lat BETWEEN $lat_min AND $lat_max AND pickup_lon BETWEEN $lon_min AND $lon_max AS has_pickup,
        dropoff_lat BETWEEN $lat_min AND $lat_max AND dropoff_lon BETWEEN $lon_min AND $lon_max AS has_dropoff
    FROM bookings
)
SELECT
    b.booking_id,
    b.service_day,
    b.scheduled_local,
    b.scheduled_at AT TIME ZONE 'UTC' AS scheduled_utc,
    CASE WHEN b.status = 'CANCELED' THEN b.updated_at AT TIME ZONE 'UTC' END AS cancelled_utc,
    b.leg = 'return' AS is_return,
    b.is_round_trip,
    b.is_urgent,
    b.is_medical,
    b.is_hospital,
    b.is_wheelchair,
    CASE WHEN has_pickup THEN b.pickup_lat END AS pickup_lat,
    CASE WHEN has_pickup THEN b.pickup_lon END AS pickup_lon,
    CASE WHEN has_dropoff THEN b.dropoff_lat END AS dropoff_lat,
    CASE WHEN has_dropoff THEN b.dropoff_lon END AS dropoff_lon,
    v.speed_kmh AS planning_speed_kmh,
    COALESCE(
        CASE WHEN b.distance_km > 0 AND b.distance_km <= $longest_ride_km THEN b.distance_km END,
        CASE
            WHEN has_pickup AND has_dropoff
            THEN $road_detour * great_circle_km(b.pickup_lat, b.pickup_lon, b.dropoff_lat, b.dropoff_lon)
        END
    ) AS leg_km,
    -- Whole milliseconds, so that sums do not depend on the order of rows.
    CAST(round(COALESCE(
        CASE WHEN b.duration_min > 0 AND b.duration_min <= $longest_ride_h * 60 THEN b.duration_min * 60e3 END,
        leg_km / v.speed_kmh * 3600e3
    )) AS BIGINT) AS ride_ms
FROM placed AS b
LEFT JOIN planning_speed AS v ON v.local_hour = date_part('hour', b.scheduled_local);
