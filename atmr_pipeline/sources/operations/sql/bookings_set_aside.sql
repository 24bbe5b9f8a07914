-- Bookings that belong to no day: without a scheduled time, or with one before first_day or from after_day on.
SELECT
    COUNT(*) - COUNT(scheduled_time) AS scheduled_time_missing,
    COUNT(scheduled_time) AS scheduled_time_out_of_range
FROM booking
WHERE scheduled_time IS NULL OR scheduled_time < :first_day OR scheduled_time >= :after_day
