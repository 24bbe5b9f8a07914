-- Trips that were driven. A trip is known from its actual drop-off on. Cancelled and reassigned ones are nobody's trip.
CREATE TEMP TABLE trip AS
SELECT
    a.driver_id,
    a.actual_dropoff_at AT TIME ZONE 'UTC' AS known_utc,
    CAST(epoch_ms(a.actual_dropoff_at) - epoch_ms(a.actual_pickup_at) AS DOUBLE) AS ride_ms,
    -- Half a day is a wrong date in the source, not a late driver.
    CASE
        WHEN abs(epoch_ms(a.actual_pickup_at) - epoch_ms(l.scheduled_utc)) <= $implausible_delay_h * 3600000
        THEN CAST(epoch_ms(a.actual_pickup_at) - epoch_ms(l.scheduled_utc) AS DOUBLE)
    END AS delay_ms,
    NOT l.is_return AND NOT l.is_urgent AS is_plain_outbound,
    CAST(date_part('hour', a.actual_pickup_at AT TIME ZONE 'Europe/Zurich') AS INTEGER) AS local_hour,
    date_part('isodow', a.actual_pickup_at AT TIME ZONE 'Europe/Zurich') >= 6 AS is_weekend,
    l.leg_km
FROM assignments AS a
JOIN leg AS l USING (booking_id)
WHERE a.status NOT IN ('CANCELLED', 'NO_SHOW', 'REASSIGNED')
    AND a.actual_pickup_at IS NOT NULL
    AND a.actual_dropoff_at > a.actual_pickup_at;
