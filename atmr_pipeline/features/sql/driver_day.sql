-- How many of a driver's assignments of a service day came to nothing, with the running totals. Only ended days are
-- asked for: during the day a cancellation is not told from one that is still to come.
CREATE TEMP TABLE driver_day AS
SELECT
    a.driver_id,
    l.service_day,
    SUM(CAST(COUNT(*) FILTER (a.status IN ('CANCELLED', 'NO_SHOW') OR l.cancelled_utc IS NOT NULL) AS BIGINT))
        OVER so_far AS failed,
    SUM(CAST(COUNT(*) AS BIGINT)) OVER so_far AS assigned
FROM assignments AS a
JOIN leg AS l USING (booking_id)
WHERE a.driver_id IS NOT NULL AND a.status <> 'REASSIGNED'
GROUP BY a.driver_id, l.service_day
WINDOW so_far AS (PARTITION BY a.driver_id ORDER BY l.service_day);
