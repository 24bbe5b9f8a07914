-- Assignments that belong to no day, because their booking is missing or belongs to none.
SELECT
    COUNT(*) - COUNT(b.id) AS booking_missing,
    COUNT(b.id) - COUNT(b.scheduled_time) AS scheduled_time_missing,
    COUNT(b.scheduled_time) AS scheduled_time_out_of_range
FROM assignment AS a
LEFT JOIN booking AS b ON b.id = a.booking_id
WHERE b.scheduled_time IS NULL OR b.scheduled_time < :first_day OR b.scheduled_time >= :after_day
