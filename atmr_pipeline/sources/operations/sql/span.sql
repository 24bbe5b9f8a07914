SELECT MIN(scheduled_time) AS first_time, MAX(scheduled_time) AS last_time FROM booking
