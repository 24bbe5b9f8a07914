-- First and last scheduled pickup that lies in the local days from first_day to before after_day.
SELECT MIN(scheduled_time) AS first_time, MAX(scheduled_time) AS last_time
FROM booking
WHERE scheduled_time >= :first_day AND scheduled_time < :after_day
