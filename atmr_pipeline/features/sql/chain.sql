-- The driver's day before each pickup, as planned at the decision: the previous course, the time it leaves, and how late
-- the plan itself makes the pickup when each course is driven at planning speed.
CREATE OR REPLACE TEMP TABLE chain AS
WITH planned AS (
    SELECT
        d.decision_no,
        p.booking_id,
        p.scheduled_ms,
        (p.scheduled_ms, p.booking_id) < (d.scheduled_ms, d.booking_id) AS is_before,
        p.pickup_lat, p.pickup_lon, p.dropoff_lat, p.dropoff_lon, p.planning_speed_kmh, p.ride_ms
    FROM decision AS d
    JOIN duty AS p ON p.driver_id = d.driver_id AND p.service_day = d.service_day
    WHERE p.booking_id <> d.booking_id
        AND p.from_utc <= d.decided_utc
        AND (p.until_utc IS NULL OR p.until_utc > d.decided_utc)
),
load AS (
    SELECT decision_no, COUNT(*) AS courses FROM planned GROUP BY decision_no
),
stop AS (
    SELECT decision_no, booking_id, scheduled_ms, false AS is_target,
        pickup_lat, pickup_lon, dropoff_lat, dropoff_lon, planning_speed_kmh, ride_ms
    FROM planned
    WHERE is_before
    UNION ALL
    SELECT decision_no, booking_id, scheduled_ms, true,
        pickup_lat, pickup_lon, NULL, NULL, planning_speed_kmh, NULL
    FROM decision
    WHERE driver_id IS NOT NULL
),
way AS (
    SELECT
        decision_no, is_target, scheduled_ms,
        lag(scheduled_ms) OVER day AS previous_scheduled_ms,
        lag(ride_ms) OVER day AS previous_ride_ms,
        row_number() OVER day AS place,
        $road_detour * great_circle_km(lag(dropoff_lat) OVER day, lag(dropoff_lon) OVER day, pickup_lat, pickup_lon)
            AS deadhead_km,
        booking_id, planning_speed_kmh
    FROM stop
    WINDOW day AS (PARTITION BY decision_no ORDER BY scheduled_ms, booking_id)
),
step AS (
    -- From one pickup to the next: service, ride, way to the next pickup.
    SELECT
        *,
        CAST(round(deadhead_km / planning_speed_kmh * 3600e3) AS BIGINT) AS deadhead_ms,
        CASE WHEN place > 1 THEN $service_ms + previous_ride_ms + deadhead_ms ELSE 0 END AS step_ms
    FROM way
),
total AS (
    SELECT
        *,
        SUM(step_ms) OVER so_far AS work_ms,
        COUNT(*) FILTER (step_ms IS NULL) OVER so_far AS unknown_steps
    FROM step
    WINDOW so_far AS (PARTITION BY decision_no ORDER BY scheduled_ms, booking_id ROWS UNBOUNDED PRECEDING)
),
projected AS (
    -- Each pickup starts when it is scheduled or when the driver gets there: the largest, over the courses before it, of
    -- that course's time plus all work since.
    SELECT
        *,
        work_ms + MAX(scheduled_ms - work_ms) OVER so_far - scheduled_ms AS lateness_ms
    FROM total
    WINDOW so_far AS (PARTITION BY decision_no ORDER BY scheduled_ms, booking_id ROWS UNBOUNDED PRECEDING)
)
SELECT
    t.decision_no,
    COALESCE(l.courses, 0) AS driver_current_load,
    t.place = 1 AS is_first_course,
    CASE WHEN t.unknown_steps = 0 THEN t.work_ms / 3600e3 END AS driver_hours_worked_today,
    t.deadhead_km,
    t.deadhead_ms / 60e3 AS deadhead_min,
    (t.scheduled_ms - t.previous_scheduled_ms - t.step_ms) / 60e3 AS slack_min,
    CASE WHEN t.unknown_steps = 0 THEN t.lateness_ms / 60e3 END AS projected_lateness_min
FROM projected AS t
LEFT JOIN load AS l USING (decision_no)
WHERE t.is_target;
