-- A company with as many bookings and assignments as asked for, one for one, over as many days: made by the server, so
-- that filling is quick.
INSERT INTO "user" (id, first_name, last_name)
SELECT i, 'Prénom', 'Fictif' FROM generate_series(1, 40) AS i;

INSERT INTO company (id, name, latitude, longitude, dispatch_enabled) VALUES (1, 'Société Fictive', 46.2, 6.14, TRUE);

INSERT INTO driver (id, user_id, company_id, is_active, is_available, driver_type)
SELECT i, i, 1, TRUE, TRUE, CASE WHEN i % 4 = 0 THEN 'EMERGENCY' ELSE 'REGULAR' END FROM generate_series(1, 40) AS i;

INSERT INTO dispatch_run (id, company_id, day, status, started_at, completed_at)
SELECT i, 1, date '2023-01-02' + i, 'COMPLETED',
    timestamptz '2023-01-01 17:00+00' + i * interval '1 day', timestamptz '2023-01-01 17:05+00' + i * interval '1 day'
FROM generate_series(0, :days - 1) AS i;

INSERT INTO booking (
    id, company_id, client_id, driver_id, customer_name, pickup_location, dropoff_location, scheduled_time, status,
    is_round_trip, is_return, parent_booking_id, is_urgent, time_confirmed, medical_facility, wheelchair_need,
    duration_seconds, distance_meters, pickup_lat, pickup_lon, dropoff_lat, dropoff_lon, amount, boarded_at, created_at,
    updated_at
)
SELECT
    i, 1, i % 5000, i % 40 + 1, 'Patient Fictif ' || i % 5000, 'Rue Imaginaire ' || i % 350,
    'Avenue Imaginaire ' || i % 780,
    timestamp '2023-01-02 06:00' + day * interval '1 day' + i * 7919 % 52 * interval '15 minutes', 'COMPLETED',
    TRUE, i % 2 = 1, CASE WHEN i % 2 = 1 THEN i - 1 END, i % 50 = 0, CASE WHEN i % 3 > 0 THEN TRUE END,
    CASE WHEN i % 3 = 0 THEN 'Clinique Imaginaire' END, CASE WHEN i % 5 = 0 THEN TRUE END,
    600 + i % 1500, 1000 + i % 15000, 46.2 + i % 1000 * 1e-4, 6.1 + i % 900 * 1e-4, 46.2 + i % 800 * 1e-4,
    CASE WHEN i % 30 > 0 THEN 6.1 + i % 700 * 1e-4 END, 50.0, NULL,
    timestamptz '2022-12-20 08:00+00' + day * interval '1 day' + i % 86400 * interval '1 second',
    CASE WHEN i % 10 > 0 THEN timestamptz '2023-01-02 20:00+00' + day * interval '1 day' END
FROM (SELECT i, i * :days / :rows AS day FROM generate_series(CAST(0 AS bigint), :rows - 1) AS i) AS each_booking;

INSERT INTO assignment (
    id, dispatch_run_id, booking_id, driver_id, status, planned_pickup_at, planned_dropoff_at, actual_pickup_at,
    actual_dropoff_at, delay_seconds, created_at, updated_at
)
SELECT
    i, day, i, i % 40 + 1, CASE WHEN i % 20 > 0 THEN 'COMPLETED' ELSE 'NO_SHOW' END, planned,
    planned + interval '20 minutes', CASE WHEN i % 20 > 0 THEN planned + i % 1000 * interval '1 second' END,
    CASE WHEN i % 20 > 0 THEN planned + (1200 + i % 1000) * interval '1.001 seconds' END, i % 1000,
    planned - interval '1 day', planned + interval '1 hour'
FROM (
    SELECT
        i, i * :days / :rows AS day,
        timestamptz '2023-01-02 05:00+00' + i * :days / :rows * interval '1 day'
        + i * 7919 % 52 * interval '15 minutes' AS planned
    FROM generate_series(CAST(0 AS bigint), :rows - 1) AS i
) AS each_assignment;
