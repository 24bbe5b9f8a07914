-- Running totals of a driver's assignments that have come to their end, by when that was known: driven ones at the
-- drop-off, the others when they were called off or marked as such.
CREATE TEMP TABLE driver_end AS
WITH ended AS (
    SELECT
        a.driver_id,
        a.status IN ('CANCELLED', 'NO_SHOW') OR l.cancelled_utc IS NOT NULL AS has_failed,
        CASE
            WHEN a.status IN ('CANCELLED', 'NO_SHOW') THEN least(a.updated_at AT TIME ZONE 'UTC', l.cancelled_utc)
            ELSE COALESCE(l.cancelled_utc, a.actual_dropoff_at AT TIME ZONE 'UTC')
        END AS known_utc
    FROM assignments AS a
    JOIN leg AS l USING (booking_id)
    WHERE a.driver_id IS NOT NULL
        -- Taken off after the booking was called off: the driver had it when it ended.
        AND (a.status <> 'REASSIGNED' OR l.cancelled_utc <= a.updated_at AT TIME ZONE 'UTC')
)
SELECT
    driver_id,
    known_utc,
    SUM(CAST(has_failed AS DOUBLE)) OVER so_far AS failed,
    CAST(COUNT(*) OVER so_far AS DOUBLE) AS ended
FROM ended
WHERE known_utc IS NOT NULL
WINDOW so_far AS (PARTITION BY driver_id ORDER BY known_utc);
