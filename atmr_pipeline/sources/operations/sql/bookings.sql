-- Bookings whose scheduled pickup falls in the local days from first_day to before after_day.
-- scheduled_time is a wall clock without time zone, so local days compare as they are. Addresses and medical text
-- are not selected; the customer's name is, and becomes a keyed hash before the next chunk is fetched.
SELECT
    b.id AS booking_id,
    b.company_id AS company_id,
    b.customer_name AS customer_name,
    b.driver_id AS driver_id,
    b.is_return AS is_return,
    b.is_round_trip AS is_round_trip,
    b.parent_booking_id AS parent_booking_id,
    CAST(b.status AS VARCHAR(40)) AS status,
    b.scheduled_time AS scheduled_time,
    b.time_confirmed AS time_confirmed,
    b.is_urgent AS is_urgent,
    CASE
        WHEN TRIM(COALESCE(b.medical_facility, '')) <> '' OR TRIM(COALESCE(b.hospital_service, '')) <> '' THEN 1
        ELSE 0
    END AS is_medical,
    CASE WHEN TRIM(COALESCE(b.hospital_service, '')) <> '' THEN 1 ELSE 0 END AS is_hospital,
    b.wheelchair_client_has AS wheelchair_client_has,
    b.wheelchair_need AS wheelchair_need,
    b.pickup_lat AS pickup_lat,
    b.pickup_lon AS pickup_lon,
    b.dropoff_lat AS dropoff_lat,
    b.dropoff_lon AS dropoff_lon,
    b.distance_meters AS distance_meters,
    b.duration_seconds AS duration_seconds,
    b.created_at AS created_at,
    COALESCE(b.updated_at, b.created_at) AS updated_at
FROM booking AS b
WHERE b.scheduled_time >= :first_day AND b.scheduled_time < :after_day
ORDER BY b.scheduled_time, b.id
