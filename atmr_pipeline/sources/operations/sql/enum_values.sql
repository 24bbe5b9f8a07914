-- Values of the columns whose set of values the pipeline relies on, with their counts.
SELECT 'booking.status' AS column_name, CAST(status AS VARCHAR(40)) AS value, COUNT(*) AS row_count
FROM booking GROUP BY status
UNION ALL
SELECT 'assignment.status' AS column_name, CAST(status AS VARCHAR(40)) AS value, COUNT(*) AS row_count
FROM assignment GROUP BY status
UNION ALL
SELECT 'dispatch_run.status' AS column_name, CAST(status AS VARCHAR(40)) AS value, COUNT(*) AS row_count
FROM dispatch_run GROUP BY status
UNION ALL
SELECT 'driver.driver_type' AS column_name, CAST(driver_type AS VARCHAR(40)) AS value, COUNT(*) AS row_count
FROM driver GROUP BY driver_type
