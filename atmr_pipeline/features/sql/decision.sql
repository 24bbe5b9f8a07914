-- One part of the decisions, with what features need of their bookings.
CREATE OR REPLACE TEMP TABLE decision AS
SELECT
    d.decision_no,
    d.driver_id,
    d.decided_at AT TIME ZONE 'UTC' AS decided_utc,
    date_trunc('hour', l.scheduled_utc) AS pickup_hour_utc,
    epoch_ms(l.scheduled_utc) AS scheduled_ms,
    CAST(date_part('hour', l.scheduled_local) AS INTEGER) AS local_hour,
    date_part('isodow', l.scheduled_local) >= 6 AS is_weekend,
    l.*
FROM decisions AS d
JOIN leg AS l USING (booking_id);
