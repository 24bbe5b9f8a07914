-- Assignments of the bookings whose scheduled pickup falls in the local days from first_day to before after_day.
SELECT
    a.id AS assignment_id,
    a.booking_id AS booking_id,
    a.driver_id AS driver_id,
    a.dispatch_run_id AS dispatch_run_id,
    b.scheduled_time AS scheduled_time,
    CAST(a.status AS VARCHAR(40)) AS status,
    a.planned_pickup_at AS planned_pickup_at,
    a.planned_dropoff_at AS planned_dropoff_at,
    a.actual_pickup_at AS actual_pickup_at,
    a.actual_dropoff_at AS actual_dropoff_at,
    a.created_at AS created_at,
    COALESCE(a.updated_at, a.created_at) AS updated_at
FROM assignment AS a
JOIN booking AS b ON b.id = a.booking_id
WHERE b.scheduled_time >= :first_day AND b.scheduled_time < :after_day
ORDER BY b.scheduled_time, a.id
