-- Assignments that belong to no day: counted over the whole table.
SELECT
    COALESCE(SUM(CASE WHEN b.id IS NULL THEN 1 ELSE 0 END), 0) AS booking_missing,
    COALESCE(SUM(CASE WHEN b.id IS NOT NULL THEN 1 ELSE 0 END), 0) AS scheduled_time_missing
FROM assignment AS a
LEFT JOIN booking AS b ON b.id = a.booking_id
WHERE b.scheduled_time IS NULL
