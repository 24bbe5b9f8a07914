-- The delay model's features of each decision, from what was known at decided_at and nothing later.
-- Instants are compared as naive UTC timestamps. Sums are over integers, so a result does not depend on row order,
-- on threads, or on how far back the history reaches: training and serving give the same bits.
WITH decision AS (
    SELECT
        d.decision_no,
        d.driver_id,
        d.decided_at AT TIME ZONE 'UTC' AS decided_utc,
        b.scheduled_local,
        b.scheduled_at AT TIME ZONE 'UTC' AS scheduled_utc,
        date_trunc('hour', b.scheduled_at AT TIME ZONE 'UTC') AS pickup_hour_utc,
        b.leg,
        b.is_medical,
        b.is_urgent,
        b.leg_km,
        CAST(date_part('hour', b.scheduled_local) AS INTEGER) AS local_hour,
        date_part('isodow', b.scheduled_local) >= 6 AS is_weekend
    FROM decisions AS d
    JOIN bookings AS b USING (booking_id)
),
-- A trip is known from its actual drop-off on. Cancelled and reassigned assignments are nobody's trip.
trip AS (
    SELECT
        a.driver_id,
        a.actual_dropoff_at AT TIME ZONE 'UTC' AS known_utc,
        epoch_us(a.actual_dropoff_at) - epoch_us(a.actual_pickup_at) AS ride_us,
        CASE
            WHEN b.scheduled_at IS NOT NULL
            THEN epoch_us(a.actual_pickup_at) - epoch_us(b.scheduled_at) <= $late_after_min * 60000000
        END AS is_punctual,
        CAST(date_part('hour', a.actual_pickup_at AT TIME ZONE 'Europe/Zurich') AS INTEGER) AS local_hour,
        date_part('isodow', a.actual_pickup_at AT TIME ZONE 'Europe/Zurich') >= 6 AS is_weekend,
        b.leg_km
    FROM assignments AS a
    JOIN bookings AS b USING (booking_id)
    WHERE a.status NOT IN ('CANCELLED', 'NO_SHOW', 'REASSIGNED')
        AND a.actual_pickup_at IS NOT NULL
        AND a.actual_dropoff_at > a.actual_pickup_at
),
driver_total AS (
    SELECT
        driver_id,
        known_utc,
        SUM(SUM(CAST(is_punctual AS INTEGER))) OVER so_far AS punctual,
        SUM(COUNT(*)) OVER so_far AS trips
    FROM trip
    WHERE driver_id IS NOT NULL AND is_punctual IS NOT NULL
    GROUP BY driver_id, known_utc
    WINDOW so_far AS (PARTITION BY driver_id ORDER BY known_utc)
),
traffic_total AS (
    SELECT
        local_hour,
        is_weekend,
        known_utc,
        SUM(SUM(CAST(round(ride_us / 60e6 / (60 * leg_km / $free_flow_speed_kmh) * 1e6) AS BIGINT))) OVER so_far
            AS ratio_millionths,
        SUM(COUNT(*)) OVER so_far AS rides
    FROM trip
    WHERE leg_km >= $min_traffic_km
    GROUP BY local_hour, is_weekend, known_utc
    WINDOW so_far AS (PARTITION BY local_hour, is_weekend ORDER BY known_utc)
),
forecast AS (
    SELECT
        issued_at AT TIME ZONE 'UTC' AS issued_utc,
        valid_at AT TIME ZONE 'UTC' AS valid_utc,
        1 + least($rain_slowdown_per_mm * rain_mm, $rain_slowdown_max)
            + least($snow_slowdown_per_cm * snow_cm, $snow_slowdown_max) AS factor,
        rain_mm IS NOT NULL AND snow_cm IS NOT NULL AS is_complete
    FROM weather
)
SELECT
    d.decision_no,
    date_part('epoch', d.scheduled_local - date_trunc('day', d.scheduled_local)) / 3600 AS time_of_day,
    CAST(date_part('isodow', d.scheduled_local) - 1 AS BIGINT) AS day_of_week,
    d.leg_km AS distance_km,
    d.is_medical,
    d.is_urgent,
    CAST(
        $urgent_weight * CAST(d.is_urgent AS INTEGER)
        + $medical_weight * CAST(d.is_medical AS INTEGER)
        + $outbound_weight * CAST(d.leg = 'outbound' AS INTEGER)
        AS BIGINT
    ) AS booking_priority,
    CAST(driver_now.punctual - COALESCE(driver_before.punctual, 0) AS DOUBLE)
        / NULLIF(driver_now.trips - COALESCE(driver_before.trips, 0), 0) AS driver_punctuality_score,
    CAST(traffic_now.ratio_millionths - COALESCE(traffic_before.ratio_millionths, 0) AS DOUBLE)
        / NULLIF(traffic_now.rides - COALESCE(traffic_before.rides, 0), 0) / 1e6 AS traffic_density,
    CASE WHEN w.is_complete THEN w.factor END AS weather_factor
FROM decision AS d
ASOF LEFT JOIN driver_total AS driver_now
    ON d.driver_id = driver_now.driver_id AND d.decided_utc > driver_now.known_utc
ASOF LEFT JOIN driver_total AS driver_before
    ON d.driver_id = driver_before.driver_id
    AND d.decided_utc - to_days($punctuality_window_days) > driver_before.known_utc
ASOF LEFT JOIN traffic_total AS traffic_now
    ON d.local_hour = traffic_now.local_hour AND d.is_weekend = traffic_now.is_weekend
    AND d.decided_utc > traffic_now.known_utc
ASOF LEFT JOIN traffic_total AS traffic_before
    ON d.local_hour = traffic_before.local_hour AND d.is_weekend = traffic_before.is_weekend
    AND d.decided_utc - to_days($traffic_window_days) > traffic_before.known_utc
ASOF LEFT JOIN forecast AS w
    ON d.pickup_hour_utc = w.valid_utc AND d.decided_utc >= w.issued_utc
ORDER BY d.decision_no
