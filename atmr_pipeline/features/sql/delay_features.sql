-- The delay model's features of one part of the decisions, from what was known at decided_at and nothing later.
--
-- Each look back is an ASOF join of a narrow list of decisions; the values come together by decision_no at the end. One
-- query with all the joins would sort the wide decisions again for each, at four times the cost.
CREATE OR REPLACE TEMP TABLE asked AS
SELECT decision_no, driver_id, decided_utc, local_hour, is_weekend, pickup_hour_utc FROM decision;

CREATE OR REPLACE TEMP TABLE driver_now AS
SELECT d.decision_no, t.*
FROM asked AS d
ASOF JOIN driver_total AS t ON d.driver_id = t.driver_id AND d.decided_utc > t.known_utc;

CREATE OR REPLACE TEMP TABLE driver_30 AS
SELECT d.decision_no, t.*
FROM asked AS d
ASOF JOIN driver_total AS t
    ON d.driver_id = t.driver_id AND d.decided_utc - to_days($punctuality_window_days) > t.known_utc;

CREATE OR REPLACE TEMP TABLE driver_60 AS
SELECT d.decision_no, t.outbound_ms, t.outbound_trips
FROM asked AS d
ASOF JOIN driver_total AS t
    ON d.driver_id = t.driver_id AND d.decided_utc - to_days($typical_delay_window_days) > t.known_utc;

CREATE OR REPLACE TEMP TABLE driver_over AS
SELECT d.decision_no, t.failed, t.ended
FROM asked AS d
ASOF JOIN driver_end AS t ON d.driver_id = t.driver_id AND d.decided_utc > t.known_utc;

CREATE OR REPLACE TEMP TABLE driver_over_30 AS
SELECT d.decision_no, t.failed, t.ended
FROM asked AS d
ASOF JOIN driver_end AS t
    ON d.driver_id = t.driver_id AND d.decided_utc - to_days($punctuality_window_days) > t.known_utc;

CREATE OR REPLACE TEMP TABLE traffic_now AS
SELECT d.decision_no, t.ratio_millionths, t.metres, t.ride_ms, t.rides
FROM asked AS d
ASOF JOIN traffic_total AS t
    ON d.local_hour = t.local_hour AND d.is_weekend = t.is_weekend AND d.decided_utc > t.known_utc;

CREATE OR REPLACE TEMP TABLE traffic_28 AS
SELECT d.decision_no, t.ratio_millionths, t.metres, t.ride_ms, t.rides
FROM asked AS d
ASOF JOIN traffic_total AS t
    ON d.local_hour = t.local_hour AND d.is_weekend = t.is_weekend
    AND d.decided_utc - to_days($traffic_window_days) > t.known_utc;

CREATE OR REPLACE TEMP TABLE forecast AS
SELECT d.decision_no, w.rain_mm, w.snow_cm, w.temperature_c
FROM asked AS d
ASOF JOIN issued_forecast AS w ON d.pickup_hour_utc = w.valid_utc AND d.decided_utc >= w.issued_utc;

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
    (h.punctual - COALESCE(h30.punctual, 0))
        / NULLIF(h.trips - COALESCE(h30.trips, 0), 0) AS driver_punctuality_score,
    (h.delay_ms - COALESCE(h30.delay_ms, 0))
        / NULLIF(h.trips - COALESCE(h30.trips, 0), 0) / 60e3 AS driver_avg_delay_30d,
    CASE WHEN d.driver_id IS NOT NULL
        THEN COALESCE(h.trips, 0) - COALESCE(h30.trips, 0)
    END AS driver_completed_count_30d,
    (h.outbound_ms - COALESCE(h60.outbound_ms, 0))
        / NULLIF(h.outbound_trips - COALESCE(h60.outbound_trips, 0), 0) / 60e3 AS driver_typical_outbound_delay_min,
    (fate.failed - COALESCE(fate30.failed, 0))
        / NULLIF(fate.ended - COALESCE(fate30.ended, 0), 0) AS driver_cancellation_rate_30d,
    CAST(c.driver_current_load AS DOUBLE) AS driver_current_load,
    c.driver_hours_worked_today,
    c.is_first_course,
    c.deadhead_km,
    c.deadhead_min,
    c.slack_min,
    c.projected_lateness_min,
    (road.ratio_millionths - COALESCE(road28.ratio_millionths, 0))
        / NULLIF(road.rides - COALESCE(road28.rides, 0), 0) / 1e6 AS traffic_density,
    (road.metres - COALESCE(road28.metres, 0))
        / NULLIF(road.ride_ms - COALESCE(road28.ride_ms, 0), 0) * 3.6e3 AS traffic_speed_kmh,
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
LEFT JOIN driver_now AS h ON h.decision_no = d.decision_no
LEFT JOIN driver_30 AS h30 ON h30.decision_no = d.decision_no
LEFT JOIN driver_60 AS h60 ON h60.decision_no = d.decision_no
LEFT JOIN driver_over AS fate ON fate.decision_no = d.decision_no
LEFT JOIN driver_over_30 AS fate30 ON fate30.decision_no = d.decision_no
LEFT JOIN traffic_now AS road ON road.decision_no = d.decision_no
LEFT JOIN traffic_28 AS road28 ON road28.decision_no = d.decision_no
LEFT JOIN forecast AS w ON w.decision_no = d.decision_no
ORDER BY d.decision_no
