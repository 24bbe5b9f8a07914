-- From when to when a booking was in a driver's plan. A driver that is taken off is a new assignment, never an edit, so
-- the row says whose it was. An assignment that ended otherwise than driven left the plan at its last change.
CREATE TEMP TABLE duty AS
SELECT
    a.driver_id,
    l.service_day,
    a.booking_id,
    MIN(a.created_at AT TIME ZONE 'UTC') AS from_utc,
    -- NULL: still in the plan. One that was given back and taken again counts as there in between.
    CASE
        WHEN bool_or(a.status NOT IN ('CANCELLED', 'NO_SHOW', 'REASSIGNED')) THEN ANY_VALUE(l.cancelled_utc)
        ELSE least(MAX(a.updated_at AT TIME ZONE 'UTC'), ANY_VALUE(l.cancelled_utc))
    END AS until_utc,
    ANY_VALUE(epoch_ms(l.scheduled_utc)) AS scheduled_ms,
    ANY_VALUE(l.pickup_lat) AS pickup_lat,
    ANY_VALUE(l.pickup_lon) AS pickup_lon,
    ANY_VALUE(l.dropoff_lat) AS dropoff_lat,
    ANY_VALUE(l.dropoff_lon) AS dropoff_lon,
    ANY_VALUE(l.planning_speed_kmh) AS planning_speed_kmh,
    ANY_VALUE(l.ride_ms) AS ride_ms
FROM assignments AS a
JOIN leg AS l USING (booking_id)
WHERE a.driver_id IS NOT NULL AND l.scheduled_utc IS NOT NULL
GROUP BY a.driver_id, l.service_day, a.booking_id;
