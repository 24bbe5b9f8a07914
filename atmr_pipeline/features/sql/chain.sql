-- The driver's day around each pickup, as planned at the decision: the course before it, the time that leaves, and how
-- late the plan itself makes the pickup when each course is driven at planning speed.
--
-- Decisions taken at one instant on one driver's day share one plan, which is driven once. A booking that is not in that
-- plan (a driver who is only thought of, or whose assignment is gone) makes a plan of its own, with it added.
CREATE OR REPLACE TEMP TABLE planned AS
-- Distinct, here and below: a driver may have a booking by two assignments at once.
SELECT DISTINCT
    d.decision_no,
    d.booking_id,
    d.driver_id,
    d.service_day,
    d.decided_utc,
    CASE WHEN p.booking_id IS NULL THEN d.booking_id END AS added_booking_id
FROM decision AS d
LEFT JOIN duty AS p
    ON p.driver_id = d.driver_id AND p.service_day = d.service_day AND p.booking_id = d.booking_id
    AND p.from_utc <= d.decided_utc AND (p.until_utc IS NULL OR p.until_utc > d.decided_utc)
WHERE d.driver_id IS NOT NULL;

CREATE OR REPLACE TEMP TABLE plan AS
SELECT row_number() OVER () AS plan_no, *
FROM (SELECT DISTINCT driver_id, service_day, decided_utc, added_booking_id FROM planned);

CREATE OR REPLACE TEMP TABLE course AS
WITH stop AS (
    SELECT DISTINCT
        v.plan_no, p.booking_id, p.scheduled_ms, p.pickup_lat, p.pickup_lon, p.dropoff_lat, p.dropoff_lon,
        p.planning_speed_kmh, p.ride_ms
    FROM plan AS v
    JOIN duty AS p ON p.driver_id = v.driver_id AND p.service_day = v.service_day
    WHERE p.from_utc <= v.decided_utc AND (p.until_utc IS NULL OR p.until_utc > v.decided_utc)
    UNION ALL
    SELECT
        v.plan_no, l.booking_id, epoch_ms(l.scheduled_utc), l.pickup_lat, l.pickup_lon, l.dropoff_lat, l.dropoff_lon,
        l.planning_speed_kmh, l.ride_ms
    FROM plan AS v
    JOIN leg AS l ON l.booking_id = v.added_booking_id
),
way AS (
    SELECT
        plan_no, booking_id, scheduled_ms, planning_speed_kmh,
        lag(scheduled_ms) OVER day AS previous_scheduled_ms,
        lag(ride_ms) OVER day AS previous_ride_ms,
        row_number() OVER day AS place,
        COUNT(*) OVER (PARTITION BY plan_no) AS courses,
        $road_detour * great_circle_km(lag(dropoff_lat) OVER day, lag(dropoff_lon) OVER day, pickup_lat, pickup_lon)
            AS deadhead_km
    FROM stop
    WINDOW day AS (PARTITION BY plan_no ORDER BY scheduled_ms, booking_id)
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
        SUM(CAST(step_ms AS DOUBLE)) OVER so_far AS work_ms,
        COUNT(*) FILTER (step_ms IS NULL) OVER so_far AS unknown_steps
    FROM step
    WINDOW so_far AS (PARTITION BY plan_no ORDER BY place ROWS UNBOUNDED PRECEDING)
)
SELECT
    *,
    -- Each pickup starts when it is scheduled or when the driver gets there: the largest, over the courses up to it, of
    -- that course's time plus all work since.
    work_ms + MAX(scheduled_ms - work_ms) OVER so_far - scheduled_ms AS lateness_ms
FROM total
WINDOW so_far AS (PARTITION BY plan_no ORDER BY place ROWS UNBOUNDED PRECEDING);

CREATE OR REPLACE TEMP TABLE chain AS
SELECT
    d.decision_no,
    c.courses - 1 AS driver_current_load,
    c.place = 1 AS is_first_course,
    CASE WHEN c.unknown_steps = 0 THEN c.work_ms / 3600e3 END AS driver_hours_worked_today,
    c.deadhead_km,
    c.deadhead_ms / 60e3 AS deadhead_min,
    (c.scheduled_ms - c.previous_scheduled_ms - c.step_ms) / 60e3 AS slack_min,
    CASE WHEN c.unknown_steps = 0 THEN c.lateness_ms / 60e3 END AS projected_lateness_min
FROM planned AS d
JOIN plan AS v
    ON v.driver_id = d.driver_id AND v.service_day = d.service_day AND v.decided_utc = d.decided_utc
    AND v.added_booking_id IS NOT DISTINCT FROM d.added_booking_id
JOIN course AS c ON c.plan_no = v.plan_no AND c.booking_id = d.booking_id;
