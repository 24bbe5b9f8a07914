-- A booking without a scheduled time belongs to no day: counted over the whole table.
SELECT COUNT(*) AS scheduled_time_missing FROM booking WHERE scheduled_time IS NULL
