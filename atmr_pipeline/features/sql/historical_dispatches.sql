-- One record a company, service day and source. A leg's driver is the one of its latest assignment that was neither
-- cancelled nor reassigned, else the driver named on the booking.
WITH last_assignment AS (
    SELECT booking_id, driver_id, actual_pickup_at
    FROM assignments
    WHERE status NOT IN ('CANCELLED', 'REASSIGNED')
    QUALIFY row_number() OVER (PARTITION BY booking_id ORDER BY created_at DESC, assignment_id DESC) = 1
),
leg AS (
    SELECT
        'database' AS source,
        b.company_id,
        b.service_day,
        COALESCE(a.driver_id, b.driver_id) AS driver_id,
        b.leg_km,
        CASE
            WHEN a.actual_pickup_at IS NOT NULL AND b.scheduled_at IS NOT NULL
            THEN epoch_us(a.actual_pickup_at) - epoch_us(b.scheduled_at) > $late_after_min * 60000000
        END AS is_late
    FROM bookings AS b
    LEFT JOIN last_assignment AS a USING (booking_id)
    WHERE b.status <> 'CANCELED'
    UNION ALL BY NAME
    SELECT
        'workbook' AS source,
        CAST($workbook_company_id AS BIGINT) AS company_id,
        service_day,
        driver_id,
        distance_km AS leg_km,
        CAST(NULL AS BOOLEAN) AS is_late
    FROM geocoded_courses
),
shift AS (
    SELECT DISTINCT 'database' AS source, company_id, service_day, driver_id
    FROM driver_shifts
    WHERE status IS NULL OR upper(status) NOT IN ('CANCELLED', 'CANCELED')
),
shift_day AS (
    SELECT DISTINCT source, company_id, service_day FROM shift
),
-- A driver who drove was on duty, whatever the shifts say; one on duty without a booking has load 0.
driver_load AS (
    SELECT source, company_id, service_day, driver_id, SUM(is_leg) AS load
    FROM (
        SELECT source, company_id, service_day, driver_id, 1 AS is_leg FROM leg WHERE driver_id IS NOT NULL
        UNION ALL
        SELECT source, company_id, service_day, driver_id, 0 AS is_leg FROM shift
    )
    GROUP BY source, company_id, service_day, driver_id
),
load_day AS (
    SELECT
        source,
        company_id,
        service_day,
        COUNT(*) AS drivers,
        MAX(load) - MIN(load) AS load_gap,
        '{' || string_agg('"' || driver_id || '": ' || load, ', ' ORDER BY driver_id) || '}' AS loads_json
    FROM driver_load
    GROUP BY source, company_id, service_day
),
day AS (
    SELECT
        source,
        company_id,
        service_day,
        COUNT(*) AS bookings,
        COUNT(*) FILTER (WHERE driver_id IS NULL) AS unknown_driver,
        COUNT(*) FILTER (WHERE leg_km IS NULL) AS unknown_distance,
        -- Metres are summed as integers, so the order of rows cannot change the last digit.
        CAST(SUM(CAST(round(leg_km * 1000) AS BIGINT)) AS DOUBLE) / 1000 AS known_km,
        COUNT(is_late) AS measured_pickups,
        COUNT(*) FILTER (WHERE is_late) AS late_pickups
    FROM leg
    GROUP BY source, company_id, service_day
),
record AS (
    SELECT
        day.company_id,
        day.service_day,
        day.source,
        day.bookings,
        CASE WHEN shift_day.source IS NOT NULL THEN load_day.drivers END AS drivers_on_duty,
        day.unknown_driver,
        COALESCE(load_day.loads_json, '{}') AS loads_json,
        CASE WHEN day.unknown_driver = 0 THEN CAST(load_day.load_gap AS BIGINT) END AS load_gap,
        CASE WHEN day.unknown_distance = 0 THEN day.known_km END AS distance_km,
        day.unknown_distance,
        CASE WHEN day.measured_pickups > 0 THEN day.late_pickups END AS late,
        day.measured_pickups
    FROM day
    LEFT JOIN load_day USING (source, company_id, service_day)
    LEFT JOIN shift_day USING (source, company_id, service_day)
)
SELECT
    *,
    100 - 10 * CAST(load_gap AS DOUBLE) - 0.5 * distance_km - 5 * CAST(late AS DOUBLE) AS quality_score
FROM record
ORDER BY company_id, service_day, source
