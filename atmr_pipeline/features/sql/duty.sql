-- From when to when a booking was in a driver's plan. A driver that is taken off is a new assignment, never an edit, so
-- the row says whose it was. An assignment that ended otherwise than driven left the plan at its last change. A booking
-- that was given back and taken again is two rows: what came later says nothing of a decision in between.
CREATE TEMP TABLE duty AS
SELECT
    a.driver_id,
    l.service_day,
    a.booking_id,
    a.created_at AT TIME ZONE 'UTC' AS from_utc,
    -- NULL: still in the plan.
    CASE
        WHEN a.status NOT IN ('CANCELLED', 'NO_SHOW', 'REASSIGNED') THEN l.cancelled_utc
        ELSE least(a.updated_at AT TIME ZONE 'UTC', l.cancelled_utc)
    END AS until_utc,
    epoch_ms(l.scheduled_utc) AS scheduled_ms,
    l.pickup_lat,
    l.pickup_lon,
    l.dropoff_lat,
    l.dropoff_lon,
    l.planning_speed_kmh,
    l.ride_ms
FROM assignments AS a
JOIN leg AS l USING (booking_id)
WHERE a.driver_id IS NOT NULL AND l.scheduled_utc IS NOT NULL;
