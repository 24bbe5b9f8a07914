-- The delay model's features of one part of the decisions, from what was known at decided_at and nothing later.
WITH forecast AS (
    SELECT
        issued_at AT TIME ZONE 'UTC' AS issued_utc,
        valid_at AT TIME ZONE 'UTC' AS valid_utc,
        rain_mm,
        snow_cm,
        temperature_c
    FROM weather
)
SELECT
    d.decision_no,
    date_part('epoch', d.scheduled_local - date_trunc('day', d.scheduled_local)) / 3600 AS time_of_day,
    CAST(date_part('isodow', d.scheduled_local) - 1 AS BIGINT) AS day_of_week,
    CAST(date_part('month', d.scheduled_local) AS BIGINT) AS month,
    d.is_weekend,
    NOT d.is_weekend AND d.local_hour IN (7, 8, 16, 17) AS is_rush_hour,
    day.is_public_holiday,
    day.is_school_holiday,
    (d.scheduled_ms - epoch_ms(d.decided_utc)) / 60e3 AS time_to_pickup_min,
    d.leg_km AS distance_km,
    here.is_urban,
    there.elevation_m - here.elevation_m AS altitude_diff_m,
    d.is_return,
    d.is_round_trip,
    d.is_medical,
    d.is_return AND d.is_medical AS is_return_from_medical,
    d.is_return AND d.is_hospital AS is_return_from_hospital,
    d.is_wheelchair,
    d.is_urgent,
    CAST(
        $urgent_weight * CAST(d.is_urgent AS INTEGER)
        + $medical_weight * CAST(d.is_medical AS INTEGER)
        + $outbound_weight * CAST(NOT d.is_return AS INTEGER)
        AS BIGINT
    ) AS booking_priority,
    CAST(driver_now.punctual - COALESCE(driver_30.punctual, 0) AS DOUBLE)
        / NULLIF(driver_now.trips - COALESCE(driver_30.trips, 0), 0) AS driver_punctuality_score,
    CAST(driver_now.delay_us - COALESCE(driver_30.delay_us, 0) AS DOUBLE)
        / NULLIF(driver_now.trips - COALESCE(driver_30.trips, 0), 0) / 60e6 AS driver_avg_delay_30d,
    CASE WHEN d.driver_id IS NOT NULL
        THEN CAST(COALESCE(driver_now.trips, 0) - COALESCE(driver_30.trips, 0) AS DOUBLE)
    END AS driver_completed_count_30d,
    CAST(driver_now.outbound_us - COALESCE(driver_60.outbound_us, 0) AS DOUBLE)
        / NULLIF(driver_now.outbound_trips - COALESCE(driver_60.outbound_trips, 0), 0) / 60e6
        AS driver_typical_outbound_delay_min,
    CAST(ended.failed - COALESCE(ended_30.failed, 0) AS DOUBLE)
        / NULLIF(ended.assigned - COALESCE(ended_30.assigned, 0), 0) AS driver_cancellation_rate_30d,
    CAST(c.driver_current_load AS DOUBLE) AS driver_current_load,
    c.driver_hours_worked_today,
    c.is_first_course,
    c.deadhead_km,
    c.deadhead_min,
    c.slack_min,
    c.projected_lateness_min,
    CAST(traffic_now.ratio_millionths - COALESCE(traffic_28.ratio_millionths, 0) AS DOUBLE)
        / NULLIF(traffic_now.rides - COALESCE(traffic_28.rides, 0), 0) / 1e6 AS traffic_density,
    CAST(traffic_now.metres - COALESCE(traffic_28.metres, 0) AS DOUBLE)
        / NULLIF(traffic_now.ride_us - COALESCE(traffic_28.ride_us, 0), 0) * 3.6e6 AS traffic_speed_kmh,
    -- least() passes over NULL, which would make an unknown rain the heaviest one.
    CASE WHEN w.rain_mm IS NOT NULL AND w.snow_cm IS NOT NULL
        THEN 1 + least($rain_slowdown_per_mm * w.rain_mm, $rain_slowdown_max)
            + least($snow_slowdown_per_cm * w.snow_cm, $snow_slowdown_max)
    END AS weather_factor,
    w.rain_mm AS weather_rain_mm,
    w.snow_cm AS weather_snow_cm,
    w.temperature_c AS weather_temp_c,
    here.area AS pickup_area,
    CASE WHEN d.is_return THEN there.area ELSE here.area END AS patient_area
FROM decision AS d
LEFT JOIN chain AS c USING (decision_no)
LEFT JOIN place AS here ON here.lat = d.pickup_lat AND here.lon = d.pickup_lon
LEFT JOIN place AS there ON there.lat = d.dropoff_lat AND there.lon = d.dropoff_lon
LEFT JOIN calendar AS day ON day.service_day = d.service_day
ASOF LEFT JOIN driver_total AS driver_now
    ON d.driver_id = driver_now.driver_id AND d.decided_utc > driver_now.known_utc
ASOF LEFT JOIN driver_total AS driver_30
    ON d.driver_id = driver_30.driver_id
    AND d.decided_utc - to_days($punctuality_window_days) > driver_30.known_utc
ASOF LEFT JOIN driver_total AS driver_60
    ON d.driver_id = driver_60.driver_id
    AND d.decided_utc - to_days($typical_delay_window_days) > driver_60.known_utc
ASOF LEFT JOIN driver_day AS ended
    ON d.driver_id = ended.driver_id AND d.decided_day > ended.service_day
ASOF LEFT JOIN driver_day AS ended_30
    ON d.driver_id = ended_30.driver_id
    AND d.decided_day - to_days($punctuality_window_days) > ended_30.service_day
ASOF LEFT JOIN traffic_total AS traffic_now
    ON d.local_hour = traffic_now.local_hour AND d.is_weekend = traffic_now.is_weekend
    AND d.decided_utc > traffic_now.known_utc
ASOF LEFT JOIN traffic_total AS traffic_28
    ON d.local_hour = traffic_28.local_hour AND d.is_weekend = traffic_28.is_weekend
    AND d.decided_utc - to_days($traffic_window_days) > traffic_28.known_utc
ASOF LEFT JOIN forecast AS w
    ON d.pickup_hour_utc = w.valid_utc AND d.decided_utc >= w.issued_utc
ORDER BY d.decision_no
